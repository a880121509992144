"""Make single HTTP requests with bounded answers, and raise the errors of the client."""

import asyncio
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import msgspec

from stream.client.errors import AnswerError, UnreachableError
from stream.errors import Problem
from stream.protocols.farsava.messages import AudioProgress, Failure, WireResult, WireWord

# The size of four hours of speech with ten hypotheses of each utterance.
_MOST_BYTES = 128 * 1024 * 1024
BUSY = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses with which a request may be repeated."""
# Errors of a request; all others are errors of the recording, which are sent in the same form.
_ABOUT_REQUESTS = frozenset(
    problem.value.type
    for problem in (
        Problem.UNAUTHENTICATED,
        Problem.NOT_FOUND,
        Problem.METHOD_NOT_ALLOWED,
        Problem.RATE_LIMITED,
        Problem.INTERNAL,
        Problem.OVERLOADED,
        Problem.SHUTTING_DOWN,
    )
)


class Utterance(msgspec.Struct, frozen=True, rename="camel"):
    """One utterance: the best hypothesis, its span in seconds, and all hypotheses, best first."""

    transcript: str
    confidence: float
    words: list[WireWord]
    alternatives: list[WireResult] = []
    utterance_id: int = 0
    channel: int = 0
    start_time: float = 0.0
    end_time: float = 0.0


class Transcription(msgspec.Struct, frozen=True, rename="camel"):
    """The state of a recording: `progress` from 0 to 1, `results` with the settled utterances in order."""

    transcription_id: str
    duration: float
    inference_time: float
    status: str
    results: list[Utterance]
    progress: float = 0.0
    audio: AudioProgress = AudioProgress(0.0, 0.0)

    @property
    def is_done(self) -> bool:
        return self.status == "done"


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def is_success(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_busy(self) -> bool:
        """Whether a retry may succeed."""
        return self.status in BUSY

    @property
    def retry_after_seconds(self) -> float | None:
        """The server's `Retry-After` in seconds, None if it has none or a date."""
        text = self.headers.get("Retry-After", "")
        return float(text) if text.isascii() and text.isdigit() else None


async def request(http: httpx.AsyncClient, method: str, path: str, seconds: float | None, **parts: Any) -> Answer:
    """Make one request, which may take so many seconds; raises UnreachableError or AnswerError."""
    url = str(http.base_url).rstrip("/")
    try:
        async with asyncio.timeout(seconds), http.stream(method, path, **parts) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise AnswerError(url, bytes(body[:200]), "it is too long")
            return Answer(response.status_code, response.headers, bytes(body))
    except httpx.TimeoutException as late:
        waited = http.timeout.connect if isinstance(late, httpx.ConnectTimeout) else http.timeout.read
        raise UnreachableError(url, f"no answer within {waited:g} s") from late
    except TimeoutError as late:
        raise UnreachableError(url, f"no answer within {seconds:g} s") from late
    except httpx.ConnectError as failed:
        raise UnreachableError(url, "nothing listens there" if _is_refused(failed) else str(failed)) from failed
    except httpx.DecodingError as garbled:
        raise AnswerError(url, b"", str(garbled)) from garbled
    # httpx does not wrap all TLS errors.
    except (httpx.TransportError, ssl.SSLError) as broken:
        raise UnreachableError(url, f"the connection broke off ({str(broken) or type(broken).__name__})") from broken


def concerns_request(failure: Failure) -> bool:
    """Whether an error is that of a request, not that of its recording."""
    return failure.type in _ABOUT_REQUESTS


def _is_refused(failed: BaseException | None) -> bool:
    while failed is not None and not isinstance(failed, ConnectionRefusedError):
        failed = failed.__cause__ or failed.__context__
    return failed is not None
