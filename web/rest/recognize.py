"""`POST /v1/speech/asr`: recognize a short recording and answer its transcription."""

from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from stream.errors import ClientError, Problem
from stream.runtime.fairness import FairShare
from web.auth.authenticator import Authenticator
from web.auth.caller import Scope
from web.limits.limits import Limits
from web.memory.budget import BodyBudgets
from web.rest.recordings import RECORDINGS, REQUEST_PROBLEMS, RecordingAdmission, ShortTranscriptions, Transcriber
from web.rest.request.audio import MOST_JSON_BYTES, Audio, read_audio_request
from web.rest.request.bodies import SHORT_FORM, ShortRequest
from web.rest.request.body import MULTIPART_TYPE
from web.rest.response.documented import DONE, LOCATION, TO_TRANSCRIPTION, TRANSCRIPTION
from web.rest.response.formats import EXTENDED, OutputFormat, is_extended
from web.rest.response.transcription import address_of, transcription_response
from web.routes.operations import JSON_TYPE, Answer, Media, Operation, json_content, route
from web.store.transcriptions import Transcription, stored

# A minute, and the padding of encoders.
_MOST_SECONDS = 61.0
_ANSWER = Answer(
    description="the transcription, `done`",
    content=json_content(TRANSCRIPTION, DONE),
    headers={"Location": LOCATION},
    links=TO_TRANSCRIPTION,
)
_SILENCE = {
    "summary": "two milliseconds of silence as a telephone has it",
    "value": {
        "config": {"audioEncoding": "MULAW", "sampleRateHertz": 8000, "languageCode": "en"},
        "audio": {"data": "/////////////////////w=="},
    },
}
RECOGNIZE = Operation(
    method="POST",
    path="/v1/speech/asr",
    id="recognize",
    tag=RECORDINGS,
    summary="Recognize a recording of up to a minute",
    description="`config` may be empty: what a file is, its first bytes tell. The transcription is kept unless `store` "
    "is false.",
    parameters=(EXTENDED,),
    body={JSON_TYPE: Media(ShortRequest, examples={"silence": _SILENCE}), MULTIPART_TYPE: SHORT_FORM},
    answers={200: replace(_ANSWER, description="the same, where `asrStatus` is 200"), 201: _ANSWER},
    problems=(*REQUEST_PROBLEMS, Problem.RECOGNIZER_FAILED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognizeRoutes:
    """Short recordings, answered at once."""

    auth: Authenticator
    limits: Limits
    admission: RecordingAdmission
    transcriber: Transcriber
    kept: ShortTranscriptions
    bodies: BodyBudgets
    fair_share: FairShare

    @route(RECOGNIZE)
    async def recognize(self, request: Request) -> Response:
        """Answer 201, or the configured status, with the transcription of a recording of up to a minute."""
        caller = await self.auth.caller(request, Scope.RECORDINGS)
        owner = caller.owner
        extended = is_extended(request)
        self.admission.check_ready()
        await self.limits.check_minutes(caller)
        async with read_audio_request(request, self.fair_share, MOST_JSON_BYTES, self.bodies, owner) as received:
            if not isinstance(received.audio, Audio):
                raise ClientError(Problem.INVALID_CONFIG, "audio must hold data; asrlongrunning takes a uri")
            config = await self.admission.configured(caller, received.values)
            finished = await self.transcriber.transcribe(caller, config, received.audio, _MOST_SECONDS)
        summary = await self.kept.keep(owner, config, finished)
        transcription = Transcription(summary, tuple(stored(one) for one in finished.settled), finished.received)
        response = await transcription_response(transcription, OutputFormat.JSON, self.fair_share, extended=extended)
        response.status_code = config.asr_status
        response.headers["Location"] = address_of(summary.id)
        return response
