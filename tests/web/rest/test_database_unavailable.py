"""A database that is away, locked, full or read-only: 503 with `Retry-After` everywhere, and live talk goes on."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection

from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm, wav
from tests.web.rest.recordings import QUICK_AND_TRAIN, asked
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import converse, http_client, refusal
from web.settings.settings import read_settings
from web.store.database import engines
from web.store.database.engines import libpq_url

virtual_time = pytest.mark.virtual_time
ALL, LONG, MODELS = "/v1/speech/transcriptions", "/v1/speech/asrlongrunning", "/v1/speech/languagemodels"
UPLOAD: dict[str, object] = {"config": {}, "audio": {"upload": True}}
LARGE: dict[str, object] = {"corpora": ["a phrase of some length " + "x" * 900 for _ in range(200)]}

Ask = Callable[[], Awaitable[httpx.Response]]


@pytest.fixture
def pragmas(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What every transaction of the gateway begins with, such as a database that may not grow."""
    begun, begin = list[str](), engines._begin

    def begin_with_pragmas(connection: Connection) -> None:
        for pragma in begun:
            connection.exec_driver_sql(f"PRAGMA {pragma}")
        begin(connection)

    monkeypatch.setattr(engines, "_begin", begin_with_pragmas)
    # A thread waits for a lock on the clock of the machine.
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.02)
    return begun


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of all writers, as another program may."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def without_tables(path: Path) -> Iterator[None]:
    """Take the tables away, as a restore that went wrong does."""
    with closing(sqlite3.connect(path)) as other:
        for table in ("transcriptions", "language_models"):
            other.execute(f"ALTER TABLE {table} RENAME TO {table}_gone")
        yield
        for table in ("transcriptions", "language_models"):
            other.execute(f"ALTER TABLE {table}_gone RENAME TO {table}")


class Caller:
    """Somebody who has a transcription, a model and a recording that waits for its audio."""

    def __init__(self, base: str, client: httpx.AsyncClient) -> None:
        self.base, self.client = base, client
        self.done = self.waiting = self.model = ""

    async def begin(self) -> None:
        client = self.client
        self.done = (await client.post("/v1/speech/asr", json=asked(clip_pcm("quick.wav")))).headers["Location"]
        self.waiting = (await client.post(LONG, json=UPLOAD)).headers["Upload-Location"]
        answer = await client.post(MODELS, json={"corpora": ["a phrase"]})
        self.model = f"{MODELS}/{answer.json()['languageModelId']}"

    def writes(self) -> list[Ask]:
        client = self.client
        return [
            lambda: client.post(LONG, json=UPLOAD),
            lambda: client.post(LONG, json={"config": {}, "audio": {"uri": "https://example.com/a.wav"}}),
            lambda: client.post(LONG, files={"audio": wav(QUICK_AND_TRAIN)}),
            lambda: client.put(self.waiting, content=wav(QUICK_AND_TRAIN)),
            lambda: client.delete(self.done),
            lambda: client.post(MODELS, json=LARGE),
            lambda: client.delete(self.model),
        ]

    def reads(self) -> list[Ask]:
        client, names = self.client, {"languageModel": self.model.rpartition("/")[2]}
        return [
            lambda: client.get(ALL),
            lambda: client.get(self.done),
            lambda: client.get(MODELS),
            lambda: client.get(self.model),
            lambda: client.post("/v1/speech/asr", json=asked(clip_pcm("quick.wav"), **names)),
            lambda: client.post(
                "/api/v1/asr/recognize",
                files={"audio": wav(QUICK_AND_TRAIN)},
                data={"config": f'{{"languageModel": "{names["languageModel"]}"}}'},
            ),
        ]

    async def is_refused(self, asks: list[Ask], detail: str) -> None:
        for ask in asks:
            answer = await ask()
            body: dict[str, Any] = answer.json()
            assert (answer.status_code, body["type"], body["detail"]) == (503, "overloaded", detail), answer.request
            assert answer.headers["Retry-After"] == "5"

    async def is_served(self) -> None:
        assert (await self.client.get("/readyz")).status_code == 200
        assert (await self.client.get(self.done)).status_code == 200
        answer = await self.client.put(self.waiting, content=wav(QUICK_AND_TRAIN))
        assert answer.status_code == 200, answer.json()
        assert (await self.client.delete(self.done)).status_code == 204


@asynccontextmanager
async def calling(base: str) -> AsyncIterator[Caller]:
    async with http_client(base) as client:
        caller = Caller(base, client)
        await caller.begin()
        yield caller


async def readiness(caller: Caller) -> tuple[int, str]:
    answer = await caller.client.get("/readyz")
    return answer.status_code, answer.json().get("detail", "")


@virtual_time
@pytest.mark.fault(37)
async def test_a_locked_file_is_told_and_talk_is_stored_afterwards(own_database: Path, pragmas: list[str]) -> None:
    async with running_gateway() as base, calling(base) as caller:
        with locked(own_database):
            await caller.is_refused(caller.writes(), "the database is locked by others; come again in a few seconds")
            assert await readiness(caller) == (503, "the database is locked by others")
            assert (await caller.client.get(caller.done)).status_code == 200
            talk = await converse(base, clip_pcm("quick.wav"), "close")
            assert talk.transcript.startswith("w0 w1")
        where = f"{ALL}/{talk.messages[-1]['transcriptionId']}"
        while (await caller.client.get(where)).json()["status"] != "done":
            await asyncio.sleep(1)
        await caller.is_served()


@virtual_time
@pytest.mark.parametrize(
    ("failing", "mended", "sentence"),
    [
        ("query_only = ON", "query_only = OFF", "the database cannot be written to"),
        ("max_page_count = 1", "max_page_count = 1000000", "the database has no room left"),
    ],
)
@pytest.mark.fault(37)
async def test_a_full_and_a_read_only_database_are_told(
    pragmas: list[str], failing: str, mended: str, sentence: str
) -> None:
    async with running_gateway() as base, calling(base) as caller:
        pragmas[:] = [failing]
        writes = caller.writes()
        if "page" in failing:
            # What is small may find room in a page that is there.
            writes = [writes[3], writes[5]]
        else:
            assert await readiness(caller) == (503, sentence)
        await caller.is_refused(writes, f"{sentence}; come again in a few seconds")
        assert (await caller.client.get(caller.done)).status_code == 200
        pragmas[:] = [mended]
        await caller.is_served()


@virtual_time
@pytest.mark.fault(37)
async def test_a_database_without_our_tables_is_away(own_database: Path, pragmas: list[str]) -> None:
    sentence = "the database does not answer; come again in a few seconds"
    async with running_gateway() as base, calling(base) as caller:
        with without_tables(own_database):
            await caller.is_refused([*caller.writes(), *caller.reads()], sentence)
            name = caller.model.rpartition("/")[2]
            status, body = await refusal(base, f"languageModel={name}")
            assert (status, body["detail"]) == (503, sentence)
            talk = await converse(base, clip_pcm("quick.wav"), "close")
            assert talk.transcript.startswith("w0 w1")
        await caller.is_served()


class Wire:
    """A way to PostgreSQL on which at any moment nothing more arrives, in either direction, and nothing breaks."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.port = 0

    @asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        carrying = set[asyncio.Task[None]]()

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there_reader, there_writer = await asyncio.open_unix_connection(self._path)
            pairs = (reader, there_writer), (there_reader, writer)
            tasks = [asyncio.create_task(self._pass_on(*pair)) for pair in pairs]
            carrying.update(tasks)
            await asyncio.wait(tasks)
            for task in tasks:
                task.cancel()
            writer.close()
            there_writer.close()

        server = await asyncio.start_server(carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in carrying:
                task.cancel()
            await asyncio.gather(*carrying, return_exceptions=True)
            await server.wait_closed()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self.is_open.wait()
            writer.write(data)
        writer.close()


@pytest.mark.fault(37)
async def test_a_postgresql_that_hangs_costs_a_request_no_more_than_its_limit(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A real server lives on the clock of the machine: shorter bounds show that they hold.
    monkeypatch.setattr("web.store.database.database._TRANSACTION_SECONDS", 0.5)
    monkeypatch.setattr("web.rest.health._DATABASE_SECONDS", 0.2)
    monkeypatch.setattr("web.jobs.postgres_queue._ANNOUNCE_SECONDS", 0.2)
    parts = httpx.URL(libpq_url(postgres_url).replace("postgresql", "http", 1))
    folder = parts.params["host"]
    async with Wire(f"{folder}/.s.PGSQL.{parts.params.get('port', '5432')}").laid() as wire:
        url = f"postgresql://{parts.username}@127.0.0.1:{wire.port}{parts.path}"
        settings = read_settings({"port": 0, "database_url": url})
        async with running_gateway(settings=settings) as base, calling(base) as caller:
            wire.is_open.clear()
            sentence = "the database does not answer"
            asks = [*caller.writes(), *caller.reads()]
            async with asyncio.timeout(STUCK_SECONDS):
                await asyncio.gather(
                    *(caller.is_refused([ask], f"{sentence}; come again in a few seconds") for ask in asks)
                )
                assert await readiness(caller) == (503, sentence)
                talk = await converse(base, clip_pcm("quick.wav"), "close")
                assert talk.transcript.startswith("w0 w1")
                wire.is_open.set()
                while (await readiness(caller))[0] != 200:
                    await asyncio.sleep(0.1)
            await caller.is_served()
