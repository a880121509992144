"""A client of any protocol without a socket: its messages go through a real session with a scripted recognizer."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stream.configuration.config import SessionConfig
from stream.protocols.protocol import ClientProtocol, Handshake, Message, Opening
from stream.runtime.outbox import Outbox
from stream.runtime.runner import SessionRunner
from stream.session.deadlines import RunnerLimits
from stream.session.events import Finished
from tests.support.loops.virtual_time import VirtualTimeLoop
from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.support.sounds import MarkedClassifier

GONE = None
"""In a script: the client leaves."""
_DAY_SECONDS = 86_400

Step = Message | Mapping[str, object] | float | None
"""A message, one that is written as JSON, a pause in seconds, or `GONE`."""


@dataclass(frozen=True)
class Answers:
    """Everything that a server sent on one connection, and how it closed it."""

    messages: list[dict[str, Any]]
    close_code: int
    close_reason: str
    streams: Sequence[CountingStream]

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]


@dataclass(kw_only=True)
class ProtocolClient:
    """Opens connections of one protocol; speech is what `MarkedClassifier` takes for it, at 16 kHz."""

    protocol: ClientProtocol
    handshake: Handshake = field(default_factory=lambda: Handshake(headers={}))
    config: SessionConfig = field(default_factory=lambda: SessionConfig(preroll_ms=50, hangover_ms=100))
    recognizer: ScriptedRecognizer = field(default_factory=ScriptedRecognizer)
    limits: RunnerLimits = field(default_factory=RunnerLimits)

    def converse(self, *steps: Step) -> Answers:
        """Take all steps, then be silent until the server closes."""
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(self._converse(_Script(steps)))

    async def _converse(self, script: "_Script") -> Answers:
        config = self.protocol.configured(self.config, self.handshake)
        opening = Opening(
            transcription_id="0a1b2c3d-0000-4000-8000-00000000000f",
            handshake=self.handshake,
            opened_at=1_000_000.0,
            max_message_bytes=1 << 20,
            limits=self.protocol.limited(self.limits),
            config=config,
        )
        adapter, outbox = self.protocol.open(opening), Outbox()
        runner = SessionRunner(
            self.recognizer,
            config,
            outbox,
            opening.limits,
            read=adapter.read,
            classifier_factory=MarkedClassifier,
        )
        messages: list[Message] = []
        async with asyncio.timeout(_DAY_SECONDS), asyncio.TaskGroup() as tasks:
            tasks.create_task(runner.run(script))
            event = None
            while not isinstance(event, Finished):
                event = await outbox.get()
                messages += adapter.write(event, runner.config)
        code, reason = adapter.closing(event)
        return Answers(
            [json.loads(message) for message in messages], code, reason, getattr(self.recognizer, "streams", ())
        )


class _Script:
    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = list(steps)
        self._next_at = 0.0

    async def receive(self) -> Message | None:
        now = asyncio.get_running_loop().time
        while self._steps:
            await asyncio.sleep(self._next_at - now())
            match self._steps.pop(0):
                case float() as pause:
                    self._next_at = now() + pause
                case Mapping() as message:
                    return json.dumps(message)
                case other:
                    return other
        await asyncio.Event().wait()
        return None
