"""HTTP servers for tests: with scripted replies, with files, and a relay that cuts or holds uploads to a real one."""

import asyncio
import contextlib
import functools
import http.server
import ssl
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import msgspec

from tests.support.loops.virtual_time import VirtualTimeLoop

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
NEVER = 1 << 60


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A received request."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A reply after so many seconds; `breaks` closes the connection instead, `drips` sends a body without an end."""

    status: int = 200
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks: bool = False
    seconds: float = 0.0
    drips: bool = False

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)


@dataclass
class Scripted:
    """Replies to the requests of each method in turn; the last reply of a method is used for all later ones."""

    replies: Mapping[str, list[Reply]]
    asked: list[Asked] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def count(self, method: str) -> int:
        return sum(one.method == method for one in self.asked)

    @property
    def pauses(self) -> list[float]:
        """The seconds between consecutive requests."""
        return [after - before for before, after in pairwise(self.times)]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            method, target, _ = first.split()
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.asked.append(Asked(method=method, target=target, headers=headers, body=body))
            self.times.append(asyncio.get_running_loop().time())
            replies = self.replies[method]
            reply = replies[min(self.count(method), len(replies)) - 1]
            if reply.breaks:
                return
            await asyncio.sleep(reply.seconds)
            length = NEVER if reply.drips else len(reply.content)
            head = [f"HTTP/1.1 {reply.status} Scripted", f"Content-Length: {length}"]
            head += [f"{name}: {value}" for name, value in reply.headers.items()]
            writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + reply.content)
            while reply.drips:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.1)


@asynccontextmanager
async def listening(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve until the block ends, on the virtual clock over a Unix socket; yield the address."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualTimeLoop):
        async with listening_nearby(handle) as path:
            with loop.address_of(path) as address:
                yield f"http://{address}"
        return
    async with _connections(handle) as connection:
        server = await asyncio.start_server(connection, "127.0.0.1", 0, ssl=tls)
        try:
            yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
    await server.wait_closed()


@asynccontextmanager
async def listening_nearby(handle: Handle) -> AsyncIterator[str]:
    """As `listening`, on a Unix socket, for the virtual clock; yield its path."""
    # Paths of sockets have to be short, which those of pytest's temporary directories are not.
    with tempfile.TemporaryDirectory(prefix="niyosha-") as folder:
        async with _connections(handle) as connection:
            server = await asyncio.start_unix_server(connection, f"{folder}/socket")
            try:
                yield f"{folder}/socket"
            finally:
                server.close()
        await server.wait_closed()


@asynccontextmanager
async def _connections(handle: Handle) -> AsyncIterator[Handle]:
    """Yield `handle` without its network errors; each connection is closed at the end of the block at the latest."""
    tasks: set[asyncio.Task[None]] = set()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handle(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    try:
        yield connection
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(kw_only=True)
class Relay:
    """Relays to `upstream`: of each upload in turn at most `allowed` bytes, then it cuts or holds the connection."""

    upstream: str
    allowed: list[int]
    holds: bool = False
    uploads: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self.upstream.removeprefix("http://").split(":")
        above, below = await asyncio.open_connection(host, int(port))
        down = asyncio.create_task(self._pass(above, writer, NEVER))
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            below.write(head)
            # A connection has several requests, of which an upload is the last.
            while not head.startswith(b"PUT"):
                length = next(
                    (int(one.split()[1]) for one in head.lower().split(b"\r\n") if b"content-length" in one), 0
                )
                below.write(await reader.readexactly(length))
                head = await reader.readuntil(b"\r\n\r\n")
                below.write(head)
            self.uploads += 1
            most = self.allowed.pop(0) if self.allowed else NEVER
            await self._pass(reader, below, most)
            if most != NEVER:
                self.reached.set()
                if self.holds:
                    await asyncio.Event().wait()
                writer.transport.abort()
                below.transport.abort()
        finally:
            down.cancel()
            await asyncio.gather(down, return_exceptions=True)
            below.close()
            with contextlib.suppress(OSError):
                await below.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int) -> None:
        while most > 0 and (data := await reader.read(min(most, 1 << 16))):
            writer.write(data)
            await writer.drain()
            most -= len(data)


@contextmanager
def offering(directory: Path) -> Iterator[str]:
    """A web server with the files of a directory."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=directory)) as files:
        thread = threading.Thread(target=files.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{files.server_port}"
        finally:
            files.shutdown()
            thread.join()
