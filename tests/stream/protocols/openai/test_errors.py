"""Every error of the table in OpenAI's shape."""

import json

import pytest

from stream.errors import ClientError, Problem
from stream.protocols.openai.errors import ERROR_TYPES, FieldError, error_body, error_codes


@pytest.mark.parametrize("problem", list(Problem))
def test_every_error_has_all_fields_of_openai(problem: Problem) -> None:
    error = json.loads(error_body(ClientError(problem, "a sentence")))["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert (error["message"], error["param"]) == ("a sentence", None)
    assert error["code"] == error_codes(problem)[0]
    assert error["type"] in ERROR_TYPES
    assert (error["type"] == "server_error") == (problem.value.http >= 500)


@pytest.mark.parametrize(
    ("problem", "type_", "code"),
    [
        (Problem.UNAUTHENTICATED, "invalid_request_error", "invalid_api_key"),
        (Problem.RATE_LIMITED, "rate_limit_error", "rate_limit_exceeded"),
        (Problem.TOO_LARGE, "invalid_request_error", "too_large"),
        (Problem.SHUTTING_DOWN, "server_error", "shutting_down"),
    ],
)
def test_codes_are_openais_where_it_has_one(problem: Problem, type_: str, code: str) -> None:
    error = json.loads(error_body(ClientError(problem, "x")))["error"]
    assert (error["type"], error["code"]) == (type_, code)


def test_a_field_is_named_with_its_code() -> None:
    refused = FieldError(Problem.NOT_FOUND, "no such model", param="model", code="model_not_found")
    error = json.loads(error_body(refused))["error"]
    assert (error["param"], error["code"]) == ("model", "model_not_found")
    usual = json.loads(error_body(FieldError(Problem.INVALID_AUDIO, "x", param="file")))["error"]
    assert (usual["param"], usual["code"]) == ("file", "invalid_audio")
