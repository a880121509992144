from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from stream.session.events import (
    AudioEnded,
    AudioReceived,
    ClientEvent,
    EndCause,
    FinishStream,
    Settled,
    SpeechStarted,
    WordsPaused,
)
from tests.stream.session.test_session import CONFIG, Timeline, final
from tests.support.sounds import SILENT_FRAME, SPEECH_FRAME
from tests.support.tiers import examples
from vad import FRAME_SAMPLES

# Pauses of half a second, 50 frames; an endpoint comes after 10 frames of silence.
PAUSED = replace(CONFIG, pause_ms=500)
CLOSE = AudioEnded(EndCause.CLOSE)


def pauses(timeline: Timeline) -> list[int]:
    return [event.last_word_end // FRAME_SAMPLES for event in timeline.emitted if isinstance(event, WordsPaused)]


def test_a_pause_is_reported_once_after_the_last_word() -> None:
    timeline = Timeline(PAUSED).hear("x" * 20 + "." * 10).receive(final(1, "a b"))
    timeline.hear("." * 30)
    assert pauses(timeline) == []
    timeline.hear("." * 200).receive(CLOSE)
    # The second word ends in the third frame, and the utterance begins with the audio.
    assert pauses(timeline) == [3]


def test_no_pause_is_reported_where_none_was_asked_for() -> None:
    assert pauses(Timeline().hear("x" * 20 + "." * 10).receive(final(1, "a")).hear("." * 300)) == []


def test_a_pause_waits_for_the_final_of_its_words() -> None:
    timeline = Timeline(PAUSED).hear("x" * 20 + "." * 200)
    assert pauses(timeline) == []
    timeline.receive(final(1, "a"))
    assert [type(event) for event in timeline.emitted[-2:]] == [Settled, WordsPaused]


def test_speech_within_the_pause_may_be_words() -> None:
    timeline = Timeline(PAUSED).hear("x" * 20 + "." * 15 + "x" * 20 + "." * 60).receive(final(1, "a"))
    assert pauses(timeline) == []
    # It has none.
    timeline.receive(final(2, ""))
    assert pauses(timeline) == [1]


def test_speech_behind_the_pause_does_not_hold_it_back() -> None:
    timeline = Timeline(PAUSED).hear("x" * 20 + "." * 80 + "x" * 20).receive(final(1, "a"))
    assert pauses(timeline) == [1]


def test_a_pause_that_the_end_of_the_audio_cuts_short_is_none() -> None:
    assert pauses(Timeline(PAUSED).hear("x" * 20 + "." * 20).receive(CLOSE, final(1, "a"))) == []


def test_without_a_detector_words_alone_count() -> None:
    timeline = Timeline(replace(PAUSED, vad="off", explicit=frozenset())).hear("." * 40)
    timeline.receive(final(1, ""))
    assert pauses(timeline) == []


def run(marks: str, sizes: list[int]) -> list[tuple[str, int]]:
    """Pauses and onsets in their order; every final comes before the next audio."""
    timeline, start = Timeline(PAUSED), 0
    answered = 0
    while start < len(marks):
        part = marks[start : start + sizes[start % len(sizes)]]
        start += len(part)
        pcm = b"".join(SPEECH_FRAME if mark == "x" else SILENT_FRAME for mark in part)
        timeline.receive(AudioReceived((pcm,)))
        for order in timeline.orders[answered:]:
            if isinstance(order, FinishStream):
                timeline.receive(final(order.stream_id, "a b c"))
        answered = len(timeline.orders)
    timeline.receive(CLOSE)
    return [_kept(event) for event in timeline.emitted if isinstance(event, WordsPaused | SpeechStarted)]


def _kept(event: ClientEvent) -> tuple[str, int]:
    match event:
        case WordsPaused(last_word_end):
            return "pause", last_word_end // FRAME_SAMPLES
        case SpeechStarted(_, onset):
            return "onset", onset // FRAME_SAMPLES
    raise AssertionError(event)


SPANS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 120)), min_size=1, max_size=6)


@examples(60)
@given(SPANS, st.lists(st.integers(1, 90), min_size=1, max_size=5))
def test_pauses_are_the_same_under_any_cut(spans: list[tuple[int, int]], sizes: list[int]) -> None:
    marks = "".join("x" * speech + "." * silence for speech, silence in spans)
    in_frames, cut = run(marks, [1]), run(marks, sizes)
    assert [one for one in cut if one[0] == "pause"] == [one for one in in_frames if one[0] == "pause"]
    assert [one for one in cut if one[0] == "onset"] == [one for one in in_frames if one[0] == "onset"]
