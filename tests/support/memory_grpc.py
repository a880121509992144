"""gRPC inside one event loop: servers and channels without sockets and threads, so that the virtual clock holds.

It stands in for grpc.aio at its channel and its server: stubs and servicers are the generated and the real ones, and
messages are copied as on a wire. What grpc.aio itself makes of a broken line is tested with the real one.
"""

import asyncio
import itertools
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import grpc
from google.protobuf.message import DecodeError

from stream.riva import RivaOptions
from stream.riva.servers.channels import open_channel
from tests.support.loops.virtual_time import VirtualTimeLoop

# As HTTP/2 has it: so much may be under way to a server that does not read.
_MOST_BYTES_UNDER_WAY = 65_536
_numbers = itertools.count(1)
# Those that run now, by their addresses.
_servers: dict[str, "MemoryServer"] = {}
_channels: set["MemoryChannel"] = set()

Metadata = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class _Status:
    code: grpc.StatusCode
    details: str = ""
    trailing: tuple[tuple[str, str | bytes], ...] = ()


_OK = _Status(grpc.StatusCode.OK)
_NOBODY = _Status(grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses")
_CUT_OFF = _Status(grpc.StatusCode.UNAVAILABLE, "Socket closed")
_LATE = _Status(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
_CANCELLED = _Status(grpc.StatusCode.CANCELLED, "Locally cancelled by application!")
_UNKNOWN_METHOD = _Status(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


class MemoryServer:
    """Takes servicers as grpc.aio.server() does; each channel has `most_streams` calls at once, further ones wait."""

    def __init__(self, address: str = "", most_streams: float = math.inf) -> None:
        self.address = address or f"memory-{next(_numbers)}:50051"
        self.most_streams = most_streams
        self.calls: list[_Call] = []
        self._handlers: list[grpc.GenericRpcHandler] = []
        self._channels: set[MemoryChannel] = set()
        self._lost: set[MemoryChannel] = set()

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self._handlers += handlers

    def add_registered_method_handlers(self, _service: str, _handlers: object) -> None:
        """The generated code tells the same a second time, for speed."""

    async def start(self) -> None:
        _servers[self.address] = self

    async def stop(self, grace: float | None) -> None:
        """Refuse calls from now on, and cut off those that are open after the grace."""
        if _servers.get(self.address) is self:
            del _servers[self.address]
        tasks = [call.serving for call in self.calls]
        if tasks and grace:
            await asyncio.wait(tasks, timeout=grace)
        for call in list(self.calls):
            call.end(_CUT_OFF)
        await asyncio.gather(*tasks, return_exceptions=True)

    def lose_connections(self) -> None:
        """Answer nothing on the channels that there are; they notice nothing."""
        self._lost |= self._channels

    async def connected(self, channel: "MemoryChannel") -> None:
        """Return once this channel may begin a further call."""
        self._channels.add(channel)
        while channel in self._lost or sum(call.channel is channel for call in self.calls) >= self.most_streams:
            await channel.a_call_ended()

    def handler(self, method: str, metadata: Metadata) -> Any:
        details = _Details(method, metadata)
        return next(filter(None, (one.service(cast(Any, details)) for one in self._handlers)), None)


@dataclass(frozen=True, slots=True)
class _Details:
    method: str
    invocation_metadata: Metadata


def is_in_memory() -> bool:
    """Whether servers and channels belong in memory: on the virtual clock, where the real ones do not hold."""
    return isinstance(asyncio.get_running_loop(), VirtualTimeLoop)


def open_here(uri: str, options: RivaOptions) -> grpc.aio.Channel:
    """Open a channel as the product does, in memory on the virtual clock."""
    return memory_channel(uri) if is_in_memory() else open_channel(uri, options)


def plain_channel(address: str) -> grpc.aio.Channel:
    """A channel for a client of the test itself, with a connection of its own."""
    if is_in_memory():
        return memory_channel(address)
    return grpc.aio.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),))


def open_connections(address: str) -> int:
    """How many channels to this address are not closed."""
    return sum(channel.address == address for channel in _channels)


def memory_channel(address: str) -> grpc.aio.Channel:
    """Open a channel to whatever server is at this address when it is called."""
    return cast(grpc.aio.Channel, MemoryChannel(address))


class MemoryChannel:
    """What a generated stub needs of a channel; it is one connection, as far as servers can tell."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.peer = f"memory:{next(_numbers)}"
        self.calls: set[_Call] = set()
        self._is_closed = False
        self._ended = asyncio.Event()
        _channels.add(self)

    def unary_unary(self, method: str, request_serializer: Any, response_deserializer: Any, **_: object) -> Any:
        def call(request: Any, *, timeout: float | None = None, metadata: Metadata = ()) -> _Call:
            made = self._call(method, request_serializer, response_deserializer, metadata, timeout)
            made.ask(request)
            return made

        return call

    def stream_stream(self, method: str, request_serializer: Any, response_deserializer: Any, **_: object) -> Any:
        def call(*, timeout: float | None = None, metadata: Metadata = ()) -> _Call:
            return self._call(method, request_serializer, response_deserializer, metadata, timeout)

        return call

    unary_stream = stream_stream

    async def close(self, _grace: float | None = None) -> None:
        self._is_closed = True
        _channels.discard(self)
        for call in list(self.calls):
            call.cancel()

    async def a_call_ended(self) -> None:
        self._ended.clear()
        await self._ended.wait()

    def ended(self, call: "_Call") -> None:
        self.calls.discard(call)
        self._ended.set()

    async def __aenter__(self) -> "MemoryChannel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _call(
        self, method: str, serialize: Any, deserialize: Any, metadata: Metadata, timeout: float | None
    ) -> "_Call":
        if self._is_closed:
            raise grpc.aio.UsageError("Channel is closed.")
        call = _Call(self, method, serialize, deserialize, metadata)
        self.calls.add(call)
        if timeout is not None:
            asyncio.get_running_loop().call_later(timeout, call.end, _LATE)
        return call


class _Lane:
    """One direction of a call: messages in their order, then the end."""

    def __init__(self, most_bytes: float = math.inf) -> None:
        self._most_bytes = most_bytes
        self._messages: deque[bytes] = deque()
        self._bytes = 0
        self._is_ended = False
        self._changed = asyncio.Event()

    async def put(self, message: bytes) -> None:
        """Wait for room; what comes after the end is lost."""
        while self._bytes > self._most_bytes and not self._is_ended:
            await self._change()
        if not self._is_ended:
            self._messages.append(message)
            self._bytes += len(message)
            self._changed.set()

    async def get(self) -> bytes | None:
        """The next message, None at the end."""
        while not self._messages:
            if self._is_ended:
                return None
            await self._change()
        message = self._messages.popleft()
        self._bytes -= len(message)
        self._changed.set()
        return message

    def end(self, *, is_cut: bool = False) -> None:
        """Let nothing further in; if it is cut, what is under way is lost too."""
        self._is_ended = True
        if is_cut:
            self._messages.clear()
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class _Call:
    """One call, both halves of it: what a client sees of grpc.aio's, and the task that serves it."""

    def __init__(
        self,
        channel: MemoryChannel,
        method: str,
        serialize: Callable[[Any], bytes],
        deserialize: Callable[[bytes], Any],
        metadata: Metadata,
    ) -> None:
        self.channel = channel
        self._method = method
        self._serialize = serialize
        self._deserialize = deserialize
        self._metadata = tuple(metadata)
        self._up = _Lane(_MOST_BYTES_UNDER_WAY)
        self._down = _Lane()
        self._status: asyncio.Future[_Status] = asyncio.get_running_loop().create_future()
        self._has_begun = asyncio.Event()
        self._is_accepted = asyncio.Event()
        self._is_half_closed = False
        self.serving = asyncio.create_task(self._serve())

    # --- the client's half ---

    def __await__(self) -> Generator[Any, None, Any]:
        return self._answer().__await__()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (response := await self.read()) is not grpc.aio.EOF:
            yield response

    def ask(self, request: Any) -> None:
        """Send the one request of a call that has just one."""
        sending = asyncio.create_task(self._up.put(self._serialize(request)))
        sending.add_done_callback(lambda _: self._up.end())

    async def write(self, request: Any) -> None:
        if self.done() or self._is_half_closed:
            raise asyncio.InvalidStateError("RPC already finished.")
        message = self._serialize(request)
        try:
            await self._has_begun.wait()
            await self._up.put(message)
            if self.done() and self._status.result().code is not grpc.StatusCode.OK:
                self._raise()
            # Whoever writes for ever lets others work, too.
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancel()
            raise

    async def done_writing(self) -> None:
        if not self.done():
            self._is_half_closed = True
            await self._has_begun.wait()
            self._up.end()

    async def read(self) -> Any:
        try:
            message = await self._down.get()
            if message is None:
                await asyncio.shield(self._status)
        except asyncio.CancelledError:
            self.cancel()
            raise
        if message is not None:
            return self._decoded(message)
        if self._status.result().code is not grpc.StatusCode.OK:
            self._raise()
        return grpc.aio.EOF

    def _decoded(self, message: bytes) -> Any:
        """Like grpc.aio, return None for what is no message of the kind."""
        try:
            return self._deserialize(message)
        except DecodeError:
            return None

    async def initial_metadata(self) -> grpc.aio.Metadata:
        await self._is_accepted.wait()
        return grpc.aio.Metadata()

    async def code(self) -> grpc.StatusCode:
        return (await asyncio.shield(self._status)).code

    async def details(self) -> str:
        return (await asyncio.shield(self._status)).details

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata(*(await asyncio.shield(self._status)).trailing)

    def done(self) -> bool:
        return self._status.done()

    def cancel(self) -> bool:
        if self.done():
            return False
        self._down.end(is_cut=True)
        self.end(_CANCELLED)
        return True

    async def _answer(self) -> Any:
        response = await self.read()
        await asyncio.shield(self._status)
        if self._status.result().code is not grpc.StatusCode.OK:
            self._raise()
        return response

    def _raise(self) -> NoReturn:
        status = self._status.result()
        if status is _CANCELLED:
            raise asyncio.CancelledError
        empty = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(status.code, empty, grpc.aio.Metadata(*status.trailing), status.details)

    # --- the server's half ---

    def end(self, status: _Status) -> None:
        """End the call, if it has not ended; whoever serves it is cancelled."""
        if self._status.done():
            return
        self._status.set_result(status)
        self._up.end(is_cut=True)
        self._down.end()
        self._has_begun.set()
        self._is_accepted.set()
        if self.serving is not asyncio.current_task():
            self.serving.cancel()

    async def _serve(self) -> None:
        server = None
        try:
            server = _servers.get(self.channel.address)
            if server is None:
                self.end(_NOBODY)
                return
            await server.connected(self.channel)
            server.calls.append(self)
            self._has_begun.set()
            self.end(await self._served_by(server))
        finally:
            if server is not None and self in server.calls:
                server.calls.remove(self)
            self.end(_CUT_OFF)
            self.channel.ended(self)

    async def _served_by(self, server: MemoryServer) -> _Status:
        handler = server.handler(self._method, self._metadata)
        if handler is None:
            return _UNKNOWN_METHOD
        context = _Context(self, handler)
        try:
            if handler.unary_unary is not None:
                await context.write(await handler.unary_unary(await context.read(), context))
            else:
                await _stream(handler.stream_stream(context.requests(), context), context)
        except grpc.aio.AbortError:
            return context.aborted
        except Exception as error:
            return _Status(grpc.StatusCode.UNKNOWN, f"Unexpected {type(error)}: {error}")
        return _OK

    async def receive(self) -> bytes | None:
        return await self._up.get()

    def accept(self) -> None:
        self._is_accepted.set()

    async def send(self, message: bytes) -> None:
        self.accept()
        await self._down.put(message)

    @property
    def metadata(self) -> Metadata:
        return self._metadata


async def _stream(behavior: Any, context: "_Context") -> None:
    """Servicers either yield their responses or write them themselves."""
    if not hasattr(behavior, "__aiter__"):
        await behavior
        return
    async for response in behavior:
        await context.write(response)


class _Context:
    """What our servicers use of grpc.aio's context."""

    def __init__(self, call: _Call, handler: Any) -> None:
        self.aborted = _OK
        self._call = call
        self._handler = handler

    def invocation_metadata(self) -> Metadata:
        return self._call.metadata

    def peer(self) -> str:
        return self._call.channel.peer

    async def send_initial_metadata(self, _metadata: Metadata) -> None:
        self._call.accept()

    async def read(self) -> Any:
        message = await self._call.receive()
        return grpc.aio.EOF if message is None else self._handler.request_deserializer(message)

    async def write(self, response: Any) -> None:
        await self._call.send(self._handler.response_serializer(response))

    async def requests(self) -> AsyncIterator[Any]:
        while (request := await self.read()) is not grpc.aio.EOF:
            yield request

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()) -> NoReturn:
        self.aborted = _Status(code, details, tuple(trailing_metadata))
        raise grpc.aio.AbortError
