import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from riva.client.proto import riva_asr_pb2 as pb

from stream.riva.responses.reader import ResponseReader
from stream.session.events import Hypothesis, RecognitionOptions, Word

SAID = ("the", "the quick", "the quick brown")


def result(
    *texts: str, is_final: bool = False, stability: float = 0.1, processed: float = 0.0
) -> pb.StreamingRecognitionResult:
    return pb.StreamingRecognitionResult(
        alternatives=[pb.SpeechRecognitionAlternative(transcript=text) for text in texts],
        is_final=is_final,
        stability=stability,
        audio_processed=processed,
    )


def spoken(text: str, start_ms: int = 0, confidence: float = 0.9) -> pb.StreamingRecognitionResult:
    """A final result whose word n lasts from start + 100 n ms to 100 ms later."""
    words = [
        pb.WordInfo(word=word, start_time=start_ms + 100 * n, end_time=start_ms + 100 * n + 100, confidence=confidence)
        for n, word in enumerate(text.split())
    ]
    alternative = pb.SpeechRecognitionAlternative(transcript=text, confidence=confidence, words=words)
    return pb.StreamingRecognitionResult(alternatives=[alternative], is_final=True)


def read(*responses: list[pb.StreamingRecognitionResult], most: int = 5, promises: bool = True) -> list[Hypothesis]:
    reader = ResponseReader(RecognitionOptions("en-US", most), promises_stable_words=promises)
    return [h for results in responses for h in reader.read(pb.StreamingRecognizeResponse(results=results))]


def text(hypothesis: Hypothesis) -> str:
    return hypothesis.best.transcript


def test_finals_come_before_the_unsettled_text_of_the_same_response() -> None:
    hypotheses = read([result("three", processed=2.0), spoken("one two")])
    assert [(text(h), h.is_final) for h in hypotheses] == [("one two", True), ("three", False)]


def test_stable_words_that_nobody_promised_are_those_that_stood_for_a_while() -> None:
    interims = [[result(said, stability=0.95, processed=seconds)] for seconds, said in enumerate(SAID, start=1)]
    assert [h.stable_words for h in read(*interims, promises=False)] == [0, 0, 1]


def test_words_that_stood_before_a_final_tell_nothing_of_those_after_it() -> None:
    interims = [[result(said, processed=seconds)] for seconds, said in enumerate(SAID, start=1)]
    hypotheses = read(*interims[:2], [spoken("the quick")], interims[2], promises=False)
    assert hypotheses[-1].stable_words == 0


def test_interims_of_one_response_are_concatenated() -> None:
    (hypothesis,) = read([result("the quick ", stability=0.9), result("brown fox", stability=0.1, processed=1.5)])
    assert text(hypothesis) == "the quick brown fox"
    assert (hypothesis.stable_words, hypothesis.stability, hypothesis.processed) == (2, pytest.approx(0.1), 24000)
    assert not hypothesis.is_final


def test_a_first_pass_of_the_whole_utterance_stands_alone() -> None:
    (hypothesis,) = read([result("the quick"), result("the quick brown", stability=1.0)])
    assert text(hypothesis) == "the quick brown"
    assert hypothesis.stability == 1
    # All words so far are there, which does not make them stable.
    assert hypothesis.stable_words == 0


@pytest.mark.parametrize(("confidence", "known"), [(0.75, 0.75), (0.0, 0.0), (-0.6, 0.0), (1.7, 0.0), (math.nan, 0.0)])
def test_only_a_first_pass_has_a_confidence_which_is_a_probability(confidence: float, known: float) -> None:
    whole, interim = result("It is.", stability=1.0), result("It is.")
    for one in (whole, interim):
        one.alternatives[0].confidence = confidence
    assert [hypothesis.best.confidence for hypothesis in read([whole], [interim])] == [pytest.approx(known), 0.0]


def test_empty_responses_say_nothing_and_empty_results_that_nothing_was_understood() -> None:
    assert read([], [result()]) == []
    assert [text(hypothesis) for hypothesis in read([result("")])] == [""]
    assert read([result(is_final=True)])[0].is_final


@pytest.mark.parametrize("nonsense", [-1.0, math.nan, math.inf])
def test_an_amount_of_audio_that_cannot_be_is_unknown(nonsense: float) -> None:
    assert read([result("a", processed=nonsense)])[0].processed == 0


def test_a_final_has_as_many_alternatives_as_were_asked_for() -> None:
    (final,) = read([result("one", "won", "wan", is_final=True)], most=2)
    assert [alternative.transcript for alternative in final.alternatives] == ["one", "won"]


def test_a_final_of_spaces_is_empty() -> None:
    assert read([result("  ", is_final=True)])[0].alternatives == ()


def test_the_spelling_is_the_transcripts_and_the_times_are_the_words() -> None:
    final = spoken("hello world")
    final.alternatives[0].transcript = " Hello, world. "
    (word, _) = read([final])[0].best.words
    assert word == Word("Hello,", 0, 1600, word.confidence)
    assert word.confidence == pytest.approx(0.9)


def test_stray_marks_before_a_transcript_are_dropped_from_interims_too() -> None:
    interims = [[result(said)] for said in (" ? What is", " , okay", " . ", "\u061f \u0633\u06cc")]
    assert [text(hypothesis) for hypothesis in read(*interims)] == ["What is", "okay", "", "\u0633\u06cc"]
    assert [h.is_final and h.alternatives for h in read([result(" . ", is_final=True)])] == [()]


def test_a_mark_after_promised_words_does_not_change_them() -> None:
    (hypothesis,) = read([result("? what is", stability=0.9), result(" ? it", stability=0.1)])
    assert (text(hypothesis), hypothesis.stable_words) == ("what is? it", 1)


def test_confidences_of_one_result_are_on_one_scale() -> None:
    final = spoken("a b")
    final.alternatives[0].confidence = 0.2
    final.alternatives[0].words[1].confidence = -0.4
    best = read([final])[0].best
    assert best.words[1].confidence < 0.5 < best.confidence < best.words[0].confidence < 1


TEXTS = st.text(st.sampled_from("ab\u0641 \n\u00a0"), max_size=8)


@given(st.lists(st.lists(st.tuples(TEXTS, st.booleans(), st.floats(0, 1, width=32)), max_size=4), max_size=6))
def test_whatever_a_server_says_every_final_comes_out_and_words_are_joined_by_one_space(
    responses: list[list[tuple[str, bool, float]]],
) -> None:
    hypotheses = read(*([result(t, is_final=f, stability=s) for t, f, s in results] for results in responses))
    said = [t.split() for results in responses for t, is_final, _ in results if is_final]
    assert [text(hypothesis) for hypothesis in hypotheses if hypothesis.is_final] == [" ".join(w) for w in said]
