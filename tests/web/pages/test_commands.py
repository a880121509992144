"""The commands view in a real browser: modes, phrases, and their results."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
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
    wait_for,
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


def saying(text: str, confidence: float) -> type[CountingStream]:
    """Return a stream that hears this text in every utterance."""

    class SayingStream(CountingStream):
        async def hypotheses(self) -> AsyncIterator[Hypothesis]:
            async for hypothesis in super().hypotheses():
                if hypothesis.is_final:
                    words = tuple(Word(word, 0, 4_000, confidence) for word in text.split())
                    yield replace(hypothesis, alternatives=(Alternative(words, confidence),))

    return SayingStream


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def saying_server() -> AsyncIterator[tuple[RunningServer, ScriptedRecognizer]]:
    """A server whose recognizer hears what a test lets it hear."""
    recognizer = ScriptedRecognizer()
    async with running(Settings(port=0), recognizer) as server:
        yield server, recognizer


async def write_list(page: Page, written: str) -> None:
    """Write the list of phrases, and wait until it is listened for."""
    await page.get_by_role("textbox", name="My phrases").fill(written)
    await expect(page.locator("#tiles li")).to_have_text(written.split("\n"))


async def test_a_list_with_alternatives_and_slots_is_recognized(
    speaking_browser: Browser, microphone: Microphone, saying_server: tuple[RunningServer, ScriptedRecognizer]
) -> None:
    server, recognizer = saying_server
    microphone.hears("yes.wav")
    recognizer.script[:] = [saying("turn off the fan call 5550123", 0.9)]
    async with opened(speaking_browser, url(server)) as page:
        patterns = "turn {on,off} the {lamp,fan}\ncall {digits:7}\n{letters:5}"
        await write_list(page, patterns)
        await start(page)
        # Both of a row are done, in their order.
        await expect(page.locator("#result")).to_have_text("turn off the fan · call 5550123 90% sure")
        opened_with = recognizer.streams[-1].options
        assert opened_with.closed_vocabulary
        assert list(opened_with.phrases) == patterns.split("\n")
        await wait_for(page, "lit.length >= 2")
        # A tile goes out again; what was said stays to be read.
        await expect(page.locator("#tiles [aria-current]")).to_have_count(0)
        await expect(page.locator("#tiles .lit")).to_have_count(0)
        await expect(page.locator("#tiles li").first).to_have_text("turn {on,off} the {lamp,fan}")
        await expect(page.locator("#result")).to_contain_text("call 5550123")
        await keep_screenshot(page, "commands-patterns")
        assert await violations(page) == []


async def test_what_is_less_sure_than_the_threshold_is_explained_and_not_done(
    speaking_browser: Browser, microphone: Microphone, saying_server: tuple[RunningServer, ScriptedRecognizer]
) -> None:
    server, recognizer = saying_server
    microphone.hears(*["yes.wav"] * 60, pause_seconds=1)
    recognizer.script[:] = [saying("lights out", 0.4)]
    async with opened(speaking_browser, url(server)) as page:
        await write_list(page, "lights out\nstop")
        threshold = page.get_by_role("slider", name="Act when it is this sure")
        await expect(threshold).to_have_value("50")
        await expect(page.locator("#thresholdWhy")).to_contain_text("of 67 other sentences none")
        await start(page)
        await expect(page.locator("#result")).to_have_text("Perhaps “lights out”: 40% sure, and it takes 50%.")
        assert await page.evaluate("lit") == []
        await threshold.fill("40")
        await expect(page.locator("#thresholdValue")).to_have_text("40%")
        await expect_match(page, "lights out", other="stop")
        await stop(page)
        await page.reload()
        await expect(threshold).to_have_value("40")


async def test_speech_beside_the_list_is_explained(
    speaking_browser: Browser, microphone: Microphone, saying_server: tuple[RunningServer, ScriptedRecognizer]
) -> None:
    server, recognizer = saying_server
    microphone.hears(*["yes.wav"] * 60, pause_seconds=1)
    recognizer.script[:] = [saying("", 0.0)]
    async with opened(speaking_browser, url(server)) as page:
        await write_list(page, "turn {on,off} the light\nstop")
        await start(page)
        # A closed vocabulary has no words for other speech.
        await expect(page.locator("#result")).to_have_text("No phrase matches.")
        recognizer.script[:] = [saying("please turn on the radio", 0.9)]
        await page.get_by_label("Nothing else is said").uncheck()
        await expect(page.locator("#result")).to_have_text(
            "please turn on the radio No phrase matches. The nearest is “turn on the light”; not heard: light."
        )
        hints = recognizer.streams[-1].options.phrases
        assert list(hints) == ["turn on the light", "turn off the light", "stop"]
        await stop(page)


async def test_a_list_can_be_shared_by_its_address(speaking_browser: Browser, counting_server: RunningServer) -> None:
    written = "Licht {an,aus}\nچراغ را روشن کن\n100 % & more = #1"
    async with opened(speaking_browser, url(counting_server)) as page:
        await page.context.grant_permissions(["clipboard-read", "clipboard-write", "microphone"])
        await write_list(page, written)
        await page.get_by_role("slider").fill("65")
        await page.get_by_label("Nothing else is said").uncheck()
        await page.get_by_role("button", name="Copy the address of this list").click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        address: str = await page.evaluate("navigator.clipboard.readText()")
    # The list is behind the #, which is sent to no server.
    assert address.startswith(f"{url(counting_server)}#list=")
    async with opened(speaking_browser, address) as page:
        await expect(page.get_by_role("textbox", name="My phrases")).to_have_value(written)
        await expect(page.get_by_role("slider")).to_have_value("65")
        await expect(page.get_by_label("Nothing else is said")).not_to_be_checked()
        await expect(page.locator("#shared")).to_be_visible()
        # The visitor's own list stays as it is until this one is changed.
        assert await page.evaluate("localStorage.getItem('niyosha.phrases')") is None
        await write_list(page, "stop")
        await expect(page.locator("#shared")).to_be_hidden()
        await expect(page).to_have_url(url(counting_server))
        await page.reload()
        await expect(page.locator("#tiles li")).to_have_text(["stop"])


@pytest.mark.parametrize("fragment", ["#list=", "#least=x&list=stop", "#list=stop&least=1e9", "#%E0%A4%A", "#list={"])
async def test_an_odd_address_breaks_nothing(
    speaking_browser: Browser, counting_server: RunningServer, fragment: str
) -> None:
    async with opened(speaking_browser, url(counting_server) + fragment) as page:
        await expect(page.get_by_role("slider")).to_have_value("95" if "1e9" in fragment else "50")
        await expect_state(page, "Ready")


async def test_first_commands_are_written_over_the_examples(
    speaking_browser: Browser, counting_server: RunningServer
) -> None:
    async with opened(speaking_browser, url(counting_server)) as page:
        await page.get_by_role("button", name="These are examples. Write your own commands").click()
        await page.keyboard.type("lamp")
        await expect(page.locator("#tiles li")).to_have_text(["lamp"])
        await expect(page.locator("#examples")).to_be_hidden()


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
        await expect(result).to_have_text("No phrase matches.")
        await page.get_by_label("Nothing else is said").uncheck()
        # Other speech is written as it is.
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
        await wait_for(page, "lit.some((text) => text.startsWith('w1 w2'))")


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
        assert [config["vocabulary"] for config in configs if "vocabulary" in config][-1] == "open"


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
        await field.fill("open\nturn {on")
        await expect(problem).to_contain_text("The braces of line 2 mean nothing.")
        await expect(page.locator("#tiles li")).to_have_text(["open"])
        await field.fill("a {1,2,3,4,5,6,7,8,9,10} {1,2,3,4,5,6,7,8,9,10} {1,2,3,4,5,6}")
        await expect(problem).to_contain_text("these are more than 500 phrases")
        await field.fill("open")
        await expect(problem).to_be_empty()
        await expect(field).to_have_attribute("aria-invalid", "false")


async def test_the_keyboard_is_enough(speaking_browser: Browser, counting_server: RunningServer) -> None:
    async with opened(speaking_browser, url(counting_server)) as page:
        await expect(page.get_by_role("button", name="Start listening")).to_be_focused()
        # Past the choices and the address of the list.
        for _ in range(4):
            await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("ControlOrMeta+A")
        await page.keyboard.type("w1 w2")
        await expect(page.locator("#tiles li")).to_have_text(["w1 w2"])
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("radio", name="Yes or no")).to_be_checked()
        await expect(page.locator("#tiles li")).to_have_text(["Yes", "No"])
        await page.keyboard.press("ArrowLeft")
        for _ in range(5):
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("#unsettled")).to_contain_text("w1 w2")
        await page.keyboard.press("Space")
        await expect_state(page, "Ready")
        await wait_for(page, "lit.some((text) => text.startsWith('w1 w2'))")


@pytest.mark.parametrize("language", tiered(["fa-IR"], ["en-US", "fa-IR"]))
async def test_the_view_fits_a_phone(speaking_browser: Browser, counting_server: RunningServer, language: str) -> None:
    async with opened(speaking_browser, url(counting_server), viewport=PHONE, locale=language) as page:
        await page.locator("#phrases").fill("w1 w2\nturn on the light\nچراغ را روشن کن\nvolume up")
        await page.locator("#listen").click()
        await expect(page.locator("#unsettled")).to_contain_text("w1 w2")
        await page.locator("#listen").click()
        await wait_for(page, "lit.some((text) => text.startsWith('w1 w2'))")
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
          const none = "commands.noPhrase";
          for (let n = 1; n <= 12; n += 1) past.add({ transcript: `said ${n}`, score: 0, threshold: 0.5, none });
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
