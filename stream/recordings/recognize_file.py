"""Recognition of a whole recording at once, through the same session that a live connection has."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace

from stream.configuration.config import SessionConfig
from stream.recognition.recognizer import Recognizer
from stream.runtime.audio_intake import Meter, unmetered
from stream.runtime.fairness import FairShare
from stream.runtime.outbox import Outbox
from stream.runtime.runner import SessionRunner
from stream.session.commands import Close
from stream.session.deadlines import RunnerLimits
from stream.session.events import EndCause, Finished, Settled

OnSettled = Callable[[Settled], Awaitable[None]]
"""Takes an utterance that is settled; while it takes long, recognition waits."""
_CLOSE = "close"


async def ignore_settled(_: Settled) -> None:
    """Wait for the end, which has every utterance."""


class WholeRecording:
    """A client that sends a recording as fast as it is read, then closes."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)

    async def receive(self) -> bytes | str | None:
        return next(self._chunks, _CLOSE)


async def recognize_whole(
    recognizer: Recognizer,
    config: SessionConfig,
    chunks: Iterable[bytes],
    limits: RunnerLimits,
    fair_share: FairShare | None = None,
    *,
    meter: Meter = unmetered,
    on_settled: OnSettled = ignore_settled,
) -> Finished:
    """Return the end of the session, with every utterance; raises ClientError for a config that is not served.

    `chunks` are the bytes of the recording, cut anywhere, of at most `limits.audio_seconds`. An error of the audio is
    in the result, and so is a refusal of the `meter`, which counts the audio as it is decoded. `on_settled` gets each
    utterance, in their order.
    """
    outbox = Outbox()
    settings = replace(config, interim_results=False, audio_transfer="raw", is_file=True)
    runner = SessionRunner(
        recognizer,
        settings,
        outbox,
        limits,
        read=lambda message: (message if isinstance(message, bytes) else Close(),),
        meter=meter,
        fair_share=fair_share,
        is_recording=True,
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(runner.run(WholeRecording(chunks)))
        while not isinstance(event := await outbox.get(), Finished):
            if isinstance(event, Settled):
                await on_settled(event)
        await running
    return event


def is_complete(finished: Finished) -> bool:
    """Whether the whole audio was recognized, to its end."""
    return finished.cause is EndCause.CLOSE and not finished.totals.lost
