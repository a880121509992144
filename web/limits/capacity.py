"""Errors for live streams that the recognizer has no place for."""

import math

from stream.errors import ClientError, Problem
from stream.recognition.places import Refusal
from stream.recognition.recognizer import RecognizerError, RecognizerFullError

_SENTENCES = {
    Refusal.FULL: "the server is full: as many people speak as it can listen to; connect again in a few seconds",
    Refusal.OWNER: "your streams have their share of the server, and the rest is for others; end one, or connect later",
    Refusal.LATE: "the server is full: it is behind with those who speak; connect again in a few seconds",
}
# When a place becomes free is not known; suggest a short retry.
_RETRY_SECONDS = 5


def refusal(error: RecognizerError) -> ClientError:
    """Return the error for a handshake that the recognizer has refused a place."""
    if isinstance(error, RecognizerFullError):
        return full(error.reason, error.retry_after_seconds)
    detail = "the recognizer is not ready; connect again in a few seconds"
    return ClientError(Problem.OVERLOADED, detail, retry_after_seconds=_RETRY_SECONDS)


def full(reason: Refusal = Refusal.FULL, retry_after_seconds: float | None = None) -> ClientError:
    """Return the error for a stream without a place."""
    seconds = _RETRY_SECONDS if retry_after_seconds is None else max(1, math.ceil(retry_after_seconds))
    return ClientError(Problem.OVERLOADED, _SENTENCES[reason], retry_after_seconds=seconds)
