import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.audio import numbered_speech
from tests.hostile.client import recognize
from tests.hostile.network import (
    NETWORK_KINDS,
    Bandwidth,
    Close,
    Latency,
    NetworkEntry,
    Reset,
    Slice,
    Stall,
    Way,
    network_faults,
)
from tests.hostile.proxy import FaultProxy
from tests.hostile.riva import HostileRiva
from tests.hostile.server import running

BYTES = random.Random(3).randbytes(60_000)  # noqa: S311
WORDS = numbered_speech([8])


class Echo:
    """A server that sends everything back, and knows what it got and how each connection ended."""

    def __init__(self) -> None:
        self.port = 0
        self.received = bytearray()
        self.ends: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4_096):
                self.received += data
                writer.write(data)
                await writer.drain()
            self.ends.append("FIN")
        except ConnectionResetError:
            self.ends.append("RST")
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def until_ended(self, count: int = 1) -> list[str]:
        async with asyncio.timeout(10):
            while len(self.ends) < count:
                await asyncio.sleep(0.005)
        return self.ends


@asynccontextmanager
async def echoing(*plan: NetworkEntry, otherwise: NetworkEntry = None) -> AsyncIterator[tuple[Echo, FaultProxy]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with server:
        echo.port = server.sockets[0].getsockname()[1]
        async with FaultProxy(echo.port, plan, otherwise=otherwise) as proxy:
            yield echo, proxy


async def exchange(port: int, data: bytes = BYTES, patience_seconds: float = 10.0) -> tuple[bytes, str]:
    """Send everything, half-close, and return what came back and how it ended."""
    received = bytearray()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return b"", "refused"

    async def receive() -> None:
        while piece := await reader.read(65_536):
            received.extend(piece)

    try:
        async with asyncio.timeout(patience_seconds):
            writer.write(data)
            writer.write_eof()
            await receive()
        end = "FIN"
    except ConnectionError:
        end = "RST"
    except TimeoutError:
        end = "nothing"
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return bytes(received), end


async def test_a_sound_connection_carries_everything_both_ways() -> None:
    async with echoing() as (echo, proxy):
        assert await exchange(proxy.port) == (BYTES, "FIN")
        assert echo.received == BYTES
        assert await echo.until_ended() == ["FIN"]
        assert proxy.connections[0].carried == {Way.UP: 60_000, Way.DOWN: 60_000}


@pytest.mark.parametrize("after_bytes", [1, 5_000, 59_999])
async def test_a_reset_after_so_many_bytes_reaches_both_sides(after_bytes: int) -> None:
    async with echoing(Reset(after_bytes)) as (echo, proxy):
        received, end = await exchange(proxy.port)
        assert await echo.until_ended() == ["RST"]
    assert end == "RST"
    assert BYTES.startswith(received)
    assert proxy.connections[0].carried[Way.UP] == after_bytes
    assert proxy.connections[0].fired == [Reset(after_bytes)]


async def test_a_reset_on_the_way_back_counts_what_came_back() -> None:
    async with echoing(Reset(5_000, Way.DOWN)) as (_, proxy):
        assert (await exchange(proxy.port))[1] == "RST"
        assert proxy.connections[0].carried[Way.DOWN] == 5_000


async def test_a_close_lets_what_was_carried_arrive_and_ends_both_sides_in_order() -> None:
    async with echoing(Close(20_000, Way.DOWN)) as (echo, proxy):
        assert await exchange(proxy.port) == (BYTES[:20_000], "FIN")
        assert await echo.until_ended() == ["FIN"]


async def test_a_close_is_no_reset_though_the_client_still_sends() -> None:
    async with echoing(Close(1_000)) as (echo, proxy):
        received, end = await exchange(proxy.port)
        assert (BYTES[:1_000].startswith(received), end) == (True, "FIN")
        assert await echo.until_ended() == ["FIN"]
        assert echo.received == BYTES[:1_000]


async def test_a_close_does_not_wait_for_ever_for_a_peer_that_goes_on() -> None:
    async with echoing(Close(0)) as (_, proxy), asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.read() == b""
        while proxy.open_connections:
            await asyncio.sleep(0.01)
        writer.transport.abort()


@pytest.mark.parametrize("way", Way)
async def test_a_stall_holds_everything_and_closes_nothing(way: Way) -> None:
    async with echoing(Stall(5_000, way)) as (echo, proxy):
        received, end = await exchange(proxy.port, patience_seconds=0.3)
        assert end == "nothing"
        assert len(received) <= 5_000
        assert proxy.connections[0].carried[way] == 5_000
        assert proxy.open_connections == 1
        assert "RST" not in echo.ends


async def test_a_stall_of_both_directions_holds_the_other_too() -> None:
    async with echoing(Stall(50, Way.DOWN)) as (echo, proxy):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(BYTES[:100])
        assert await reader.readexactly(50) == BYTES[:50]
        writer.write(BYTES[:100])
        await asyncio.sleep(0.1)
        assert echo.received == BYTES[:100]
        writer.transport.abort()


async def test_a_stall_of_one_direction_leaves_the_other() -> None:
    async with echoing(Stall(0, Way.DOWN, both=False)) as (echo, proxy):
        assert await exchange(proxy.port, patience_seconds=0.5) == (b"", "nothing")
        assert echo.received == BYTES


async def test_a_stall_can_end() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with echoing(Stall(5_000, seconds=0.3)) as (_, proxy):
        assert await exchange(proxy.port) == (BYTES, "FIN")
    assert loop.time() - start > 0.3


async def test_pieces_are_no_larger_than_planned() -> None:
    async with echoing(Slice(7, 0.002)) as (_, proxy):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(BYTES[:700])
        pieces = [await reader.read(65_536)]
        while sum(map(len, pieces)) < 700:
            pieces.append(await reader.read(65_536))
        writer.transport.abort()
    assert b"".join(pieces) == BYTES[:700]
    assert sorted(map(len, pieces))[len(pieces) // 2] == 7


async def test_latency_delays_without_limiting_the_rate() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with echoing(Latency(0.15, 0.05)) as (_, proxy):
        assert await exchange(proxy.port) == (BYTES, "FIN")
    assert 0.2 < loop.time() - start < 3


async def test_bandwidth_limits_the_rate() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with echoing(Bandwidth(120_000)) as (_, proxy):
        assert await exchange(proxy.port) == (BYTES, "FIN")
    assert 0.5 <= loop.time() - start < 5


async def test_connections_suffer_their_own_entry_and_later_ones_the_last() -> None:
    async with echoing(Reset(10), None, (Slice(500), Close(1_000, Way.DOWN)), otherwise=Reset(20)) as (_, proxy):
        exchanges = [await exchange(proxy.port, BYTES[:9_000]) for _ in range(5)]
    assert [end for _, end in exchanges] == ["RST", "FIN", "FIN", "RST", "RST"]
    assert [len(received) for received, _ in exchanges[1:3]] == [9_000, 1_000]


async def test_all_open_connections_are_cut_at_once() -> None:
    async with echoing() as (echo, proxy):
        pairs = [await asyncio.open_connection("127.0.0.1", proxy.port) for _ in range(3)]
        for reader, writer in pairs:
            writer.write(b"x")
            await reader.readexactly(1)
        assert proxy.open_connections == 3
        assert await proxy.reset_all() == 3
        for reader, writer in pairs:
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.transport.abort()
        assert await echo.until_ended(3) == ["RST"] * 3
        assert await exchange(proxy.port) == (BYTES, "FIN")


async def test_while_it_refuses_new_connections_open_ones_go_on() -> None:
    async with echoing() as (_, proxy):
        port = proxy.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"a")
        await reader.readexactly(1)
        await proxy.refuse()
        assert await exchange(port) == (b"", "refused")
        writer.write(b"b")
        assert await reader.readexactly(1) == b"b"
        writer.transport.abort()
        proxy.accept()
        assert proxy.port == port
        assert await exchange(port) == (BYTES, "FIN")


async def test_a_server_that_is_not_there_resets_the_client() -> None:
    async with echoing() as (echo, _):
        dead = echo.port
    async with FaultProxy(dead) as proxy:
        assert (await exchange(proxy.port))[1] == "RST"
        assert await proxy.reset_all() == 0


async def test_nothing_is_left_when_it_ends() -> None:
    before = asyncio.all_tasks()
    async with echoing(Stall(0), Latency(5.0), Bandwidth(10)) as (_, proxy):
        writers = [(await asyncio.open_connection("127.0.0.1", proxy.port))[1] for _ in range(4)]
        for writer in writers:
            writer.write(BYTES)
        await asyncio.sleep(0.05)
    assert proxy.open_connections == 0
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == before
    assert await exchange(proxy.port) == (b"", "refused")


async def test_riva_is_heard_through_slices_and_jitter() -> None:
    plan = (Slice(100), Latency(0.01, 0.01), Bandwidth(1_000_000))
    async with running(HostileRiva()) as server, FaultProxy(server.port, otherwise=plan) as proxy:
        answer = await recognize(proxy.address, WORDS)
    assert (answer.code, answer.numbers) == (grpc.StatusCode.OK, list(range(8)))


async def test_a_call_ends_unavailable_when_its_connection_is_cut() -> None:
    riva = HostileRiva()
    async with running(riva) as server, FaultProxy(server.port, [Reset(20_000)]) as proxy:
        answer = await recognize(proxy.address, WORDS, pace_seconds=0.01)
        await riva.until(lambda: riva.open_calls == 0)
    assert answer.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL}
    assert answer.numbers == []
    assert 0 < riva.calls[0].samples < 10_000


@given(st.integers(), st.integers(0, 60))
def test_a_seed_replays_its_plan(seed: int, count: int) -> None:
    plan = network_faults(seed, count, most_bytes=1_000, stall_seconds=0.5)
    assert plan == network_faults(seed, count, most_bytes=1_000, stall_seconds=0.5)
    assert len(plan) == count
    assert all(entry.after_bytes <= 1_000 for entry in plan if isinstance(entry, Reset | Stall | Close))
    assert all(entry.seconds == 0.5 for entry in plan if isinstance(entry, Stall))


def test_a_plan_mixes_all_kinds_with_sound_connections() -> None:
    assert {type(entry) for entry in network_faults(1, 40)} == {*NETWORK_KINDS, type(None)}


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_planned_what_arrives_is_the_beginning_of_what_was_sent(seed: int) -> None:
    plan = network_faults(seed, 20, most_bytes=70_000, stall_seconds=0.2)
    async with echoing(*plan) as (_, proxy):
        for received, end in await asyncio.gather(*(exchange(proxy.port) for _ in range(20))):
            assert BYTES.startswith(received)
            assert end != "refused"
        assert len(proxy.connections) == 20
