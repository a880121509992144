"""The audience's page in a real browser: the lines of a channel, as they are spoken, and how it looks."""

import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.recognizers import ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.web.pages.accessibility import violations
from tests.web.pages.browser import keep_screenshot, opened
from tests.web.support.channels import PATH, made
from tests.web.support.sockets import http_client, received, talking
from web.process.serve import RunningServer, running
from web.settings.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[RunningServer]:
    async with running(Settings(port=0), ScriptedRecognizer()) as server:
        yield server


async def publish(base: str, name: str) -> str:
    """Send a clip to a channel; return its text."""
    async with talking(base, f"channel={name}&speaker=Ann") as socket:
        await socket.send(clip_pcm("quick.wav") + bytes(32_000))
        await socket.send("close")
        messages = [json.loads(message) async for message in received(socket)]
    return " ".join(result["transcript"] for result in messages[-1]["results"])


async def watching(browser: Browser, base: str, name: str) -> Page:
    page = await (await browser.new_context(locale="en-US", viewport={"width": 390, "height": 844})).new_page()
    await page.goto(f"{base}/watch/{name}")
    return page


async def test_the_audience_reads_what_is_spoken_and_what_was(speaking_browser: Browser, server: RunningServer) -> None:
    async with http_client(server.url) as client:
        name = await made(client, title="Main stage", languages=["en"])
        page = await watching(speaking_browser, server.url, name)
        await expect(page.get_by_role("heading")).to_have_text("Main stage")
        await expect(page.get_by_role("status")).to_have_text("Nobody is speaking yet.")
        text = await publish(server.url, name)
        await expect(page.get_by_role("log").locator("p")).to_have_text(f"Ann: {text}")
        await expect(page.get_by_role("status")).to_have_text("")
        assert await violations(page) == []
        await page.get_by_role("button", name="Light or dark").click()
        assert await violations(page) == []
        late = await watching(speaking_browser, server.url, name)
        await expect(late.get_by_role("log").locator("p")).to_have_text(f"Ann: {text}")
        line = (await client.get(f"{PATH}/{name}.vtt")).text.split("\n")[2]
        await client.patch(f"{PATH}/{name}/lines/{line}", json={"text": "Corrected."})
        for one in (page, late):
            await expect(one.get_by_role("log").locator("p")).to_have_text("Ann: Corrected.")
        await keep_screenshot(page, "watch-phone")
        await client.delete(f"{PATH}/{name}")
        await expect(page.get_by_role("status")).to_have_text("These captions have ended.")
        for one in (page, late):
            await one.context.close()


async def test_each_reader_has_a_size_and_a_language_of_their_own(
    speaking_browser: Browser, server: RunningServer
) -> None:
    async with http_client(server.url) as client:
        page = await watching(speaking_browser, server.url, await made(client))
        main = page.locator("main")
        await expect(main).to_have_css("font-size", "28px")
        await page.get_by_role("button", name="Larger text").click()
        await expect(main).to_have_css("font-size", "36px")
        await page.get_by_role("button", name="فارسی").click()
        await expect(page.locator("html")).to_have_attribute("dir", "rtl")
        await page.reload()
        await expect(main).to_have_css("font-size", "36px")
        await expect(page.get_by_role("status")).to_have_text(re.compile("هنوز"))
        assert await violations(page) == []
        await page.context.close()


async def test_the_code_of_the_page_leads_to_the_page(speaking_browser: Browser, server: RunningServer) -> None:
    async with http_client(server.url) as client:
        name = await made(client)
        page = await watching(speaking_browser, server.url, name)
        code = page.get_by_role("img", name="Code of this page")
        await expect(code).to_be_hidden()
        await page.get_by_role("button", name="Code of this page").click()
        await expect(code).to_be_visible()
        assert await page.evaluate("document.querySelector('#code').decode().then(() => true)")
        assert await violations(page) == []
        await keep_screenshot(page, "watch-code-phone")
        await page.get_by_role("button", name="Code of this page").click()
        await expect(code).to_be_hidden()
        await page.context.close()


async def test_captions_over_a_picture_follow_a_channel(speaking_browser: Browser, server: RunningServer) -> None:
    async with http_client(server.url) as client:
        name = await made(client, title="Main stage", languages=["en"])
        await publish(server.url, name)
        query = f"channel={name}&theme=transparent&lines=2"
        async with opened(speaking_browser, f"{server.url}/captions?{query}", locale="en-US") as page:
            said = page.get_by_role("log").locator("p")
            # What was said a moment ago is there for who comes a moment late.
            await expect(said).to_have_count(1)
            async with talking(server.url, f"channel={name}&speaker=Bob") as socket:
                await socket.send(clip_pcm("quick.wav"))
                await expect(page.locator("#captions .unsettled").first).to_be_visible()
                await expect(page.locator("#captions p").last).to_contain_text("Bob: ")
                await socket.send(bytes(32_000))
                await expect(said).to_have_count(2)
                await expect(page.locator("#captions .unsettled")).to_have_count(0)
            spoken = (await client.get(f"{PATH}/{name}.txt")).text.splitlines()[-1]
            await expect(page.locator("#captions p").last).to_have_text(spoken)
            assert await violations(page) == []
            await keep_screenshot(page, "captions-channel")
            await client.delete(f"{PATH}/{name}")
            await expect(page.locator("#notice")).to_have_text("These captions have ended.")


async def test_all_readers_of_an_event_have_the_same_words_and_times(
    speaking_browser: Browser, server: RunningServer
) -> None:
    async with http_client(server.url) as client:
        name = await made(client, title="Event", languages=["en"])
        page = await watching(speaking_browser, server.url, name)
        async with opened(speaking_browser, f"{server.url}/captions?channel={name}", locale="en-US") as overlay:
            for _ in range(2):
                await publish(server.url, name)
            shown, said = page.get_by_role("log").locator("p"), overlay.get_by_role("log").locator("p")
            await expect(shown).to_have_count(2)
            await expect(said).to_have_count(2)
            on_page = [text.removeprefix("Ann: ") for text in await shown.all_inner_texts()]
            on_overlay = [text.removeprefix("Ann: ") for text in await said.all_inner_texts()]
        await client.patch(f"{PATH}/{name}", json={"ended": True})
        await expect(page.get_by_role("status")).to_have_text("These captions have ended.")
        await page.context.close()
        playlist = (await client.get(f"{PATH}/{name}/captions.m3u8")).text
        cues = dict[str, str]()
        for segment in re.findall(r"^segments/.*", playlist, re.MULTILINE):
            written = (await client.get(f"{PATH}/{name}/{segment}")).text
            cues |= dict(cue.split("\n", 1) for cue in written.strip().split("\n\n")[1:])
        in_hls = [cue.partition("<v Ann>")[2] for cue in cues.values()]
        whole = (await client.get(f"{PATH}/{name}.vtt")).text
        assert on_page == on_overlay == in_hls
        assert all(cue in whole for cue in cues.values())
