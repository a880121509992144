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
from web.rest.request.body import JSON_TYPE
from web.rest.response.transcription import (
    TranscriptionList,
    chosen_format,
    is_extended,
    summary_body,
    transcription_response,
)
from web.store.transcriptions import Summary, Transcriptions

MOST_LISTED = 100
USUALLY_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRoutes:
    """What was recognized for a caller and is kept."""

    auth: Authenticator
    transcriptions: Transcriptions
    fair_share: FairShare

    async def show(self, request: Request) -> Response:
        """Answer the transcription so far; a failed recording answers its error."""
        owner = (await self.auth.caller(request, Scope.RECORDINGS)).owner
        written, extended = chosen_format(request), is_extended(request)
        transcription = await self.transcriptions.get(_id(request), owner)
        if transcription is None:
            raise _unknown()
        if transcription.summary.error is not None:
            raise transcription.summary.error
        return await transcription_response(transcription, written, self.fair_share, extended=extended)

    async def remove(self, request: Request) -> Response:
        """Delete the transcription, text and audio; recognition that still runs is stopped."""
        owner = (await self.auth.caller(request, Scope.RECORDINGS)).owner
        if not await self.transcriptions.delete(_id(request), owner):
            raise _unknown()
        return Response(status_code=204)

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


def _id(request: Request) -> str:
    text = str(request.path_params["transcription_id"]).lower()
    if not is_id(text):
        raise _unknown()
    return text


def _unknown() -> ClientError:
    return ClientError(Problem.NOT_FOUND, "there is no transcription with this id, or not any more")


def _limit(text: str | None) -> int:
    if text is None:
        return USUALLY_LISTED
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MOST_LISTED):
        raise ClientError(Problem.INVALID_CONFIG, f"limit is {quoted(text)}; it must be between 1 and {MOST_LISTED}")
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
