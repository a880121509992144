"""A real browser for tests: Debian's Chromium, with a file for its microphone.

Its headless shell has the same engine without windows, and needs half the processor time; the whole browser will do.
"""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Playwright, Route, expect

from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm, wav

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
    # Nobody is there to answer the question; the shell has no place to ask it.
    "--use-fake-ui-for-media-stream",
    # A name that is not this machine's, for a page that came over plain http.
    "--host-resolver-rules=MAP niyosha.test 127.0.0.1",
]
expect.set_options(timeout=STUCK_SECONDS * 1000)
# The end of what quick.wav says. A browser without a sound card swallows sounds when the machine is busy.
QUICK = re.compile(r"lazy dog", re.IGNORECASE)

# Lets a test see which microphones the page asked for and whether it gave them back, how much sound it took from them,
# whether a word was shown that could still change, how many of these there were when the connection ended, and which
# tiles of the commands were lit, because they go out again.
KEEP_TRACKS = """
window.tracks = [];
window.devicesAsked = [];
const ask = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
if (ask) navigator.mediaDevices.getUserMedia = async (asked) => {
  window.devicesAsked.push(asked.audio.deviceId?.exact);
  const stream = await ask(asked);
  window.tracks.push(...stream.getTracks());
  return stream;
};
window.samplesHeard = 0;
if (window.AudioWorkletNode) window.AudioWorkletNode = class extends AudioWorkletNode {
  constructor(...how) {
    super(...how);
    this.port.addEventListener("message", ({ data }) => { window.samplesHeard += (data?.byteLength ?? 0) / 2; });
  }
};
window.lit = [];
new MutationObserver((changes) => {
  for (const { target } of changes) if (target.matches("#tiles [aria-current]")) window.lit.push(target.textContent);
}).observe(document, { attributes: true, attributeFilter: ["aria-current"], subtree: true });
window.WebSocket = class extends WebSocket {
  constructor(...how) {
    super(...how);
    this.addEventListener("close", () => { window.openAtClose = document.querySelectorAll("#open .word").length; });
  }
};
new MutationObserver(() => { window.wasUnsettled ||= document.querySelector("#open .word") !== null; })
  .observe(document, { childList: true, subtree: true });
"""


# The profile of each browser that its tests share, one after the other.
_shared: WeakKeyDictionary[Browser, BrowserContext] = WeakKeyDictionary()


class Microphone:
    """What the browser's microphone hears: a file, read from its beginning each time that a page begins to listen."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "microphone.wav"

    @property
    def arguments(self) -> list[str]:
        """Arguments that play it once, then repeat its last 10 ms."""
        return [f"--use-file-for-fake-audio-capture={self._path}%noloop"]

    def hears(self, *clips: str, pause_seconds: float = 0.5) -> None:
        """Play a second of silence, in which a busy machine may be late, and clips with a pause after each."""
        pause = bytes(2 * int(16_000 * pause_seconds))
        self._path.write_bytes(wav(bytes(32_000) + b"".join(clip_pcm(clip) + pause for clip in clips)))


@asynccontextmanager
async def launched(playwright: Playwright, *arguments: str) -> AsyncIterator[Browser]:
    """Start a browser; where there is none the test is skipped, with what to install."""
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("these tests drive a real browser: install one with `apt-get install chromium-headless-shell`")
    browser = await playwright.chromium.launch(executable_path=chromium, args=[*BROWSER, *arguments])
    try:
        yield browser
    finally:
        await browser.close()


@asynccontextmanager
async def opened(
    browser: Browser,
    url: str,
    *,
    may_log: bool = False,
    sets_clock: bool = False,
    routes: Mapping[str, Callable[[Route], Awaitable[None]]] | None = None,
    **profile: Any,
) -> AsyncIterator[Page]:
    """Open a page as on a first visit; it must throw nothing and, unless it `may_log`, keep the console clean.

    A profile is made for what needs its own: a profile that is not the usual one, and a page that `sets_clock`, which
    Playwright does for a whole profile and for good. The others share one, which costs half as much.
    The `routes` answer requests in the server's place, by pattern, from the first one on.
    """
    shared = _shared.get(browser)
    # A page beside another one is a visitor of its own.
    is_shared = not sets_clock and not profile and not (shared and shared.pages)
    if is_shared:
        context = shared or await browser.new_context()
        _shared[browser] = context
        await context.grant_permissions(["microphone"])
    else:
        context = await browser.new_context(permissions=["microphone"], **profile)
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    if not may_log:
        page.on("console", lambda message: faults.append(message.text))
    await page.add_init_script(KEEP_TRACKS)
    for pattern, answer in (routes or {}).items():
        await page.route(pattern, answer)
    await page.goto(url)
    # A page is shown once it has its texts, which its load does not wait for.
    await wait_for(page, "!document.querySelector('#listen') || document.documentElement.dir !== ''")
    try:
        yield page
    finally:
        await (_forget(context) if is_shared else context.close())
    assert not faults, faults


async def unreachable(route: Route) -> None:
    """Answer a request as a server that is away."""
    await route.abort()


async def _forget(context: BrowserContext) -> None:
    """Close the tabs of the shared profile, then remove what they left behind: a tab that closes saves its draft."""
    origins = {"/".join(tab.url.split("/")[:3]) for tab in context.pages if tab.url.startswith("http")}
    for tab in context.pages:
        await tab.close()
    empty = await context.new_page()
    devtools = await context.new_cdp_session(empty)
    for origin in origins:
        await devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
    await context.clear_cookies()
    await context.clear_permissions()
    await empty.close()


async def expect_state(page: Page, label: str) -> None:
    await expect(page.get_by_role("status")).to_have_text(label)


async def expect_notice(page: Page, sentence: str) -> None:
    await expect(page.get_by_role("alert")).to_have_text(sentence)


async def expect_match(page: Page, label: str, *, other: str) -> None:
    """One tile was lit, with a confidence; the other was not."""
    await wait_for(page, f"lit.some((text) => /^{label}✓ [1-9]\\d?\\d?%$/.test(text))")
    assert not await page.evaluate(f"lit.some((text) => text.startsWith('{other}'))")
    await expect(page.locator("#result")).to_contain_text(re.compile(rf"^{label} [1-9]\d?\d?% sure"))


async def wait_for(page: Page, script: str) -> None:
    """Wait until a script is true; Playwright's own way evaluates text in the page, which its policy forbids."""
    async with asyncio.timeout(STUCK_SECONDS):
        while not await page.evaluate(script):
            await asyncio.sleep(0.05)


async def track_states(page: Page) -> list[str]:
    """The states of all microphones that the page was ever given."""
    states: list[str] = await page.evaluate("tracks.map((track) => track.readyState)")
    return states


async def expect_heard(page: Page, seconds: float) -> None:
    """Wait until the page has taken so much sound from its microphone."""
    await wait_for(page, f"samplesHeard >= {16_000 * seconds}")


async def start(page: Page) -> None:
    await page.get_by_role("button", name="Start listening").click()


async def stop(page: Page) -> None:
    await page.get_by_role("button", name="Stop listening").click()
    await expect_state(page, "Ready")


async def keep_screenshot(page: Page, name: str) -> None:
    """Keep how a page looks for whoever wants to see it: in `.artefacts`, or where NIYOSHA_ARTEFACTS says."""
    folder = Path(os.environ.get("NIYOSHA_ARTEFACTS", Path(__file__).parents[3] / ".artefacts"))
    await page.screenshot(path=folder / f"{name}.png")
