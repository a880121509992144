import uuid

import pytest

from stream.errors import ClientError, Problem
from stream.protocols.deepgram.errors import closing, fault, refusal
from stream.session.events import EndCause, Finished, Totals


def finished(cause: EndCause, error: ClientError | None = None) -> Finished:
    return Finished((), Totals(), 0, 0.0, cause, error)


@pytest.mark.parametrize(
    ("end", "code", "reason"),
    [
        (finished(EndCause.CLOSE), 1000, ""),
        (finished(EndCause.IDLE), 1011, "NET-0001: "),
        (finished(EndCause.SHUTDOWN), 1012, "shutting_down"),
        (finished(EndCause.LIMIT), 1012, "the connection lasted"),
        (finished(EndCause.ERROR, ClientError(Problem.INVALID_AUDIO, "")), 1008, "DATA-0000: "),
        (finished(EndCause.IDLE, ClientError(Problem.IDLE_TIMEOUT, "")), 1011, "NET-0001: "),
        (finished(EndCause.ERROR, ClientError(Problem.RECOGNIZER_FAILED, "")), 1011, "NET-0000: "),
        (finished(EndCause.ERROR, ClientError(Problem.RATE_LIMITED, "")), 1008, "rate_limited"),
        (finished(EndCause.ERROR, ClientError(Problem.UNAUTHENTICATED, "")), 1008, "unauthenticated"),
        (finished(EndCause.ERROR, ClientError(Problem.TOO_LARGE, "")), 1009, "too_large"),
        (Problem.INTERNAL, 1011, "NET-0000: "),
        (Problem.SLOW_READER, 1008, "slow_reader"),
    ],
)
def test_an_end_has_the_code_of_deepgram(end: Finished | Problem, code: int, reason: str) -> None:
    closed, why = closing(end)
    assert closed == code
    assert why.startswith(reason)


def test_every_problem_has_a_close_code_and_a_reason_that_fits() -> None:
    for problem in Problem:
        code, reason = closing(problem)
        assert code in (1008, 1009, 1011, 1012, 1013)
        assert 0 < len(reason.encode()) <= 123


@pytest.mark.parametrize(
    ("problem", "err_code"),
    [
        (Problem.UNAUTHENTICATED, "INVALID_AUTH"),
        (Problem.FORBIDDEN, "INSUFFICIENT_PERMISSIONS"),
        (Problem.INVALID_CONFIG, "INVALID_QUERY_PARAMETER"),
        (Problem.INVALID_AUDIO, "Bad Request"),
        (Problem.RATE_LIMITED, "TOO_MANY_REQUESTS"),
        (Problem.OVERLOADED, "SERVICE_UNAVAILABLE"),
    ],
)
def test_a_refusal_has_a_code_a_sentence_and_an_id(problem: Problem, err_code: str) -> None:
    body = refusal(ClientError(problem, "why"))
    assert (body.err_code, body.err_msg) == (err_code, "why")
    assert uuid.UUID(body.request_id)
    assert refusal(ClientError(problem, "why"), "mine").request_id == "mine"


@pytest.mark.parametrize(
    ("detail", "renamed"),
    [
        ("languageCode is tlh, which", "language is tlh, which"),
        ("the header says 8000 Hz, but sampleRateHertz is 1", "the header says 8000 Hz, but sample_rate is 1"),
        ("but audioEncoding is FLAC; declare", "but encoding is FLAC; declare"),
        ("audio.uri http://a/languageCode is", "url http://a/languageCode is"),
        ("phrases and languageModel make 9", "keyterm, keywords and the language model make 9"),
    ],
)
def test_sentences_have_the_names_of_deepgrams_parameters(detail: str, renamed: str) -> None:
    assert fault(Problem.INVALID_CONFIG, detail).description == renamed
