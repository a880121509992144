"""Owns `POST /v1/speech/asr`: a short recording in, its transcription out."""

from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.recordings.recognize_file import is_complete, recognize_whole
from stream.session.events import Finished
from web.auth.caller import Caller, Scope
from web.composition import Services
from web.rest.request.audio import MOST_JSON_BYTES, Audio, read_audio_request
from web.rest.response.formats import OutputFormat
from web.rest.response.transcription import address_of, is_extended, transcription_response
from web.store.tables import Kind, Status
from web.store.transcriptions import Summary, Transcription, new_id, stored

# "Up to 1 minute", and what an encoder adds to a minute at its ends.
_MOST_SECONDS = 61.0


async def recognize(request: Request) -> Response:
    """Answer 201, or the configured status, with the transcription of a recording of up to a minute."""
    services: Services = request.app.state.services
    caller = await services.auth.caller(request, Scope.RECORDINGS)
    owner = caller.owner
    extended = is_extended(request)
    check_ready(services)
    await services.limits.check_minutes(caller)
    async with read_audio_request(request, MOST_JSON_BYTES, services.bodies, owner) as asked:
        if not isinstance(asked.audio, Audio):
            raise ClientError(Problem.INVALID_CONFIG, "audio must hold data; asrlongrunning takes a uri")
        config = await configured(services, caller, asked.values)
        finished = await transcribe(services, caller, config, asked.audio, _MOST_SECONDS)
    transcription = _transcription(finished, config, services.clock())
    if config.store:
        await services.storing.finish(partial(_store, services, owner, transcription.summary, finished))
    response = await transcription_response(transcription, OutputFormat.JSON, services.turns, extended=extended)
    response.status_code = config.asr_status
    response.headers["Location"] = address_of(transcription.summary.id)
    return response


def check_ready(services: Services) -> None:
    """Raise ClientError when nothing can be recognized now."""
    services.sessions.check_admission()
    if not services.recognizer.is_ready:
        raise ClientError(Problem.OVERLOADED, "the recognizer is not ready; come again in a few seconds")


async def configured(services: Services, caller: Caller, values: dict[str, object]) -> SessionConfig:
    """The configuration of a recording, with the phrases of its language model; raises ClientError."""
    config = caller.configured(services.settings.session_config).with_message(values, audio_began=False)
    return await services.models.look_up(config, caller.owner)


async def transcribe(
    services: Services, caller: Caller, config: SessionConfig, audio: Audio, most_seconds: float
) -> Finished:
    """Recognize a whole recording of a caller's; raises ClientError unless every sample of it was heard."""
    limits = replace(services.settings.runner_limits, audio=most_seconds)
    meter = services.limits.recording_meter(caller.owner, services.limits.minutes_of(caller))
    # A recording in which FFmpeg has to jump is copied to disk.
    with services.bodies.disk.open(caller.owner) as copy:
        copy.require(audio.size_bytes)
        try:
            finished = await recognize_whole(
                services.recognizer, config, audio.chunks, limits, services.turns, meter=meter.add
            )
        finally:
            await meter.settle()
    services.metrics.add_audio("short", finished.totals)
    if finished.error is not None:
        raise finished.error
    if not is_complete(finished):
        raise ClientError(Problem.RECOGNIZER_FAILED, "the recognizer failed on a part of the audio; try again later")
    return finished


def _transcription(finished: Finished, config: SessionConfig, created_at: float) -> Transcription:
    summary = Summary(
        id=new_id(),
        kind=Kind.SHORT,
        status=Status.DONE,
        created_at=created_at,
        received_samples=finished.received,
        inference_seconds=finished.inference_seconds,
        whole_seconds=config.whole_seconds,
    )
    return Transcription(summary, tuple(stored(one) for one in finished.settled), finished.received)


async def _store(services: Services, owner: str, summary: Summary, finished: Finished) -> None:
    await services.transcriptions.open(summary.id, owner, summary.kind, whole_seconds=summary.whole_seconds)
    await services.transcriptions.finish(summary.id, finished.settled, finished.received, finished.inference_seconds)
