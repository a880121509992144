"""Transcriptions in OpenAI's JSON."""

import json
import math
from typing import Any

import pytest

from stream.protocols.openai.transcription import json_pieces, language_name, segment, text_pieces, verbose_pieces
from stream.protocols.openai.transcription_request import Granularity, ResponseFormat, TranscriptionRequest
from stream.session.events import Finished
from tests.stream.protocols.openai.utterances import BOTH, BYE, HELLO, finished, settled, word

WORDS = [
    {"word": "Hello", "start": 0.5, "end": 0.75},
    {"word": "there.", "start": 0.75, "end": 1.0},
    {"word": "Bye.", "start": 2.0, "end": 2.5},
]


def request(*granularities: Granularity, with_logprobs: bool = False) -> TranscriptionRequest:
    return TranscriptionRequest(
        model="whisper-1",
        response_format=ResponseFormat.VERBOSE_JSON,
        granularities=frozenset(granularities),
        with_logprobs=with_logprobs,
    )


def short(end: Finished, *, with_logprobs: bool = False) -> Any:
    return json.loads(b"".join(json_pieces(end, request(with_logprobs=with_logprobs))))


def verbose(end: Finished, *granularities: Granularity) -> Any:
    return json.loads(b"".join(verbose_pieces(end, request(*granularities), "en-US")))


def test_json_has_the_text_and_the_seconds() -> None:
    assert short(BOTH) == {"text": "Hello there. Bye.", "usage": {"seconds": 4.0, "type": "duration"}}
    assert short(finished()) == {"text": "", "usage": {"seconds": 4.0, "type": "duration"}}


def test_log_probabilities_are_those_of_words_and_make_up_the_text() -> None:
    body = short(BOTH, with_logprobs=True)
    assert "".join(one["token"] for one in body["logprobs"]) == body["text"]
    assert [one["logprob"] for one in body["logprobs"]] == [round(math.log(0.5), 4), 0.0, round(math.log(0.25), 4)]
    assert [bytes(one["bytes"]).decode() for one in body["logprobs"]] == ["Hello", " there.", " Bye."]


def test_words_of_unknown_confidence_have_no_log_probability() -> None:
    assert short(finished(settled(1, word("Hello"))), with_logprobs=True)["logprobs"] == []


def test_only_some_words_may_have_a_log_probability() -> None:
    some = finished(settled(1, word("Hello")), BYE, settled(3, word("there")))
    assert [one["token"] for one in short(some, with_logprobs=True)["logprobs"]] == [" Bye."]


def test_a_verbose_answer_has_segments_unless_only_words_are_asked_for() -> None:
    body = verbose(BOTH, Granularity.SEGMENT)
    assert list(body) == ["task", "language", "duration", "text", "usage", "segments"]
    assert (body["task"], body["language"], body["duration"]) == ("transcribe", "english", 4.0)
    assert [one["text"] for one in body["segments"]] == [" Hello there.", " Bye."]
    assert list(verbose(BOTH, Granularity.WORD))[-1:] == ["words"]
    assert "segments" not in verbose(BOTH, Granularity.WORD)
    assert list(verbose(BOTH, *Granularity))[-2:] == ["segments", "words"]


def test_words_have_their_times() -> None:
    assert verbose(BOTH, Granularity.WORD)["words"] == WORDS
    assert verbose(finished(), *Granularity)["words"] == []


def test_a_segment_lasts_from_its_first_word_to_its_last() -> None:
    one = segment(3, BYE)
    assert (one.id, one.seek, one.start, one.end) == (3, 175, 2.0, 2.5)
    assert (one.tokens, one.temperature, one.no_speech_prob) == ([], 0.0, 0.0)
    assert one.avg_logprob == round(math.log(0.25), 4)
    assert segment(0, HELLO).avg_logprob == pytest.approx(math.log(0.5) / 2, abs=1e-4)


def test_a_segment_without_word_times_lasts_as_long_as_its_utterance() -> None:
    one = segment(0, settled(1, word("Hello"), start_seconds=1.0, end_seconds=2.0))
    assert (one.start, one.end) == (1.0, 2.0)
    assert one.avg_logprob == pytest.approx(math.log(0.5), abs=1e-4)


def test_repeated_text_compresses_better() -> None:
    loop = segment(0, settled(1, *[word("again")] * 50))
    assert loop.compression_ratio > 2.4 > segment(0, HELLO).compression_ratio


@pytest.mark.parametrize(("tag", "name"), [("en-US", "english"), ("fa", "persian"), ("xx-YY", "xx-yy")])
def test_languages_have_english_names(tag: str, name: str) -> None:
    assert language_name(tag) == name


def test_a_long_recording_is_written_in_small_pieces() -> None:
    many = finished(*(settled(n, *[word("word", n, n + 0.5, 0.5)] * 20) for n in range(200)))
    pieces = list(verbose_pieces(many, request(*Granularity), "en"))
    assert len(pieces) > 400
    assert max(map(len, pieces)) < 2000
    assert "".join(text_pieces(many.settled)) == json.loads(b"".join(pieces))["text"]


@pytest.mark.parametrize("text", ['"text":""', "back\\slash", "line\nbreak", "\u2028 کوه"])
def test_any_text_is_valid_json(text: str) -> None:
    odd = finished(settled(1, word(text)), settled(2, word(text)))
    assert short(odd)["text"] == verbose(odd, *Granularity)["text"] == f"{text} {text}"
