"""A TCP proxy on loopback that breaks connections as planned; plans are in tests/hostile/proxy/network.py."""

import asyncio
import socket
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from tests.hostile.proxy.connection import ProxiedConnection
from tests.hostile.proxy.network import NetworkEntry

_HOST = "127.0.0.1"
_BACKLOG = 128
_MOST_CONNECTIONS = 1_000
_MOST_RECORDS = 10_000


class FaultProxy:
    """Forwards to `port`; the n-th connection has the n-th fault of `plan`, later ones `otherwise`.

    It listens inside an `async with`, whose end cuts its connections. `connections` has the latest 10,000, the oldest
    first, with the bytes in each direction.
    """

    def __init__(
        self,
        port: int,
        plan: Iterable[NetworkEntry] = (),
        *,
        otherwise: NetworkEntry = None,
    ) -> None:
        self.plan = list(plan)
        self.otherwise = otherwise
        self.connections: list[ProxiedConnection] = []
        self.port = 0
        self._target = (_HOST, port)
        self._taken = 0
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._carrying: dict[asyncio.Task[None], ProxiedConnection] = {}
        self._room = asyncio.Semaphore(_MOST_CONNECTIONS)

    @property
    def address(self) -> str:
        return f"{_HOST}:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._carrying)

    async def __aenter__(self) -> Self:
        self._listener = socket.create_server((_HOST, 0), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._accepting = asyncio.create_task(self._accept(self._listener))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop_listening()
        await self.reset_all()

    async def reset_all(self) -> int:
        """Cut every open connection now, with a RST to both sides; return how many there were."""
        carrying = list(self._carrying)
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
        return len(carrying)

    async def _stop_listening(self) -> None:
        if self._accepting:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None
        if self._listener:
            self._listener.close()
            self._listener = None

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._room.acquire()
            try:
                client, _ = await loop.sock_accept(listener)
            except BaseException:
                self._room.release()
                raise
            entry = self.plan[self._taken] if self._taken < len(self.plan) else self.otherwise
            self._taken += 1
            connection = ProxiedConnection(client, self._target, entry)
            self.connections.append(connection)
            del self.connections[:-_MOST_RECORDS]
            task = asyncio.create_task(connection.carry())
            self._carrying[task] = connection
            task.add_done_callback(self._carried)

    def _carried(self, task: asyncio.Task[None]) -> None:
        self._carrying.pop(task).close()
        self._room.release()
