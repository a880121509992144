import threading
from types import SimpleNamespace
from typing import cast

import pytest

from stream.configuration.config import SessionConfig
from stream.errors import Problem
from stream.protocols.protocol import Adapter, Message
from stream.runtime.outbox import Outbox
from stream.session.commands import ClientInput, Reply
from stream.session.events import ClientEvent, EndCause, Finished, Totals
from tests.web.support.utterances import said
from web.live.admission import Admitted
from web.live.connection import Connection
from web.live.live_metrics import LiveMetrics
from web.observability.metrics import Metrics


class Wire:
    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.closed: tuple[int, str] | None = None

    async def receive(self) -> Message | None:
        return None

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def close(self, code: int, reason: str) -> None:
        self.closed = code, reason


class Counting(Adapter):
    """Writes how many utterances were settled, and notes the thread that wrote it."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def read(self, message: Message) -> tuple[ClientInput, ...]:
        return ()

    def write(self, event: ClientEvent | Reply, config: SessionConfig) -> tuple[Message, ...]:
        self.threads.append(threading.get_ident())
        return (str(len(event.settled)),) if isinstance(event, Finished) else ()

    def write_failure(self, problem: Problem, detail: str, config: SessionConfig) -> tuple[Message, ...]:
        return (problem.name,)


class EndingRunner:
    config = SessionConfig()

    def __init__(self, outbox: Outbox, finished: Finished) -> None:
        self._outbox = outbox
        self._finished = finished

    async def run(self, _: object) -> None:
        self._outbox.put(self._finished)


class NoRecord:
    async def run(self) -> None:
        return

    async def finish(self, *_: object) -> None:
        return


@pytest.mark.parametrize(("utterances", "is_beside"), [(3, False), (500, True)])
async def test_the_end_of_hours_of_talk_is_written_beside_the_event_loop(utterances: int, is_beside: bool) -> None:
    outbox, adapter, wire = Outbox(), Counting(), Wire()
    finished = Finished(tuple(said(*["word"] * utterances)), Totals(), 16_000, 1.0, EndCause.CLOSE)
    session = SimpleNamespace(
        transcription_id="id",
        protocol=SimpleNamespace(name="farsava"),
        outbox=outbox,
        adapter=adapter,
        runner=EndingRunner(outbox, finished),
        record=NoRecord(),
        publisher=None,
        is_resumable=False,
    )
    connection = Connection(
        wire=wire,
        session=cast(Admitted, session),
        metrics=LiveMetrics(Metrics(), "farsava"),
        send_limit_seconds=10,
    )
    await connection.run()
    assert (wire.sent, wire.closed) == ([str(utterances)], (1000, "close"))
    assert (adapter.threads != [threading.get_ident()]) is is_beside
