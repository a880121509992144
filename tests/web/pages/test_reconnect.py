"""The dictation view while its server goes away and comes back: no word is lost, none comes twice."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, expect

from stream.recognition.places import Refusal
from stream.recognition.recognizer import RecognizerFullError
from tests.support.ports import unused_port
from tests.support.processes import started_async
from tests.support.recognizers import ScriptedRecognizer
from tests.support.sounds import clip_pcm, clip_texts, words_of
from tests.web.pages.browser import (
    Microphone,
    expect_heard,
    expect_notice,
    expect_state,
    keep_screenshot,
    opened,
    start,
    track_states,
    wait_for,
)
from web.process.serve import running
from web.settings.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLIPS = ("weather.wav", "library.wav", "train.wav")
AWAY = "The connection was lost. Go on speaking: the sound is kept until it is back."
# True while words are on the page that may still change.
UNSETTLED = "document.querySelector('#open .word') !== null"
FOUND = "The connection is back; nothing was lost."


@pytest.fixture
def talking_browser(speaking_browser: Browser, microphone: Microphone) -> Browser:
    """A browser that hears some sentences with pauses."""
    microphone.hears(*CLIPS)
    return speaking_browser


@pytest.fixture
def port() -> int:
    """A port that nobody listens on now, for a server that comes back where it was."""
    return unused_port()


@asynccontextmanager
async def served(port: int, engine: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A `niyosha serve` of its own in front of an engine that goes on, which a test may kill."""
    settings = {"port": str(port), "riva-uri": engine}
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    async with started_async("serve", "--quiet", *options) as (process, line):
        assert "http" in line
        yield process


async def words_on(page: Page) -> list[str]:
    return words_of(await page.get_by_role("log").inner_text())


@pytest.mark.timeout(300)
async def test_a_server_that_is_killed_in_mid_speech_costs_no_word(talking_browser: Browser, port: int) -> None:
    expected = [word for name in CLIPS for word in words_of(clip_texts()[name])]
    async with started_async("engine", "--listen", "127.0.0.1:0") as (_, line), AsyncExitStack() as page_stays:
        engine = line.split()[-1]
        async with served(port, engine) as first:
            page = await page_stays.enter_async_context(
                opened(talking_browser, f"http://127.0.0.1:{port}", may_log=True)
            )
            await start(page)
            # In the second sentence, with the first one settled and words on the screen that are not.
            await expect(page.get_by_role("log").locator("p").first).to_be_visible()
            await wait_for(page, UNSETTLED)
            first.kill()
        await expect_notice(page, AWAY)
        await expect_state(page, "Connecting again")
        # What was not settled stays in sight.
        await expect(page.locator("#open .word")).to_have_count(await page.evaluate("openAtClose"))
        await keep_screenshot(page, "dictation-reconnecting")
        async with served(port, engine):
            await expect_notice(page, FOUND)
            await expect(page.get_by_role("log").locator("p")).to_have_count(3)
            assert await track_states(page) == ["live"]
            await page.get_by_role("button", name="Stop listening").click()
            await expect_state(page, "Ready")
            assert await words_on(page) == expected
            await page.locator("summary").click()
            async with page.expect_download() as waiting:
                await page.locator("[data-format=srt]").click()
            path = await (await waiting.value).path()
            srt = await asyncio.to_thread(path.read_text, encoding="utf-8")
    text = " ".join(line for line in srt.splitlines() if line and "-->" not in line and not line.isdigit())
    assert words_of(text) == expected
    times = [float(second.replace(",", ".")) for second in re.findall(r"00:00:(\d\d,\d{3})", srt)]
    assert times == sorted(times)
    length = sum(len(clip_pcm(name)) for name in CLIPS) / 32_000 + 0.5 * len(CLIPS)
    assert times[-1] < length + 2  # the silence that the microphone hears before the clip begins


async def test_a_server_that_stops_and_starts_again_is_found_again(talking_browser: Browser, port: int) -> None:
    async with AsyncExitStack() as page_stays:
        async with running(Settings(port=port), ScriptedRecognizer()) as server:
            page = await page_stays.enter_async_context(opened(talking_browser, server.url, may_log=True))
            await start(page)
            await expect(page.locator("#open")).to_contain_text("w0 w1")
        await expect_notice(page, AWAY)
        await expect(page.get_by_role("log")).to_contain_text("w0 w1")
        async with running(Settings(port=port), ScriptedRecognizer()):
            await expect_notice(page, FOUND)
            await expect_state(page, "Listening")
            await page.get_by_role("button", name="Stop listening").click()
            await expect_state(page, "Ready")


async def test_stopping_while_the_server_is_away_waits_for_it(talking_browser: Browser, port: int) -> None:
    async with AsyncExitStack() as page_stays:
        async with running(Settings(port=port), ScriptedRecognizer()) as server:
            page = await page_stays.enter_async_context(opened(talking_browser, server.url, may_log=True))
            await start(page)
            await expect(page.locator("#open")).to_contain_text("w0")
        await expect_notice(page, AWAY)
        # Until the next sentence is being spoken, to nobody.
        await expect_heard(page, 1 + len(clip_pcm(CLIPS[0])) / 32_000 + 0.5 + 1)
        await page.get_by_role("button", name="Stop listening").click()
        await expect_state(page, "Finishing")
        async with running(Settings(port=port), ScriptedRecognizer()):
            await expect_state(page, "Ready")
            await expect_notice(page, "")
        assert await page.get_by_role("log").locator(".line").count() >= 2
        assert await track_states(page) == ["ended"]


async def test_a_server_that_does_not_come_back_leaves_the_text_and_a_sentence(
    talking_browser: Browser, port: int
) -> None:
    async with AsyncExitStack() as page_stays:
        async with running(Settings(port=port), ScriptedRecognizer()) as server:
            page = await page_stays.enter_async_context(
                opened(talking_browser, server.url, may_log=True, sets_clock=True)
            )
            await page.clock.install()
            await start(page)
            await expect(page.locator("#open")).to_contain_text("w0")
        await expect_notice(page, AWAY)
        for _ in range(80):
            await page.clock.run_for(10_000)
        await expect_state(page, "Ready")
        await expect_notice(page, "The server cannot be reached. Is it running?")
        await expect(page.get_by_role("log")).to_contain_text("w0")
        assert await track_states(page) == ["ended"]


# --- a server that is full ---

WAITING = "The server is full. This page waits its turn and begins by itself; until then nothing is heard."


@asynccontextmanager
async def waiting_for_a_place(browser: Browser, recognizer: ScriptedRecognizer) -> AsyncIterator[Page]:
    """A page whose button was pressed while the recognizer is full."""
    async with (
        running(Settings(port=0), recognizer) as server,
        opened(browser, server.url, may_log=True) as page,
    ):
        await start(page)
        await expect_state(page, "Waiting for a place")
        yield page


async def test_where_the_server_is_full_the_page_waits_its_turn_and_begins_by_itself(talking_browser: Browser) -> None:
    recognizer = ScriptedRecognizer(full=RecognizerFullError("full", Refusal.FULL, 1.0))
    async with waiting_for_a_place(talking_browser, recognizer) as page:
        await expect_notice(page, WAITING)
        recognizer.full = None
        await expect_notice(page, "It is your turn. Speak now.")
        await expect_state(page, "Listening")
        await expect(page.locator("#open")).to_contain_text("w0")


async def test_waiting_for_a_place_can_be_cancelled(talking_browser: Browser) -> None:
    recognizer = ScriptedRecognizer(full=RecognizerFullError("full", Refusal.FULL, 60.0))
    async with waiting_for_a_place(talking_browser, recognizer) as page:
        await page.get_by_role("button", name="Cancel").click()
        await expect_state(page, "Ready")
        await expect_notice(page, "")
        assert await track_states(page) == ["ended"]
