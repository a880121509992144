"""Persian in a real browser: dictation, captions and the audience's page, each line in its direction."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.persian import SENTENCE, SENTENCE_IN_DIGITS, persian_recognizer
from tests.support.sounds import clip_pcm
from tests.web.pages.browser import keep_screenshot, opened, start, stop
from tests.web.support.channels import made
from tests.web.support.sockets import http_client, received, talking
from web.process.serve import RunningServer, running
from web.settings.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Where the first and the last word of a line are, from its left edge.
PLACES = """(line) => {
  const range = document.createRange();
  const nodes = [];
  const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) nodes.push(walker.currentNode);
  const leftOf = (word) => {
    const node = nodes.find((one) => one.data.includes(word));
    range.setStart(node, node.data.indexOf(word));
    range.setEnd(node, node.data.indexOf(word) + word.length);
    return range.getBoundingClientRect().left;
  };
  return { first: leftOf("Windows"), second: leftOf("را"), dir: getComputedStyle(line).direction };
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(module_database: str) -> AsyncIterator[RunningServer]:
    defaults = {"languageCode": "fa", "numbers": "digits"}
    settings = Settings(port=0, database_url=module_database, stream_defaults=defaults)
    async with running(settings, persian_recognizer()) as server:
        yield server


async def expect_right_to_left(page: Page, selector: str) -> None:
    """The line begins with a Latin name at its right, and the Persian word after it stands to the left of that."""
    places = await page.locator(selector).first.evaluate(PLACES)
    assert places["dir"] == "rtl"
    assert places["second"] < places["first"]


async def test_dictation_and_captions_are_right_to_left(speaking_browser: Browser, server: RunningServer) -> None:
    async with opened(speaking_browser, f"{server.url}?language=fa") as page:
        captions = await page.context.new_page()
        await captions.goto(f"{server.url}/captions")
        await page.bring_to_front()
        await start(page)
        await expect(page.get_by_role("log")).to_contain_text("نفر.")
        await stop(page)
        assert (await page.get_by_role("log").inner_text()).startswith(SENTENCE_IN_DIGITS)
        await expect_right_to_left(page, "[role=log] p")
        await expect(captions.locator("#captions p").first).to_contain_text("Windows")
        await expect_right_to_left(captions, "#captions p")
        await expect(captions.locator("#spoken p").first).to_have_attribute("dir", "rtl")
        await keep_screenshot(captions, "captions-persian")


async def test_the_audience_reads_right_to_left_beside_a_latin_name(
    speaking_browser: Browser, server: RunningServer
) -> None:
    async with http_client(server.url) as client:
        name = await made(client, languages=["fa"])
        page = await (await speaking_browser.new_context(locale="fa-IR")).new_page()
        await page.goto(f"{server.url}/watch/{name}")
        async with talking(server.url, f"channel={name}&speaker=Ann&languageCode=fa&numbers=recognized") as socket:
            await socket.send(clip_pcm("quick.wav") + bytes(32_000))
            await socket.send("close")
            assert [message async for message in received(socket)]
        line = page.get_by_role("log").locator("p")
        await expect(line).to_have_text(f"Ann: {SENTENCE}")
        await expect(line).to_have_attribute("lang", "fa")
        await expect_right_to_left(page, "[role=log] p")
        vtt = (await client.get(f"/v1/channels/{name}.vtt")).text
        assert f"\u200f{SENTENCE}" in vtt
        await page.context.close()
