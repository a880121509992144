"""Recordings that are dropped on the dictation view or chosen there."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.sounds import clip_pcm, wav
from tests.web.pages.browser import expect_notice, expect_state, opened, start, track_states
from vad import SAMPLE_RATE
from web.process.serve import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


def mp4(pcm: bytes) -> bytes:
    """As phones record: AAC, which the server does not read."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=SAMPLE_RATE)
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, np.int16)[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


async def choose(page: Page, name: str, body: bytes, media_type: str = "audio/wav") -> None:
    await page.locator("#file").set_input_files({"name": name, "mimeType": media_type, "buffer": body})


async def test_a_file_that_is_dropped_ends_the_listening_and_comes_below_its_text(page: Page) -> None:
    await start(page)
    await expect(page.locator("#open")).to_contain_text("w0 w1")
    body = list(wav(clip_pcm("yes.wav") + bytes(32_000)))
    await page.evaluate(
        """(body) => {
          const dropped = new DataTransfer();
          dropped.items.add(new File([new Uint8Array(body)], "yes.wav", { type: "audio/wav" }));
          for (const kind of ["dragover", "drop"]) {
            const event = new DragEvent(kind, { dataTransfer: dropped, bubbles: true, cancelable: true });
            document.body.dispatchEvent(event);
          }
        }""",
        body,
    )
    await expect(page.get_by_role("log").locator("p")).to_have_count(2)
    await expect_state(page, "Ready")
    assert await track_states(page) == ["ended"]


async def test_a_phones_recording_is_decoded_by_the_browser(
    speaking_browser: Browser, counting_server: RunningServer
) -> None:
    # The browser writes the refusal that comes first to the console.
    async with opened(speaking_browser, counting_server.url, may_log=True) as page:
        await choose(page, "memo.m4a", mp4(clip_pcm("quick.wav")), "audio/mp4")
        await expect(page.get_by_role("log")).to_contain_text("w0 w1")


async def test_what_is_no_recording_is_told(speaking_browser: Browser, counting_server: RunningServer) -> None:
    async with opened(speaking_browser, counting_server.url, may_log=True) as page:
        await choose(page, "letter.html", b"<!doctype html><p>hello", "text/html")
        await expect_notice(page, "This is no recording. Choose a sound or a video.")
        await choose(page, "broken.flac", b"fLaC" + bytes(1_000), "audio/flac")
        await expect(page.get_by_role("alert")).to_contain_text("The server refused the file:")
        await choose(page, "silence.wav", wav(bytes(64_000)))
        await expect_notice(page, "Nothing was said in this file.")


async def test_old_lines_leave_the_page_and_not_the_transcript(page: Page) -> None:
    lines = 130
    one = clip_pcm("yes.wav")[: 2 * 8_000] + bytes(2 * 16_000)
    await choose(page, "long.wav", wav(one * lines))
    await expect(page.get_by_role("button", name="Show earlier lines (10)")).to_be_visible()
    log = page.get_by_role("log").locator("p")
    assert await log.count() == 120
    await page.locator("summary").click()
    async with page.expect_download() as waiting:
        await page.locator("[data-format=txt]").click()
    path = Path(await (await waiting.value).path())
    assert len(path.read_text(encoding="utf-8").splitlines()) == lines  # noqa: ASYNC240 - a small file of our own
    await page.evaluate("window.scrollTo(0, 0); window.kept = document.querySelector('#settled').firstElementChild")
    place = await page.evaluate("kept.getBoundingClientRect().top")
    await page.get_by_role("button", name="Show earlier lines (10)").click()
    assert await log.count() == lines
    await expect(page.locator("#earlier")).to_be_hidden()
    # The reader stays where they were.
    assert await page.evaluate("scrollY") > 0
    assert abs(await page.evaluate("kept.getBoundingClientRect().top") - place) < 1
