"""Recognize a long recording at a server: upload it or let the server fetch it, and poll its state to the end."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

from stream.backoff import Backoff
from stream.client.errors import RefusedError, StalledError
from stream.client.http import Transcription
from stream.client.rest import Accepted, RestClient, SentCallback

_POLL_FACTOR = 1.5
# Answers grow with the recording: the pauses are so many times longer, so that polling stays a small part of the work.
_PAUSES_PER_ANSWER = 10.0
_NO_CONFIG: Mapping[str, object] = MappingProxyType({})


async def recognize_uri(
    rest: RestClient, uri: str, config: Mapping[str, object] = _NO_CONFIG
) -> AsyncGenerator[Transcription, None]:
    """Let the server fetch a recording, and yield its states; the last one is done. Raises LiveError.

    The server goes on if the caller leaves early.
    """
    begun = (await rest.submit(config, uri)).transcription
    yield begun
    async with aclosing(follow(rest, begun.transcription_id)) as states:
        async for state in states:
            yield state


async def recognize_file(
    rest: RestClient, path: Path, config: Mapping[str, object] = _NO_CONFIG, sent: SentCallback = lambda _: None
) -> AsyncGenerator[Transcription, None]:
    """Upload a recording, and yield its states during and after the upload; the last one is done.

    Raises LiveError, and OSError if the file cannot be read. Leave early only inside `contextlib.aclosing`, which stops
    the upload at once.
    """
    accepted = await rest.submit(config)
    begun = accepted.transcription
    yield begun
    sending = asyncio.create_task(_send(rest, accepted, path, sent))
    try:
        async with aclosing(follow(rest, begun.transcription_id, sending)) as states:
            # The failure of a recording shows here first: the server no longer reads the upload, and sends no answer.
            async for state in states:
                yield state
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def follow(
    rest: RestClient, transcription_id: str, sending: asyncio.Task[None] | None = None
) -> AsyncGenerator[Transcription, None]:
    """Yield the states of a recording until it is done; raises RecognitionError if it fails, and other LiveErrors.

    Exceptions of the task that sends it are raised here.
    """
    now = asyncio.get_running_loop().time
    pauses = Backoff(rest.waits.poll_seconds, rest.waits.longest_poll_seconds, _POLL_FACTOR)
    mark, moved = None, now()
    for polls in itertools.count():
        begun = now()
        state = await rest.state(transcription_id)
        answered = now()
        yield state
        if state.is_done:
            return
        if sending is not None and sending.done():
            sending.result()
        # The upload has limits of its own.
        is_sending = sending is not None and not sending.done()
        if mark != (mark := _mark(state)) or is_sending:
            moved = answered
        elif answered - moved > rest.waits.stall_seconds:
            raise StalledError(transcription_id, rest.waits.stall_seconds)
        await asyncio.sleep(max(pauses.delay_seconds(polls), _PAUSES_PER_ANSWER * (answered - begun)))


async def _send(rest: RestClient, accepted: Accepted, path: Path, sent: SentCallback) -> None:
    try:
        await rest.upload(accepted, path, sent)
    except RefusedError as refused:
        # The state of a failed recording has the reason; its upload is refused.
        await rest.state(accepted.transcription.transcription_id)
        if refused.status != HTTPStatus.BAD_REQUEST:
            raise
        # The server has the file: only the answer to an earlier try was lost.
        sent((await asyncio.to_thread(path.stat)).st_size)


def _mark(state: Transcription) -> object:
    return state.status, state.progress, state.audio, len(state.results)
