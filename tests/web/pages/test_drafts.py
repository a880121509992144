"""What the dictation view keeps: drafts of the browser, and the server's past transcriptions."""

import json
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Dialog, Page, expect

from tests.support.places import CLIPS
from tests.support.recognizers import ScriptedRecognizer
from tests.web.pages.accessibility import violations
from tests.web.pages.browser import expect_state, keep_screenshot, opened, start, stop, wait_for
from tests.web.pages.conftest import own_settings
from web.process.serve import RunningServer, running

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRAFTS = """new Promise((resolve) => {
  const request = indexedDB.open("niyosha", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("drafts", { keyPath: "id" });
  request.onsuccess = () => {
    const all = request.result.transaction("drafts").objectStore("drafts").getAll();
    all.onsuccess = () => { request.result.close(); resolve(JSON.stringify(all.result)); };
  };
})"""


async def dictate(page: Page) -> str:
    await start(page)
    await expect(page.locator("#open")).to_contain_text("w0 w1")
    await stop(page)
    return await page.get_by_role("log").inner_text()


async def expect_kept(page: Page, text: str) -> None:
    """Wait until the draft in the browser has a text."""
    await wait_for(page, f"{DRAFTS}.then((drafts) => drafts.includes({json.dumps(text)}))")


async def test_a_reload_keeps_the_text(page: Page) -> None:
    text = await dictate(page)
    await expect_kept(page, text.split("\n")[0])
    await page.reload()
    await expect(page.get_by_role("log")).to_have_text(text, use_inner_text=True)
    # What is said next comes below.
    await start(page)
    await expect(page.locator("#open")).to_contain_text("w0")
    await stop(page)
    assert (await page.get_by_role("log").inner_text()).startswith(text)


async def test_a_crash_in_mid_speech_keeps_the_text(speaking_browser: Browser, counting_server: RunningServer) -> None:
    async with opened(speaking_browser, counting_server.url, locale="en-US") as page:
        await start(page)
        await expect(page.locator("#open")).to_contain_text("w0 w1")
        await expect_kept(page, "w0 w1")
        # As when the process dies, the page gets no `beforeunload`.
        revived = await page.context.new_page()
        await page.close(run_before_unload=False)
        await revived.goto(counting_server.url)
        await expect(revived.get_by_role("log")).to_contain_text("w0 w1")


async def test_a_second_tab_does_not_take_the_first_ones_text(page: Page, counting_server: RunningServer) -> None:
    text = await dictate(page)
    await expect_kept(page, text.split("\n")[0])
    second = await page.context.new_page()
    await second.goto(counting_server.url)
    await expect_state(second, "Ready")
    await dictate(second)
    await second.close()
    await page.reload()
    await expect(page.get_by_role("log")).to_have_text(text, use_inner_text=True)


async def test_clear_can_be_undone(page: Page) -> None:
    text = await dictate(page)
    await expect(page.get_by_role("button", name="Undo clear")).to_be_hidden()
    await page.get_by_role("button", name="Clear", exact=True).click()
    await expect(page.get_by_role("log")).to_be_empty()
    await wait_for(page, f"{DRAFTS}.then((drafts) => drafts === '[]')")
    await page.get_by_role("button", name="Undo clear").click()
    await expect(page.get_by_role("log")).to_have_text(text, use_inner_text=True)
    await expect(page.get_by_role("button", name="Undo clear")).to_be_hidden()


async def test_leaving_with_unsaved_text_warns(page: Page) -> None:
    asked: list[str] = []

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", stay)
    await page.reload()
    assert asked == []
    await page.context.grant_permissions(["clipboard-read", "clipboard-write", "microphone"])
    await dictate(page)
    await page.reload()
    assert asked == ["beforeunload"]
    await expect(page.get_by_role("log")).to_contain_text("w0")
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    await page.reload()
    assert asked == ["beforeunload"]


async def test_past_transcriptions_are_found_opened_downloaded_and_deleted(
    speaking_browser: Browser, tmp_path: Path, empty_database: Path
) -> None:
    async with (
        running(own_settings(tmp_path, empty_database), ScriptedRecognizer()) as server,
        opened(speaking_browser, server.url) as page,
        httpx.AsyncClient(base_url=server.url) as client,
    ):
        await page.locator("#file").set_input_files(CLIPS / "yes.wav")
        await expect(page.get_by_role("log")).to_contain_text("w0")
        await page.get_by_role("button", name="Clear", exact=True).click()
        await dictate(page)
        await page.get_by_role("button", name="History").click()
        past = page.get_by_role("dialog", name="What the server keeps of you")
        rows = past.get_by_role("listitem")
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text("spoken")
        await expect(rows.last).to_contain_text("file")
        assert await violations(page) == []
        await keep_screenshot(page, "dictation-history")
        search = past.get_by_role("searchbox", name="Search the texts")
        await search.fill("no such word")
        await expect(past).to_contain_text("No text has these words.")
        await search.fill("W0")
        await expect(rows).to_have_count(2)
        async with page.expect_download() as waiting:
            await rows.last.get_by_role("button", name="Download: srt").click()
        path = Path(await (await waiting.value).path())
        assert "-->" in path.read_text(encoding="utf-8")  # noqa: ASYNC240 - a small file of our own
        await rows.first.get_by_role("button", name="Delete").click()
        await page.get_by_role("dialog", name="Delete this transcription?").get_by_role("button", name="Delete").click()
        await expect(rows).to_have_count(1)
        assert len((await client.get("/v1/speech/transcriptions")).json()["transcriptions"]) == 1
        lines = await page.locator("#settled p").count()
        await rows.first.get_by_role("button", name="Open").click()
        await expect(page.locator("#settled p")).not_to_have_count(lines)
        await expect(past).to_be_hidden()
