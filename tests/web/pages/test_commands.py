"""The commands view in a real browser: modes, phrases, and their results."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, Page, WebSocket, expect

from stream.session.events import Alternative, Hypothesis, Word
from stream.vocabulary.vocabularies import vocabulary
from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.support.tiers import tiered
from tests.web.pages.accessibility import violations
from tests.web.pages.browser import (
    Microphone,
    expect_match,
    expect_state,
    keep_screenshot,
    opened,
    start,
    stop,
)
from web.process.serve import RunningServer, running
from web.settings.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="session")

LANGUAGES = ["en", "fa", "ar", "de", "es", "fr", "it", "pt", "ru", "tr"]
OPPOSITES = ["no", "نه", "لا", "nein", "no", "non", "no", "não", "нет", "hayır"]
PHONE = {"width": 390, "height": 844}


class AgreeingStream(CountingStream):
    """Hears "Yes." in every utterance, and writes it as the vocabulary does where there is one."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        async for hypothesis in super().hypotheses():
            if hypothesis.is_final:
                word = Word("yes" if self.options.closed_vocabulary else "Yes.", 0, 4_000, 0.9)
                yield replace(hypothesis, alternatives=(Alternative((word,), 0.9),))


def url(server: RunningServer) -> str:
    return f"{server.url}/commands"


async def choose(page: Page, mode: str) -> None:
    await page.get_by_role("radio", name=mode).check()


async def test_mode_and_phrases_change_in_the_midst_of_a_session(
    speaking_browser: Browser, microphone: Microphone
) -> None:
    recognizer = ScriptedRecognizer(script=[AgreeingStream])
    microphone.hears(*["yes.wav"] * 60, pause_seconds=1)
    async with (
        running(Settings(port=0), recognizer) as server,
        opened(speaking_browser, url(server)) as page,
    ):
        urls: list[str] = []
        page.on("websocket", lambda socket: urls.append(socket.url))
        result = page.locator("#result")
        await start(page)
        await expect(result).to_have_text(re.compile(r"^Yes\. No phrase matches\.$"))
        await expect(page.locator("#tiles [aria-current]")).to_have_count(0)
        await choose(page, "Yes or no")
        await expect_match(page, "Yes", other="No")
        # As the vocabulary writes it: the recognizer knows of the mode as well.
        await expect(page.locator("#history .transcript").first).to_have_text("yes")
        await choose(page, "Numbers")
        await expect(result).to_contain_text("That was no number.")
        await choose(page, "My phrases")
        await page.get_by_role("textbox", name="My phrases").fill("yes\nno way")
        await expect_match(page, "yes", other="no way")
        await expect_state(page, "Listening")
        assert len(urls) == 1


async def test_what_is_being_said_hints_at_a_tile(speaking_browser: Browser, counting_server: RunningServer) -> None:
    async with opened(speaking_browser, url(counting_server)) as page:
        await page.get_by_role("textbox", name="My phrases").fill("w1 w2\nw9 w8")
        await start(page)
        await expect(page.locator("#unsettled")).to_contain_text("w1 w2")
        await expect(page.locator("#tiles .candidate")).to_have_text("w1 w2")
        await stop(page)
        await expect(page.locator("#tiles .candidate")).to_have_count(0)
        await expect(page.locator("#tiles [aria-current='true']")).to_contain_text("w1 w2")


async def test_what_is_said_to_the_server(speaking_browser: Browser, counting_server: RunningServer) -> None:
    async with opened(speaking_browser, url(counting_server)) as page:
        urls: list[str] = []
        texts: list[str] = []

        def follow(socket: WebSocket) -> None:
            urls.append(socket.url)
            socket.on("framesent", lambda payload: texts.append(payload) if isinstance(payload, str) else None)

        page.on("websocket", follow)
        await page.evaluate("localStorage.setItem('niyosha.settings', JSON.stringify({languageCode: 'en-GB'}))")
        await page.get_by_role("textbox", name="My phrases").fill("one\n\n  two   words \nOne.")
        await start(page)
        await expect_state(page, "Listening")
        await choose(page, "Yes or no")
        await stop(page)
        asked = parse_qs(urlsplit(urls[0]).query)
        assert asked["asrModel"] == ["command_and_search"]
        assert asked["languageCode"] == ["en-GB"]
        configs = [json.loads(text)["config"] for text in texts if '"config"' in text]
        assert [config["phrases"] for config in configs if "phrases" in config] == [["one", "two words"], []]
        assert [config["languageModel"] for config in configs if "languageModel" in config] == ["yesno"]


async def test_phrases_are_kept(speaking_browser: Browser, counting_server: RunningServer) -> None:
    async with opened(speaking_browser, url(counting_server)) as page:
        await expect(page.locator("#tiles li").first).to_have_text("turn on the light")
        await page.get_by_role("button", name="فارسی").click()
        await expect(page.locator("#tiles li").first).to_have_text("چراغ را روشن کن")
        await page.locator("#phrases").fill("باز شو")
        await page.reload()
        await expect(page.locator("#phrases")).to_have_value("باز شو")
        await expect(page.locator("#tiles li")).to_have_text(["باز شو"])
        await page.get_by_role("button", name="English").click()
        await expect(page.locator("#tiles li")).to_have_text(["باز شو"])


async def test_what_the_server_would_not_take_is_told(
    speaking_browser: Browser, counting_server: RunningServer
) -> None:
    async with opened(speaking_browser, url(counting_server)) as page:
        field = page.get_by_role("textbox", name="My phrases")
        problem = page.locator("#problem")
        await field.fill("open\n" + "چ" * 101 + "\n" + "\N{GRINNING FACE}a" * 50)
        await expect(problem).to_have_text("Line 2 has 101 characters, and 100 is the most. It is not listened for.")
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(page.locator("#tiles li")).to_have_count(2)
        assert await violations(page) == []
        await field.fill("\n".join(f"phrase {number}" for number in range(501)))
        await expect(problem).to_have_text("These are 501 phrases; only the first 500 are listened for.")
        await expect(page.locator("#tiles li")).to_have_count(500)
        await field.fill("open")
        await expect(problem).to_be_empty()
        await expect(field).to_have_attribute("aria-invalid", "false")


async def test_the_keyboard_is_enough(speaking_browser: Browser, counting_server: RunningServer) -> None:
    async with opened(speaking_browser, url(counting_server)) as page:
        await expect(page.get_by_role("button", name="Start listening")).to_be_focused()
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("ControlOrMeta+A")
        await page.keyboard.type("w1 w2")
        await expect(page.locator("#tiles li")).to_have_text(["w1 w2"])
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("radio", name="Yes or no")).to_be_checked()
        await expect(page.locator("#tiles li")).to_have_text(["Yes", "No"])
        await page.keyboard.press("ArrowLeft")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("#unsettled")).to_contain_text("w1 w2")
        await page.keyboard.press("Space")
        await expect_state(page, "Ready")
        await expect(page.locator("#tiles [aria-current='true']")).to_contain_text("w1 w2")


@pytest.mark.parametrize("language", tiered(["fa-IR"], ["en-US", "fa-IR"]))
async def test_the_view_fits_a_phone(speaking_browser: Browser, counting_server: RunningServer, language: str) -> None:
    async with opened(speaking_browser, url(counting_server), viewport=PHONE, locale=language) as page:
        await page.locator("#phrases").fill("w1 w2\nturn on the light\nچراغ را روشن کن\nvolume up")
        await page.locator("#listen").click()
        await expect(page.locator("#unsettled")).to_contain_text("w1 w2")
        await page.locator("#listen").click()
        await expect(page.locator("#tiles [aria-current='true']")).to_contain_text("w1 w2")
        await expect(page.locator("body")).to_have_attribute("data-state", "idle")
        await page.evaluate("scrollTo(0, 0)")
        await keep_screenshot(page, "commands-phone" if language == "en-US" else "commands-phone-fa")
        await page.locator("#phrases").fill("w" * 60)
        for mode in ["yesno", "numbers", "phrases"]:
            await page.locator(f"[value={mode}]").check()
            assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
            assert await violations(page) == []


async def test_only_the_last_ten_are_kept(speaking_browser: Browser, counting_server: RunningServer) -> None:
    async with opened(speaking_browser, url(counting_server)) as page:
        await page.evaluate("""async () => {
          const { History } = await import("/static/page/commands/history.js");
          const past = new History(document.getElementById("history"));
          for (let n = 1; n <= 12; n += 1) past.add({ transcript: `said ${n}`, score: 0, none: "commands.noPhrase" });
        }""")
        texts = await page.locator("#history li .transcript").all_text_contents()
        assert texts == [f"said {number}" for number in range(12, 2, -1)]


async def test_the_page_knows_all_that_the_server_expects_for_yes_and_no(
    speaking_browser: Browser, counting_server: RunningServer
) -> None:
    words = {language: vocabulary("yesno", language) for language in LANGUAGES}
    async with opened(speaking_browser, url(counting_server)) as page:
        answers: dict[str, list[bool | None]] = await page.evaluate(
            """async (words) => {
              const { answerIn } = await import("/static/page/commands/answers.js");
              const answer = (transcript) => answerIn({ transcript })?.isYes ?? null;
              return Object.fromEntries(Object.entries(words).map(([language, some]) => [language, some.map(answer)]));
            }""",
            words,
        )
    for language, opposite in zip(LANGUAGES, OPPOSITES, strict=True):
        # Each list has first what means yes, then what means no.
        agreeing = words[language].index(opposite)
        assert answers[language] == [n < agreeing for n in range(len(words[language]))]
