"""Deepgram's errors: the body of a refusal, the message of a fault, close codes."""

import re
import uuid
from typing import Annotated

import msgspec
from msgspec import Meta

from stream.errors import ClientError, Problem
from stream.session.events import EndCause, Finished

AUDIO_CODE, SILENCE_CODE, SERVER_CODE = "DATA-0000", "NET-0001", "NET-0000"
"""The codes of Deepgram for audio that cannot be decoded, no message for too long, and a fault of the server."""

_ERR_CODES = {
    Problem.UNAUTHENTICATED: "INVALID_AUTH",
    Problem.FORBIDDEN: "INSUFFICIENT_PERMISSIONS",
    Problem.INVALID_CONFIG: "INVALID_QUERY_PARAMETER",
    Problem.INVALID_AUDIO: "Bad Request",
    Problem.INVALID_MESSAGE: "Bad Request",
}
_VARIANTS = {
    Problem.INVALID_AUDIO: AUDIO_CODE,
    Problem.UNSUPPORTED_MEDIA: AUDIO_CODE,
    Problem.IDLE_TIMEOUT: SILENCE_CODE,
    Problem.RECOGNIZER_FAILED: SERVER_CODE,
    Problem.INTERNAL: SERVER_CODE,
}
# Its clients connect again after 1011 to 1013 and 4000 and above; only what another try may cure has such a code.
_CLOSE_CODES = {
    Problem.TOO_LARGE: 1009,
    Problem.IDLE_TIMEOUT: 1011,
    Problem.RECOGNIZER_FAILED: 1011,
    Problem.INTERNAL: 1011,
    Problem.SHUTTING_DOWN: 1012,
    Problem.OVERLOADED: 1013,
}
_REASONS = {
    AUDIO_CODE: "the audio cannot be decoded; the Error message says why",
    SILENCE_CODE: "neither audio nor a text message came for too long",
    SERVER_CODE: "a fault of the server; connect again",
}
_POLICY_VIOLATION = 1008
# The names of parameters for those of our configuration.
_NAMES = {
    "languageCode": "language",
    "audioEncoding": "encoding",
    "sampleRateHertz": "sample_rate",
    "phrases and languageModel": "keyterm, keywords and the language model",
    "audio.uri": "url",
}
_NAME = re.compile(r"(?<![\w./])(" + "|".join(map(re.escape, _NAMES)) + r")(?!\w)")


class DeepgramRefusal(msgspec.Struct, frozen=True):
    """The body of a refused request; `err_msg` is for people."""

    err_code: Annotated[str, Meta(description="the kind of error")]
    err_msg: Annotated[str, Meta(description="a sentence for people")]
    request_id: Annotated[str, Meta(description="names this request alone")]


class ErrorMessage(msgspec.Struct, frozen=True, tag="Error", tag_field="type"):
    """A fault on an open connection; `message` is the text that could not be parsed."""

    variant: str
    description: str
    message: str | msgspec.UnsetType = msgspec.UNSET


def refusal(error: ClientError, request_id: str | None = None) -> DeepgramRefusal:
    """Return the body of a refused request; one without an id so far gets one."""
    return DeepgramRefusal(err_code(error.problem), description(error), request_id or str(uuid.uuid4()))


def err_code(problem: Problem) -> str:
    """Return Deepgram's code for a refusal; where it has none, the name of the HTTP status."""
    return _ERR_CODES.get(problem, problem.value.http.name)


def fault(problem: Problem, detail: str) -> ErrorMessage:
    """Return the message before the close."""
    return ErrorMessage(_VARIANTS.get(problem, problem.value.type.upper()), _renamed(detail))


def silence(limit_seconds: float) -> ErrorMessage:
    """Return the message about a client that sent nothing for so long."""
    detail = (
        f"neither audio nor a text message came for {limit_seconds:g} seconds; send KeepAlive while there is no audio"
    )
    return ErrorMessage(SILENCE_CODE, detail)


def unknown_message(text: str, most_characters: int = 200) -> ErrorMessage:
    """Return the answer to a text that is no message of the protocol; the connection goes on."""
    detail = (
        'the message is not understood; allowed are {"type": ...} with KeepAlive, Finalize, CloseStream or Configure'
    )
    return ErrorMessage("SchemaError", detail, text[:most_characters])


def closing(end: Finished | Problem) -> tuple[int, str]:
    """Return the close code, and the reason as `CODE: text`; 1000 and no reason at an end that was asked for."""
    match end:
        case Finished(error=ClientError(problem=problem)):
            return _closing(problem)
        case Finished(cause=EndCause.IDLE):
            return _closing(Problem.IDLE_TIMEOUT)
        case Finished(cause=EndCause.SHUTDOWN):
            return _closing(Problem.SHUTTING_DOWN)
        case Finished(cause=EndCause.LIMIT):
            return 1012, "the connection lasted as long as one may; connect again"
        case Problem():
            return _closing(end)
        case _:
            return 1000, ""


def _closing(problem: Problem) -> tuple[int, str]:
    variant = _VARIANTS.get(problem)
    reason = problem.value.type if variant is None else f"{variant}: {_REASONS[variant]}"
    return _CLOSE_CODES.get(problem, _POLICY_VIOLATION), reason


def description(error: ClientError) -> str:
    """Return what is wrong, by the names of Deepgram's parameters."""
    return _renamed(error.detail)


def _renamed(detail: str) -> str:
    return _NAME.sub(lambda found: _NAMES[found[0]], detail)
