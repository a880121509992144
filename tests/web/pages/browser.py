"""A real browser for tests: Debian's Chromium, with a clip for its microphone."""

import asyncio
import os
import re
import shutil
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Playwright, expect

CLIPS = Path(__file__).parents[2] / "clips"
# Only what a machine without a display, a sound card and a network needs; nothing that changes what a page may do.
BROWSER = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    # A name that is not this machine's, for a page that came over plain http.
    "--host-resolver-rules=MAP shenava.test 127.0.0.1",
]
# An engine under the load of a whole test run is slow; nothing here measures how slow.
WAIT_MS = 40_000
expect.set_options(timeout=WAIT_MS)
# What `QUICK_CLIP` says. A browser without a sound card may swallow a sound when the machine is busy.
QUICK = re.compile(r"quick brown fox jumps? over the lazy dog", re.IGNORECASE)
# True while words are on the page that may still change.
UNSETTLED = "document.querySelector('#open .word') !== null"

# Lets a test see whether the page gave the microphone back, and which one it asked for.
KEEP_TRACKS = """
window.tracks = [];
const ask = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
if (ask) navigator.mediaDevices.getUserMedia = async (asked) => {
  const stream = await ask(asked);
  window.tracks.push(...stream.getTracks());
  return stream;
};
"""


def speaking(clip: Path, folder: Path, *, again: bool = False) -> list[str]:
    """The microphone is allowed without a question. It hears a second of silence, in which a busy machine may be late,
    and the clip; then its last 10 ms for ever, which are silent too, or two seconds and the clip `again` and again.
    """
    seconds = 2 if again else 1
    late = folder / f"late-{clip.name}"
    with wave.open(str(clip)) as source, wave.open(str(late), "wb") as made:
        made.setparams(source.getparams())
        made.writeframes(bytes(2 * source.getframerate() * seconds) + source.readframes(source.getnframes()))
    return ["--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={late}{'' if again else '%noloop'}"]


QUICK_CLIP = CLIPS / "quick.wav"


@asynccontextmanager
async def launched(playwright: Playwright, *arguments: str) -> AsyncIterator[Browser]:
    """Start a browser; where there is none the test is skipped, with what to install."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("these tests drive a real browser, and there is none: install it with `apt-get install chromium`")
    browser = await playwright.chromium.launch(executable_path=chromium, args=[*BROWSER, *arguments])
    try:
        yield browser
    finally:
        await browser.close()


@asynccontextmanager
async def opened(browser: Browser, url: str, *, may_log: bool = False, **profile: Any) -> AsyncIterator[Page]:
    """Open a page in a profile of its own; it must throw nothing and, unless it `may_log`, keep the console clean."""
    context = await browser.new_context(**profile)
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    if not may_log:
        page.on("console", lambda message: faults.append(message.text))
    await page.add_init_script(KEEP_TRACKS)
    await page.goto(url)
    try:
        yield page
    finally:
        await context.close()
    assert not faults, faults


async def expect_state(page: Page, label: str) -> None:
    await expect(page.get_by_role("status")).to_have_text(label)


async def expect_notice(page: Page, sentence: str) -> None:
    await expect(page.get_by_role("alert")).to_have_text(sentence)


async def wait_for(page: Page, script: str) -> None:
    """Wait until a script is true; Playwright's own way evaluates text in the page, which its policy forbids."""
    async with asyncio.timeout(WAIT_MS / 1000):
        while not await page.evaluate(script):
            await asyncio.sleep(0.05)


async def track_states(page: Page) -> list[str]:
    """The states of all microphones that the page was ever given."""
    states: list[str] = await page.evaluate("tracks.map((track) => track.readyState)")
    return states


async def start(page: Page) -> None:
    await page.get_by_role("button", name="Start listening").click()


async def stop(page: Page) -> None:
    await page.get_by_role("button", name="Stop listening").click()
    await expect_state(page, "Ready")


async def keep_screenshot(page: Page, name: str) -> None:
    """Keep how a page looks for whoever wants to see it: in `.artefacts`, or where SHENAVA_ARTEFACTS says."""
    folder = Path(os.environ.get("SHENAVA_ARTEFACTS", Path(__file__).parents[3] / ".artefacts"))
    await page.screenshot(path=folder / f"{name}.png")
