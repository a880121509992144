"""What a first visit shows in a real browser: what the page is, a sample, a place to drop files, the level."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.places import CLIPS
from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.web.pages.accessibility import violations
from tests.web.pages.browser import expect_state, keep_screenshot, opened, start, stop, unreachable, wait_for
from web.process.serve import RunningServer, running
from web.settings.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEVELS = "[...document.querySelectorAll('#level i')].map((bar) => Number(bar.style.getPropertyValue('--level')))"
MANY = ("de-DE", "en-GB", "en-US", "es-ES", "fa", "fr-FR")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def persian_server() -> AsyncIterator[RunningServer]:
    """A server that knows Persian alone."""
    recognizer = ScriptedRecognizer(script=[CountingStream], languages=("fa",))
    async with running(Settings(port=0, stream_defaults={"languageCode": "fa"}), recognizer) as server:
        yield server


async def test_the_page_says_what_it_is_and_which_language_it_understands(page: Page) -> None:
    await expect(page.locator("#hint")).to_have_text("Press the microphone and speak.")
    await expect(page.locator("#about")).to_have_text(
        "What you say is written here while you speak. This server understands English; the sound goes to it alone."
    )
    await expect(page).to_have_title("Niyosha")
    assert await violations(page) == []
    await keep_screenshot(page, "dictation-first")
    await page.get_by_role("button", name="فارسی").click()
    await expect(page.locator("#about")).to_contain_text("این سرور انگلیسی می‌فهمد")
    # Persian first in Persian: the name, too.
    await expect(page.get_by_role("heading", level=1)).to_have_text("نیوشا")
    await expect(page).to_have_title("نیوشا")


async def test_many_languages_are_counted(speaking_browser: Browser) -> None:
    async with (
        running(Settings(port=0), ScriptedRecognizer(languages=MANY)) as server,
        opened(speaking_browser, server.url) as page,
    ):
        await expect(page.locator("#about")).to_contain_text("understands 5 languages;")


async def test_a_sample_is_recognized_without_a_microphone(page: Page) -> None:
    sent: list[str] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framesent", lambda frame: sent.append(frame) if isinstance(frame, str) else None),
    )
    async with page.expect_websocket() as waiting:
        await page.get_by_role("button", name="Hear a sample (English)").click()
    assert "store=false" in (await waiting.value).url
    assert "languageCode=en-US" in (await waiting.value).url
    # It ends by itself, with all its words: the clip is 4.2 s long.
    await expect(page.get_by_role("log")).to_contain_text("w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12")
    await expect_state(page, "Ready")
    await expect(page.get_by_role("alert")).to_be_empty()
    assert sent[-1] == "close"
    assert await page.evaluate("devicesAsked") == []
    # What was said comes first: the welcome has left.
    await expect(page.locator("#welcome")).to_be_hidden()


async def test_a_sample_can_be_stopped(page: Page) -> None:
    await page.get_by_role("button", name="Hear a sample (English)").click()
    await expect(page.locator("#open")).to_contain_text("w0")
    await page.locator("#listen").click()
    await expect_state(page, "Ready")
    await expect(page.get_by_role("log")).to_contain_text("w0")


async def test_a_sample_that_cannot_be_loaded_is_told(
    speaking_browser: Browser, counting_server: RunningServer
) -> None:
    routes = {"**/sample.mp3": unreachable}
    async with opened(speaking_browser, counting_server.url, may_log=True, routes=routes) as page:
        await page.get_by_role("button", name="Hear a sample (English)").click()
        await expect(page.get_by_role("alert")).to_contain_text("The sample cannot be loaded. Is the server running?")
        await expect_state(page, "Ready")


async def test_a_server_without_english_offers_no_english_sample(
    speaking_browser: Browser, persian_server: RunningServer
) -> None:
    async with opened(speaking_browser, persian_server.url) as page:
        await expect(page.locator("#about")).to_contain_text("understands Persian;")
        await expect(page.locator("#sample")).to_be_hidden()


async def test_files_are_chosen_where_they_may_be_dropped(page: Page) -> None:
    async with page.expect_file_chooser() as waiting:
        await page.get_by_role("button", name="Choose files").click()
    await (await waiting.value).set_files(CLIPS / "quick.wav")
    await expect(page.get_by_role("log")).to_contain_text("w0")


async def test_the_level_moves_beside_the_button_and_rests_with_it(page: Page) -> None:
    assert await page.evaluate(LEVELS) == [0] * 10
    await start(page)
    # The sides mirror each other; the newest level is beside the button.
    await wait_for(page, f"{LEVELS}.some((level) => level > 0.3)")
    sides: list[float] = await page.evaluate(LEVELS)
    assert sides == sides[::-1]
    box = await page.locator("#level").bounding_box()
    button = await page.locator("#listen").bounding_box()
    assert box is not None
    assert button is not None
    assert box["x"] < button["x"]
    assert box["x"] + box["width"] > button["x"] + button["width"]
    await stop(page)
    assert await page.evaluate(LEVELS) == [0] * 10
    await expect(page.get_by_role("meter", name="Level")).to_have_attribute("aria-valuenow", "0")


async def test_without_motion_the_level_changes_in_strength_alone(
    speaking_browser: Browser, counting_server: RunningServer
) -> None:
    async with opened(speaking_browser, counting_server.url, reduced_motion="reduce") as page:
        await start(page)
        await wait_for(page, f"{LEVELS}[5] > 0.3")
        styles = await page.evaluate(
            "JSON.stringify([...document.querySelectorAll('#level i')].map((bar) => getComputedStyle(bar).transform))"
        )
        assert json.loads(styles) == ["none"] * 10
        await stop(page)


async def test_all_rows_of_the_page_begin_at_one_edge(page: Page) -> None:
    edges = await page.evaluate("""['h1', '#hint', '.hears', '.controls', '.facts'].map((selector) => {
      const element = document.querySelector(selector);
      const { left } = element.getBoundingClientRect();
      return Math.round(left + parseFloat(getComputedStyle(element).paddingLeft));
    })""")
    assert len(set(edges)) == 1, edges
    await stop_places(page)


async def stop_places(page: Page) -> None:
    """The buttons keep their places when text comes."""
    places = "JSON.stringify(['#copy', '#clear', '#listen', '#configure'].map((id) => {" \
             "  const { x, y } = document.querySelector(id).getBoundingClientRect(); return [x, y]; }))"  # fmt: skip
    before = await page.evaluate(places)
    await start(page)
    await expect(page.locator("#open")).to_contain_text("w0")
    await stop(page)
    assert await page.evaluate(places) == before
