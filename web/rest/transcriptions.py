"""Routes of stored transcriptions: one in any format, the list, deletion."""

import math
from dataclasses import dataclass
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from stream.configuration.keys import is_id
from stream.errors import ClientError, Problem, quoted
from stream.runtime.fairness import FairShare
from web.auth.authenticator import Authenticator
from web.auth.caller import Scope
from web.rest.recordings import AUDIO_PROBLEMS
from web.rest.response.documented import DONE, EXAMPLE_ID, TRANSCRIPTION, TRANSCRIPTION_ID
from web.rest.response.formats import EXTENDED, FORMAT, chosen_format, is_extended
from web.rest.response.transcription import (
    TranscriptionList,
    summary_body,
    transcription_response,
)
from web.routes.operations import JSON_TYPE, Answer, Media, Operation, Tag, json_content, route
from web.routes.schemas import in_query
from web.store.transcriptions import Summary, Transcriptions

TRANSCRIPTIONS = Tag("transcriptions", "what was recognized, live or from a recording; the caller's own only")
_MOST_LISTED = 100
_USUALLY_LISTED = 20
_PATH = "/v1/speech/transcriptions"
_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_LIMIT = in_query(
    "limit",
    "how many at most",
    {"type": "integer", "minimum": 1, "maximum": _MOST_LISTED, "default": _USUALLY_LISTED},
)
BEFORE = in_query(
    "before",
    "from the `next` of an earlier answer, which has it",
    {"type": "string", "pattern": rf"^0x1\.[0-9a-f]{{13}}p\+3[01]_{_UUID}$"},
)
_LISTED = {
    "transcriptions": [
        {
            "transcriptionId": EXAMPLE_ID,
            "duration": 2.965,
            "inferenceTime": 0.294,
            "status": "done",
            "kind": "short",
            "createdAt": "2026-11-22T06:45:23.294Z",
            "error": None,
        }
    ],
    "next": None,
}
INDEX = Operation(
    method="GET",
    path=_PATH,
    id="listTranscriptions",
    tag=TRANSCRIPTIONS,
    summary="List the caller's transcriptions, newest first",
    parameters=(_LIMIT, BEFORE),
    answers={200: Answer(description="a part of the list", content=json_content(TranscriptionList, _LISTED))},
    problems=(Problem.INVALID_CONFIG,),
)
SHOW = Operation(
    method="GET",
    path=f"{_PATH}/{{transcription_id}}",
    id="getTranscription",
    tag=TRANSCRIPTIONS,
    summary="Get a transcription as far as it is",
    description="Live ones are here, too. A recording that failed answers its error with the status of that. Without "
    "`format` the first media type of `Accept` holds that there is.",
    parameters=(TRANSCRIPTION_ID, FORMAT, EXTENDED),
    answers={
        200: Answer(
            description="what is settled so far",
            content=json_content(TRANSCRIPTION, DONE)
            | dict.fromkeys(("text/plain", "application/x-subrip", "text/vtt"), Media(str)),
        )
    },
    problems=(
        *(Problem.INVALID_CONFIG, Problem.NOT_FOUND, Problem.RECOGNIZER_FAILED, Problem.IDLE_TIMEOUT),
        *AUDIO_PROBLEMS,
    ),
)
REMOVE = Operation(
    method="DELETE",
    path=SHOW.path,
    id="deleteTranscription",
    tag=TRANSCRIPTIONS,
    summary="Delete a transcription, text and sound",
    description="One that is still in work is not worked on any further.",
    parameters=(TRANSCRIPTION_ID,),
    answers={204: Answer(description="it is gone")},
    problems=(Problem.NOT_FOUND,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRoutes:
    """What was recognized for a caller and is kept."""

    auth: Authenticator
    transcriptions: Transcriptions
    fair_share: FairShare

    @route(INDEX)
    async def index(self, request: Request) -> Response:
        """Answer the caller's transcriptions, newest first, `limit` of them before the one that `before` names."""
        owner = (await self.auth.caller(request, Scope.RECORDINGS)).owner
        most = _limit(request.query_params.get("limit"))
        before = _cursor(request.query_params.get("before"))
        summaries = await self.transcriptions.newest(owner, most + 1, before)
        shown = summaries[:most]
        following = urlencode({"limit": most, "before": _mark(shown[-1])}) if len(summaries) > most else None
        where = None if following is None else f"{request.url.path}?{following}"
        body = TranscriptionList([summary_body(summary) for summary in shown], where)
        return Response(msgspec.json.encode(body), media_type=JSON_TYPE)

    @route(SHOW)
    async def show(self, request: Request) -> Response:
        """Answer the transcription so far; a failed recording answers its error."""
        owner = (await self.auth.caller(request, Scope.RECORDINGS)).owner
        written, extended = chosen_format(request), is_extended(request)
        transcription = await self.transcriptions.get(_id(request), owner)
        if transcription is None:
            raise unknown_transcription()
        if transcription.summary.error is not None:
            raise transcription.summary.error
        return await transcription_response(transcription, written, self.fair_share, extended=extended)

    @route(REMOVE)
    async def remove(self, request: Request) -> Response:
        """Delete the transcription, text and audio; recognition that still runs is stopped."""
        owner = (await self.auth.caller(request, Scope.RECORDINGS)).owner
        if not await self.transcriptions.delete(_id(request), owner):
            raise unknown_transcription()
        return Response(status_code=204)


def _id(request: Request) -> str:
    text = str(request.path_params["transcription_id"]).lower()
    if not is_id(text):
        raise unknown_transcription()
    return text


def unknown_transcription() -> ClientError:
    """Return the error for a transcription that the caller does not have."""
    return ClientError(Problem.NOT_FOUND, "there is no transcription with this id, or not any more")


def _limit(text: str | None) -> int:
    if text is None:
        return _USUALLY_LISTED
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= _MOST_LISTED):
        raise ClientError(Problem.INVALID_CONFIG, f"limit is {quoted(text)}; it must be between 1 and {_MOST_LISTED}")
    return int(text)


def _mark(summary: Summary) -> str:
    """Encode a place in the list; microseconds since 1970 would not be exact enough."""
    return f"{summary.created_at.hex()}_{summary.id}"


def _cursor(text: str | None) -> tuple[float, str] | None:
    if text is None:
        return None
    created_at, _, last_id = text.partition("_")
    try:
        created = float.fromhex(created_at)
    except (ValueError, OverflowError):
        created = math.nan
    if not math.isfinite(created) or not is_id(last_id):
        raise ClientError(
            Problem.INVALID_CONFIG, f"before is {quoted(text)}; it must be from the `next` of an earlier answer"
        )
    return created, last_id
