"""The commands view in a real browser: what a clip says lights up its tile; the engine is the real one."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, Page, Playwright, WebSocket, expect

from stream.vocabularies import vocabulary
from tests.web.pages.accessibility import violations
from tests.web.pages.browser import (
    CLIPS,
    QUICK,
    expect_state,
    keep_screenshot,
    launched,
    opened,
    speaking,
    start,
    stop,
)
from web.serve import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

LANGUAGES = ["en", "fa", "ar", "de", "es", "fr", "it", "pt", "ru", "tr"]
OPPOSITES = ["no", "نه", "لا", "nein", "no", "non", "no", "não", "нет", "hayır"]
PHONE = {"width": 390, "height": 844}


def url(server: RunningServer) -> str:
    return f"{server.url}/commands"


async def choose(page: Page, mode: str) -> None:
    await page.get_by_role("radio", name=mode).check()


async def expect_match(page: Page, label: str, *, other: str) -> None:
    """One tile is lit, with a confidence; the others are not."""
    tiles = page.get_by_role("list", name="What can be said").get_by_role("listitem")
    match = page.locator("#tiles [aria-current='true']")
    await expect(match).to_have_text(re.compile(rf"^{label}✓ [1-9]\d?\d?%$"))
    await expect(match).to_have_class(re.compile("lit"))
    await expect(tiles.filter(has_text=other)).to_have_text(other)
    await expect(page.locator("#result")).to_contain_text(re.compile(rf"^{label} [1-9]\d?\d?% sure"))


async def test_a_spoken_phrase_lights_up_its_tile(speaking_browser: Browser, engine_server: RunningServer) -> None:
    async with opened(speaking_browser, url(engine_server), reduced_motion="reduce") as page:
        await page.get_by_role("textbox", name="My phrases").fill("sleeping cat\nLazy dog!\nچراغ را روشن کن")
        await expect(page.locator("#tiles li")).to_have_text(["sleeping cat", "Lazy dog!", "چراغ را روشن کن"])
        await start(page)
        await expect_match(page, "Lazy dog!", other="sleeping cat")
        await keep_screenshot(page, "commands")
        last = page.locator("#history li")
        await expect(last).to_contain_text(QUICK)
        await expect(last).to_contain_text(re.compile(r"Lazy dog! [1-9]\d?\d?% sure after \d+\.\d s$"))
        await expect(page.locator("#unsettled")).to_be_empty()
        await expect(page.locator(".lit")).to_have_count(0)
        await expect(page.locator("[aria-current='true']", has_text="Lazy dog!")).to_be_visible()
        assert await violations(page) == []


async def test_yes_lights_up_yes(playwright: Playwright, engine_server: RunningServer, tmp_path: Path) -> None:
    async with (
        launched(playwright, *speaking(CLIPS / "yes.wav", tmp_path)) as browser,
        opened(browser, url(engine_server), color_scheme="dark", reduced_motion="reduce") as page,
    ):
        await choose(page, "Yes or no")
        await expect(page.get_by_role("textbox", name="My phrases")).to_be_hidden()
        await start(page)
        await expect_match(page, "Yes", other="No")
        await keep_screenshot(page, "commands-yesno")
        assert await violations(page) == []


async def test_what_is_neither_yes_nor_no_is_told(speaking_browser: Browser, engine_server: RunningServer) -> None:
    async with opened(speaking_browser, url(engine_server)) as page:
        await choose(page, "Yes or no")
        await start(page)
        # The engine's nearest word is "no"; nobody said it.
        await expect(page.locator("#result")).to_have_text("That was neither yes nor no.")
        await expect(page.locator("#tiles [aria-current]")).to_have_count(0)
        await expect(page.locator("#history li")).to_contain_text(re.compile(r"^ ?That was neither"))


async def test_a_spoken_number_is_shown_in_words_and_digits(
    playwright: Playwright, engine_server: RunningServer, tmp_path: Path
) -> None:
    async with (
        launched(playwright, *speaking(CLIPS / "closed" / "17.wav", tmp_path)) as browser,
        opened(browser, url(engine_server)) as page,
    ):
        await choose(page, "Numbers")
        await start(page)
        await expect(page.locator("#tiles [aria-current='true']")).to_contain_text("312")
        await keep_screenshot(page, "commands-numbers")
        await expect(page.locator("#result")).to_contain_text("three hundred and twelve")
        await expect(page.locator("#result")).to_contain_text("312")


async def test_mode_and_phrases_change_in_the_midst_of_a_session(
    playwright: Playwright, engine_server: RunningServer, tmp_path: Path
) -> None:
    async with (
        launched(playwright, *speaking(CLIPS / "yes.wav", tmp_path, again=True)) as browser,
        opened(browser, url(engine_server)) as page,
    ):
        urls: list[str] = []
        page.on("websocket", lambda socket: urls.append(socket.url))
        result = page.locator("#result")
        await start(page)
        await expect(result).to_have_text(re.compile(r"^Yes\W? No phrase matches\.$"))
        await expect(page.locator("#tiles [aria-current]")).to_have_count(0)
        await choose(page, "Yes or no")
        await expect_match(page, "Yes", other="No")
        # As the vocabulary writes it: the recognizer knows of the mode as well.
        await expect(page.locator("#history .heard").first).to_have_text("yes")
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
        await page.evaluate("localStorage.setItem('shenava.settings', JSON.stringify({languageCode: 'en-GB'}))")
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


@pytest.mark.parametrize("language", ["en-US", "fa-IR"])
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
          const { History } = await import("/static/history.js");
          const past = new History(document.getElementById("history"));
          for (let n = 1; n <= 12; n += 1) past.add({ heard: `said ${n}`, score: 0, none: "commands.noPhrase" });
        }""")
        texts = await page.locator("#history li .heard").all_text_contents()
        assert texts == [f"said {number}" for number in range(12, 2, -1)]


async def test_the_page_knows_all_that_the_server_expects_for_yes_and_no(
    speaking_browser: Browser, counting_server: RunningServer
) -> None:
    words = {language: vocabulary("yesno", language) for language in LANGUAGES}
    async with opened(speaking_browser, url(counting_server)) as page:
        answers: dict[str, list[bool | None]] = await page.evaluate(
            """async (words) => {
              const { answerIn } = await import("/static/answers.js");
              const answer = (transcript) => answerIn({ transcript })?.isYes ?? null;
              return Object.fromEntries(Object.entries(words).map(([language, some]) => [language, some.map(answer)]));
            }""",
            words,
        )
    for language, opposite in zip(LANGUAGES, OPPOSITES, strict=True):
        # Each list has first what means yes, then what means no.
        agreeing = words[language].index(opposite)
        assert answers[language] == [n < agreeing for n in range(len(words[language]))]
