"""Recordings of many utterances on the dictation view, which settle in any order."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.async_api import Browser, Page, Response, Route, expect

from stream.session.events import Alternative, Hypothesis, RecognitionOptions, Word
from tests.support.processes import STUCK_SECONDS
from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm, wav
from tests.support.tiers import tiered
from tests.web.pages.accessibility import violations
from tests.web.pages.browser import expect_state, opened, start, stop, track_states
from tests.web.pages.conftest import own_settings
from vad import SAMPLE_RATE
from web.process.serve import RunningServer, running

pytestmark = pytest.mark.asyncio(loop_scope="session")

UTTERANCES = 48
# Two clicks in each utterance tell by their distance which one it is, at any level.
FIRST_CLICK, LEAST_DISTANCE, DISTANCE_STEP = 3_000, 50, 10
SPEECH = np.frombuffer(clip_pcm("yes.wav")[: 2 * 8_000], np.int16) // 2
PAUSE = np.zeros(SAMPLE_RATE, np.int16)


def spoken(number: int) -> str:
    """The text of an utterance; some have none."""
    return "" if number % 9 == 4 else f"number {number} is said."


def talk(first: int = 0, count: int = UTTERANCES) -> bytes:
    """A recording of so many utterances from the one of this number on."""
    parts = []
    for number in range(first, first + count):
        speech = SPEECH.copy()
        distance = LEAST_DISTANCE + DISTANCE_STEP * number
        speech[[FIRST_CLICK, FIRST_CLICK + distance]] = 32_767
        parts += [speech, PAUSE]
    return wav(np.concatenate(parts).tobytes())


def number_of(pcm: bytes) -> int:
    """Which utterance it is."""
    loudest = np.argsort(np.abs(np.frombuffer(pcm, np.int16).astype(np.int32)))[-2:]
    return int(abs(loudest[0] - loudest[1]) - LEAST_DISTANCE) // DISTANCE_STEP


@dataclass
class Finals:
    """Holds back the finals of all streams, and lets some of those that wait go, in an order of its own."""

    seed: int
    waiting: list[asyncio.Event] = field(default_factory=list)
    is_open: bool = False

    async def wait(self) -> None:
        if not self.is_open:
            self.waiting.append(gate := asyncio.Event())
            await gate.wait()

    def release(self, most: int) -> None:
        random.Random(self.seed).shuffle(self.waiting)  # noqa: S311
        for gate in self.waiting[:most]:
            gate.set()
        del self.waiting[:most]

    def open(self) -> None:
        self.is_open = True
        self.release(len(self.waiting))


class NumberedStream(CountingStream):
    """Says which utterance it hears, when its final may go."""

    def __init__(self, finals: Finals, options: RecognitionOptions) -> None:
        super().__init__(options)
        self._finals = finals

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        async for last in super().hypotheses():
            if last.is_final:
                await self._finals.wait()
                texts = spoken(number_of(self.pcm)).split()
                words = tuple(Word(text, 1600 * at, 1600 * (at + 1), 0.5) for at, text in enumerate(texts))
                yield Hypothesis((Alternative(words, 0.5),), is_final=True, processed=last.processed)


@asynccontextmanager
async def talking_server(folder: Path, empty_database: Path, finals: Finals) -> AsyncIterator[RunningServer]:
    settings = own_settings(folder, empty_database).model_copy(
        update={"job_streams": 64, "final_limit_seconds": 600.0, "stall_limit_seconds": 600.0}
    )
    async with running(settings, ScriptedRecognizer(script=[partial(NumberedStream, finals)])) as server:
        yield server


async def choose(page: Page, **recordings: bytes) -> None:
    files = [{"name": f"{name}.wav", "mimeType": "audio/wav", "buffer": body} for name, body in recordings.items()]
    await page.locator("#file").set_input_files(files)  # type: ignore[arg-type]


async def shown(page: Page) -> list[str]:
    return [text.strip() for text in await page.get_by_role("log").locator("p").all_inner_texts()]


async def downloaded(page: Page, form: str) -> tuple[str, bytes]:
    """The name and the content of what the menu gives."""
    await page.locator("summary").click()
    async with page.expect_download() as waiting:
        await page.locator(f"[data-format={form}]").click()
    download = await waiting.value
    return download.suggested_filename, Path(await download.path()).read_bytes()  # noqa: ASYNC240 - a small file


def due(first: int = 0, count: int = UTTERANCES) -> list[str]:
    return [text for text in map(spoken, range(first, first + count)) if text]


@pytest.mark.parametrize("seed", range(tiered(1, long=5)))
async def test_a_recording_that_settles_out_of_order_reads_as_it_was_spoken(
    seed: int, speaking_browser: Browser, tmp_path: Path, empty_database: Path
) -> None:
    finals = Finals(seed)
    async with (
        talking_server(tmp_path, empty_database, finals) as server,
        opened(speaking_browser, server.url) as page,
        httpx.AsyncClient(base_url=server.url) as client,
    ):
        methods: list[str] = []

        def answered(response: Response) -> None:
            methods.append(response.request.method)
            # Each answer that the page has seen settles some more, before and after what is settled.
            if "/transcriptions/" in response.url:
                finals.release(UTTERANCES // 6)

        page.on("response", answered)
        await choose(page, talk=talk())
        await expect(page.get_by_role("log").locator("p")).to_have_count(len(due()))
        await expect(page.locator("#progress")).to_be_hidden()
        assert await shown(page) == due()
        # What the page shows is kept at the server, and what it saves is what the server writes.
        assert "DELETE" not in methods
        (kept,) = (await client.get("/v1/speech/transcriptions")).json()["transcriptions"]
        for form in ("txt", "srt", "vtt", "json"):
            written = await client.get(f"/v1/speech/transcriptions/{kept['transcriptionId']}?format={form}")
            assert await downloaded(page, form) == (f"talk.{form}", written.content)
        assert written.json()["status"] == "done"
        text = await client.get(f"/v1/speech/transcriptions/{kept['transcriptionId']}?format=txt")
        assert text.text.splitlines() == due()


async def test_recordings_go_on_beside_what_is_said_meanwhile(
    speaking_browser: Browser, tmp_path: Path, empty_database: Path
) -> None:
    finals = Finals(1)
    async with (
        talking_server(tmp_path, empty_database, finals) as server,
        opened(speaking_browser, server.url) as page,
    ):
        await choose(page, first=talk(0, 4), second=talk(10, 3))
        rows = page.get_by_role("list", name="Files that are read").get_by_role("listitem")
        await expect(rows).to_have_count(2)
        await expect(rows.first.get_by_role("progressbar", name="Reading first.wav")).to_be_visible()
        # The microphone asks first, and nothing happens if the question is cancelled.
        await start(page)
        question = page.get_by_role("dialog", name="A file is still being read")
        await expect(question).to_contain_text("“first.wav” is read to")
        assert await violations(page) == []
        await question.get_by_role("button", name="Cancel").click()
        await expect_state(page, "Ready")
        await expect(rows).to_have_count(2)
        assert await track_states(page) == []
        await start(page)
        await question.get_by_role("button", name="Speak, and read on").click()
        await expect_state(page, "Listening")
        finals.open()
        await expect(page.get_by_role("log")).to_contain_text(spoken(12))
        await stop(page)
        assert (await shown(page))[:7] == due(0, 4) + due(10, 3)


async def test_a_file_can_be_cancelled_and_keeps_its_text(
    speaking_browser: Browser, tmp_path: Path, empty_database: Path
) -> None:
    finals = Finals(1)
    async with (
        talking_server(tmp_path, empty_database, finals) as server,
        opened(speaking_browser, server.url) as page,
        httpx.AsyncClient(base_url=server.url) as client,
    ):
        await choose(page, first=talk(0, 4), second=talk(10, 3), third=talk(20, 3))
        async with asyncio.timeout(STUCK_SECONDS):
            while not finals.waiting:
                await asyncio.sleep(0.05)
        finals.release(1)
        log = page.get_by_role("log")
        await expect(log.locator("p")).to_have_count(1)
        first = await shown(page)
        await page.get_by_role("button", name="Cancel second.wav").click()
        async with page.expect_response(lambda response: response.request.method == "DELETE"):
            await page.get_by_role("button", name="Cancel first.wav").click()
        await expect(page.get_by_text("third.wav")).to_be_visible()
        # The server deleted what was cancelled; its text so far is still downloaded.
        name, text = await downloaded(page, "txt")
        assert (name, text.decode().splitlines()) == ("first.txt", first)
        await start(page)
        async with page.expect_response(lambda response: response.request.method == "DELETE"):
            await page.get_by_role("button", name="Stop reading, and speak").click()
        await expect_state(page, "Listening")
        await expect(page.locator("#progress")).to_be_hidden()
        await stop(page)
        await expect(log).to_contain_text(first[0])
        assert (await client.get("/v1/speech/transcriptions")).json()["transcriptions"][1:] == []


async def test_a_file_that_is_cancelled_while_it_is_sent_does_not_stay_at_the_server(
    speaking_browser: Browser, tmp_path: Path, empty_database: Path
) -> None:
    arrived, cancelled = asyncio.Event(), asyncio.Event()

    async def answer_late(route: Route) -> None:
        answer = await route.fetch()
        arrived.set()
        await cancelled.wait()
        await route.fulfill(response=answer)

    async with (
        talking_server(tmp_path, empty_database, Finals(1)) as server,
        opened(speaking_browser, server.url, routes={"**/v1/speech/asrlongrunning": answer_late}) as page,
        httpx.AsyncClient(base_url=server.url) as client,
    ):
        await choose(page, first=talk(0, 4))
        async with asyncio.timeout(STUCK_SECONDS):
            await arrived.wait()
        async with page.expect_response(lambda response: response.request.method == "DELETE"):
            await page.get_by_role("button", name="Cancel first.wav").click()
            cancelled.set()
        assert (await client.get("/v1/speech/transcriptions")).json()["transcriptions"] == []
        await expect(page.locator("#progress")).to_be_hidden()


async def test_a_server_that_is_away_for_a_moment_costs_no_text(
    speaking_browser: Browser, tmp_path: Path, empty_database: Path
) -> None:
    finals = Finals(1, is_open=True)
    failures = [503, 0, 502]

    async def fail(route: Route) -> None:
        if not failures:
            await route.continue_()
        elif status := failures.pop():
            await route.fulfill(status=status, body="<h1>Bad gateway</h1>")
        else:
            await route.abort()

    async with (
        talking_server(tmp_path, empty_database, finals) as server,
        # The browser writes each failure to the console.
        opened(speaking_browser, server.url, may_log=True, routes={"**/v1/speech/transcriptions/**": fail}) as page,
    ):
        await choose(page, talk=talk(0, 4))
        await expect(page.get_by_role("log")).to_contain_text(spoken(3))
        assert await shown(page) == due(0, 4)
        assert not failures
        await expect(page.get_by_role("alert")).to_be_empty()
