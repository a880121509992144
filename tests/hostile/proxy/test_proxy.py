import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc
import pytest

from tests.hostile.client import recognize
from tests.hostile.proxy.network import Close, Direction, NetworkEntry, Reset, Stall
from tests.hostile.proxy.proxy import FaultProxy
from tests.hostile.riva.audio import numbered_speech
from tests.hostile.riva.faults import At, Freeze
from tests.hostile.riva.riva import HostileRiva
from tests.hostile.server import running
from tests.support.processes import STUCK_SECONDS

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
        async with asyncio.timeout(STUCK_SECONDS):
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


async def exchange(port: int, data: bytes = BYTES, patience_seconds: float = STUCK_SECONDS) -> tuple[bytes, str]:
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
        assert proxy.connections[0].carried == {Direction.UP: 60_000, Direction.DOWN: 60_000}


async def test_a_close_lets_what_was_carried_arrive_and_ends_both_sides_in_order() -> None:
    async with echoing(Close(20_000, Direction.DOWN)) as (echo, proxy):
        assert await exchange(proxy.port) == (BYTES[:20_000], "FIN")
        assert await echo.until_ended() == ["FIN"]


async def test_a_close_is_no_reset_though_the_client_still_sends() -> None:
    async with echoing(Close(1_000)) as (echo, proxy):
        received, end = await exchange(proxy.port)
        assert (BYTES[:1_000].startswith(received), end) == (True, "FIN")
        assert await echo.until_ended() == ["FIN"]
        assert echo.received == BYTES[:1_000]


async def test_a_server_that_is_not_there_resets_the_client() -> None:
    async with echoing() as (echo, _):
        dead = echo.port
    async with FaultProxy(dead) as proxy:
        assert (await exchange(proxy.port))[1] == "RST"
        assert await proxy.reset_all() == 0


@pytest.mark.parametrize(
    ("direction", "after_bytes"), [(Direction.UP, 1), (Direction.UP, 59_999), (Direction.DOWN, 5_000)]
)
async def test_a_reset_after_so_many_bytes_reaches_both_sides(direction: Direction, after_bytes: int) -> None:
    async with echoing(Reset(after_bytes, direction)) as (echo, proxy):
        received, end = await exchange(proxy.port)
        ends = await echo.until_ended()
    # On the way back, the server may have had everything before.
    assert (end, ends) == ("RST", ["RST"] if direction is Direction.UP else ends)
    assert BYTES.startswith(received)
    assert proxy.connections[0].carried[direction] == after_bytes
    assert proxy.connections[0].has_fired


async def test_a_stall_holds_both_ways_and_closes_nothing() -> None:
    async with echoing(Stall(50, Direction.DOWN)) as (_, proxy), asyncio.timeout(STUCK_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(BYTES[:100])
        assert await reader.readexactly(50) == BYTES[:50]
        while not proxy.connections[0].has_fired:
            await asyncio.sleep(0.01)
        writer.write(BYTES[:100])
        # What is sent meanwhile on another connection has passed; what was sent on this one has not.
        assert await exchange(proxy.port, BYTES) == (BYTES, "FIN")
        assert proxy.connections[0].carried == {Direction.UP: 100, Direction.DOWN: 50}
        assert proxy.open_connections == 1
        writer.transport.abort()


async def test_connections_suffer_their_own_entry_and_later_ones_the_last() -> None:
    async with echoing(Reset(10), None, Close(1_000, Direction.DOWN), otherwise=Reset(20)) as (_, proxy):
        exchanges = [await exchange(proxy.port, BYTES[:9_000]) for _ in range(5)]
    assert [end for _, end in exchanges] == ["RST", "FIN", "FIN", "RST", "RST"]
    assert [len(received) for received, _ in exchanges[1:3]] == [9_000, 1_000]


async def test_when_it_ends_all_open_connections_are_cut() -> None:
    async with echoing() as (echo, proxy):
        pairs = [await asyncio.open_connection("127.0.0.1", proxy.port) for _ in range(3)]
        for reader, writer in pairs:
            writer.write(b"x")
            await reader.readexactly(1)
        assert await proxy.reset_all() == 3
        for reader, writer in pairs:
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.transport.abort()
        assert await echo.until_ended(3) == ["RST"] * 3
        assert proxy.open_connections == 0
        assert await exchange(proxy.port) == (BYTES, "FIN")


async def test_a_call_ends_when_its_connection_is_cut() -> None:
    riva = HostileRiva(otherwise=Freeze(At.DRAIN))
    async with running(riva) as server, FaultProxy(server.port, [Reset(20_000)]) as proxy:
        answer = await recognize(proxy.address, WORDS, patience_seconds=STUCK_SECONDS)
        await riva.until(lambda: riva.open_calls == 0)
    assert answer.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL}
    assert proxy.connections[0].carried[Direction.UP] == 20_000
