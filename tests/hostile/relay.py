"""A Riva server that relays to a real one, and fails as its script says.

It supports the faults that need no recognition: Abort, Freeze, EndEarly (without a final of its own), Duplicate and
EmptyResponses.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from tests.hostile.riva.call import abort
from tests.hostile.riva.faults import Abort, At, Duplicate, EmptyResponses, EndEarly, Entry, Fault, Freeze, faults_of

if TYPE_CHECKING:
    StreamContext = grpc.aio.ServicerContext[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse]

RELAYED = (Abort, Freeze, EndEarly, Duplicate, EmptyResponses)
_COUNTED = frozenset({At.MESSAGE, At.RESPONSE})


class HostileRelay(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc]
    """The n-th StreamingRecognize follows the n-th entry of `script`, later ones none; `fired` records the faults."""

    def __init__(self, upstream: "grpc.aio.Channel", script: Iterable[Entry] = ()) -> None:
        self.script = list(script)
        self.fired: list[Fault] = []
        self.open_calls = 0
        self._stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(upstream)
        self._taken = 0

    async def GetRivaSpeechRecognitionConfig(  # noqa: N802
        self, request: pb.RivaSpeechRecognitionConfigRequest, _context: object
    ) -> pb.RivaSpeechRecognitionConfigResponse:
        return await self._stub.GetRivaSpeechRecognitionConfig(request)

    async def StreamingRecognize(self, _requests: object, context: "StreamContext") -> None:  # noqa: N802
        self._taken += 1
        faults = faults_of(self.script[self._taken - 1] if self._taken <= len(self.script) else None)
        self.open_calls += 1
        call = self._stub.StreamingRecognize()
        try:
            await _RelayedCall(context, call, faults, self.fired).run()
        finally:
            self.open_calls -= 1
            call.cancel()


@asynccontextmanager
async def relaying(address: str, script: Iterable[Entry]) -> AsyncIterator[tuple[str, HostileRelay]]:
    """Serve a relay in front of the server at `address` until the block ends; yield its address and the relay."""
    async with grpc.aio.insecure_channel(address) as channel:
        relay = HostileRelay(channel, script)
        server = grpc.aio.server()
        riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server(relay, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}", relay
        finally:
            await server.stop(None)


class _EndedEarlyError(Exception):
    """The script ends the call here, with OK."""


class _RelayedCall:
    """One call: a task passes on the requests, another the responses."""

    def __init__(self, context: "StreamContext", call: Any, faults: tuple[Fault, ...], fired: list[Fault]) -> None:
        self._context = context
        self._call = call
        self._faults = [fault for fault in faults if isinstance(fault, RELAYED)]
        self._fired = fired
        self._is_thawed = asyncio.Event()
        self._is_thawed.set()

    async def run(self) -> None:
        sending = asyncio.create_task(self._up())
        answering = asyncio.create_task(self._down())
        try:
            # Either task may end the call by a fault.
            await asyncio.wait((sending, answering), return_when=asyncio.FIRST_EXCEPTION)
            for task in (sending, answering):
                if task.done() and task.exception() is not None:
                    task.result()
        except _EndedEarlyError:
            return
        except _AbortedError as aborted:
            await abort(self._context, aborted.fault)
        finally:
            for task in (sending, answering):
                task.cancel()
            await asyncio.gather(sending, answering, return_exceptions=True)

    async def _up(self) -> None:
        await self._reach(At.OPEN)
        messages = 0
        while (request := await self._context.read()) is not grpc.aio.EOF:
            if request.HasField("audio_content"):
                messages += 1
                await self._reach(At.MESSAGE, messages)
            await self._call.write(request)
        await self._reach(At.DRAIN)
        await self._call.done_writing()

    async def _down(self) -> None:
        responses = 0
        while (response := await self._call.read()) is not grpc.aio.EOF:
            responses += 1
            await self._reach(At.RESPONSE, responses)
            await self._is_thawed.wait()
            if self._has(EmptyResponses):
                await self._context.write(pb.StreamingRecognizeResponse())
            for _ in range(2 if self._has(Duplicate) else 1):
                await self._context.write(response)
        await self._reach(At.DONE)

    def _has(self, kind: type[Fault]) -> bool:
        return any(isinstance(fault, kind) for fault in self._faults)

    async def _reach(self, at: At, count: int = 1) -> None:
        for fault in [fault for fault in self._faults if isinstance(fault, Abort | Freeze | EndEarly)]:
            if fault.at is at and (fault.count == count or at not in _COUNTED):
                self._faults.remove(fault)
                self._fired.append(fault)
                await self._apply(fault)

    async def _apply(self, fault: Abort | Freeze | EndEarly) -> None:
        match fault:
            case Freeze():
                self._is_thawed.clear()
                await (asyncio.Event().wait() if math.isinf(fault.seconds) else asyncio.sleep(fault.seconds))
                self._is_thawed.set()
            case EndEarly():
                raise _EndedEarlyError
            case Abort():
                raise _AbortedError(fault)


class _AbortedError(Exception):
    """The script ends the call here with a status."""

    def __init__(self, fault: Abort) -> None:
        super().__init__(fault.code.name)
        self.fault = fault
