"""Owns one connection through the proxy: two sockets, two directions, and the faults that are due by byte."""

import asyncio
import math
import random
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from tests.hostile.network import Bandwidth, Close, Latency, NetworkFault, Reset, Slice, Stall, Way

_READ_BYTES = 16_384
# What a delayed direction may hold: 1 MiB.
_MOST_READS_UNDER_WAY = 64
_PIECES_A_SECOND = 50
_NO_LINGER = struct.pack("ii", 1, 0)
# How long a peer that got a FIN may go on sending before it gets a RST.
_FAREWELL_SECONDS = 1.0

Lane = asyncio.Queue[tuple[float, bytes]]


class _ClosedError(Exception):
    """The plan ends the connection here with a FIN."""


class _ResetError(Exception):
    """The plan ends the connection here with a RST."""


@dataclass(slots=True)
class _Pace:
    """How many bytes go at once, and how long it is until the next."""

    piece_bytes: int = _READ_BYTES
    seconds_a_byte: float = 0.0
    seconds_a_piece: float = 0.0

    async def rest(self, sent_bytes: int) -> None:
        if self.piece_bytes < _READ_BYTES or self.seconds_a_byte:
            await asyncio.sleep(self.seconds_a_piece + sent_bytes * self.seconds_a_byte)


class ProxiedConnection:
    """Carries bytes between a client and `target`; `carried` counts those that were sent on, each way."""

    def __init__(
        self, client: socket.socket, target: tuple[str, int], faults: Sequence[NetworkFault], dice: random.Random
    ) -> None:
        self.faults = faults
        self.carried = {Way.UP: 0, Way.DOWN: 0}
        self.fired: list[NetworkFault] = []
        self._client = client
        self._server = socket.socket()
        self._target = target
        self._dice = dice
        self._delay = [fault for fault in faults if isinstance(fault, Latency)]
        self._moving = asyncio.Event()
        self._moving.set()
        for one in (self._client, self._server):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def carry(self) -> None:
        """Forward both ways until both have ended, a fault ends it, or it is cancelled: then both get a RST."""
        is_reset = True
        try:
            await asyncio.get_running_loop().sock_connect(self._server, self._target)
            await self._forward()
            is_reset = False
        except _ClosedError:
            is_reset = False
            await self._say_farewell()
        except (_ResetError, OSError):
            pass
        finally:
            self.close(is_reset=is_reset)

    def close(self, *, is_reset: bool = True) -> None:
        """Close both sockets, if that is not done; with a RST what is under way is lost."""
        for one in (self._client, self._server):
            if is_reset and one.fileno() >= 0:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            one.close()

    async def _forward(self) -> None:
        tasks = []
        for way, source, sink in ((Way.UP, self._client, self._server), (Way.DOWN, self._server, self._client)):
            lane = Lane(_MOST_READS_UNDER_WAY if self._delay else 1)
            tasks.append(asyncio.create_task(self._read(source, lane)))
            tasks.append(asyncio.create_task(self._write(lane, sink, way)))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, source: socket.socket, lane: Lane) -> None:
        """Put what comes on the lane, with the time at which it may arrive; nothing is the end."""
        loop = asyncio.get_running_loop()
        data = b"first"
        while data:
            data = await loop.sock_recv(source, _READ_BYTES)
            delay = sum(d.seconds + self._dice.uniform(-d.jitter_seconds, d.jitter_seconds) for d in self._delay)
            await lane.put((loop.time() + delay, data))

    async def _write(self, lane: Lane, sink: socket.socket, way: Way) -> None:
        loop = asyncio.get_running_loop()
        pace = self._pace()
        await self._suffer(way)
        while True:
            due, data = await lane.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if not data:
                break
            while data:
                await self._moving.wait()
                size = min(pace.piece_bytes, self._bytes_to_fault(way), len(data))
                await loop.sock_sendall(sink, data[:size])
                data = data[size:]
                self.carried[way] += size
                await self._suffer(way)
                await pace.rest(size)
        await self._moving.wait()
        sink.shutdown(socket.SHUT_WR)

    def _pace(self) -> _Pace:
        pace = _Pace()
        for fault in self.faults:
            if isinstance(fault, Bandwidth):
                pace.seconds_a_byte += 1 / fault.bytes_per_second
                pace.piece_bytes = max(1, min(pace.piece_bytes, int(fault.bytes_per_second / _PIECES_A_SECOND)))
            elif isinstance(fault, Slice):
                pace.seconds_a_piece += fault.pause_seconds
                pace.piece_bytes = min(pace.piece_bytes, fault.piece_bytes)
        return pace

    def _due(self, way: Way) -> list[Reset | Stall | Close]:
        """The faults of this direction that are still to come."""
        by_byte = [fault for fault in self.faults if isinstance(fault, Reset | Stall | Close)]
        return [fault for fault in by_byte if fault.way is way and fault not in self.fired]

    def _bytes_to_fault(self, way: Way) -> int:
        return min((fault.after_bytes - self.carried[way] for fault in self._due(way)), default=_READ_BYTES)

    async def _suffer(self, way: Way) -> None:
        for fault in self._due(way):
            if self.carried[way] < fault.after_bytes:
                continue
            self.fired.append(fault)
            match fault:
                case Reset():
                    raise _ResetError
                case Close():
                    raise _ClosedError
                case Stall():
                    await self._stall(fault)

    async def _stall(self, stall: Stall) -> None:
        if stall.both:
            self._moving.clear()
        await (asyncio.Event().wait() if math.isinf(stall.seconds) else asyncio.sleep(stall.seconds))
        self._moving.set()

    async def _say_farewell(self) -> None:
        """Close in order: to close a socket with unread bytes would send a RST after the FIN."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await asyncio.gather(*(self._see_off(one) for one in (self._client, self._server)))

    async def _see_off(self, peer: socket.socket) -> None:
        with suppress(OSError):
            peer.shutdown(socket.SHUT_WR)
            while await asyncio.get_running_loop().sock_recv(peer, _READ_BYTES):
                pass
