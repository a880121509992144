from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.configuration.config import ADAPTIVE, SessionConfig
from stream.session.events import (
    Alternative,
    AudioEnded,
    AudioReceived,
    ClientEvent,
    EndCause,
    Hypothesis,
    HypothesisReceived,
    Reason,
    Settled,
    SpeechEnded,
    TurnEnded,
    TurnResumed,
    Unsettled,
    UtteranceFinalized,
    Word,
)
from stream.session.turns import SpeechLevels, first_pass_ms, is_whole, judge, turn_confidence
from tests.stream.session.test_session import CONFIG, Timeline, final
from tests.support.sounds import SILENT_FRAME, SPEECH_FRAME
from tests.support.tiers import examples
from vad import FRAME_SAMPLES

FIXED = replace(CONFIG, hangover_ms=600, extended=True)
TURNS = replace(FIXED, endpointing=ADAPTIVE)
COMPLETE, USUAL, UNFINISHED = 34, 60, 120


def early(text: str, frames: int, confidence: float = 0.95, stability: float = 1.0) -> HypothesisReceived:
    """The text of the first `frames` of utterance 1."""
    words = tuple(map(Word, text.split()))
    hypothesis = Hypothesis((Alternative(words, confidence),), stability=stability, processed=frames * FRAME_SAMPLES)
    return HypothesisReceived(1, hypothesis)


def judged(text: str, confidence: float = 0.0, *, fall: float = 1.0, language: str = "en-US") -> int:
    words = tuple(map(Word, text.split()))
    return judge(Hypothesis((Alternative(words, confidence),)), fall, 600, language).hangover_frames


def turns(timeline: Timeline) -> list[ClientEvent]:
    return [event for event in timeline.emitted if isinstance(event, TurnEnded | TurnResumed)]


def endpoints(timeline: Timeline) -> list[int]:
    return [event.end // FRAME_SAMPLES for event in timeline.emitted if isinstance(event, SpeechEnded)]


@pytest.mark.parametrize("text", ["Turn it off.", "Is it on?", "“Stop!”", "این خوب است؟", "好的。"])
def test_a_whole_sentence_ends_after_a_short_pause(text: str) -> None:
    assert judged(text) == judged(text, 0.9) == COMPLETE


@pytest.mark.parametrize("text", ["Well,", "I think...", "I think…", "If you want to;", "好的，"])
def test_an_unfinished_sentence_ends_after_a_long_pause(text: str) -> None:
    assert judged(text) == judged(text, 0.9) == UNFINISHED


def test_a_text_without_marks_is_open_unless_the_recognizer_weighs_its_ends() -> None:
    assert judged("turn it off") == USUAL
    assert judged("turn it off", 0.9) == UNFINISHED


def test_a_doubtful_end_waits_as_long_as_without_a_text() -> None:
    assert judged("Turn it off.", 0.5) == USUAL
    assert judged("If you want to,", 0.5) == USUAL
    assert judged("He was not an ill", 0.5) == USUAL
    assert judged("Turn it off.", 0.9, fall=0.6) == USUAL


@pytest.mark.parametrize("word", ["the", "My", "and", "um"])
def test_a_word_that_ends_no_sentence_outweighs_the_mark_behind_it(word: str) -> None:
    assert judged(f"I want {word}.", 1.0) == UNFINISHED


def test_words_of_another_language_are_not_taken_for_english() -> None:
    assert judged("Vou a.", language="pt-BR") == COMPLETE
    assert judged("Going a.", language="en") == UNFINISHED


@examples(100)
@given(
    st.text(min_size=1).map(lambda text: text.split() or ["a"]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(100, 5000),
    st.sampled_from(["en", "fa-IR", ""]),
)
def test_a_verdict_is_within_its_bounds(
    words: list[str], confidence: float, fall: float, hangover_ms: int, language: str
) -> None:
    hypothesis = Hypothesis((Alternative(tuple(map(Word, words)), confidence),))
    verdict = judge(hypothesis, fall, hangover_ms, language)
    assert 0 <= verdict.text_confidence <= 1
    assert hangover_ms * 0.56 <= 10 * verdict.hangover_frames + 0.5
    assert 10 * verdict.hangover_frames <= 2 * hangover_ms + 10
    assert first_pass_ms(hangover_ms) < 10 * verdict.hangover_frames or hangover_ms < 180


@examples(50)
@given(st.floats(0, 1), st.integers(0, 10**6), st.integers(0, 10**6))
def test_confidence_only_grows_with_the_silence(fall: float, one: int, other: int) -> None:
    verdict = judge(Hypothesis((Alternative((Word("Yes."),), 0.9),)), fall, 600, "en")
    shorter, longer = (turn_confidence(verdict, samples) for samples in sorted((one, other)))
    assert verdict.text_confidence == pytest.approx(turn_confidence(verdict, 0))
    assert 0 <= shorter <= longer <= 1


@examples(50)
@given(st.lists(st.integers(0, 32_767), max_size=120), st.integers(0, 130 * FRAME_SAMPLES))
def test_a_fall_is_a_share_whatever_the_sound(levels: list[int], speech_samples: int) -> None:
    measured = SpeechLevels()
    measured.add(b"".join(level.to_bytes(2, "little") * FRAME_SAMPLES for level in levels))
    assert 0 <= measured.fall(speech_samples) <= 1


def test_the_voice_falls_where_its_last_300_ms_are_quiet() -> None:
    measured = SpeechLevels()
    loud, quiet = (level.to_bytes(2, "little") * FRAME_SAMPLES for level in (1000, 100))
    measured.add(100 * loud + 30 * quiet + b"\0")
    assert measured.fall(130 * FRAME_SAMPLES) == 1
    assert measured.fall(100 * FRAME_SAMPLES) == 0
    assert 0 < measured.fall(115 * FRAME_SAMPLES) < 1


def test_a_word_is_too_short_to_fall() -> None:
    measured = SpeechLevels()
    measured.add(200 * SPEECH_FRAME)
    assert measured.fall(89 * FRAME_SAMPLES) == 1
    assert measured.fall(90 * FRAME_SAMPLES) == 0


def test_only_a_text_of_all_speech_so_far_is_early() -> None:
    words = (Alternative((Word("Yes."),)),)
    assert is_whole(Hypothesis(words, stability=1.0))
    assert not is_whole(Hypothesis(words, stability=0.9))
    assert not is_whole(Hypothesis((), stability=1.0))


# --- in a session ---


def speak(timeline: Timeline, marks: str) -> Timeline:
    """Send frames: `X` is loud speech, `x` speech of a voice that has fallen, `.` silence."""
    frames = {"X": b"\xe9\x03" * FRAME_SAMPLES, "x": SPEECH_FRAME, ".": SILENT_FRAME}
    return timeline.receive(*(AudioReceived((frames[mark],)) for mark in marks))


def fallen(config: SessionConfig = TURNS) -> Timeline:
    """A sentence of 100 frames, the voice of which has fallen, and 20 frames of silence."""
    return speak(Timeline(config), "X" * 70 + "x" * 30 + "." * 20)


def test_without_an_early_text_the_pause_is_the_fixed_one() -> None:
    fixed, adaptive = Timeline(FIXED).hear("x" * 20 + "." * 70), Timeline(TURNS).hear("x" * 20 + "." * 70)
    assert endpoints(adaptive) == endpoints(fixed) == [80]
    (end,) = turns(adaptive)
    assert isinstance(end, TurnEnded)
    assert (end.is_eager, end.end) == (False, 80 * FRAME_SAMPLES)
    assert 0.5 < end.confidence < 1
    assert turns(fixed) == []


@pytest.mark.parametrize(
    ("hypothesis", "endpoint"),
    [
        (early("So, the", 40), 140),
        (early("So. The", 40, 0.0), 140),
        (early("So,", 40), 140),
        (early("So", 40, 0.0), 80),
        (early("So,", 40, stability=0.9), 80),
        (early("So,", 19), 80),
        (early("", 40), 80),
    ],
)
def test_the_early_text_sets_the_pause(hypothesis: HypothesisReceived, endpoint: int) -> None:
    timeline = Timeline(TURNS).hear("x" * 20 + "." * 20).receive(hypothesis).hear("." * 120)
    assert endpoints(timeline) == [endpoint]


def test_a_complete_text_ends_the_utterance_early_and_eagerly_before() -> None:
    timeline = fallen().receive(early("It is.", 120))
    (eager,) = turns(timeline)
    assert eager == TurnEnded(1, 120 * FRAME_SAMPLES, 1 - 0.05 * 0.5 ** (20 / 30), is_eager=True)
    speak(timeline, "." * 30).receive(final(1, "It is."))
    assert endpoints(timeline) == [134]
    _, end = turns(timeline)
    assert isinstance(end, TurnEnded)
    assert not end.is_eager
    assert end.confidence > 0.97
    (settled,) = (event for event in timeline.emitted if isinstance(event, Settled))
    assert settled.reason is Reason.ENDPOINT
    assert settled.endpoint == 34 * FRAME_SAMPLES


def test_a_text_that_comes_late_ends_the_utterance_at_once() -> None:
    timeline = speak(fallen(), "." * 25).receive(early("It is.", 115))
    assert endpoints(timeline) == [145]
    (end,) = turns(timeline)
    assert isinstance(end, TurnEnded)
    assert not end.is_eager


def test_speech_takes_an_eager_end_back_and_the_next_pause_is_judged_anew() -> None:
    timeline = speak(fallen().receive(early("It is.", 120)), "." * 5 + "x" * 3 + "." * 70)
    assert endpoints(timeline) == [128 + 60]
    eager, resumed, end = turns(timeline)
    assert isinstance(eager, TurnEnded)
    assert eager.is_eager
    assert resumed == TurnResumed(1, 125 * FRAME_SAMPLES)
    assert isinstance(end, TurnEnded)
    assert end.confidence == turn_confidence(None, 60 * FRAME_SAMPLES)


def test_speech_takes_a_long_pause_back_without_a_word() -> None:
    timeline = fallen().receive(early("So,", 120))
    speak(timeline, "." * 5 + "x" * 3 + "." * 70)
    assert endpoints(timeline) == [128 + 60]
    assert [type(event) for event in turns(timeline)] == [TurnEnded]


def test_a_pause_is_ended_eagerly_once() -> None:
    timeline = fallen().receive(early("It is.", 115), early("It is so.", 120))
    assert len(turns(timeline)) == 1


def test_the_text_of_another_pause_counts_for_nothing() -> None:
    timeline = speak(fallen(), "x" * 5 + "." * 20).receive(early("It is.", 120))
    assert turns(timeline) == []
    assert endpoints(speak(timeline, "." * 60)) == [125 + 60]


@pytest.mark.parametrize("config", [FIXED, replace(TURNS, vad="manual"), replace(TURNS, is_file=True)])
def test_only_a_detector_of_live_speech_adapts(config: SessionConfig) -> None:
    timeline = speak(fallen(config).receive(early("It is.", 120)), "." * 20)
    assert endpoints(timeline) == []
    assert turns(timeline) == []


def test_an_utterance_that_the_client_ends_has_no_end_of_turn() -> None:
    timeline = fallen().receive(UtteranceFinalized(), final(1, "It is."), AudioEnded(EndCause.CLOSE))
    assert endpoints(timeline) == [120]
    assert turns(timeline) == []


def test_text_to_decide_by_is_not_sent_to_a_client_that_wants_none() -> None:
    timeline = fallen(replace(TURNS, interim_results=False)).receive(early("It is.", 120))
    assert not any(isinstance(event, Unsettled) for event in timeline.emitted)
    assert len(turns(timeline)) == 1


def test_each_channel_has_turns_of_its_own() -> None:
    timeline = Timeline(replace(TURNS, channels=2))
    frames = {"X": b"\xe9\x03" * FRAME_SAMPLES, "x": SPEECH_FRAME, ".": SILENT_FRAME}
    for mark in "X" * 70 + "x" * 30 + "." * 20:
        timeline.receive(AudioReceived((SPEECH_FRAME, frames[mark])))
    timeline.receive(replace(early("It is.", 120), stream_id=2))
    (eager,) = turns(timeline)
    assert isinstance(eager, TurnEnded)
    assert (eager.utterance_id, eager.channel) == (2, 1)


@examples(50)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.sampled_from(["It is.", "It,", ""]))
def test_turns_do_not_depend_on_the_cuts_of_the_audio(sizes: list[int], text: str) -> None:
    frames = {"X": b"\xe9\x03" * FRAME_SAMPLES, "x": SPEECH_FRAME, ".": SILENT_FRAME}
    parts = ["X" * 70 + "x" * 30 + "." * 20, "." * 4 + "x" * 3 + "." * 2 + "x" * 4 + "." * 90]
    whole, cut = Timeline(TURNS), Timeline(TURNS)
    for timeline, lengths in ((whole, [200]), (cut, sizes)):
        for part in parts:
            start = 0
            while start < len(part):
                piece = part[start : start + lengths[start % len(lengths)]]
                timeline.receive(AudioReceived((b"".join(frames[mark] for mark in piece),)))
                start += len(piece)
            timeline.receive(early(text, 120))
    assert turns(cut) == turns(whole)
    assert endpoints(cut) == endpoints(whole)
