"""Owns the messages of the live protocol, as the client reads them; field names are the reference's."""

import msgspec

from stream.errors import Problem


class WireWord(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Times are seconds from the first sample of the connection; 0.0 means that they are not set yet."""

    start_time: float
    end_time: float
    word: str
    confidence: float


class WireResult(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One hypothesis; `transcript` is its words joined by one space."""

    transcript: str
    confidence: float
    words: list[WireWord]

    @property
    def is_settled(self) -> bool:
        """Whether the words have times, which only settled hypotheses do."""
        return bool(self.words) and self.words[-1].end_time > 0


class Partial(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The state of one utterance: unsettled, or settled once its words have times.

    `duration` is the seconds of audio up to which the message speaks, `inference_time` the seconds
    spent waiting on the recognizer so far; `partial` counts these messages from 1.
    """

    transcription_id: str
    duration: int | float
    inference_time: int | float
    status: str
    partial: int
    results: list[WireResult]


class Done(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The end: one result per utterance, or all hypotheses of the only one."""

    transcription_id: str
    duration: int | float
    inference_time: int | float
    status: str
    results: list[WireResult]


class Failure(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The error message before a close, and the body of a refused request."""

    status: str
    detail: str
    title: str
    type: str
    code: int
    message: str


def failure(problem: Problem, detail: str) -> Failure:
    """Build the message for a problem of the table in `stream.errors`."""
    http = problem.value.http
    return Failure(
        status=str(http.value),
        detail=detail,
        title=http.phrase,
        type=problem.value.type,
        code=http.value,
        message=f"{http.phrase}. {detail}",
    )


def decode(text: str | bytes) -> Partial | Done | Failure:
    """Read a message of the server; raises msgspec.ValidationError for anything else."""
    fields = msgspec.json.decode(text)
    match fields:
        case {"status": "partial"}:
            return msgspec.convert(fields, Partial)
        case {"status": "done"}:
            return msgspec.convert(fields, Done)
        case _:
            return msgspec.convert(fields, Failure)
