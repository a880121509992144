"""Utterances that only commands end: `vad=manual`, and the command to discard."""

from dataclasses import replace

import pytest

from stream.configuration.config import SessionConfig
from stream.session.events import (
    AbandonStream,
    AudioEnded,
    Configured,
    Discarded,
    EndCause,
    Finalized,
    Finished,
    FinishStream,
    OpenStream,
    Reason,
    Settled,
    SpeechEnded,
    SpeechStarted,
    Totals,
    UtteranceDiscarded,
    UtteranceFinalized,
)
from tests.stream.session.test_session import CLOSE, CONFIG, OPTIONS, SPOKEN, Timeline, final, partial
from vad import FRAME_SAMPLES

MANUAL = replace(CONFIG, vad="manual", max_utterance_ms=2000)
LONGEST = 200  # frames


def at(frame: int) -> int:
    return frame * FRAME_SAMPLES


def boundaries(timeline: Timeline) -> list[SpeechStarted | SpeechEnded]:
    return [event for event in timeline.emitted if isinstance(event, SpeechStarted | SpeechEnded)]


def reasons(timeline: Timeline) -> list[Reason]:
    return [event.reason for event in timeline.emitted if isinstance(event, Settled)]


def test_the_first_frame_begins_an_utterance_whatever_it_holds() -> None:
    timeline = Timeline(MANUAL).hear(".")
    assert timeline.streams() == [OpenStream(1, OPTIONS)]
    assert boundaries(timeline) == [SpeechStarted(1, 0, is_detected=False)]


def test_no_pause_ends_an_utterance_before_the_command() -> None:
    timeline = Timeline(MANUAL).hear(SPOKEN * 2 + "." * 50)
    assert timeline.streams() == [OpenStream(1, OPTIONS)]
    timeline.receive(UtteranceFinalized(), final(1, "one two"))
    assert timeline.streams() == [OpenStream(1, OPTIONS), FinishStream(1)]
    assert reasons(timeline) == [Reason.FINALIZE]
    assert isinstance(timeline.emitted[-1], Finalized)


def test_the_next_utterance_begins_with_the_next_frame() -> None:
    timeline = Timeline(MANUAL).hear("." * 30).receive(UtteranceFinalized()).hear("x" * 5)
    assert boundaries(timeline)[1:] == [SpeechEnded(1, at(30)), SpeechStarted(2, at(30), is_detected=False)]
    assert (timeline.sent_frames(1), timeline.sent_frames(2)) == (30, 5)


def test_an_utterance_that_is_too_long_is_cut_in_a_pause_and_loses_nothing() -> None:
    pause = LONGEST - 20
    timeline = Timeline(MANUAL).hear("x" * pause + "." * 3 + "x" * 30)
    assert boundaries(timeline)[1] == SpeechEnded(1, at(pause + 2))
    assert timeline.sent_frames(1) + timeline.sent_frames(2) == pause + 33
    timeline.receive(UtteranceFinalized(), final(1, "a"), final(2, "b"), CLOSE)
    assert reasons(timeline) == [Reason.MAX_UTTERANCE, Reason.FINALIZE]


def test_speech_without_a_pause_is_cut_at_the_longest_utterance() -> None:
    assert boundaries(Timeline(MANUAL).hear("x" * 250))[1] == SpeechEnded(1, at(LONGEST))


def test_silence_of_the_sender_ends_no_manual_utterance() -> None:
    assert not Timeline(MANUAL).hear("x" * 20).session.ends_with_pause
    assert Timeline(CONFIG).hear("x" * 20).session.ends_with_pause
    assert not Timeline(CONFIG).hear("." * 20).session.ends_with_pause


def test_a_detector_takes_over_at_once_and_ends_the_open_utterance() -> None:
    timeline = Timeline(MANUAL).hear("x" * 20).receive(Configured(CONFIG, OPTIONS)).hear("." * 30 + SPOKEN)
    assert boundaries(timeline) == [
        SpeechStarted(1, 0, is_detected=False),
        SpeechEnded(1, at(20)),
        SpeechStarted(2, at(50)),
        SpeechEnded(2, at(80)),
    ]


def test_a_detector_finishes_its_utterance_before_commands_take_over() -> None:
    timeline = Timeline(CONFIG).hear("x" * 20).receive(Configured(MANUAL, OPTIONS)).hear("." * 12)
    assert boundaries(timeline) == [
        SpeechStarted(1, 0),
        SpeechEnded(1, at(30)),
        SpeechStarted(2, at(30), is_detected=False),
    ]


# --- discarding ---


@pytest.mark.parametrize("config", [CONFIG, MANUAL])
def test_a_discarded_utterance_has_no_final(config: SessionConfig) -> None:
    timeline = Timeline(config).hear("x" * 20)
    timeline.receive(partial(1, "never mind"), UtteranceDiscarded(), final(1, "never mind"), CLOSE)
    assert timeline.streams() == [OpenStream(1, OPTIONS), AbandonStream(1)]
    assert timeline.emitted[-2:] == [
        Discarded(),
        Finished((), Totals(at(20), 0, at(20), 0), at(20), 0.0, EndCause.CLOSE),
    ]


def test_discarding_spares_what_was_finalized_before() -> None:
    timeline = Timeline(MANUAL).hear("x" * 20).receive(UtteranceFinalized()).hear("x" * 9)
    timeline.receive(UtteranceDiscarded(), final(1, "kept"))
    assert timeline.streams()[-1] == AbandonStream(2)
    assert reasons(timeline) == [Reason.FINALIZE]


def test_discarded_audio_is_no_preroll() -> None:
    timeline = Timeline(CONFIG).hear("." * 20).receive(UtteranceDiscarded()).hear(SPOKEN)
    assert boundaries(timeline)[0] == SpeechStarted(1, at(20))
    assert timeline.sent_frames(1) == 30


def test_discarding_nothing_is_answered_too() -> None:
    assert Timeline(CONFIG).receive(UtteranceDiscarded()).emitted[-1] == Discarded()


def test_a_configuration_that_waits_holds_after_discarding() -> None:
    timeline = Timeline(CONFIG).hear("x" * 20).receive(Configured(MANUAL, OPTIONS), UtteranceDiscarded()).hear(".")
    assert boundaries(timeline)[-1] == SpeechStarted(2, at(20), is_detected=False)


def test_every_sample_is_counted_around_a_discarded_utterance() -> None:
    timeline = Timeline(CONFIG).hear("." * 10 + "x" * 20).receive(UtteranceDiscarded()).hear("." * 15 + SPOKEN)
    timeline.receive(final(2, "b"), AudioEnded(EndCause.CLOSE))
    last = timeline.emitted[-1]
    assert isinstance(last, Finished)
    assert last.totals == Totals(at(75), at(35), at(40), 0)
