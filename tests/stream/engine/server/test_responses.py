from dataclasses import replace

import pytest
from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_common_pb2 as common

from stream.engine.model.hypotheses import DecodedWord, Hypothesis
from stream.engine.recognition import Final
from stream.engine.server.responses import ResponseBuilder
from stream.engine.server.text_style import TextStyle
from stream.engine.utterance import Partial

HYPOTHESIS = Hypothesis(
    (
        DecodedWord(text="Good", tokens=(1,), start_samples=1600, end_samples=8000, confidence=0.9),
        DecodedWord(text="morning.", tokens=(2,), start_samples=8000, end_samples=16_000, confidence=0.7),
    ),
    -0.1,
)
SECOND_BEST = Hypothesis(
    (DecodedWord(text="God", tokens=(3,), start_samples=1600, end_samples=8000, confidence=0.5),), -2.0
)


def partial(stable: str, tail: str, *, separates: bool = True) -> list[tuple[str, object]]:
    builder = ResponseBuilder(word_times=True, separates_stable_words=separates)
    response = builder.partial(Partial(stable, tail, 24_000), 16_000, None)
    assert not any(result.is_final for result in response.results)
    assert {result.audio_processed for result in response.results} == {2.5}
    return [(result.alternatives[0].transcript, pytest.approx(result.stability)) for result in response.results]


def test_a_partial_is_one_result_as_stable_as_its_last_words() -> None:
    assert partial("so far", " so good", separates=False) == [("so far so good", 0.1)]
    assert partial("so far", "", separates=False) == [("so far", 0.9)]
    assert partial("", "so good", separates=False) == [("so good", 0.1)]
    assert partial("", "", separates=False) == [("", 0.1)]


def test_a_partial_tells_the_settled_words_apart_from_the_others_on_request() -> None:
    assert partial("so far", " so good") == [("so far", 0.9), (" so good", 0.1)]
    assert partial("so far", "") == [("so far", 0.9)]
    assert partial("", "so good") == [("so good", 0.1)]


@pytest.mark.parametrize("separates", [True, False])
def test_a_first_pass_is_one_result_with_full_stability(separates: bool) -> None:
    builder = ResponseBuilder(word_times=True, separates_stable_words=separates)
    first_pass = Partial("so far", " so good", 24_000, is_first_pass=True, ending_confidence=0.75)
    (result,) = builder.partial(first_pass, 0, None).results
    assert (result.alternatives[0].transcript, result.stability, result.is_final) == ("so far so good", 1.0, False)
    assert result.alternatives[0].confidence == 0.75
    plain = ResponseBuilder(word_times=True, style=TextStyle(punctuation=False))
    assert plain.partial(first_pass, 0, None).results[0].alternatives[0].confidence == 0
    (result, *_) = builder.partial(replace(first_pass, is_first_pass=False), 0, None).results
    assert result.alternatives[0].confidence == 0


def test_a_partial_without_words_still_reports_the_processed_audio() -> None:
    assert partial("", "") == [("", 0.1)]


def test_a_final_has_alternatives_with_words_on_the_clock_of_the_stream() -> None:
    response = ResponseBuilder(word_times=True).final(Final((HYPOTHESIS, SECOND_BEST), 32_000, 48_000), None)
    (result,) = response.results
    assert (result.is_final, result.stability, result.audio_processed) == (True, 1.0, 3.0)
    best, other = result.alternatives
    assert (best.transcript, best.confidence) == ("Good morning.", pytest.approx(0.8))
    assert [(word.word, word.start_time, word.end_time) for word in best.words] == [
        ("Good", 2100, 2500),
        ("morning.", 2500, 3000),
    ]
    assert [word.confidence for word in best.words] == [pytest.approx(0.9), pytest.approx(0.7)]
    assert other.transcript == "God"


def test_words_are_left_out_unless_asked_for() -> None:
    response = ResponseBuilder(word_times=False).final(Final((HYPOTHESIS,), 0, 1), None)
    assert not response.results[0].alternatives[0].words


def test_finals_after_the_first_with_text_begin_with_a_space() -> None:
    builder = ResponseBuilder(word_times=False)
    finals = [builder.final(Final(hypotheses, 0, 1), None) for hypotheses in ((), (HYPOTHESIS,), (), (HYPOTHESIS,))]
    transcripts = [final.results[0].alternatives[0].transcript for final in finals]
    assert transcripts == ["", "Good morning.", "", " Good morning."]


def test_partials_after_a_final_with_text_begin_with_a_space_too() -> None:
    builder = ResponseBuilder(word_times=False, separates_stable_words=True)
    builder.final(Final((HYPOTHESIS,), 0, 1), None)
    for stable, tail in (("so far", " so good"), ("", "so good"), ("", "")):
        results = builder.partial(Partial(stable, tail, 24_000), 16_000, None).results
        text = "".join(result.alternatives[0].transcript for result in results)
        assert text == (f" {stable}{tail}" if stable or tail else "")


def test_the_whole_final_as_a_partial_is_settled_and_reaches_to_its_end() -> None:
    builder = ResponseBuilder(word_times=True)
    (result,) = builder.whole(Final((HYPOTHESIS, SECOND_BEST), 32_000, 48_000), None).results
    assert (result.is_final, result.stability, result.audio_processed) == (False, pytest.approx(0.9), 3.0)
    assert [alternative.transcript for alternative in result.alternatives] == ["Good morning."]
    assert builder.final(Final((HYPOTHESIS,), 0, 1), None).results[0].alternatives[0].transcript == "Good morning."


def test_the_id_is_echoed_only_if_there_was_one() -> None:
    builder = ResponseBuilder(word_times=False)
    assert builder.final(Final((), 0, 1), common.RequestId(value="7")).id.value == "7"
    assert not builder.final(Final((), 0, 1), None).HasField("id")


def test_offline_results_leave_out_utterances_without_words() -> None:
    response = ResponseBuilder(word_times=False).offline([Final((), 0, 1), Final((HYPOTHESIS,), 0, 8000)], None)
    assert isinstance(response, asr.RecognizeResponse)
    assert [(result.alternatives[0].transcript, result.audio_processed) for result in response.results] == [
        ("Good morning.", 0.5)
    ]


def test_without_punctuation_texts_and_words_are_plain_and_alternatives_differ() -> None:
    builder = ResponseBuilder(word_times=True, style=TextStyle(punctuation=False), separates_stable_words=True)
    partial = builder.partial(Partial("So far,", " So good.", 16_000), 0, None)
    assert [result.alternatives[0].transcript for result in partial.results] == ["so far", " so good"]
    same = Hypothesis(tuple(replace(word, text=word.text.upper()) for word in HYPOTHESIS.words), -0.2)
    final = builder.final(Final((HYPOTHESIS, same, SECOND_BEST), 0, 16_000), None).results[0]
    assert [alternative.transcript for alternative in final.alternatives] == ["good morning", "god"]
    assert [word.word for word in final.alternatives[0].words] == ["good", "morning"]
    assert final.alternatives[0].confidence == pytest.approx(HYPOTHESIS.confidence)


def test_no_more_alternatives_are_sent_than_requested() -> None:
    for most in (1, 2):
        builder = ResponseBuilder(word_times=False, most_alternatives=most)
        (result,) = builder.final(Final((HYPOTHESIS, SECOND_BEST), 0, 16_000), None).results
        assert len(result.alternatives) == most


def test_a_partial_of_a_mark_alone_has_no_text() -> None:
    builder = ResponseBuilder(word_times=True, style=TextStyle(punctuation=False), separates_stable_words=True)
    partial = builder.partial(Partial("So far", " ...", 16_000), 0, None)
    assert [(result.alternatives[0].transcript, round(result.stability, 1)) for result in partial.results] == [
        ("so far", 0.9)
    ]


def test_swear_words_are_masked_if_asked_in_partials_and_finals() -> None:
    words = (
        DecodedWord(text="Oh", tokens=(1,), start_samples=0, end_samples=1600, confidence=0.9),
        DecodedWord(text="shit,", tokens=(2,), start_samples=1600, end_samples=4800, confidence=0.8),
    )
    final = Final((Hypothesis(words),), 0, 16_000)
    masking = ResponseBuilder(word_times=True, style=TextStyle(masks_profanity=True), separates_stable_words=True)
    (alternative,) = masking.final(final, None).results[0].alternatives
    assert alternative.transcript == "Oh s***,"
    assert [(word.word, word.start_time) for word in alternative.words] == [("Oh", 0), ("s***,", 100)]
    partial = masking.partial(Partial("Oh shit,", " bullshit", 16_000), 0, None)
    assert [result.alternatives[0].transcript for result in partial.results] == [" Oh s***,", " b*******"]
    plain = ResponseBuilder(word_times=True).final(final, None)
    assert plain.results[0].alternatives[0].transcript == "Oh shit,"
