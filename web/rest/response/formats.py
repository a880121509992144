"""Formats of transcriptions, and the parameters of a request that choose one."""

from enum import StrEnum

from starlette.requests import Request

from stream.errors import ClientError, Problem, quoted
from web.routes.operations import JSON_TYPE
from web.routes.schemas import BOOLEANS, in_query


class OutputFormat(StrEnum):
    """Lines of text, the `done` message as JSON, or subtitles."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


# Formats by `?format=`, then by `Accept`.
_FORMATS = {"json": OutputFormat.JSON, "txt": OutputFormat.TEXT, "srt": OutputFormat.SRT, "vtt": OutputFormat.VTT}
_BY_TYPE = {
    JSON_TYPE: OutputFormat.JSON,
    "text/plain": OutputFormat.TEXT,
    "application/x-subrip": OutputFormat.SRT,
    "text/srt": OutputFormat.SRT,
    "text/vtt": OutputFormat.VTT,
}
FORMAT = in_query("format", "JSON, lines of text, or subtitles", {"enum": list(_FORMATS)})
EXTENDED = in_query(
    "extended",
    "more than the reference has; `1` and `0` are taken for `true` and `false`",
    {"enum": list(BOOLEANS), "default": "false"},
)


def chosen_format(request: Request) -> OutputFormat:
    """Choose the format: `?format=`, else the first known media type of `Accept`, else JSON."""
    name = request.query_params.get("format")
    if name is not None:
        if name not in _FORMATS:
            raise ClientError(
                Problem.INVALID_CONFIG, f"format is {quoted(name)}; it must be one of {', '.join(_FORMATS)}"
            )
        return _FORMATS[name]
    accepted = (part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(","))
    return next((_BY_TYPE[kind] for kind in accepted if kind in _BY_TYPE), OutputFormat.JSON)


def is_extended(request: Request) -> bool:
    """Return `?extended=`; raises ClientError unless it is a boolean."""
    text = request.query_params.get("extended", "false")
    if text not in BOOLEANS:
        raise ClientError(Problem.INVALID_CONFIG, f"extended is {quoted(text)}; it must be true or false")
    return BOOLEANS[text]
