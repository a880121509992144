"""`POST /v1/speech/asrlongrunning` and the upload of its audio: accept a long recording."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import BinaryIO

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from stream.configuration.keys import is_id
from stream.errors import ClientError, Problem
from stream.recognition.options import recognition_options
from stream.recordings.segmentation import check_cuttable
from stream.runtime.fairness import FairShare
from web.auth.authenticator import Authenticator
from web.auth.caller import Caller, Scope
from web.fetch.download import FetchOptions, check_uri
from web.jobs.intake import UnwantedError
from web.jobs.queue import Queue
from web.jobs.steps import EMPTY_AUDIO, Steps
from web.limits.limits import Limits
from web.memory.budget import BodyBudgets, FullError
from web.rest.recordings import AUDIO_PROBLEMS, RECORDINGS, REQUEST_PROBLEMS, RecordingAdmission
from web.rest.request.audio import Audio, read_audio_request
from web.rest.request.bodies import LONG_FORM, LongRequest
from web.rest.request.body import MULTIPART_TYPE, chunks
from web.rest.response.documented import LOCATION, QUEUED, TO_TRANSCRIPTION, TRANSCRIPTION, TRANSCRIPTION_ID
from web.rest.response.formats import EXTENDED, OutputFormat, is_extended
from web.rest.response.transcription import address_of, transcription_response
from web.routes.operations import BUSY, JSON_TYPE, Answer, Header, Link, Media, Operation, json_content, route
from web.store.database.unavailable import DatabaseUnavailableError
from web.store.recordings import Recording, Recordings, too_many
from web.store.transcriptions import Transcriptions, new_id

_TO_UPLOAD = {"upload": Link("uploadRecording", "transcription_id", "transcriptionId")}
_UPLOAD_LOCATION = Header(
    "where to PUT the recording", {"type": "string", "format": "uri-reference"}, is_always_sent=False
)
_EXAMPLES = {
    "uri": {
        "summary": "fetched by the server",
        "value": {"config": {"languageCode": "en"}, "audio": {"uri": "https://media.example/talk.flac"}},
    },
    "upload": {
        "summary": "uploaded afterwards",
        "value": {"config": {"languageCode": "en"}, "audio": {"upload": True}},
    },
}
ACCEPT = Operation(
    method="POST",
    path="/v1/speech/asrlongrunning",
    id="recognizeLong",
    tag=RECORDINGS,
    summary="Have a long recording recognized",
    description="The audio is fetched from a `uri`, uploaded afterwards, or comes with the request. Ask `Location` how "
    "far it is; the work survives a restart of the server.",
    parameters=(EXTENDED,),
    body={JSON_TYPE: Media(LongRequest, examples=_EXAMPLES), MULTIPART_TYPE: LONG_FORM},
    answers={
        201: Answer(
            description="accepted (`Upload-Location` only where an upload was promised)",
            content=json_content(TRANSCRIPTION, QUEUED),
            headers={"Location": LOCATION, "Upload-Location": _UPLOAD_LOCATION},
            links=TO_TRANSCRIPTION | _TO_UPLOAD,
        )
    },
    problems=REQUEST_PROBLEMS,
)
UPLOAD = Operation(
    method="PUT",
    path="/v1/speech/transcriptions/{transcription_id}/audio",
    id="uploadRecording",
    tag=RECORDINGS,
    summary="Upload the recording that was promised",
    description="The bytes of the file, whatever the media type; recognition begins as they arrive. An upload that "
    "broke off may be made again from the beginning of the file.",
    parameters=(TRANSCRIPTION_ID, EXTENDED),
    body={"application/octet-stream": Media(bytes)},
    answers={200: Answer(description="its state", content=json_content(TRANSCRIPTION, QUEUED))},
    problems=(*AUDIO_PROBLEMS, *BUSY, Problem.INVALID_CONFIG, Problem.NOT_FOUND, Problem.RATE_LIMITED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LongRunningRoutes:
    """Long recordings: taken here, recognized by the queue."""

    auth: Authenticator
    limits: Limits
    admission: RecordingAdmission
    recordings: Recordings
    transcriptions: Transcriptions
    queue: Queue
    steps: Steps
    fetch: FetchOptions
    bodies: BodyBudgets
    fair_share: FairShare
    jobs_per_owner: int

    @route(ACCEPT)
    async def accept(self, request: Request) -> Response:
        """Answer 201 with the id of a queued recording, or 429 above the caller's limit."""
        caller = await self.auth.caller(request, Scope.RECORDINGS)
        extended = is_extended(request)
        self.admission.check_ready()
        await self.limits.check_minutes(caller)
        await self._check_number(caller.owner)
        limit_bytes = self.fetch.most_bytes
        async with read_audio_request(request, self.fair_share, limit_bytes, self.bodies, caller.owner) as received:
            audio = received.audio
            uri = None if isinstance(audio, Audio) else self._uri(audio)
            recording = await self._recording(caller, received.values, uri)
            await self.recordings.open(recording, most=self.jobs_per_owner)
            if isinstance(audio, Audio):
                await self._take(recording, _pieces(audio.chunks), audio.size_bytes, file=audio.file)
        response = await self._answer(recording, extended=extended)
        if uri is not None:
            await self.queue.announce_recording(recording.id)
        response.status_code = 201
        response.headers["Location"] = address_of(recording.id)
        if uri is None and not isinstance(audio, Audio):
            response.headers["Upload-Location"] = f"{address_of(recording.id)}/audio"
        return response

    @route(UPLOAD)
    async def upload(self, request: Request) -> Response:
        """Take the audio of a recording that waits for it, as the bytes of the body; answer 200 with its state.

        A broken upload may be repeated from its beginning; the part that arrived is not recognized twice.
        """
        caller = await self.auth.caller(request, Scope.RECORDINGS)
        owner, extended = caller.owner, is_extended(request)
        self.admission.sessions.check_admission()
        transcription_id = str(request.path_params["transcription_id"]).lower()
        recording = await self.recordings.get(transcription_id) if is_id(transcription_id) else None
        if recording is None or recording.owner != owner:
            raise ClientError(Problem.NOT_FOUND, "there is no recording with this id that waits for its audio")
        if recording.uri is not None or recording.is_received:
            raise ClientError(
                Problem.INVALID_AUDIO, "this recording waits for no upload; its audio is here, or at its uri"
            )
        if not recording.counted_samples:
            await self.limits.check_minutes(caller)
        limit_bytes = self.fetch.most_bytes
        declared = request.headers.get("content-length", "")
        total_bytes = int(declared) if declared.isdigit() else None
        if not total_bytes and "transfer-encoding" not in request.headers:
            raise ClientError(Problem.INVALID_AUDIO, EMPTY_AUDIO)
        await self._take(recording, chunks(request, limit_bytes), total_bytes, is_repeatable=True)
        return await self._answer(recording, extended=extended)

    async def _check_number(self, owner: str) -> None:
        """Refuse early what `Recordings.open` would refuse after the body was read."""
        most = self.jobs_per_owner
        if await self.transcriptions.unfinished(owner) >= most:
            raise too_many(most)

    def _uri(self, audio: dict[str, object]) -> str | None:
        """Return where the recording is, None if it will be uploaded."""
        match audio:
            case {"upload": True, **rest} if not rest:
                return None
            case {"uri": str(uri), **rest} if not rest:
                check_uri(uri, self.fetch)
                return uri
            case _:
                raise ClientError(
                    Problem.INVALID_CONFIG, "audio must hold either a uri, a text, or upload, which must be true"
                )

    async def _recording(self, caller: Caller, values: dict[str, object], uri: str | None) -> Recording:
        config = await self.admission.configured(caller, values, check_cuttable)
        options = recognition_options(config, self.admission.recognizer)
        minutes = self.limits.minutes_of(caller)
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
        self,
        recording: Recording,
        pieces: AsyncIterator[bytes],
        total_bytes: int | None,
        *,
        file: BinaryIO | None = None,
        is_repeatable: bool = False,
    ) -> None:
        try:
            await self.steps.take(recording, pieces, total_bytes, self.queue.announce_segments, file=file)
        except DatabaseUnavailableError:  # nothing is wrong with the audio: it may be sent again
            raise
        except ClientError as error:
            if not (is_repeatable and isinstance(error, FullError)):
                lasting = error.lasting() if isinstance(error, FullError) else error
                await self.recordings.fail(recording.id, lasting)
            raise
        except UnwantedError:
            raise ClientError(Problem.NOT_FOUND, "the recording was deleted while its audio arrived") from None
        except ClientDisconnect:
            raise ClientError(Problem.INVALID_AUDIO, "the upload broke off; make it again") from None

    async def _answer(self, recording: Recording, *, extended: bool) -> Response:
        transcription = await self.transcriptions.get(recording.id, recording.owner)
        if transcription is None:
            raise ClientError(Problem.NOT_FOUND, "the recording was deleted while its audio arrived")
        if transcription.summary.error is not None:
            raise transcription.summary.error
        return await transcription_response(transcription, OutputFormat.JSON, self.fair_share, extended=extended)


async def _pieces(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
