"""Processes that share channels: each shows what is published at another, and resumes readers of another."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from stream.channels.lines import Line
from stream.configuration.config import SessionConfig
from stream.session.events import Alternative, Hypothesis, Reason, Settled, Unsettled, Word
from tests.web.channels.outlet import Client
from tests.web.support.gateway import held_while_sqlite_works
from tests.web.support.relays import Wires
from web.channels.hub import ChannelHub
from web.channels.live_channel import LiveChannel
from web.channels.reader import Reader
from web.relay.relay import Relay
from web.store.channels import Channel, Channels
from web.store.database.database import Database
from web.store.database.unavailable import DatabaseUnavailableError, UnavailableReason
from web.tasks import running_task

pytestmark = pytest.mark.virtual_time
START = 1_700_000_000.0


def now() -> float:
    return START + asyncio.get_running_loop().time()


class Process:
    """One of the processes: its hub and its store."""

    def __init__(self, hub: ChannelHub, store: Channels) -> None:
        self.hub = hub
        self.store = store


@asynccontextmanager
async def processes(path: Path, wires: Wires, count: int = 2) -> AsyncIterator[list[Process]]:
    """Processes with one database, in which there is the channel `c`."""
    with held_while_sqlite_works():
        async with AsyncExitStack() as stack:
            made = []
            for _ in range(count):
                database = Database(f"sqlite:///{path}")
                stack.push_async_callback(database.close)
                relay, store = Relay(wires.end()), Channels(database, clock=now)
                await stack.enter_async_context(running_task(relay.run()))
                hub = ChannelHub(store, clock=now, relay=relay)
                await stack.enter_async_context(hub.running())
                made.append(Process(hub, store))
            await made[0].store.create(channel(), most=1)
            yield made


def channel() -> Channel:
    return Channel(
        name="c",
        owner="o",
        title="c",
        languages=(),
        is_public=True,
        retention_seconds=3600,
        glossary=(),
        created_at=START,
    )


@pytest.fixture
def path(tmp_path: Path, empty_database: Path) -> Path:
    return Path(shutil.copyfile(empty_database, tmp_path / "niyosha.db"))


def words(text: str) -> Hypothesis:
    return Hypothesis((Alternative(tuple(Word(one) for one in text.split())),))


def unsettled(text: str, number: int = 1) -> Unsettled:
    return Unsettled(number, words(text), 16_000 * number, 0.0)


def settled(text: str, number: int = 1) -> Settled:
    return Settled(number, words(text), Reason.ENDPOINT, 16_000 * number, 0.0, was_shown=True)


def shown(live: LiveChannel) -> list[tuple[str, bool]]:
    return [(line.text, line.is_settled) for line in live.lines.since(0) if not line.is_hidden]


async def test_text_reaches_the_readers_of_another_process(path: Path) -> None:
    async with (
        processes(path, Wires()) as (one, other),
        other.hub.holding("c") as there,
        one.hub.publishing("c", "o", transcription_id="t", label="Ann") as publisher,
    ):
        assert not there.is_live
        publisher.begin(SessionConfig())
        publisher.receive(unsettled("hello"))
        await asyncio.sleep(0.3)
        assert (there.is_live, shown(there)) == (True, [("hello", False)])
        publisher.receive(settled("hello world"))
        await asyncio.sleep(0.3)
        assert shown(there) == [("hello world", True)]
        async with one.hub.holding("c") as here:
            assert [line.change_id for line in here.lines.since(0)] == [line.change_id for line in there.lines.since(0)]
        publisher.close()
        await asyncio.sleep(0.3)
        assert not there.is_live


@pytest.mark.fault(49)
async def test_settled_lines_come_from_the_tables_where_no_message_does(path: Path) -> None:
    wires = Wires()
    wires.is_cut = True
    async with (
        processes(path, wires) as (one, other),
        other.hub.holding("c") as there,
        one.hub.publishing("c", "o", transcription_id="t", label="") as publisher,
    ):
        publisher.begin(SessionConfig())
        for number in range(1, 4):
            publisher.receive(settled(f"line {number}", number))
            await asyncio.sleep(3)
            assert shown(there)[-1] == (f"line {number}", True)


@pytest.mark.fault(49)
async def test_the_unsettled_text_of_a_process_that_was_killed_is_taken_back(path: Path) -> None:
    wires = Wires()
    async with (
        processes(path, wires) as (one, other),
        other.hub.holding("c") as there,
        one.hub.publishing("c", "o", transcription_id="t", label="") as publisher,
    ):
        publisher.begin(SessionConfig())
        publisher.receive(settled("hello"))
        publisher.receive(unsettled("wor", 2))
        await asyncio.sleep(0.3)
        wires.is_cut = True
        await asyncio.sleep(1.5)
        assert (there.is_live, shown(there)) == (True, [("hello", True), ("wor", False)])
        await asyncio.sleep(3)
        assert (there.is_live, shown(there)) == (False, [("hello", True)])


async def test_a_reader_goes_on_at_another_process(path: Path) -> None:
    async with (
        processes(path, Wires()) as (one, other),
        other.hub.holding("c") as there,
        one.hub.holding("c") as here,
        one.hub.publishing("c", "o", transcription_id="t", label="") as first,
        other.hub.publishing("c", "o", transcription_id="u", label="") as second,
    ):
        first.begin(SessionConfig())
        second.begin(SessionConfig())
        first.receive(settled("a"))
        await asyncio.sleep(10)
        # What the other process has not yet been sent is older than the reader's last event.
        second.receive(settled("b"))
        first.receive(settled("c"))
        last = here.lines.last_change_id
        await asyncio.sleep(3)
        reader, client = Reader(there, last), Client()
        reader.begin(client)
        await asyncio.sleep(0.1)
        reader.closed()
        missed = client.text
    assert '"text":"b"' in missed
    assert '"text":"a"' not in missed


async def test_a_correction_and_the_end_reach_all(path: Path) -> None:
    async with (
        processes(path, Wires(), 3) as (one, other, third),
        other.hub.holding("c") as there,
        third.hub.holding("c") as elsewhere,
        one.hub.publishing("c", "o", transcription_id="t", label="") as publisher,
    ):
        publisher.begin(SessionConfig())
        publisher.receive(settled("wreck a beach"))
        await asyncio.sleep(0.3)
        (line,) = there.lines.since(0)
        there.correct(line.number, text="recognize speech", is_hidden=None)
        await asyncio.sleep(0.3)
        assert shown(elsewhere) == [("recognize speech", True)]
        assert await one.store.get("c") is not None
        await other.hub.delete("c", "o")
        await asyncio.sleep(0.3)
        assert (there.is_ended, elsewhere.is_ended) == (True, True)


async def test_a_channel_that_was_deleted_elsewhere_ends_without_a_message(path: Path) -> None:
    wires = Wires()
    wires.is_cut = True
    async with processes(path, wires) as (one, other), other.hub.holding("c") as there:
        await one.hub.delete("c", "o")
        await asyncio.sleep(2)
        assert there.is_ended


async def test_a_settled_line_is_stored_before_it_is_shown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown_when_stored: list[list[tuple[str, bool]]] = []

    async def watched(name: str, lines: list[Line]) -> None:
        await keep(name, lines)
        shown_when_stored.append(shown(live))

    async with (
        processes(path, Wires(), 1) as (one,),
        one.hub.holding("c") as live,
        one.hub.publishing("c", "o", transcription_id="t", label="") as publisher,
    ):
        keep = one.store.keep
        monkeypatch.setattr(one.store, "keep", watched)
        publisher.begin(SessionConfig())
        publisher.receive(unsettled("hello"))
        await publisher.settle(settled("hello world"))
        assert shown_when_stored == [[("hello", False)]]
        assert shown(live) == [("hello world", True)]
        assert [line.text for line in await one.store.lines(channel())] == ["hello world"]
        assert live.unsaved == {}


@pytest.mark.fault(37)
async def test_a_database_that_is_away_holds_lines_up_for_a_second_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(name: str, lines: list[Line]) -> None:
        raise DatabaseUnavailableError(UnavailableReason.SILENT)

    async with (
        processes(path, Wires(), 1) as (one,),
        one.hub.holding("c") as live,
        one.hub.publishing("c", "o", transcription_id="t", label="") as publisher,
    ):
        publisher.begin(SessionConfig())
        keep = one.store.keep
        monkeypatch.setattr(one.store, "keep", away)
        clock, waits = asyncio.get_running_loop().time, []
        for number in (1, 2):
            began = clock()
            await publisher.settle(settled(f"line {number}", number))
            waits.append(round(clock() - began, 1))
        assert waits == [1.0, 0.0]
        assert [text for text, _ in shown(live)] == ["line 1", "line 2"]
        await asyncio.sleep(60)
        monkeypatch.setattr(one.store, "keep", keep)
        await asyncio.sleep(3)
        stored = sorted(await one.store.lines(channel()), key=lambda line: line.number)
        assert [line.text for line in stored] == ["line 1", "line 2"]
        # Stored this late, they have new ids, so that no other process looks past them.
        assert all(line.change_id > (START + clock() - 10) * 1000 for line in stored)
