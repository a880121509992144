"""Decide what a failed call means: which codes are worth another try, and when."""

import grpc

from stream.recognition import places
from stream.recognition.places import Refusal
from stream.recognition.recognizer import RecognizerError

_RETRYABLE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,  # ours are never asked for their status
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.OK,  # before all audio was sent
    }
)
# What Riva answers to audio that follows a minute of none: a new stream mends it.
_LOST_ITS_START = "START flag"
_MOST_PUSHBACK_SECONDS = 30.0
# Why a call is ended although the server has not ended it.
UNDECODABLE = "the server sent a response that cannot be decoded"
# gRPC gives RESOURCE_EXHAUSTED to a message above a limit, too: that comes again with the same message.
_TOO_LARGE = "larger than max"
# grpc.aio says this where the server's status met a write of ours: the true code is lost.
_UNCLEAR = "Internal error from Core"


class RivaError(RecognizerError):
    """A call that failed with `code`; `is_unclear` when the library hid the server's own status.

    `reason` is why the embedded engine has no place for a session.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        details: str,
        *,
        retry_after_seconds: float | None = None,
        reason: Refusal | None = None,
    ) -> None:
        is_retryable = code in _RETRYABLE or (code is grpc.StatusCode.INVALID_ARGUMENT and _LOST_ITS_START in details)
        super().__init__(
            f"{code.name}: {details or 'the stream ended early'}",
            retryable=is_retryable,
            retry_after_seconds=retry_after_seconds,
            is_full=code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE not in details,
        )
        self.code = code
        self.reason = reason
        self.is_unclear = code is grpc.StatusCode.INTERNAL and _UNCLEAR in details


def riva_error(code: grpc.StatusCode, details: str | None, trailing: grpc.aio.Metadata | None) -> RivaError:
    """Make the error of a call from its status and its trailing metadata."""
    told = trailing.get(places.REASON) if trailing is not None else None
    reason = Refusal(told) if told in list(Refusal) else None
    return RivaError(code, details or "", retry_after_seconds=_pushback_seconds(trailing), reason=reason)


def _pushback_seconds(trailing: grpc.aio.Metadata | None) -> float | None:
    """A hint that is no number, or none, is no hint; one below zero forbids nothing that our own limits allow."""
    hint = trailing.get(places.PUSHBACK) if trailing is not None else None
    try:
        return max(0.0, min(int(hint) / 1000, _MOST_PUSHBACK_SECONDS)) if hint is not None else None
    except ValueError:
        return None
