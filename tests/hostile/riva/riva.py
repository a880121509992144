"""A Riva server that recognizes numbered audio, and fails as its script says.

The tools with which the tests prove that no word is lost and none doubled when Riva fails:

    from tests.hostile.riva.audio import NumberedClassifier, numbered_speech, read_words, silence, spoken_numbers
    from tests.hostile.riva.faults import Abort, At, EndEarly, Freeze, ..., faults
    from tests.hostile.riva.riva import Behaviour, HostileRiva
    from tests.hostile.server import running
    from tests.hostile.process import running_process
    from tests.hostile.proxy.proxy import FaultProxy
    from tests.hostile.proxy.network import Reset, Stall, ..., breaking_plan

    riva = HostileRiva([None, Abort(code=grpc.StatusCode.INTERNAL, count=5), (Late(0.2), Duplicate())])
    async with running(riva) as server, FaultProxy(server.port, [Reset(after_bytes=5_000)]) as proxy:
        ...  # speak numbered_speech([4, 6]) to proxy.address; expect spoken_numbers(text) == list(range(10))
        await server.kill()
        await server.restart()

audio    numbered_speech(groups, first=0, *, pause_ms=800) -> bytes: word n is 250 ms, 150 ms of them marked.
         read_words(pcm) -> list[NumberedWord(number, start, end)]: any cut gives each word to exactly one side.
         spoken_numbers("w3 w4") -> [3, 4]; silence(ms) -> bytes; NumberedClassifier(kind, aggressiveness).
         WebRTC's detector takes the words for speech: a gateway in its own process needs no other classifier.
faults   Abort(code, at, count, pushback_ms), Freeze(at, count, seconds), EndEarly(at, count, with_final),
         Late(seconds), LateFinals(seconds), LatePartial(after_ms), Undecodable(count), Duplicate(), Reorder(),
         NeverFinal(ends), EmptyResponses(), FirstPass(), Split(), NegativeConfidence(), Spaces(),
         OwnEndpoints(pause_ms); At is OPEN, MESSAGE, RESPONSE, DRAIN or DONE.
         An entry of a script is a fault, a tuple of faults or None. faults(seed, count, ...) makes scripts,
         breaking_script(seed, count) some that mostly break.
riva     HostileRiva(script, otherwise=None, behaviour=Behaviour(languages=..., ...), abilities=..., rows=...);
         .calls (a CallRecord for each), .open_calls, .most_open_calls, .refuses (an Abort for everybody), until().
server   running(riva, port=0, options=()) gives .address, .port, kill(), restart(), set_serving(bool).
process  running_process(*arguments, port=0) gives .address, .port, .pid, .reports (a dict for each ended call),
         kill() by SIGKILL, restart(); arguments are those of `python -m tests.hostile.server`, which prints its
         address and exits when its stdin closes.
proxy    FaultProxy(port, plan) gives .address, .port, .connections, .open_connections, reset_all().
network  Reset(after_bytes, direction), Close(...), Stall(...); Direction is UP or DOWN.
         breaking_plan(seed, count, up, down) makes plans.

On the virtual clock servers are in memory (tests/support/memory_grpc.py). In real gRPC a cancelled call may look
half-closed for a moment.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from tests.hostile.riva.call import Behaviour, HostileCall, abort
from tests.hostile.riva.faults import Abort, At, Entry, Fault, faults_of
from tests.hostile.riva.record import CallRecord
from tests.support.processes import STUCK_SECONDS
from vad import SAMPLE_RATE

if TYPE_CHECKING:
    from tests.hostile.riva.call import StreamContext

__all__ = ["Behaviour", "HostileRiva"]

_MOST_RECORDS = 10_000
_LOOK_SECONDS = 0.005


class HostileRiva(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc]
    """Riva's service: the n-th StreamingRecognize follows the n-th entry of `script`, later ones `otherwise`.

    `rows` are the parameters of its models, by default one for each language of `behaviour`, each with `abilities`.
    While `refuses` is set, every call ends with it at once, and the script does not advance. `calls` has the latest
    10,000 records, the oldest first.
    """

    def __init__(
        self,
        script: Iterable[Entry] = (),
        *,
        otherwise: Entry = None,
        behaviour: Behaviour | None = None,
        abilities: Mapping[str, str] | None = None,
        rows: Sequence[Mapping[str, str]] | None = None,
        ended: Callable[[CallRecord], None] | None = None,
    ) -> None:
        self.script = list(script)
        self.otherwise = otherwise
        self.behaviour = behaviour or Behaviour()
        self.abilities = dict(abilities or {})
        self.rows = rows
        self.refuses: Abort | None = None
        self.calls: list[CallRecord] = []
        self.most_open_calls = 0
        self._ended = ended
        self._taken = 0
        self._open_calls = 0

    @property
    def open_calls(self) -> int:
        """How many StreamingRecognize calls are open now."""
        return self._open_calls

    async def until(self, condition: Callable[[], bool], seconds: float = STUCK_SECONDS) -> None:
        """Wait until this holds, such as `lambda: riva.open_calls == 0`; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(_LOOK_SECONDS)

    async def StreamingRecognize(self, _requests: object, context: "StreamContext") -> None:  # noqa: N802
        metadata = dict(context.invocation_metadata() or ())
        record = CallRecord(faults=self._next_faults(), metadata=metadata)
        self.calls.append(record)
        del self.calls[:-_MOST_RECORDS]
        self._open_calls += 1
        self.most_open_calls = max(self.most_open_calls, self._open_calls)
        try:
            await HostileCall(context, self.behaviour, record).run()
        finally:
            self._open_calls -= 1
            if self._ended:
                self._ended(record)

    async def GetRivaSpeechRecognitionConfig(  # noqa: N802
        self, _request: pb.RivaSpeechRecognitionConfigRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.RivaSpeechRecognitionConfigResponse:
        if self.refuses:
            await abort(context, self.refuses)
        rows = self.rows
        if rows is None:
            sound = {"type": "online", "sample_rate": str(SAMPLE_RATE)}
            rows = [sound | {"language_code": language} | self.abilities for language in self.behaviour.languages]
        return pb.RivaSpeechRecognitionConfigResponse(
            model_config=[
                pb.RivaSpeechRecognitionConfigResponse.Config(model_name=f"hostile-{number}", parameters=row)
                for number, row in enumerate(rows)
            ]
        )

    def _next_faults(self) -> tuple[Fault, ...]:
        if self.refuses:
            return (replace(self.refuses, at=At.OPEN),)
        self._taken += 1
        return faults_of(self.script[self._taken - 1] if self._taken <= len(self.script) else self.otherwise)
