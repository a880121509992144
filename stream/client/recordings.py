"""Owns the following of a long recording at a server: sent or fetched, asked for again and again, to its end.

LiveError
└── StalledError   nothing has happened for too long; the recording may still be recognized
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

from stream.client.http import Transcription
from stream.client.live import LiveError, RefusedError
from stream.client.rest import Accepted, RestClient, Sent

_POLL_GROWTH = 1.5
# The more is recognized the longer the answer: asking must not become most of what client and server do.
_PAUSES_PER_ANSWER = 10.0
_NO_CONFIG: Mapping[str, object] = MappingProxyType({})


class StalledError(LiveError):
    """Nothing has happened with the recording for `seconds`."""

    def __init__(self, transcription_id: str, seconds: float) -> None:
        super().__init__(f"nothing has happened with the recording for {seconds:g} s")
        self.transcription_id = transcription_id


async def recognize_uri(
    rest: RestClient, uri: str, config: Mapping[str, object] = _NO_CONFIG
) -> AsyncGenerator[Transcription, None]:
    """Let the server fetch a recording, and yield how far it is; the last one is done. Raises LiveError.

    Who leaves early leaves the recording to the server.
    """
    begun = (await rest.submit(config, uri)).transcription
    yield begun
    async with aclosing(follow(rest, begun.transcription_id)) as states:
        async for state in states:
            yield state


async def recognize_file(
    rest: RestClient, path: Path, config: Mapping[str, object] = _NO_CONFIG, sent: Sent = lambda _: None
) -> AsyncGenerator[Transcription, None]:
    """Upload a recording, and meanwhile and after yield how far it is; the last one is done.

    Raises LiveError, and OSError if the file cannot be read. Leave early only inside `contextlib.aclosing`,
    which stops the upload at once.
    """
    accepted = await rest.submit(config)
    begun = accepted.transcription
    yield begun
    sending = asyncio.create_task(_send(rest, accepted, path, sent))
    try:
        async with aclosing(follow(rest, begun.transcription_id, sending)) as states:
            # A recording that fails is known here first: the server does not listen any more, nor says so.
            async for state in states:
                yield state
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def follow(
    rest: RestClient, transcription_id: str, sending: asyncio.Task[None] | None = None
) -> AsyncGenerator[Transcription, None]:
    """Yield how far a recording is until it is done; raises RecognitionError if it fails, and other LiveErrors.

    What the task that sends it raises is raised here.
    """
    now = asyncio.get_running_loop().time
    pause = rest.waits.poll_seconds
    mark, moved = None, now()
    while True:
        begun = now()
        state = await rest.state(transcription_id)
        answered = now()
        yield state
        if state.is_done:
            return
        if sending is not None and sending.done():
            sending.result()
        # An upload has limits of its own.
        is_sending = sending is not None and not sending.done()
        if mark != (mark := _mark(state)) or is_sending:
            moved = answered
        elif answered - moved > rest.waits.stall_seconds:
            raise StalledError(transcription_id, rest.waits.stall_seconds)
        await asyncio.sleep(max(pause, _PAUSES_PER_ANSWER * (answered - begun)))
        pause = min(pause * _POLL_GROWTH, rest.waits.longest_poll_seconds)


async def _send(rest: RestClient, accepted: Accepted, path: Path, sent: Sent) -> None:
    try:
        await rest.upload(accepted, path, sent)
    except RefusedError as refused:
        # A recording that failed says why, and no longer knows of an upload.
        await rest.state(accepted.transcription.transcription_id)
        if refused.status != HTTPStatus.BAD_REQUEST:
            raise
        # It is there: only the answer to an earlier try was lost.
        sent((await asyncio.to_thread(path.stat)).st_size)


def _mark(state: Transcription) -> object:
    return state.status, state.progress, state.audio, len(state.results)
