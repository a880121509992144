"""One connection through the proxy: two sockets, two directions, and a fault at a byte position."""

import asyncio
import socket
import struct
from contextlib import suppress

from tests.hostile.proxy.network import Close, Direction, NetworkFault, Reset, Stall

_READ_BYTES = 16_384
_NO_LINGER = struct.pack("ii", 1, 0)
# How long a peer that got a FIN may go on sending before it gets a RST.
_CLOSE_SECONDS = 1.0


class _ClosedError(Exception):
    """The plan ends the connection here with a FIN."""


class _ResetError(Exception):
    """The plan ends the connection here with a RST."""


class ProxiedConnection:
    """Carries bytes between a client and `target`; `carried` counts them in each direction."""

    def __init__(self, client: socket.socket, target: tuple[str, int], fault: NetworkFault | None) -> None:
        self.fault = fault
        self.carried = {Direction.UP: 0, Direction.DOWN: 0}
        self.has_fired = False
        self._client = client
        self._server = socket.socket()
        self._target = target
        self._moving = asyncio.Event()
        self._moving.set()
        for one in (self._client, self._server):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def carry(self) -> None:
        """Forward in both directions until both end, a fault occurs, or it is cancelled: then both sides get a RST."""
        is_reset = True
        try:
            await asyncio.get_running_loop().sock_connect(self._server, self._target)
            await self._forward()
            is_reset = False
        except _ClosedError:
            is_reset = False
            await self._close_in_order()
        except (_ResetError, OSError):
            pass
        finally:
            self.close(is_reset=is_reset)

    def close(self, *, is_reset: bool = True) -> None:
        """Close both sockets; with a RST, data in transit is lost."""
        for one in (self._client, self._server):
            if is_reset and one.fileno() >= 0:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            one.close()

    async def _forward(self) -> None:
        directions = ((Direction.UP, self._client, self._server), (Direction.DOWN, self._server, self._client))
        tasks = [asyncio.create_task(self._pass_on(*direction)) for direction in directions]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass_on(self, direction: Direction, source: socket.socket, sink: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await self._apply(direction)
        while data := await loop.sock_recv(source, _READ_BYTES):
            while data:
                await self._moving.wait()
                size = min(self._bytes_to_fault(direction), len(data))
                await loop.sock_sendall(sink, data[:size])
                data = data[size:]
                self.carried[direction] += size
                await self._apply(direction)
        await self._moving.wait()
        sink.shutdown(socket.SHUT_WR)

    def _is_due(self, direction: Direction) -> bool:
        return self.fault is not None and self.fault.direction is direction and not self.has_fired

    def _bytes_to_fault(self, direction: Direction) -> int:
        if self.fault is None or not self._is_due(direction):
            return _READ_BYTES
        return self.fault.after_bytes - self.carried[direction]

    async def _apply(self, direction: Direction) -> None:
        if self.fault is None or not self._is_due(direction) or self.carried[direction] < self.fault.after_bytes:
            return
        self.has_fired = True
        match self.fault:
            case Reset():
                raise _ResetError
            case Close():
                raise _ClosedError
            case Stall():
                self._moving.clear()

    async def _close_in_order(self) -> None:
        """Close with a FIN: closing a socket with unread bytes would send a RST after it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await asyncio.gather(*(self._finish_peer(one) for one in (self._client, self._server)))

    async def _finish_peer(self, peer: socket.socket) -> None:
        with suppress(OSError):
            peer.shutdown(socket.SHUT_WR)
            while await asyncio.get_running_loop().sock_recv(peer, _READ_BYTES):
                pass
