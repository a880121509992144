"""The page in a real browser: a clip is played as its microphone, the server and its engine are the real ones."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Playwright, async_playwright, expect

from tests.recognizers import ScriptedRecognizer
from web.serve import RunningServer, running
from web.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIPS = Path(__file__).parents[1] / "clips"
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
# The microphone is allowed without a question. It hears the clip once, then its last 10 ms, which are silent, for ever.
SPEAKING = ["--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={CLIPS / 'quick.wav'}%noloop"]
QUICK = re.compile(r"quick brown fox jumps over the lazy dog", re.IGNORECASE)
# An engine under the load of a whole test run is slow; nothing here measures how slow.
WAIT_MS = 40_000

# Lets a test see whether the page gave the microphone back.
KEEP_TRACKS = """
window.tracks = [];
const ask = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
if (ask) navigator.mediaDevices.getUserMedia = async (asked) => {
  const stream = await ask(asked);
  window.tracks.push(...stream.getTracks());
  return stream;
};
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[RunningServer]:
    async with running(Settings(port=0)) as server:
        assert server.is_ready
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def counting_server() -> AsyncIterator[RunningServer]:
    """A server that hears words where there is sound, at once and always the same: `w0 w1 ...`."""
    async with running(Settings(port=0), ScriptedRecognizer()) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as playwright:
        yield playwright


@asynccontextmanager
async def launched(playwright: Playwright, *arguments: str) -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("these tests drive a real browser, and there is none: install it with `apt-get install chromium`")
    browser = await playwright.chromium.launch(executable_path=chromium, args=[*BROWSER, *arguments])
    try:
        yield browser
    finally:
        await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def speaking_browser(playwright: Playwright) -> AsyncIterator[Browser]:
    async with launched(playwright, *SPEAKING) as browser:
        yield browser


@asynccontextmanager
async def opened(browser: Browser, url: str, *, may_log: bool = False) -> AsyncIterator[Page]:
    """Open the page in a profile of its own; it must throw nothing and, unless it `may_log`, keep the console clean."""
    context = await browser.new_context()
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
    assert faults == []


@pytest_asyncio.fixture(loop_scope="module")
async def page(speaking_browser: Browser, counting_server: RunningServer) -> AsyncIterator[Page]:
    async with opened(speaking_browser, counting_server.url) as page:
        yield page


async def expect_state(page: Page, label: str) -> None:
    await expect(page.get_by_role("status")).to_have_text(label, timeout=WAIT_MS)


async def expect_notice(page: Page, sentence: str | re.Pattern[str]) -> None:
    await expect(page.get_by_role("alert")).to_have_text(sentence, timeout=WAIT_MS)


async def track_states(page: Page) -> list[str]:
    states: list[str] = await page.evaluate("tracks.map((track) => track.readyState)")
    return states


async def start(page: Page) -> None:
    await page.get_by_role("button", name="Start listening").click()


async def stop(page: Page) -> None:
    await page.get_by_role("button", name="Stop listening").click()
    await expect_state(page, "Ready")


async def expect_unsettled(page: Page, text: str) -> None:
    await expect(page.locator("#unsettled")).to_contain_text(text, timeout=WAIT_MS)


async def test_spoken_words_become_settled_text(speaking_browser: Browser, server: RunningServer) -> None:
    async with opened(speaking_browser, server.url) as page:
        await start(page)
        line = page.get_by_role("log").locator("p").first
        await expect(line).to_have_text(QUICK, timeout=WAIT_MS)
        await expect(line).to_have_attribute("dir", "auto")
        await expect(page.locator("#unsettled")).to_be_empty()
        await expect_state(page, "Listening")


async def test_stop_settles_what_was_said_and_releases_the_microphone(page: Page) -> None:
    await start(page)
    await expect_unsettled(page, "w0 w1")
    assert await track_states(page) == ["live"]
    await stop(page)
    await expect(page.get_by_role("log")).to_contain_text("w0 w1")
    await expect(page.locator("#unsettled")).to_be_empty()
    await expect(page.get_by_role("alert")).to_be_empty()
    assert await track_states(page) == ["ended"]


async def test_the_keyboard_alone_starts_and_stops(page: Page) -> None:
    await expect(page.get_by_role("button", name="Start listening")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect_state(page, "Listening")
    await page.keyboard.press("Space")
    await expect_state(page, "Ready")
    assert await track_states(page) == ["ended"]


async def test_text_can_be_copied_and_cleared(page: Page) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write", "microphone"])
    await expect(page.get_by_role("button", name="Copy")).to_be_disabled()
    await start(page)
    await expect_unsettled(page, "w0")
    await stop(page)
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == await page.get_by_role("log").inner_text()
    await page.get_by_role("button", name="Clear").click()
    await expect(page.get_by_role("log")).to_be_empty()
    await expect(page.get_by_role("button", name="Start listening")).to_be_focused()


async def test_nothing_is_fetched_from_another_host(page: Page, counting_server: RunningServer) -> None:
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.on("websocket", lambda socket: urls.append(socket.url))
    await page.reload()
    await start(page)
    await expect_state(page, "Listening")
    await stop(page)
    own = (counting_server.url, counting_server.url.replace("http", "ws", 1))
    assert [url for url in urls if not url.startswith(own)] == []
    assert {f"{own[0]}/static/page.js", f"{own[1]}/v1/speech/asrlive?audioTransfer=raw"} <= set(urls)


async def test_a_refused_microphone_is_told(playwright: Playwright, counting_server: RunningServer) -> None:
    async with launched(playwright) as browser, opened(browser, counting_server.url) as page:
        await start(page)
        await expect_notice(
            page,
            "The microphone is not allowed. Allow it for this page beside the address, or in the system’s privacy "
            "settings, then press the button again.",
        )
        await expect_state(page, "Ready")


async def test_a_page_that_may_have_no_microphone_says_so_at_once(
    speaking_browser: Browser, counting_server: RunningServer
) -> None:
    async with opened(speaking_browser, counting_server.url.replace("127.0.0.1", "shenava.test")) as page:
        await expect_notice(
            page, "Browsers give the microphone only to secure pages. Open this page over https, or on localhost."
        )


async def test_a_server_that_refuses_says_why(speaking_browser: Browser) -> None:
    recognizer = ScriptedRecognizer()
    async with (
        running(Settings(port=0), recognizer) as server,
        # The browser itself writes a refused handshake to the console.
        opened(speaking_browser, server.url, may_log=True) as page,
    ):
        recognizer.is_ready = False
        await start(page)
        await expect_notice(
            page,
            "The server refused the connection: the recognizer is not ready; connect again in a few seconds.",
        )
        await expect_state(page, "Ready")
        assert await track_states(page) == ["ended"]


async def test_a_server_that_goes_away_is_told_and_ends_the_capture(speaking_browser: Browser) -> None:
    async with AsyncExitStack() as page_stays:
        async with running(Settings(port=0), ScriptedRecognizer()) as server:
            page = await page_stays.enter_async_context(opened(speaking_browser, server.url, may_log=True))
            await start(page)
            await expect_unsettled(page, "w0 w1")
        await expect_notice(page, "The server ended the session. Press the button to begin another.")
        await expect_state(page, "Ready")
        assert await track_states(page) == ["ended"]
        await expect(page.get_by_role("log")).to_contain_text("w0 w1")
        await start(page)
        await expect_notice(page, "A part of this page cannot be loaded. Is the server running?")
        await expect_state(page, "Ready")
        assert await track_states(page) == ["ended", "ended"]
