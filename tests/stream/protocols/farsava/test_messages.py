import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem, quoted
from stream.protocols.farsava.messages import Done, Failure, Partial, SessionLimits, decode, encode, failure
from stream.protocols.farsava.results import MOST_DONE_BYTES
from stream.protocols.farsava.writer import MessageWriter
from stream.session.events import (
    Alternative,
    ClientEvent,
    EndCause,
    Finished,
    Hypothesis,
    Reason,
    Settled,
    Totals,
    TurnEnded,
    TurnResumed,
    Unsettled,
    Word,
)

LIMITS = SessionLimits(1048576, 3000, 30000, 14400000)
WORDS = (Word("one", 8000, 16000, 0.5), Word("two.", 16000, 24008, 0.98765))


def alternative(*words: Word) -> Alternative:
    return Alternative(words or WORDS, 0.74321)


def settled(utterance_id: int = 1, *alternatives: Alternative, was_shown: bool = True) -> Settled:
    return Settled(utterance_id, Hypothesis(alternatives, is_final=True), Reason.ENDPOINT, 32000, 0.4, was_shown)


def finished(*utterances: Settled, error: ClientError | None = None) -> Finished:
    return Finished(utterances, Totals(received=96320), 96320, 0.41234, EndCause.CLOSE, error)


def written(*events: ClientEvent, whole_seconds: bool = False) -> list[dict[str, object]]:
    writer = MessageWriter("the-id", LIMITS)
    messages = [writer.write(event, SessionConfig(whole_seconds=whole_seconds)) for event in events]
    return [json.loads(message) for message in messages if message is not None]


RESULT = {
    "transcript": "one two.",
    "confidence": 0.743,
    "words": [
        {"startTime": 0.5, "endTime": 1.0, "word": "one", "confidence": 0.5},
        {"startTime": 1.0, "endTime": 1.5, "word": "two.", "confidence": 0.988},
    ],
}
EMPTY = {"transcript": "", "confidence": 0.0, "words": []}


def test_a_partial_has_exactly_the_fields_of_the_reference() -> None:
    assert written(settled(1, alternative())) == [
        {
            "transcriptionId": "the-id",
            "duration": 2.0,
            "inferenceTime": 0.4,
            "status": "partial",
            "partial": 1,
            "results": [RESULT],
        }
    ]


SPEAKERS = Alternative((Word("one", 8000, 16000, 0.5, 2), Word("two.", 16000, 24008, 0.98765)), 0.74321)


def test_plain_mode_has_no_speakers() -> None:
    told = written(settled(1, SPEAKERS), finished(settled(1, SPEAKERS)))
    assert [message["results"] for message in told] == [[RESULT], [RESULT]]


def test_extended_mode_tells_speakers_and_leaves_out_none() -> None:
    writer = MessageWriter("the-id", LIMITS)
    for event in (settled(1, SPEAKERS), finished(settled(1, SPEAKERS))):
        message = writer.write(event, SessionConfig(extended=True))
        assert message is not None
        (result,) = json.loads(message)["results"]
        assert [word.get("speaker") for word in result["words"]] == [2, None]
        assert result["alternatives"][0]["words"] == result["words"]
        assert encode(decode(message)) == message


def test_done_has_every_utterance_once_and_no_partial() -> None:
    (done,) = written(finished(settled(1, alternative(), alternative(WORDS[0])), settled(2, alternative(WORDS[1]))))
    assert list(done) == ["transcriptionId", "duration", "inferenceTime", "status", "results"]
    assert (done["status"], done["duration"], done["inferenceTime"]) == ("done", 6.02, 0.412)
    assert [result["transcript"] for result in done["results"]] == ["one two.", "two."]  # type: ignore[attr-defined]


def test_done_of_a_single_utterance_has_all_its_hypotheses() -> None:
    (done,) = written(finished(settled(1, alternative(), alternative(WORDS[0]))))
    assert [result["transcript"] for result in done["results"]] == ["one two.", "one"]  # type: ignore[attr-defined]


def test_done_without_words_has_one_empty_result() -> None:
    assert written(finished())[0]["results"] == [EMPTY]


def test_partials_are_counted_as_they_are_written() -> None:
    shown = Unsettled(1, Hypothesis((Alternative((Word("one"),)),)), 16000, 0.0)
    messages = written(shown, settled(2, was_shown=False), shown, settled(1, alternative()), finished())
    assert [message.get("partial") for message in messages] == [1, 2, 3, None]


def test_messages_of_extended_mode_are_numbered_from_one() -> None:
    writer = MessageWriter("the-id", LIMITS)
    extended = SessionConfig(extended=True)
    messages = [writer.write(event, extended) for event in (settled(), settled(2), finished())]
    assert [json.loads(message or "")["sequence"] for message in messages] == [1, 2, 3]


def test_an_utterance_that_settles_empty_is_told_only_if_something_was_shown() -> None:
    assert written(settled(1, was_shown=False)) == []
    assert written(settled(1, was_shown=True))[0]["results"] == [EMPTY]


def test_whole_seconds_are_integers() -> None:
    for message in written(settled(1, alternative()), finished(), whole_seconds=True):
        assert type(message["duration"]) is int
        assert type(message["inferenceTime"]) is int


def test_a_done_that_is_too_long_loses_the_oldest_word_lists_and_no_text() -> None:
    long = alternative(*(Word(f"word{n}", n, n + 1, 0.5) for n in range(2000)))
    writer = MessageWriter("the-id", LIMITS)
    text = writer.write(finished(*(settled(n, long) for n in range(12))), SessionConfig())
    assert text is not None
    assert len(text) <= MOST_DONE_BYTES
    done = decode(text)
    assert isinstance(done, Done)
    kept = [bool(result.words) for result in done.results]
    assert kept == sorted(kept)
    assert 0 < sum(kept) < 12
    assert all(result.transcript == long.transcript for result in done.results)


def test_an_error_takes_the_place_of_done() -> None:
    error = ClientError(Problem.INVALID_CONFIG, "sampleRateHertz is 4000; it must be between 8000 and 48000")
    assert written(finished(settled(1, alternative()), error=error)) == [
        {
            "status": "400",
            "detail": "sampleRateHertz is 4000; it must be between 8000 and 48000",
            "title": "Bad Request",
            "type": "invalid_config",
            "code": 400,
            "message": "Bad Request. sampleRateHertz is 4000; it must be between 8000 and 48000",
        }
    ]


def test_messages_are_read_back_as_what_they_are() -> None:
    writer = MessageWriter("the-id", LIMITS)
    messages = [writer.write(event, SessionConfig()) or "" for event in (settled(1, alternative()), finished())]
    messages.append(msgspec.json.encode(failure(Problem.INTERNAL, "x")).decode())
    assert [type(decode(message)) for message in messages] == [Partial, Done, Failure]
    partial = decode(messages[0])
    assert isinstance(partial, Partial)
    assert partial.results[0].is_settled


@pytest.mark.parametrize("text", ["{}", "[]", "1", '{"status":"partial"}', '{"status":"done","results":[{}]}', "x"])
def test_anything_else_is_no_message(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(text)


@given(st.text(max_size=200))
def test_a_quotation_is_short_and_on_one_line(text: str) -> None:
    shown = quoted(text)
    assert shown.isprintable()
    assert len(shown) <= 10 * 83 + 2


def test_every_problem_has_its_own_type() -> None:
    types = [problem.value.type for problem in Problem]
    assert len(set(types)) == len(types)


def test_an_end_of_turn_may_be_eager_and_speech_takes_it_back() -> None:
    config, mine = SessionConfig(extended=True), MessageWriter("the-id", LIMITS)
    eager = mine.write(TurnEnded(1, 16_000, 0.71234, is_eager=True), config)
    resumed = mine.write(TurnResumed(1, 24_000), config)
    ended = mine.write(TurnEnded(1, 32_000, 0.9, is_eager=False), config)
    assert [json.loads(text or "") for text in (eager, resumed, ended)] == [
        {
            "type": "endOfTurn",
            "sequence": 1,
            "transcriptionId": "the-id",
            "utteranceId": 1,
            "time": 1.0,
            "confidence": 0.712,
            "eager": True,
        },
        {"type": "speechStart", "sequence": 2, "transcriptionId": "the-id", "utteranceId": 1, "time": 1.5},
        {
            "type": "endOfTurn",
            "sequence": 3,
            "transcriptionId": "the-id",
            "utteranceId": 1,
            "time": 2.0,
            "confidence": 0.9,
            "eager": False,
        },
    ]
    assert mine.write(TurnEnded(1, 16_000, 0.7, is_eager=True), SessionConfig()) is None
    assert mine.write(TurnResumed(1, 24_000), SessionConfig()) is None
