"""Recordings that are dropped on the dictation view or chosen there."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.support.sounds import clip_pcm, wav
from tests.support.tiers import tiered
from tests.web.pages.browser import expect_notice, expect_state, opened, start, track_states
from vad import SAMPLE_RATE
from web.process.serve import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


def contained(pcm: bytes, container: str, video: str | None) -> bytes:
    """Samples in a container, as phones and screen recorders write it, perhaps beside a video."""
    file = io.BytesIO()
    rate = SAMPLE_RATE if container == "mp4" else 48_000
    with av.open(file, "w", format=container) as output:
        if video:
            pictures = output.add_stream(video, rate=10)
            assert isinstance(pictures, av.VideoStream)
            pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
        sound = output.add_stream("aac" if container == "mp4" else "libopus", rate=rate)
        assert isinstance(sound, av.AudioStream)
        sound.layout = "mono"
        if video:
            assert isinstance(pictures, av.VideoStream)
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            for _ in range(10):
                output.mux(pictures.encode(picture))
            output.mux(pictures.encode(None))
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, np.int16)[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for part in (frame, None):
            output.mux(sound.encode(part))
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


@pytest.mark.parametrize(
    ("name", "media_type", "video"),
    [
        ("film.mp4", "video/mp4", "h264"),
        ("film.webm", "video/webm", "vp8"),
        *tiered([], [("memo.m4a", "audio/mp4", None), ("film.ogv", "video/ogg", "vp8")]),
    ],
)
async def test_a_recording_with_video_is_read_by_the_server(
    page: Page, name: str, media_type: str, video: str | None
) -> None:
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    await choose(page, name, contained(clip_pcm("quick.wav"), media_type.split("/")[1], video), media_type)
    await expect(page.get_by_role("log")).to_contain_text("w0 w1")
    # The browser had nothing to decode, and sent the file once.
    assert len(posts) == 1


async def test_what_the_server_cannot_decode_the_browser_does(
    speaking_browser: Browser, counting_server: RunningServer
) -> None:
    refusals = ["invalid_audio"]

    async def refuse(route: Route) -> None:
        if refusals:
            await route.fulfill(status=400, json={"type": refusals.pop(), "detail": "it holds an unknown codec"})
        else:
            await route.continue_()

    routes = {"**/v1/speech/asrlongrunning": refuse}
    # The browser writes the refusal to the console.
    async with opened(speaking_browser, counting_server.url, may_log=True, routes=routes) as page:
        await choose(page, "memo.mp4", contained(clip_pcm("quick.wav"), "mp4", None), "audio/mp4")
        await expect(page.get_by_role("log")).to_contain_text("w0 w1")
        assert refusals == []


async def test_what_is_no_recording_is_told(speaking_browser: Browser, counting_server: RunningServer) -> None:
    async with opened(speaking_browser, counting_server.url, may_log=True) as page:
        await choose(page, "letter.html", b"<!doctype html><p>hello", "text/html")
        await expect_notice(page, "This is no recording. Choose a sound or a video.")
        await choose(page, "broken.flac", b"fLaC" + bytes(1_000), "audio/flac")
        await expect(page.get_by_role("alert")).to_contain_text("This file is damaged, or its sound cannot be read.")
        await choose(page, "paper.pdf", b"%PDF-1.7\n" + bytes(500), "application/pdf")
        await expect_notice(page, "This is no recording. Choose a sound or a video.")
        await choose(page, "silence.wav", wav(bytes(64_000)))
        await expect_notice(page, "Nothing was said in this file.")
        await choose(page, "unknown.mp3", bytes([7, 0, 9, 0]) * 2_000, "audio/mpeg")
        await expect(page.get_by_role("alert")).to_contain_text("This file cannot be read: it is damaged, or of a kind")
        await choose(page, "nothing.wav", b"")
        await expect_notice(page, "This file is empty. Choose another one.")


async def test_old_lines_leave_the_page_and_not_the_transcript(page: Page) -> None:
    lines = 130
    one = clip_pcm("yes.wav")[: 2 * 8_000] + bytes(2 * 32_000)
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
