"""Events of a streamed transcription."""

import json
from typing import Any

import pytest

from stream.errors import ClientError, Problem
from stream.protocols.openai.transcription_events import COMMENT, TranscriptionEvents, failed
from stream.protocols.openai.transcription_request import Granularity, ResponseFormat, TranscriptionRequest
from tests.stream.protocols.openai.utterances import BOTH, BYE, HELLO, finished, settled, word


def events(written: bytes) -> list[Any]:
    """The data of server-sent events, as a client reads them."""
    found = []
    for part in written.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in part.splitlines() if not line.startswith(":"))
        if lines:
            data = json.loads(lines["data"])
            assert lines["event"] == data.get("type", "error")
            found.append(data)
    return found


def written(request: TranscriptionRequest) -> list[Any]:
    writer = TranscriptionEvents(request)
    return events(b"".join([*map(writer.settled, BOTH.settled), COMMENT, *writer.done_pieces(BOTH)]))


@pytest.mark.parametrize("text_format", [ResponseFormat.JSON, ResponseFormat.TEXT])
def test_deltas_make_up_the_text_of_the_end(text_format: ResponseFormat) -> None:
    *deltas, done = written(TranscriptionRequest(model="m", response_format=text_format))
    assert [one["delta"] for one in deltas] == ["Hello there.", " Bye."]
    assert done == {
        "type": "transcript.text.done",
        "text": "".join(one["delta"] for one in deltas),
        "usage": {"seconds": 4.0, "type": "duration"},
    }


def test_a_verbose_stream_has_segments_after_their_text() -> None:
    found = written(TranscriptionRequest(model="m", response_format=ResponseFormat.VERBOSE_JSON))
    assert [one["type"].rsplit(".")[-1] for one in found] == ["delta", "segment", "delta", "segment", "done"]
    assert found[3] == {
        "type": "transcript.text.segment",
        "id": "seg_1",
        "start": 2.0,
        "end": 2.5,
        "text": " Bye.",
        "speaker": "",
    }


def test_segments_are_not_sent_where_only_words_are_asked_for() -> None:
    only_words = TranscriptionRequest(
        model="m", response_format=ResponseFormat.VERBOSE_JSON, granularities=frozenset({Granularity.WORD})
    )
    assert {one["type"] for one in written(only_words)} == {"transcript.text.delta", "transcript.text.done"}


def test_log_probabilities_of_all_deltas_are_those_of_the_end() -> None:
    *deltas, done = written(TranscriptionRequest(model="m", with_logprobs=True))
    assert [probability for one in deltas for probability in one["logprobs"]] == done["logprobs"]
    assert "".join(one["token"] for one in done["logprobs"]) == done["text"]


def test_an_utterance_without_words_is_no_event() -> None:
    writer = TranscriptionEvents(TranscriptionRequest(model="m"))
    assert writer.settled(settled(1)) == b""
    assert events(writer.settled(HELLO))[0]["delta"] == "Hello there."
    assert events(writer.settled(BYE))[0]["delta"] == " Bye."


def test_line_breaks_in_a_text_end_no_event() -> None:
    broken = finished(settled(1, word("a\n\ndata: b")))
    (done,) = events(b"".join(TranscriptionEvents(TranscriptionRequest(model="m")).done_pieces(broken)))
    assert done["text"] == "a\n\ndata: b"


def test_a_failure_is_an_error_as_in_a_refusal() -> None:
    (error,) = events(failed(ClientError(Problem.RECOGNIZER_FAILED, "it failed")))
    assert error["error"] == {
        "message": "it failed",
        "type": "server_error",
        "param": None,
        "code": "recognizer_failed",
    }
