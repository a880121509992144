"""The dictation view while its server goes away and comes back: no word is lost, none comes twice."""

import asyncio
import os
import re
import signal
import socket
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from playwright.async_api import Page, Playwright, expect

from tests.recognizers import ScriptedRecognizer
from tests.sounds import clip_pcm, clip_texts, words_of
from tests.web.pages.browser import (
    UNSETTLED,
    expect_notice,
    expect_state,
    keep_screenshot,
    launched,
    opened,
    speaking,
    start,
    track_states,
    wait_for,
)
from web.serve import running
from web.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIPS = ("weather.wav", "library.wav", "train.wav")
AWAY = "The connection was lost. Go on speaking: the sound is kept until it is back."
FOUND = "The connection is back; nothing was lost."


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What makes a browser hear some sentences with pauses."""
    folder = tmp_path_factory.mktemp("talk")
    path = folder / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
        for name in CLIPS:
            file.writeframes(clip_pcm(name) + bytes(16_000))
    return speaking(path, folder)


@pytest.fixture
def port() -> int:
    """A port that nobody listens on now, for a server that comes back where it was."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@asynccontextmanager
async def served(port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A `shenava serve` of its own, which a test may kill."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "web.cli", "serve", "--port", str(port), "--quiet",
        stdout=asyncio.subprocess.PIPE, env=os.environ,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert b"http" in await process.stdout.readline()
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 60)


async def words_on(page: Page) -> list[str]:
    return words_of(await page.get_by_role("log").inner_text())


async def test_a_server_that_is_killed_in_mid_speech_costs_no_word(
    playwright: Playwright, talk: list[str], port: int
) -> None:
    expected = [word for name in CLIPS for word in words_of(clip_texts()[name])]
    async with launched(playwright, *talk) as browser, AsyncExitStack() as page_stays:
        async with served(port) as first:
            page = await page_stays.enter_async_context(opened(browser, f"http://127.0.0.1:{port}", may_log=True))
            await start(page)
            # In the second sentence, with the first one settled and words on the screen that are not.
            await expect(page.get_by_role("log").locator("p")).to_have_count(1)
            await wait_for(page, UNSETTLED)
            first.kill()
        await expect_notice(page, AWAY)
        await expect_state(page, "Connecting again")
        # What was not settled stays in sight.
        await expect(page.locator("#open .word")).not_to_have_count(0)
        await keep_screenshot(page, "dictation-reconnecting")
        async with served(port):
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


async def test_a_server_that_stops_and_starts_again_is_found_again(
    playwright: Playwright, talk: list[str], port: int
) -> None:
    async with launched(playwright, *talk) as browser, AsyncExitStack() as page_stays:
        async with running(Settings(port=port), ScriptedRecognizer()) as server:
            page = await page_stays.enter_async_context(opened(browser, server.url, may_log=True))
            await start(page)
            await expect(page.locator("#open")).to_contain_text("w0 w1")
        await expect_notice(page, AWAY)
        await expect(page.get_by_role("log")).to_contain_text("w0 w1")
        async with running(Settings(port=port), ScriptedRecognizer()):
            await expect_notice(page, FOUND)
            await expect_state(page, "Listening")
            await page.get_by_role("button", name="Stop listening").click()
            await expect_state(page, "Ready")


async def test_stopping_while_the_server_is_away_waits_for_it(
    playwright: Playwright, talk: list[str], port: int
) -> None:
    async with launched(playwright, *talk) as browser, AsyncExitStack() as page_stays:
        async with running(Settings(port=port), ScriptedRecognizer()) as server:
            page = await page_stays.enter_async_context(opened(browser, server.url, may_log=True))
            await start(page)
            await expect(page.locator("#open")).to_contain_text("w0")
        await expect_notice(page, AWAY)
        # Until the next sentence is being spoken, to nobody.
        await asyncio.sleep(4)
        await page.get_by_role("button", name="Stop listening").click()
        await expect_state(page, "Finishing")
        async with running(Settings(port=port), ScriptedRecognizer()):
            await expect_state(page, "Ready")
            await expect_notice(page, "")
        assert await page.get_by_role("log").locator("p").count() >= 2
        assert await track_states(page) == ["ended"]


async def test_a_server_that_does_not_come_back_leaves_the_text_and_a_sentence(
    playwright: Playwright, talk: list[str], port: int
) -> None:
    async with launched(playwright, *talk) as browser, AsyncExitStack() as page_stays:
        async with running(Settings(port=port), ScriptedRecognizer()) as server:
            page = await page_stays.enter_async_context(opened(browser, server.url, may_log=True))
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
