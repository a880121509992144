"""The workers of a server get about as many connections each, on the socket that they share."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.processes import STUCK_SECONDS
from tests.support.tiers import examples
from web.transport.accepting import ConnectionCounts, SharedAcceptor, Turn, turn

WORKERS = 3


def test_a_worker_with_fewest_connections_goes_first() -> None:
    assert turn(4, [4, 9]) is Turn.NOW
    assert turn(5, [4, 9]) is Turn.AFTER_OTHERS
    assert turn(900, []) is Turn.NOW


def test_closed_workers_are_not_waited_for() -> None:
    assert turn(5, [-1, -1]) is Turn.NOW


def test_a_closed_worker_leaves_connections_to_open_ones() -> None:
    assert turn(-1, [70, -1]) is Turn.NOT_MINE
    assert turn(-1, [-1, -1]) is Turn.NOW


@given(st.lists(st.integers(-1, 50), min_size=1, max_size=8))
@examples(200)
def test_some_worker_always_takes_a_connection_now(counts: list[int]) -> None:
    turns = [turn(count, [*counts[:place], *counts[place + 1 :]]) for place, count in enumerate(counts)]
    assert Turn.NOW in turns


class Worker(asyncio.Protocol):
    """One of several acceptors, which counts its connections as a connection table does."""

    def __init__(self, listener: socket.socket, path: Path, number: int) -> None:
        self.counts = ConnectionCounts(path, number)
        self.open: set[asyncio.BaseTransport] = set()
        self.changed = asyncio.Event()
        self.acceptor = SharedAcceptor(listener, self.counts, self._serve)

    async def _serve(self, accepted: socket.socket) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: _Connection(self), accepted)

    def note(self) -> None:
        self.counts.publish(len(self.open))
        self.changed.set()


class _Connection(asyncio.Protocol):
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._worker.open.add(transport)
        self._worker.note()
        assert isinstance(transport, asyncio.Transport)
        transport.write(b".")

    def connection_lost(self, exc: Exception | None) -> None:
        self._worker.open.discard(self._transport)
        self._worker.note()


class Clients:
    """Open connections to a port."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> None:
        """Connect, and wait until a worker has taken the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(writer)
        async with asyncio.timeout(STUCK_SECONDS):
            assert await reader.read(1) == b"."

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def workers(folder: Path, workers: int = WORKERS) -> AsyncIterator[tuple[list[Worker], Clients]]:
    path = folder / "connections"
    ConnectionCounts.make(path, workers)
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        clients = Clients(listener.getsockname()[1])
        # Each has a file descriptor of its own, as after a fork.
        made = [Worker(listener.dup(), path, number) for number in range(1, workers + 1)]
        try:
            yield made, clients
        finally:
            clients.close()
            for worker in made:
                worker.acceptor.close()
                await worker.acceptor.wait_closed()
                for transport in worker.open:
                    transport.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers wait longer for others than a busy machine keeps these from waking up."""
    monkeypatch.setattr("web.transport.accepting._WAIT_SECONDS", 0.25)


async def all_watch(made: list[Worker]) -> None:
    """Wait until no worker leaves connections to others any more: one that does misses its turn meanwhile."""
    async with asyncio.timeout(STUCK_SECONDS):
        while any(worker.acceptor._timer is not None for worker in made):
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("patient")
async def test_connections_are_spread_however_they_come(tmp_path: Path) -> None:
    async with workers(tmp_path) as (made, clients):
        for _ in range(9):
            await all_watch(made)
            await clients.connect()
        assert [len(worker.open) for worker in made] == [3, 3, 3]
        await asyncio.gather(*(clients.connect() for _ in range(21)))
        numbers = [len(worker.open) for worker in made]
        assert sum(numbers) == 30
        assert max(numbers) - min(numbers) <= 6


@pytest.mark.usefixtures("patient")
async def test_connections_that_end_make_room_for_the_next_ones(tmp_path: Path) -> None:
    async with workers(tmp_path) as (made, clients):
        for _ in range(9):
            await all_watch(made)
            await clients.connect()
        for transport in list(made[1].open):
            made[1].changed.clear()
            transport.close()
            await made[1].changed.wait()
        for _ in range(3):
            await all_watch(made)
            await clients.connect()
        assert [len(worker.open) for worker in made] == [3, 3, 3]


async def test_a_worker_that_hangs_is_not_waited_for_for_long(tmp_path: Path) -> None:
    async with workers(tmp_path, 2) as (made, clients):
        hung = made[0]
        # It has fewest connections and looks at none of them.
        asyncio.get_running_loop().remove_reader(hung.acceptor._listener)
        for _ in range(5):
            await clients.connect()
        assert [len(worker.open) for worker in made] == [0, 5]


async def test_a_draining_worker_leaves_connections_to_others_until_all_drain(tmp_path: Path) -> None:
    async with workers(tmp_path, 2) as (made, clients):
        made[0].acceptor.drain()
        for _ in range(4):
            await clients.connect()
        assert [len(worker.open) for worker in made] == [0, 4]
        made[1].acceptor.drain()
        await clients.connect()
        assert sum(len(worker.open) for worker in made) == 5


async def test_a_worker_that_died_is_closed_by_its_parent_and_opened_by_its_successor(tmp_path: Path) -> None:
    path = tmp_path / "connections"
    parent = ConnectionCounts.make(path, 2)
    one, other = (ConnectionCounts(path, number) for number in (1, 2))
    one.open()
    other.open()
    one.publish(7)
    assert (one.turn(), other.turn()) == (Turn.AFTER_OTHERS, Turn.NOW)
    other.publish(8)
    parent.close(1)
    # What the one that died still says is not believed.
    one.publish(0)
    assert other.turn() is Turn.NOW
    ConnectionCounts(path, 1).open()
    assert other.turn() is Turn.AFTER_OTHERS


@pytest.mark.virtual_time
async def test_an_acceptor_without_descriptors_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "connections"
    ConnectionCounts.make(path, 1)
    taken: list[socket.socket] = []

    async def take(accepted: socket.socket) -> None:
        taken.append(accepted)

    class Exhausted(socket.socket):
        """A listener for which there are no descriptors at first."""

        failures = 2

        def accept(self) -> tuple[socket.socket, object]:
            if self.failures:
                self.failures -= 1
                raise OSError(24, "Too many open files")
            return super().accept()

    with Exhausted(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        acceptor = SharedAcceptor(listener, ConnectionCounts(path, 1), take)
        client.connect(str(tmp_path / "socket"))
        began = asyncio.get_running_loop().time()
        while not taken:
            await asyncio.sleep(0.1)
        assert asyncio.get_running_loop().time() - began == pytest.approx(2, abs=0.2)
        acceptor.close()
        taken[0].close()
