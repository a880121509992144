"""Classify failed calls: which may be retried, and when."""

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
        grpc.StatusCode.CANCELLED,  # by the server: the status of calls that we cancel is never read
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.OK,  # before all audio was sent
    }
)
# Riva's error for audio after a minute without any; a new stream works.
_LOST_ITS_START = "START flag"
_MOST_PUSHBACK_SECONDS = 30.0
# The error of a call that we end because of a broken response.
UNDECODABLE = "the server sent a response that cannot be decoded"
# gRPC also uses RESOURCE_EXHAUSTED for a message above a size limit, which a retry would exceed again.
_TOO_LARGE = "larger than max"
# The details in grpc.aio if the server's status arrived during a write: the true code is lost.
_UNCLEAR = "Internal error from Core"


class RivaError(RecognizerError):
    """A call failed with `code`; `is_unclear` if the library lost the server's own status.

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
    value = trailing.get(places.REASON) if trailing is not None else None
    reason = Refusal(value) if value in list(Refusal) else None
    return RivaError(code, details or "", retry_after_seconds=_pushback_seconds(trailing), reason=reason)


def _pushback_seconds(trailing: grpc.aio.Metadata | None) -> float | None:
    """Return gRPC's retry hint, None without a valid one; a negative hint, which forbids retries, counts as 0."""
    hint = trailing.get(places.PUSHBACK) if trailing is not None else None
    try:
        return max(0.0, min(int(hint) / 1000, _MOST_PUSHBACK_SECONDS)) if hint is not None else None
    except ValueError:
        return None
