"""Serve one call of a hostile server: read, recognize and respond until its end, or a fault."""

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from riva.client.proto import riva_asr_pb2 as pb

from tests.hostile.riva.faults import (
    Abort,
    At,
    EndEarly,
    Freeze,
    Late,
    LateFinals,
    NeverFinal,
    OwnEndpoints,
    Undecodable,
)
from tests.hostile.riva.recognition import Recognition, Transcript
from tests.hostile.riva.record import CallEnd, CallRecord
from tests.hostile.riva.response_sender import ResponseSender
from tests.hostile.riva.wording import Wording
from vad import SAMPLE_RATE

if TYPE_CHECKING:
    StreamContext = grpc.aio.ServicerContext[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse]

_SAMPLES_PER_MS = SAMPLE_RATE // 1000
_DEFAULT_STOP_MS = 800
# A field without its value.
NO_MESSAGE = b"\x0a\xff"
_COUNTED = frozenset({At.MESSAGE, At.RESPONSE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """The behaviour of a server without faults; after `idle_seconds` without audio it refuses the next."""

    languages: tuple[str, ...] = ("en-US",)
    interim_ms: int = 250
    stability: float = 0.1
    idle_seconds: float = 60.0
    ignores_force: bool = False


class _EndedEarlyError(Exception):
    """The script ends the call here, with OK."""


class HostileCall:
    """Serves one StreamingRecognize and keeps its record."""

    def __init__(self, context: "StreamContext", behaviour: Behaviour, record: CallRecord) -> None:
        self._context = context
        self._behaviour = behaviour
        self._record = record
        self._recognition = Recognition(reader=record.reader)
        self._wording = Wording(record.faults, stability=behaviour.stability)
        late, late_final = (sum(f.seconds for f in record.faults if isinstance(f, kind)) for kind in (Late, LateFinals))
        self._sender = ResponseSender(context, record, late, late_final)
        self._never_final = next((fault for fault in record.faults if isinstance(fault, NeverFinal)), None)
        self._wants_interims = True
        self._last_audio = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Serve the call to its end; an end other than OK is raised."""
        try:
            await self._serve()
            self._record.end = CallEnd.OK
        except _EndedEarlyError:
            self._record.end = CallEnd.EARLY
        finally:
            if self._record.end is None:
                self._record.end = CallEnd.CANCELLED
            await self._sender.close()

    async def _serve(self) -> None:
        await self._reach(At.OPEN)
        first = await self._read()
        if first is None:
            return
        await self._configure(first)
        while (request := await self._read()) is not None:
            await self._handle(request)
        self._record.is_half_closed = True
        await self._reach(At.DRAIN)
        await self._send(self._recognition.finish())
        if self._never_final and not self._never_final.ends:
            self._record.fired.append(self._never_final)
            await asyncio.Event().wait()
        await self._sender.flush()
        await self._reach(At.DONE)

    async def _read(self) -> pb.StreamingRecognizeRequest | None:
        """The next request, None once the client has half-closed."""
        request = await self._context.read()
        if request is not grpc.aio.EOF:
            return request
        # In real gRPC a cancelled call looks half-closed at first, mostly for one iteration of the loop.
        await asyncio.sleep(0)
        return None

    async def _configure(self, request: pb.StreamingRecognizeRequest) -> None:
        if not request.HasField("streaming_config"):
            await self._refuse("Error: the first message must be streaming_config")
        self._record.config = request.streaming_config
        config = request.streaming_config.config
        if config.language_code not in self._behaviour.languages:
            await self._refuse(f"Error: Unavailable model requested. Lang: {config.language_code}, Type: online")
        self._wants_interims = request.streaming_config.interim_results
        stop_ms: float = config.endpointing_config.stop_history or _DEFAULT_STOP_MS
        stop_ms = next((fault.pause_ms for fault in self._record.faults if isinstance(fault, OwnEndpoints)), stop_ms)
        self._recognition = Recognition(
            math.inf if self._never_final else stop_ms * _SAMPLES_PER_MS,
            self._behaviour.interim_ms * _SAMPLES_PER_MS,
            self._record.reader,
        )

    async def _handle(self, request: pb.StreamingRecognizeRequest) -> None:
        if request.HasField("audio_content"):
            now = asyncio.get_running_loop().time()
            if now - self._last_audio > self._behaviour.idle_seconds:
                await self._refuse("Error: the first request of a sequence must specify the START flag")
            self._last_audio = now
            self._record.messages += 1
            await self._reach(At.MESSAGE, self._record.messages)
            await self._send(self._recognition.push(request.audio_content))
        if request.runtime_config.get("force_eou", "") == "true":
            self._record.forced += 1
            if self._never_final or self._behaviour.ignores_force:
                return
            await self._send(self._recognition.settle())

    async def _send(self, transcripts: Iterable[Transcript]) -> None:
        for one in transcripts:
            transcript = replace(one, is_final=False) if self._never_final else one
            if not transcript.is_final and not self._wants_interims:
                continue
            for response in self._wording.responses(transcript):
                await self._reach(At.RESPONSE, self._sender.sent + 1, transcript)
                await self._sender.send(self._garbled(response), transcript)

    def _garbled(self, response: pb.StreamingRecognizeResponse) -> pb.StreamingRecognizeResponse | bytes:
        garbles = Undecodable(self._sender.sent + 1)
        if garbles not in self._record.faults:
            return response
        self._record.fired.append(garbles)
        return NO_MESSAGE

    async def _reach(self, at: At, count: int = 1, pending: Transcript | None = None) -> None:
        """Apply the faults for this point; each happens once."""
        for fault in self._record.faults:
            if not isinstance(fault, Abort | Freeze | EndEarly) or fault in self._record.fired:
                continue
            if fault.at is at and (fault.count == count or at not in _COUNTED):
                self._record.fired.append(fault)
                await self._apply(fault, pending)

    async def _apply(self, fault: Abort | Freeze | EndEarly, pending: Transcript | None) -> None:
        match fault:
            case Freeze():
                await self._sender.freeze(fault.seconds)
            case EndEarly():
                if fault.with_final:
                    unsent = [pending] if pending and pending.is_final else []
                    await self._send(unsent + self._recognition.settle())
                await self._sender.flush()
                raise _EndedEarlyError
            case Abort():
                self._record.end = CallEnd.ABORTED
                await abort(self._context, fault)

    async def _refuse(self, sentence: str) -> NoReturn:
        self._record.end = CallEnd.REFUSED
        await self._context.abort(grpc.StatusCode.INVALID_ARGUMENT, sentence)
        raise AssertionError("abort raises")


async def abort(context: "grpc.aio.ServicerContext[Any, Any]", fault: Abort) -> None:
    """End a call with the status of the fault."""
    hint = () if fault.pushback_ms is None else (("grpc-retry-pushback-ms", str(fault.pushback_ms)),)
    await context.abort(fault.code, "as the script says", hint)
