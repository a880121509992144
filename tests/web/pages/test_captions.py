"""The captions view in a real browser: what it shows of other tabs and of its own microphone, and how it looks."""

import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Playwright, expect

from tests.support.recognizers import ScriptedRecognizer
from tests.support.tiers import tiered
from tests.web.pages.accessibility import violations
from tests.web.pages.browser import (
    Microphone,
    expect_state,
    keep_screenshot,
    launched,
    opened,
    start,
    stop,
    track_states,
    wait_for,
)
from web.process.serve import RunningServer, running
from web.settings.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENGLISH = "The boats left the harbour before nine and nobody saw them again that night, not even the lighthouse keeper."
PERSIAN = "قایق‌های ماهیگیری پیش از ساعت نه از بندر بیرون رفتند و آن شب دیگر کسی آن‌ها را ندید"
# How many rows of text are, at least by half, where they can be seen, and whether the last row is among them.
VISIBLE_ROWS = """() => {
  const box = document.querySelector("#captions").getBoundingClientRect();
  const rects = [...document.querySelectorAll(".word")].flatMap((word) => [...word.getClientRects()]);
  const middles = rects.map(({ top, bottom }) => Math.round((top + bottom) / 2));
  const seen = new Set(middles.filter((middle) => middle > box.top && middle < box.bottom));
  return { rows: seen.size, last: seen.has(Math.max(...middles)) };
}"""

OVERFLOWS = "document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def recognizer() -> ScriptedRecognizer:
    return ScriptedRecognizer(languages=("en-US", "fa-IR"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(recognizer: ScriptedRecognizer) -> AsyncIterator[RunningServer]:
    async with running(Settings(port=0), recognizer) as server:
        yield server


class Speaker:
    """A tab beside the captions that tells what it hears, as the dictation view does."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def send(self, transcript: str, number: int = 1, *, stable: int = 0, is_final: bool = False) -> None:
        utterance = {"number": number, "transcript": transcript, "stableWords": stable, "isFinal": is_final}
        await self._page.evaluate("(utterance) => broadcaster.show(utterance)", utterance)

    async def call(self, method: str) -> None:
        await self._page.evaluate("(method) => broadcaster[method]()", method)


async def speaker_beside(page: Page, server: RunningServer) -> Speaker:
    tab = await page.context.new_page()
    await tab.goto(f"{server.url}/docs")
    script = "async () => { window.broadcaster = new (await import('/static/page/broadcast.js')).Broadcaster() }"
    await tab.evaluate(script)
    return Speaker(tab)


@asynccontextmanager
async def captions(
    browser: Browser, server: RunningServer, query: str = "", **profile: Any
) -> AsyncIterator[tuple[Page, Speaker]]:
    async with opened(browser, f"{server.url}/captions{query}", **profile) as page:
        speaker = await speaker_beside(page, server)
        await page.bring_to_front()
        yield page, speaker


def lines(page: Page) -> Locator:
    return page.locator("#captions p")


async def watch(page: Page) -> None:
    """Let the page remember in `shown` each text that its two lines have from now on."""
    await page.evaluate("""() => {
      const box = document.querySelector("#captions");
      window.shown = [];
      new MutationObserver(() => window.shown.push(box.innerText.trim()))
        .observe(box, { childList: true, characterData: true, subtree: true });
    }""")


async def evaluated(page: Page, script: str) -> Any:
    return await page.evaluate(script)


async def at_rest(page: Page) -> None:
    """Wait until everything that moves has come to rest."""
    await wait_for(page, "document.getAnimations().every(({ playState }) => playState === 'finished')")


def first_pixel(png: bytes) -> tuple[int, ...]:
    """Red, green and blue of the upper left corner, and its opacity if the picture has any transparency."""
    at, data, channels = 8, b"", 0
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            channels = {2: 3, 6: 4}[body[9]]
        if kind == b"IDAT":
            data += body
        at += size + 12
    return tuple(zlib.decompress(data)[1 : 1 + channels])


# --- what is shown ---


async def test_captions_follow_what_another_tab_hears(speaking_browser: Browser, server: RunningServer) -> None:
    async with captions(speaking_browser, server) as (page, speaker):
        await expect(page.locator("#follow")).to_be_visible()
        await speaker.send("the boats")
        await expect(lines(page)).to_have_text(["the boats"])
        await expect(page.locator("#follow")).to_be_hidden()
        await speaker.send("the boats left", is_final=True)
        await speaker.send("nobody saw them", 2)
        await expect(lines(page)).to_have_text(["the boats left", "nobody saw them"])
        await speaker.call("clear")
        await expect(lines(page)).to_have_count(0)


async def test_what_was_said_before_the_captions_were_opened_is_there(
    speaking_browser: Browser, server: RunningServer
) -> None:
    async with opened(speaking_browser, f"{server.url}/docs", may_log=True) as other:
        speaker = await speaker_beside(other, server)
        for number, text in enumerate(["one", "two", "three", "four"], start=1):
            await speaker.send(text, number, is_final=True)
        await other.goto(f"{server.url}/captions")
        await expect(lines(other)).to_have_text(["two", "three", "four"])


async def test_of_two_tabs_the_one_that_began_to_speak_last_is_shown(
    speaking_browser: Browser, server: RunningServer
) -> None:
    async with captions(speaking_browser, server) as (page, first):
        second = await speaker_beside(page, server)
        await first.send("the first tab")
        await expect(lines(page)).to_have_text(["the first tab"])
        # Of two that began in the same millisecond, neither is the last.
        await wait_for(page, f"Date.now() > {await evaluated(page, 'Date.now()')}")
        await second.send("the second tab")
        await expect(lines(page)).to_have_text(["the second tab"])
        # It goes on with an utterance that it began before the other tab did.
        await watch(page)
        await first.send("the first tab goes on")
        await second.send("the second tab goes on")
        await expect(lines(page)).to_have_text(["the second tab goes on"])
        assert not any("first" in text for text in await evaluated(page, "window.shown"))
        await first.send("the first tab is back", 2)
        await expect(lines(page)).to_have_text(["the first tab goes on", "the first tab is back"])


async def test_the_dictation_view_is_followed(speaking_browser: Browser, server: RunningServer) -> None:
    async with opened(speaking_browser, server.url) as dictation:
        page = await dictation.context.new_page()
        await page.goto(f"{server.url}/captions")
        await start(dictation)
        await expect(lines(page).first).to_contain_text("w0 w1")


@pytest.mark.parametrize("width", [1280, 390])
async def test_never_more_than_two_lines_are_seen_and_the_last_one_always(
    speaking_browser: Browser, server: RunningServer, width: int
) -> None:
    viewport = {"width": width, "height": 720}
    async with captions(speaking_browser, server, viewport=viewport, reduced_motion="reduce") as (page, speaker):
        for number, text in enumerate([ENGLISH, PERSIAN, ENGLISH], start=1):
            words = text.split()
            for count in range(1, len(words) + 1, tiered(2, 1)):
                await speaker.send(" ".join(words[:count]), number)
                await lines(page).last.locator(".word").nth(count - 1).wait_for(state="attached")
                assert await evaluated(page, VISIBLE_ROWS) in ({"rows": 1, "last": True}, {"rows": 2, "last": True})
        # What stands above the two lines is cut off, not only outside of the box.
        above = """() => {
          const { left, right, top } = document.querySelector("#captions").getBoundingClientRect();
          const rows = [...document.querySelectorAll(".word")].flatMap((word) => [...word.getClientRects()]);
          const row = rows.filter(({ bottom }) => bottom < top + 5).at(-1);
          return [left + 40, (left + right) / 2, right - 40].every(
            (x) => !document.elementFromPoint(x, row.bottom - 10).closest("#captions"));
        }"""
        assert await evaluated(page, above)


async def test_text_that_gets_shorter_does_not_jump_down(speaking_browser: Browser, server: RunningServer) -> None:
    async with captions(speaking_browser, server) as (page, speaker):
        words = ENGLISH.split()
        top = "Math.round(document.querySelector('.word').getBoundingClientRect().top)"
        await page.emulate_media(reduced_motion="reduce")
        tops = []
        for count in range(1, len(words)):
            await speaker.send(" ".join(words[:count]))
            await expect(page.locator(".word")).to_have_count(count)
            tops.append(await evaluated(page, top))
        longer = next(count for count in range(1, len(tops)) if tops[count] < tops[count - 1])
        await speaker.call("begin")
        await speaker.send(" ".join(words[: longer + 1]))
        await expect(lines(page).last.locator(".word")).to_have_count(longer + 1)
        last = "Math.round([...document.querySelectorAll('#captions p')].at(-1).firstChild.getBoundingClientRect().top)"
        before = await evaluated(page, last)
        await speaker.send(" ".join(words[:longer]))
        await expect(lines(page).last.locator(".word")).to_have_count(longer)
        assert await evaluated(page, last) == before
        # The row that was kept for it is given up for the next utterance.
        await speaker.send("Next.", 2)
        await expect(lines(page)).to_have_text([*[" ".join(words[:-1])], " ".join(words[:longer]), "Next."])
        assert await evaluated(page, VISIBLE_ROWS) == {"rows": 2, "last": True}


@pytest.mark.parametrize(("motion", "rolls"), [("no-preference", 1), ("reduce", 0)])
async def test_text_rolls_up_unless_motion_is_unwanted(
    speaking_browser: Browser, server: RunningServer, motion: str, rolls: int
) -> None:
    count = """() => {
      const { animate } = Element.prototype;
      window.rolls = 0;
      Element.prototype.animate = function (...how) { window.rolls += 1; return animate.apply(this, how); };
    }"""
    async with captions(speaking_browser, server, reduced_motion=motion) as (page, speaker):
        await page.evaluate(count)
        await speaker.send("one", is_final=True)
        await speaker.send("two", 2)
        await expect(lines(page)).to_have_text(["one", "two"])
        # There is room for both in one row.
        assert await evaluated(page, "window.rolls") == 0
        await speaker.send(f"two {ENGLISH[:40]}", 2)
        await expect(lines(page).last).to_contain_text(ENGLISH[30:40])
        assert (await evaluated(page, "window.rolls") > 0) == (rolls > 0)


async def test_each_line_has_its_own_direction(speaking_browser: Browser, server: RunningServer) -> None:
    async with captions(speaking_browser, server) as (page, speaker):
        await speaker.send("سلام Niyosha", is_final=True)
        await speaker.send("Hello سلام", 2)
        await expect(lines(page)).to_have_count(2)
        directions = "[...document.querySelectorAll('#captions p')].map((line) => getComputedStyle(line).direction)"
        assert await evaluated(page, directions) == ["rtl", "ltr"]


async def test_words_settle_without_being_made_anew(speaking_browser: Browser, server: RunningServer) -> None:
    async with captions(speaking_browser, server, "?theme=dark") as (page, speaker):
        await speaker.send("the boats leaf the")
        await expect(page.locator(".word.unsettled")).to_have_count(4)
        await page.evaluate("window.words = [...document.querySelectorAll('.word')]")
        await speaker.send("the boats left the harbour", stable=2)
        await expect(page.locator(".word:not(.unsettled)")).to_have_text(["the", "boats"])
        await expect(page.locator(".word.unsettled")).to_have_text(["left", "the", "harbour"])
        await speaker.send("the boats left the harbour", is_final=True)
        await expect(page.locator(".word.unsettled")).to_have_count(0)
        same = "window.words.map((word, index) => word === document.querySelectorAll('.word')[index])"
        assert await evaluated(page, same) == [True] * 4
        await expect(page.locator(".word").first).to_have_css("color", "rgb(255, 255, 255)")


async def test_captions_fade_in_silence_and_old_text_does_not_come_back(
    speaking_browser: Browser, server: RunningServer
) -> None:
    async with captions(speaking_browser, server, "?clear=0.3", sets_clock=True) as (page, speaker):
        await speaker.send("the boats left", is_final=True)
        await speaker.send("nobody", 2)
        await expect(page.locator("#captions")).to_have_css("opacity", "0")
        # Another captions view asks; what has faded stays so.
        other = await page.context.new_page()
        await other.clock.install()
        await other.goto(f"{server.url}/captions?clear=0")
        await expect(lines(other)).to_have_text(["the boats left", "nobody"])
        await speaker.send("nobody", 2, is_final=True)
        await expect(other.locator(".unsettled")).to_have_count(0)
        await expect(page.locator("#captions")).to_have_css("opacity", "0")
        await watch(page)
        await speaker.send("again", 3)
        await expect(lines(page)).to_have_text(["again"])
        assert set(await evaluated(page, "window.shown")) == {"again"}
        # Without a limit nothing fades.
        await expect(lines(other)).to_have_text(["the boats left", "nobody", "again"])
        await other.clock.fast_forward(86_400_000)
        await expect(other.locator("#captions")).to_have_css("opacity", "1")


async def test_utterances_fill_a_row_before_it_rolls_and_stay_in_place(
    speaking_browser: Browser, server: RunningServer
) -> None:
    async with captions(speaking_browser, server, "?lines=3", reduced_motion="reduce") as (page, speaker):
        place = """(text) => {
          const word = [...document.querySelectorAll('.word')].findLast((word) => word.textContent.trim() === text);
          const { x, y } = word.getBoundingClientRect();
          return [Math.round(x), Math.round(y)];
        }"""
        sizes: list[int] = []
        for number in range(1, 25):
            await speaker.send(f"utterance{number}", number, is_final=True)
            await expect(lines(page).last).to_have_text(f"utterance{number}")
            x, y = await page.evaluate(place, f"utterance{number}")
            if number > 1:
                before = await page.evaluate(place, f"utterance{number - 1}")
                # The next one stands beside the one before, or below it at the begin of a row; nothing shifts sideways.
                assert (x > before[0]) == (y == before[1])
                assert before[0] == sizes[-1]
            sizes.append(x)
        rows = await evaluated(page, VISIBLE_ROWS)
        assert rows == {"rows": 3, "last": True}
        assert len(set(sizes)) > 2


async def test_the_panel_writes_the_appearance_into_the_address(
    speaking_browser: Browser, server: RunningServer
) -> None:
    async with captions(speaking_browser, server, "?colour=ff0000") as (page, speaker):
        await speaker.send("the boats", is_final=True)
        await expect(page.locator(".word").first).to_have_css("color", "rgb(255, 0, 0)")
        await page.get_by_role("button", name="Appearance").click()
        await page.get_by_role("combobox", name="Rows").select_option("4")
        await page.get_by_label("Colour of the text").fill("#ffff00")
        await page.get_by_label("Box behind the text").fill("000000cc")
        await page.get_by_label("Font").fill("Noto Sans")
        await page.get_by_label("Alignment").select_option("center")
        await page.get_by_label("Place").select_option("bottom")
        await expect(page.locator(".word").first).to_have_css("color", "rgb(255, 255, 0)")
        assert await violations(page) == []
        await keep_screenshot(page, "captions-appearance")
        query = "color=ffff00&lines=4&background=000000cc&font=Noto+Sans&align=center&position=bottom"
        assert set(page.url.split("?")[1].split("&")) == set(query.split("&"))
        assert await page.get_by_label("Address with this appearance").input_value() == page.url
        await page.reload()
        box = page.locator("#captions")
        await expect(box).to_have_css("text-align", "center")
        assert "Noto Sans" in await box.evaluate("(box) => getComputedStyle(box).fontFamily")
        rows = "(box) => Math.round(box.offsetHeight / parseFloat(getComputedStyle(box).lineHeight))"
        assert await box.evaluate(rows) == 4
        await page.get_by_role("button", name="Appearance").click()
        await page.get_by_role("button", name="As usual").click()
        assert "?" not in page.url


async def test_screen_readers_get_settled_text_once(speaking_browser: Browser, server: RunningServer) -> None:
    async with captions(speaking_browser, server) as (page, speaker):
        log = page.get_by_role("log")
        await speaker.send("the boats")
        await expect(lines(page)).to_have_text(["the boats"])
        await expect(log.locator("p")).to_have_count(0)
        for number in range(1, 31):
            await speaker.send(f"line {number}", number, is_final=True)
        await speaker.send("open", 31)
        # They come no faster than they can be read, and none is left out.
        await expect(lines(page).last).to_have_text("open")
        texts = [text.strip() for text in await lines(page).all_text_contents()]
        assert texts == [f"line {number}" for number in range(32 - len(texts), 31)] + ["open"]
        await expect(log.locator("p")).to_have_text([f"line {number}" for number in range(11, 31)])


# --- its own microphone ---


async def test_the_page_can_listen_by_itself(
    speaking_browser: Browser, server: RunningServer, recognizer: ScriptedRecognizer
) -> None:
    async with opened(speaking_browser, f"{server.url}/captions?language=fa&model=video&size=120") as page:
        await page.get_by_role("link", name="Listen on this page").click()
        await expect(page).to_have_url(f"{server.url}/captions?language=fa&model=video&size=120&mic=1")
        asked: list[str] = []
        page.on("websocket", lambda socket: asked.append(socket.url))
        await expect(page.get_by_text("Press the microphone and speak.")).to_be_visible()
        await start(page)
        await expect(lines(page).first).to_contain_text("w0 w1")
        await expect_state(page, "Listening")
        assert {"languageCode=fa", "asrModel=video"} <= set(asked[0].split("?")[1].split("&"))
        assert recognizer.streams[-1].options.asr_model == "video"
        await stop(page)
        await expect(page.get_by_role("log")).to_contain_text("w0 w1")
        await expect(page.locator(".unsettled")).to_have_count(0)
        assert await track_states(page) == ["ended"]


async def test_listening_begins_by_itself_where_it_is_asked_for(
    playwright: Playwright, server: RunningServer, microphone: Microphone
) -> None:
    # As programs that lay pages over pictures start their browser.
    async with (
        launched(playwright, *microphone.arguments, "--autoplay-policy=no-user-gesture-required") as browser,
        opened(browser, f"{server.url}/captions?mic=1&autostart=1") as page,
    ):
        other = await page.context.new_page()
        await other.goto(f"{server.url}/captions")
        await expect(lines(page).first).to_contain_text("w0 w1")
        # What it hears can be followed as well.
        await expect(lines(other).first).to_contain_text("w0 w1")


# --- how it looks ---


async def shown_pair(page: Page, speaker: Speaker) -> None:
    """Show two utterances, a Persian one and an English one of which a part may still change."""
    await speaker.send("قایق‌ها از بندر بیرون رفتند.", is_final=True)
    await speaker.send("nobody saw them again", 2, stable=2)
    await expect(lines(page)).to_have_count(2)
    await at_rest(page)


@pytest.mark.parametrize(
    ("theme", "width", "locale"),
    tiered(
        [("dark", 1280, "en-US"), ("light", 390, "fa-IR")],
        list(product(["dark", "light"], [1280, 390], ["en-US", "fa-IR"])),
    ),
)
async def test_it_follows_the_system_and_is_accessible(
    speaking_browser: Browser, server: RunningServer, theme: str, width: int, locale: str
) -> None:
    viewport = {"width": width, "height": 720 if width == 1280 else 844}
    profile: dict[str, Any] = {"color_scheme": theme, "locale": locale, "viewport": viewport}
    name = f"{theme}-{width}-{locale[:2]}"
    async with captions(speaking_browser, server, **profile) as (page, speaker):
        assert await violations(page) == []
        await keep_screenshot(page, f"captions-empty-{name}")
        await shown_pair(page, speaker)
        assert await violations(page) == []
        await keep_screenshot(page, f"captions-{name}")
        assert first_pixel(await page.screenshot()) == {"dark": (12, 13, 13), "light": (251, 250, 247)}[theme]
        assert not await evaluated(page, OVERFLOWS)
    async with opened(speaking_browser, f"{server.url}/captions?mic=1", **profile) as page:
        await expect(page.locator("#listen")).to_be_visible()
        assert await violations(page) == []
        await keep_screenshot(page, f"captions-ready-{name}")
        await page.locator("#listen").click()
        await expect(lines(page).first).to_contain_text("w0 w1")
        await at_rest(page)
        assert await violations(page) == []
        await keep_screenshot(page, f"captions-listening-{name}")
        assert not await evaluated(page, OVERFLOWS)


@pytest.mark.parametrize("scheme", tiered(["dark"], ["light", "dark"]))
async def test_over_a_picture_there_is_nothing_but_the_text(
    speaking_browser: Browser, server: RunningServer, scheme: str
) -> None:
    async with captions(speaking_browser, server, "?theme=transparent", color_scheme=scheme) as (page, speaker):
        await at_rest(page)
        for part in ("header", "#empty", "#notice"):
            await expect(page.locator(part)).to_have_css("opacity", "0")
        await shown_pair(page, speaker)
        assert first_pixel(await page.screenshot(omit_background=True)) == (0, 0, 0, 0)
        shadow = await evaluated(page, "getComputedStyle(document.querySelector('.word')).textShadow")
        assert shadow.count("rgb(0, 0, 0)") == 9
        bottom = "innerHeight - document.querySelector('#captions').getBoundingClientRect().bottom"
        assert 0 < await evaluated(page, bottom) < 40
        await page.evaluate("document.body.style.background = 'linear-gradient(120deg, #fff, #d8b36a 40%, #234)'")
        await keep_screenshot(page, f"captions-transparent-{scheme}")
        await page.mouse.move(200, 200)
        await expect(page.locator("header")).to_have_css("opacity", "1")
        await keep_screenshot(page, f"captions-transparent-awake-{scheme}")


async def test_theme_size_and_place_are_told_by_the_address(speaking_browser: Browser, server: RunningServer) -> None:
    size = "parseFloat(getComputedStyle(document.querySelector('#captions')).fontSize)"
    box = "document.querySelector('#captions').getBoundingClientRect().toJSON()"
    sizes = {}
    for query in ("", "?size=200&theme=light", "?size=9999", "?size=x&clear=y&theme=z&position=w", "?size=50"):
        async with opened(speaking_browser, f"{server.url}/captions{query}", color_scheme="dark") as page:
            sizes[query] = await evaluated(page, size)
            await expect(page.locator("html")).to_have_attribute("data-theme", "light" if "light" in query else "dark")
            await expect(page.locator("html")).to_have_attribute("data-position", "center")
    usual, *others = sizes.values()
    assert [other / usual for other in others] == pytest.approx([2, 2, 1, 0.5])
    for position in ("top", "bottom"):
        async with opened(speaking_browser, f"{server.url}/captions?position={position}") as page:
            at = await evaluated(page, box)
            assert at["top"] < 40 if position == "top" else at["bottom"] > 680
            header = await evaluated(page, box.replace("#captions", "header"))
            assert header["bottom"] == 720 if position == "top" else header["top"] == 0


async def test_the_theme_button_changes_the_theme_and_the_address(
    speaking_browser: Browser, server: RunningServer
) -> None:
    async with captions(speaking_browser, server, "?size=80", color_scheme="dark") as (page, _):
        await page.get_by_role("button", name="Light or dark").click()
        await expect(page.locator("html")).to_have_attribute("data-theme", "light")
        await expect(page).to_have_url(f"{server.url}/captions?size=80&theme=light")
        await page.reload()
        await page.get_by_role("button", name="Light or dark").click()
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")


async def test_the_addresses_for_obs_are_on_the_page(speaking_browser: Browser, server: RunningServer) -> None:
    async with opened(speaking_browser, f"{server.url}/captions?lines=3", color_scheme="dark") as page:
        await page.get_by_text("Captions in OBS").click()
        base = f"{server.url}/captions?lines=3&"
        await expect(page.locator("#obsBrowser")).to_have_value(f"{base}mic=1&autostart=1&theme=transparent")
        await expect(page.locator("#obsWindow")).to_have_value(f"{base}mic=1&theme=dark")
        assert await violations(page) == []
        # The first one shows captions by itself, as a browser source does.
        await page.goto(await page.locator("#obsBrowser").input_value())
        await expect(page.locator("#captions")).to_contain_text("w0")


# --- the controls ---


async def test_the_screen_is_filled_by_button_and_by_key(speaking_browser: Browser, server: RunningServer) -> None:
    async with captions(speaking_browser, server) as (page, _):
        is_full = "document.fullscreenElement !== null"
        await page.keyboard.press("f")
        await wait_for(page, is_full)
        await page.get_by_role("button", name="Leave the full screen (F)").click()
        await wait_for(page, f"!({is_full})")
        # The same key of a Persian keyboard.
        keyboard = await page.context.new_cdp_session(page)
        key = {"key": "ب", "code": "KeyF", "text": "ب", "windowsVirtualKeyCode": 70}
        await keyboard.send("Input.dispatchKeyEvent", {"type": "keyDown", **key})
        await keyboard.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
        await wait_for(page, is_full)
        await page.keyboard.press("f")
        await wait_for(page, f"!({is_full})")
        await expect(page.get_by_role("button", name="Full screen (F)", exact=True)).to_be_visible()
        await page.keyboard.press("Control+f")
        await page.keyboard.press("u")
        assert not await evaluated(page, is_full)


async def test_the_controls_leave_at_rest_and_come_back(speaking_browser: Browser, server: RunningServer) -> None:
    async with captions(speaking_browser, server, sets_clock=True) as (page, _):
        header = page.locator("header")
        await page.clock.install()
        await page.reload()
        await page.clock.pause_at(await evaluated(page, "Date.now()") / 1000 + 60)
        await page.mouse.move(300, 300)
        await page.mouse.move(310, 300)
        await page.clock.run_for(2_999)
        await expect(header).to_have_css("opacity", "1")
        await page.clock.run_for(1)
        await expect(header).to_have_css("opacity", "0")
        await expect(page.locator("body")).to_have_css("cursor", "none")
        await page.mouse.move(300, 300)
        await expect(header).to_have_css("opacity", "1")
        await page.clock.run_for(3_000)
        await expect(header).to_have_css("opacity", "0")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Dictation", exact=True)).to_be_focused()
        await expect(header).to_have_css("opacity", "1")


async def test_a_microphone_that_waits_for_its_button_keeps_it(
    speaking_browser: Browser, server: RunningServer
) -> None:
    async with opened(speaking_browser, f"{server.url}/captions?mic=1") as page:
        # Which of the two comes first depends on how fast the page's code is there.
        await expect(page.locator("body.listener.resting")).to_be_visible()
        await expect(page.locator("header")).to_have_css("opacity", "1")
        await start(page)
        await expect(page.locator("header")).to_have_css("opacity", "0")
