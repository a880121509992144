from array import array
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vad import (
    FRAME_SAMPLES,
    EndReason,
    SegmentAudio,
    SegmentEnded,
    Segmenter,
    SegmenterOptions,
    SegmentEvent,
    SegmentStarted,
    SpeechResumed,
)

SHORT = SegmenterOptions(
    onset_frames=3,
    onset_window_frames=5,
    preroll_frames=4,
    hangover_frames=6,
    longest_frames=60,
    longest_search_frames=20,
)
PATIENT = replace(SHORT, hangover_frames=30)
_FRAMES = {mark: array("h", [level]).tobytes() * FRAME_SAMPLES for mark, level in (("x", 9), ("q", 5), (".", 0))}


def run(marks: str, options: SegmenterOptions = SHORT) -> list[SegmentEvent]:
    """Feed one frame a mark, `x` for speech, `q` for quiet speech, `.` for silence; return all events but the audio."""
    segmenter = Segmenter(options)
    return [event for event in _pushed(segmenter, marks) if not isinstance(event, SegmentAudio)]


def _pushed(segmenter: Segmenter, marks: str, most_frames: int = 1) -> list[SegmentEvent]:
    """Push frames, so many at once; merge audio that comes in pieces."""
    events: list[SegmentEvent] = []
    while marks:
        some = marks[:most_frames]
        pcm = b"".join(_FRAMES[mark] for mark in some)
        more, taken = segmenter.push(pcm, bytes(mark != "." for mark in some))
        assert taken
        for event in more + segmenter.resume():
            match events, event:
                case [*_, SegmentAudio(start, before, speech)], SegmentAudio(_, pcm, more_speech):
                    events[-1] = SegmentAudio(start, before + pcm, speech + more_speech)
                case _:
                    events.append(event)
        marks = marks[taken:]
    return events


def at(frame: int) -> int:
    return frame * FRAME_SAMPLES


def test_a_segment_reaches_back_to_its_preroll_and_ends_after_the_hangover() -> None:
    assert run("." * 20 + "x" * 10 + "." * 10) == [
        SegmentStarted(start=at(16), onset=at(20)),
        SegmentEnded(end=at(36), speech_end=at(30), reason=EndReason.ENDPOINT),
    ]


def test_too_few_speech_frames_open_nothing() -> None:
    assert run("." * 10 + "xx" + "." * 10 + "x.x.." * 3) == []


def test_a_scattered_onset_counts_within_its_window() -> None:
    assert run("." * 10 + "x.x.x" + "." * 6)[0] == SegmentStarted(start=at(6), onset=at(10))


def test_a_pause_shorter_than_the_hangover_does_not_end_the_segment() -> None:
    events = run("." * 10 + "xxxx" + "." * 5 + "xxxx" + "." * 6)
    assert events[1:] == [SegmentEnded(end=at(29), speech_end=at(23), reason=EndReason.ENDPOINT)]


def test_the_preroll_stops_at_the_end_of_the_previous_segment() -> None:
    events = run("xxx" + "." * 6 + "xxx" + "." * 6)
    assert events[1] == SegmentEnded(end=at(9), speech_end=at(3), reason=EndReason.ENDPOINT)
    assert events[2] == SegmentStarted(start=at(9), onset=at(9))


def test_at_the_longest_a_segment_is_cut_in_its_longest_pause() -> None:
    events = run("x" * 42 + "...." + "x" * 4 + "......" + "x" * 4 + "....." + "x" * 10, PATIENT)
    assert events[:3] == [
        SegmentStarted(start=0, onset=0),
        SegmentEnded(end=at(53), speech_end=at(50), reason=EndReason.LONGEST),
        SegmentStarted(start=at(53), onset=at(56)),
    ]


def test_speech_after_a_clear_pause_near_the_longest_opens_the_next_segment() -> None:
    events = run("x" * 42 + "." * 8 + "x", PATIENT)
    assert events[1:] == [
        SegmentEnded(end=at(46), speech_end=at(42), reason=EndReason.LONGEST),
        SegmentStarted(start=at(46), onset=at(50)),
    ]


def test_a_pause_near_the_longest_that_lasts_is_an_endpoint() -> None:
    events = run("x" * 42 + "." * 6)
    assert events[1:] == [SegmentEnded(end=at(48), speech_end=at(42), reason=EndReason.ENDPOINT)]


def test_speech_without_a_pause_is_cut_where_it_is_quietest() -> None:
    events = run("x" * 48 + "qqqqq" + "x" * 7 + "." * 6)
    assert events[1:] == [
        SegmentEnded(end=at(51), speech_end=at(51), reason=EndReason.LONGEST),
        SegmentStarted(start=at(51), onset=at(51)),
        SegmentEnded(end=at(66), speech_end=at(60), reason=EndReason.ENDPOINT),
    ]


def test_audio_behind_the_best_cut_is_held_until_a_better_one() -> None:
    segmenter = Segmenter(SHORT)
    assert _end_of_audio(_pushed(segmenter, "x" * 45 + "qqqqq" + "x" * 2)) == at(48)
    assert _end_of_audio(_pushed(segmenter, "x" * 3)) is None
    assert segmenter.held_from == 0
    assert _end_of_audio(_pushed(segmenter, "...")) == at(57)
    ended = segmenter.cut()
    assert _end_of_audio(ended) == at(58)
    assert ended[-1] == SegmentEnded(end=at(58), speech_end=at(55), reason=EndReason.CUT)


def test_audio_that_was_held_is_cut_off_with_the_rest() -> None:
    segmenter = Segmenter(SHORT)
    segmenter.push(_FRAMES["x"] * 48 + _FRAMES["q"] * 5 + _FRAMES["x"] * 7, b"\1" * 60)
    assert segmenter.held_from == at(51)
    events = segmenter.cut()
    assert [type(event) for event in events] == [SegmentStarted, SegmentAudio, SegmentEnded]
    assert events[-1] == SegmentEnded(end=at(60), speech_end=at(60), reason=EndReason.CUT)


def test_after_a_cut_at_the_end_of_the_longest_an_onset_is_needed() -> None:
    segmenter = Segmenter(replace(SHORT, longest_search_frames=0))
    events = _pushed(segmenter, "x" * 60)
    assert events[-1] == SegmentEnded(end=at(60), speech_end=at(60), reason=EndReason.LONGEST)
    assert segmenter.cut() == []
    assert _pushed(segmenter, "." * 20) == []


def _end_of_audio(events: list[SegmentEvent]) -> int | None:
    ends = [event.start + len(event.pcm) // 2 for event in events if isinstance(event, SegmentAudio)]
    return ends[-1] if ends else None


def test_an_onset_of_zero_opens_at_the_first_frame_whatever_it_holds() -> None:
    events = run("...xx", SegmenterOptions(hangover_frames=60, onset_frames=0, preroll_frames=0))
    assert events == [SegmentStarted(start=0, onset=0)]


def test_a_cut_ends_the_open_segment_and_does_nothing_without_one() -> None:
    segmenter = Segmenter(SHORT)
    assert segmenter.cut() == []
    _pushed(segmenter, "x" * 5)
    assert segmenter.is_open
    assert segmenter.cut() == [SegmentEnded(end=at(5), speech_end=at(5), reason=EndReason.CUT)]
    assert not segmenter.is_open
    assert segmenter.position == at(5)


@given(st.text("xxxq.", max_size=400))
def test_segments_hold_their_samples_once_in_order_and_never_overlap(marks: str) -> None:
    segmenter = Segmenter(SHORT)
    events = _pushed(segmenter, marks) + segmenter.cut()
    classified = bytes(mark != "." for mark in marks)
    position = start = 0
    for event in events:
        match event:
            case SegmentStarted(begin, onset):
                assert position <= begin <= onset
                position = start = begin
            case SegmentAudio(begin, pcm, speech):
                assert begin == position
                assert speech == classified[begin // FRAME_SAMPLES :][: len(speech)]
                assert len(speech) * FRAME_SAMPLES == len(pcm) // 2
                position += len(pcm) // 2
            case SegmentEnded(end, speech_end):
                assert position == end
                assert start <= speech_end <= end
                assert end - start <= at(SHORT.longest_frames)
    assert segmenter.position == at(len(marks))


@pytest.mark.parametrize(
    "options",
    [
        {"onset_frames": 13, "onset_window_frames": 12},
        {"preroll_frames": -1},
        {"hangover_frames": 0},
        {"longest_frames": 100, "longest_search_frames": 100},
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must|needed"):
        SegmenterOptions(**{"hangover_frames": 60} | options)


@given(st.text("xxxq.", max_size=400), st.integers(1, 50))
def test_frames_pushed_together_are_segmented_as_one_by_one(marks: str, most_frames: int) -> None:
    together, alone = Segmenter(SHORT), Segmenter(SHORT)
    assert _pushed(together, marks, most_frames) == _pushed(alone, marks)
    assert (together.position, together.held_from) == (alone.position, alone.held_from)


def test_a_shorter_hangover_ends_a_segment_that_has_been_silent_for_as_long() -> None:
    segmenter = Segmenter(SHORT)
    assert segmenter.set_hangover(2) == []
    _pushed(segmenter, "x" * 10 + "..")
    assert segmenter.set_hangover(3) == []
    assert segmenter.set_hangover(2) == [SegmentEnded(at(12), at(10), EndReason.ENDPOINT)]


def test_speech_takes_a_set_hangover_back() -> None:
    segmenter = Segmenter(SHORT)
    _pushed(segmenter, "x" * 10 + "..")
    segmenter.set_hangover(20)
    events = _pushed(segmenter, "." * 10 + "xx" + "." * 6, most_frames=20)
    assert [event for event in events if not isinstance(event, SegmentAudio)] == [
        SpeechResumed(at(22)),
        SegmentEnded(at(30), at(24), EndReason.ENDPOINT),
    ]


def test_the_next_segment_has_the_hangover_of_the_options() -> None:
    segmenter = Segmenter(SHORT)
    _pushed(segmenter, "x" * 10 + "..")
    segmenter.set_hangover(2)
    # With its last frame of speech it begins, so that no speech takes a hangover back.
    events = _pushed(segmenter, "xxx" + "." * 6)
    assert [type(event) for event in events] == [SegmentStarted, SegmentAudio, SegmentEnded]
    assert events[-1] == SegmentEnded(at(21), at(15), EndReason.ENDPOINT)


def test_the_longest_segment_ends_within_a_longer_hangover() -> None:
    segmenter = Segmenter(SHORT)
    _pushed(segmenter, "x" * 45 + "..")
    segmenter.set_hangover(100)
    events = _pushed(segmenter, "." * 13)
    assert SegmentEnded(at(53), at(45), EndReason.LONGEST) in events
