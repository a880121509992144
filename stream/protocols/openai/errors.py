"""Errors in the shape of OpenAI's API: `{"error": {"message", "type", "param", "code"}}`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from stream.errors import ClientError, Problem

# OpenAI's own codes, where it has one; other errors have the `type` of our table as their code.
_CODES = {
    Problem.UNAUTHENTICATED: "invalid_api_key",
    Problem.RATE_LIMITED: "rate_limit_exceeded",
    Problem.METHOD_NOT_ALLOWED: "method_not_supported",
}
# The codes of single fields.
_FIELD_CODES = {
    Problem.INVALID_CONFIG: (
        "invalid_value",
        "missing_required_parameter",
        "unsupported_value",
        "unsupported_language",
    ),
    Problem.INVALID_AUDIO: ("unsupported_format",),
    Problem.NOT_FOUND: ("model_not_found",),
}
_REQUEST, _RATE_LIMIT, _SERVER = "invalid_request_error", "rate_limit_error", "server_error"
ERROR_TYPES = (_REQUEST, _RATE_LIMIT, _SERVER)


class OpenAIErrorDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was wrong."""

    message: Annotated[str, Meta(description="a sentence for people")]
    type: Annotated[str, Meta(description="whose fault it is", extra_json_schema={"enum": list(ERROR_TYPES)})]
    param: Annotated[str | None, Meta(description="the field of the request that is wrong, if it is one")]
    code: Annotated[str, Meta(description="the kind of error")]


class OpenAIError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a refusal, and the last event of a stream that failed."""

    error: OpenAIErrorDetails


class FieldError(ClientError):
    """A refusal of one field of a request; `code` is OpenAI's code for it, None for the usual one."""

    def __init__(self, problem: Problem, detail: str, *, param: str, code: str | None = None) -> None:
        super().__init__(problem, detail)
        self.param = param
        self.code = code


def error_codes(problem: Problem) -> tuple[str, ...]:
    """Return every `code` that an error may have, the usual one first."""
    return (_CODES.get(problem, problem.value.type), *_FIELD_CODES.get(problem, ()))


def openai_error(error: ClientError) -> OpenAIError:
    """Return an error of the table in OpenAI's shape."""
    param, code = (error.param, error.code) if isinstance(error, FieldError) else (None, None)
    usual, *_ = error_codes(error.problem)
    return OpenAIError(OpenAIErrorDetails(error.detail, _type(error.problem), param, code or usual))


def error_body(error: ClientError) -> bytes:
    """Return an error of the table as the JSON body of a refusal."""
    return msgspec.json.encode(openai_error(error))


def _type(problem: Problem) -> str:
    if problem is Problem.RATE_LIMITED:
        return _RATE_LIMIT
    return _SERVER if problem.value.http >= 500 else _REQUEST
