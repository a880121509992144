"""Owns `POST /v1/speech/asrlongrunning` and the upload of its audio: a long recording in, a promise out."""

from collections.abc import AsyncIterator, Iterable
from typing import BinaryIO

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from stream.configuration.keys import is_id
from stream.errors import ClientError, Problem
from stream.recognition.options import recognition_options
from stream.recordings.segmentation import check_cuttable
from web.auth.caller import Caller, Scope
from web.composition import Services
from web.fetch.download import check_uri
from web.jobs.intake import UnwantedError
from web.memory.budget import FullError
from web.rest.recognize import check_ready
from web.rest.request.audio import Audio, read_audio_request
from web.rest.request.body import chunks
from web.rest.response.formats import OutputFormat
from web.rest.response.transcription import address_of, is_extended, transcription_response
from web.store.database.away import DatabaseAwayError
from web.store.recordings import Recording
from web.store.transcriptions import new_id


async def accept(request: Request) -> Response:
    """Answer 201 with the id of a recording that will be recognized; 429 above the caller's number of them."""
    services: Services = request.app.state.services
    caller = await services.auth.caller(request, Scope.RECORDINGS)
    extended = is_extended(request)
    check_ready(services)
    await services.limits.check_minutes(caller)
    await _check_number(services, caller.owner)
    limit_bytes = services.settings.recording_limit_bytes
    async with read_audio_request(request, limit_bytes, services.bodies, caller.owner) as asked:
        audio = asked.audio
        uri = None if isinstance(audio, Audio) else _uri(audio, services)
        recording = await _recording(services, caller, asked.values, uri)
        await services.recordings.open(recording, most=services.settings.jobs_per_owner)
        if isinstance(audio, Audio):
            await _take(services, recording, _pieces(audio.chunks), audio.size_bytes, file=audio.file)
    response = await _answer(services, recording, extended=extended)
    if uri is not None:
        await services.queue.announce_recording(recording.id)
    response.status_code = 201
    response.headers["Location"] = address_of(recording.id)
    if uri is None and not isinstance(audio, Audio):
        response.headers["Upload-Location"] = f"{address_of(recording.id)}/audio"
    return response


async def upload(request: Request) -> Response:
    """Take the audio of a recording that waits for it, as the bytes of the body; answer 200 with its state.

    An upload that broke off may be made again from its beginning: what is there already is not recognized twice.
    """
    services: Services = request.app.state.services
    caller = await services.auth.caller(request, Scope.RECORDINGS)
    owner, extended = caller.owner, is_extended(request)
    services.sessions.check_admission()
    transcription_id = str(request.path_params["transcription_id"]).lower()
    recording = await services.recordings.get(transcription_id) if is_id(transcription_id) else None
    if recording is None or recording.owner != owner:
        raise ClientError(Problem.NOT_FOUND, "there is no recording with this id that waits for its audio")
    if recording.uri is not None or recording.is_received:
        raise ClientError(Problem.INVALID_AUDIO, "this recording waits for no upload; its audio is here, or at its uri")
    if not recording.counted_samples:
        await services.limits.check_minutes(caller)
    limit_bytes = services.settings.recording_limit_bytes
    declared = request.headers.get("content-length", "")
    total_bytes = int(declared) if declared.isdigit() else None
    if not total_bytes and "transfer-encoding" not in request.headers:
        raise ClientError(Problem.INVALID_AUDIO, "the audio is empty")
    await _take(services, recording, chunks(request, limit_bytes), total_bytes, is_repeatable=True)
    return await _answer(services, recording, extended=extended)


async def _check_number(services: Services, owner: str) -> None:
    """Refuse before the body is read what `Recordings.open` would refuse then."""
    most = services.settings.jobs_per_owner
    if await services.transcriptions.unfinished(owner) >= most:
        raise ClientError(Problem.RATE_LIMITED, f"{most} recordings of yours are in work; wait for one to end")


def _uri(audio: dict[str, object], services: Services) -> str | None:
    """Where the recording is, None if it will be uploaded."""
    match audio:
        case {"upload": True, **rest} if not rest:
            return None
        case {"uri": str(uri), **rest} if not rest:
            check_uri(uri, services.fetch)
            return uri
        case _:
            raise ClientError(
                Problem.INVALID_CONFIG, "audio must hold either a uri, a text, or upload, which must be true"
            )


async def _recording(services: Services, caller: Caller, values: dict[str, object], uri: str | None) -> Recording:
    config = caller.configured(services.settings.session_config).with_message(values, audio_began=False)
    check_cuttable(config)
    config = await services.models.look_up(config, caller.owner)
    options = recognition_options(config, services.recognizer)
    minutes = services.limits.minutes_of(caller)
    return Recording(
        id=new_id(),
        owner=caller.owner,
        uri=uri,
        config=config.set_values,
        options=options,
        whole_seconds=config.whole_seconds,
        minutes=minutes,
    )


async def _take(
    services: Services,
    recording: Recording,
    pieces: AsyncIterator[bytes],
    total_bytes: int | None,
    *,
    file: BinaryIO | None = None,
    is_repeatable: bool = False,
) -> None:
    try:
        await services.steps.take(recording, pieces, total_bytes, services.queue.announce_segments, file=file)
    except DatabaseAwayError:  # nothing is wrong with the audio: it may be sent again
        raise
    except ClientError as error:
        if not (is_repeatable and isinstance(error, FullError)):
            lasting = error.lasting() if isinstance(error, FullError) else error
            await services.recordings.fail(recording.id, lasting)
        raise
    except UnwantedError:
        raise ClientError(Problem.NOT_FOUND, "the recording was deleted while its audio arrived") from None
    except ClientDisconnect:
        raise ClientError(Problem.INVALID_AUDIO, "the upload broke off; make it again") from None


async def _pieces(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _answer(services: Services, recording: Recording, *, extended: bool) -> Response:
    transcription = await services.transcriptions.get(recording.id, recording.owner)
    if transcription is None:
        raise ClientError(Problem.NOT_FOUND, "the recording was deleted while its audio arrived")
    if transcription.summary.error is not None:
        raise transcription.summary.error
    return await transcription_response(transcription, OutputFormat.JSON, services.turns, extended=extended)
