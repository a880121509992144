import itertools
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.session.events import (
    AbandonStream,
    Alternative,
    AudioEnded,
    AudioReceived,
    ClientEvent,
    Configured,
    EndCause,
    FellBehind,
    Finalized,
    Finished,
    FinishStream,
    Hypothesis,
    HypothesisReceived,
    Latency,
    LimitNears,
    OpenStream,
    Order,
    Origin,
    Progress,
    Ready,
    Reason,
    RecognitionFailed,
    RecognitionOptions,
    SendAudio,
    SenderPaused,
    SessionInput,
    Settled,
    SpeechEnded,
    SpeechStarted,
    Totals,
    Unsettled,
    UtteranceFinalized,
    Warned,
    Word,
)
from stream.session.session import MOST_OPEN_UTTERANCES, Session, State
from tests.support.sounds import SILENT_FRAME, SPEECH_FRAME, MarkedClassifier
from tests.support.tiers import examples
from vad import FRAME_SAMPLES

# 8 speech frames open an utterance, 10 frames of silence end it.
CONFIG = SessionConfig(preroll_ms=50, hangover_ms=100)
SPOKEN = "x" * 20 + "." * 10
OPTIONS = RecognitionOptions("en-US")


class Timeline:
    """Drives a session: `x` is a frame of speech, `.` one of silence.

    `emitted` are all its events, `told` those that a client gets in the mode of the configuration.
    """

    def __init__(self, config: SessionConfig = CONFIG, options: RecognitionOptions = OPTIONS) -> None:
        self.session = Session(Configured(config, options), MarkedClassifier)
        self.orders: list[Order] = []
        self.emitted: list[ClientEvent] = []
        self._is_extended = config.extended

    def hear(self, marks: str) -> "Timeline":
        return self.receive(*(AudioReceived((SPEECH_FRAME if mark == "x" else SILENT_FRAME,)) for mark in marks))

    def receive(self, *events: SessionInput) -> "Timeline":
        for event in events:
            self.session.receive(event)
            self.orders += self.session.take_orders()
            self.emitted += self.session.take_events()
        return self

    @property
    def told(self) -> list[ClientEvent]:
        if self._is_extended:
            return [event for event in self.emitted if not (isinstance(event, Unsettled) and event.is_repeated)]
        return [
            e for e in self.emitted if isinstance(e, Settled | Finished) or (isinstance(e, Unsettled) and e.is_next)
        ]

    def streams(self) -> list[Order]:
        return [order for order in self.orders if not isinstance(order, SendAudio)]

    def sent_frames(self, utterance_id: int) -> int:
        sent = (o for o in self.orders if isinstance(o, SendAudio) and o.stream_id == utterance_id)
        return sum(len(order.pcm) for order in sent) // len(SPEECH_FRAME)


def partial(utterance_id: int, text: str) -> HypothesisReceived:
    return HypothesisReceived(utterance_id, Hypothesis((_alternative(text),)))


def stretch(text: str, frames: int) -> HypothesisReceived:
    """What a recognizer settled by itself after so many frames of stream 1."""
    hypothesis = Hypothesis(
        (_alternative(text),), is_final=True, is_segment_final=True, processed=frames * FRAME_SAMPLES
    )
    return HypothesisReceived(1, hypothesis)


def final(utterance_id: int, text: str, waited: float = 0.5) -> HypothesisReceived:
    alternatives = (_alternative(text),) if text else ()
    return HypothesisReceived(utterance_id, Hypothesis(alternatives, is_final=True), Latency(recognizer_seconds=waited))


def _alternative(text: str) -> Alternative:
    """Word n lies from frame 2n to 2n + 1 of its utterance."""
    words = text.split()
    return Alternative(
        tuple(Word(word, 2 * n * FRAME_SAMPLES, (2 * n + 1) * FRAME_SAMPLES, 0.9) for n, word in enumerate(words)), 0.8
    )


def texts(events: Iterable[ClientEvent]) -> list[tuple[str, int, str]]:
    return [
        (type(event).__name__, event.utterance_id, event.hypothesis.best.transcript)
        for event in events
        if isinstance(event, Unsettled | Settled)
    ]


def finished(timeline: Timeline) -> Finished:
    last = timeline.told[-1]
    assert isinstance(last, Finished)
    return last


CLOSE = AudioEnded(EndCause.CLOSE)


def test_silence_orders_nothing_and_is_skipped() -> None:
    timeline = Timeline().hear("." * 50).receive(CLOSE)
    assert timeline.orders == []
    assert timeline.told == [
        Finished((), Totals(50 * FRAME_SAMPLES, 0, 50 * FRAME_SAMPLES, 0), 50 * FRAME_SAMPLES, 0.0, EndCause.CLOSE)
    ]


def test_an_utterance_is_opened_at_its_onset_with_the_preroll_and_finished_at_its_endpoint() -> None:
    timeline = Timeline().hear("." * 20 + SPOKEN)
    assert timeline.streams() == [OpenStream(1, OPTIONS), FinishStream(1)]
    assert timeline.sent_frames(1) == 5 + 20 + 10


def test_hypotheses_are_told_as_they_come_and_settled_once() -> None:
    timeline = Timeline().hear(SPOKEN).receive(partial(1, "one"), partial(1, "one two"), final(1, "one two."))
    timeline.receive(partial(1, "too late"), final(1, "twice"))
    assert texts(timeline.told) == [("Unsettled", 1, "one"), ("Unsettled", 1, "one two"), ("Settled", 1, "one two.")]


def test_unsettled_words_carry_neither_times_nor_confidence() -> None:
    (told,) = Timeline().hear(SPOKEN).receive(partial(1, "one two")).told
    assert isinstance(told, Unsettled)
    assert told.hypothesis.best == Alternative((Word("one"), Word("two")))


def test_a_client_that_wants_no_interim_results_gets_none_whatever_the_recognizer_says() -> None:
    timeline = Timeline(replace(CONFIG, interim_results=False)).hear(SPOKEN).receive(partial(1, "one"), final(1, "one"))
    assert texts(timeline.told) == [("Settled", 1, "one")]


def test_the_same_words_again_are_not_told_again() -> None:
    timeline = Timeline().hear(SPOKEN).receive(partial(1, "one"), partial(1, "one"), partial(1, ""), partial(1, "one"))
    assert texts(timeline.told) == [("Unsettled", 1, "one")]


def test_word_times_are_moved_to_the_clock_of_the_connection() -> None:
    timeline = Timeline().hear("." * 100 + SPOKEN).receive(final(1, "one two"))
    (told,) = timeline.told
    assert isinstance(told, Settled)
    # The utterance begins 5 frames of pre-roll before frame 100.
    assert [word.start // FRAME_SAMPLES for word in told.hypothesis.best.words] == [95, 97]
    assert told.processed == 130 * FRAME_SAMPLES


def test_word_times_never_pass_the_end_of_the_utterance() -> None:
    (told,) = Timeline().hear(SPOKEN).receive(final(1, "w " * 40)).told
    assert isinstance(told, Settled)
    assert max(word.end for word in told.hypothesis.best.words) == 30 * FRAME_SAMPLES


def test_words_without_times_are_spread_over_the_utterance() -> None:
    hypothesis = Hypothesis((Alternative((Word("a"), Word("bcd"))),), is_final=True)
    (told,) = Timeline().hear("." * 20 + SPOKEN).receive(HypothesisReceived(1, hypothesis)).told
    assert isinstance(told, Settled)
    first, second = told.hypothesis.best.words
    assert (first.start, second.end) == (15 * FRAME_SAMPLES, 50 * FRAME_SAMPLES)
    assert first.end == second.start == (15 * 4 + 35) * FRAME_SAMPLES // 4


def test_finals_leave_in_the_order_of_utterances_and_later_partials_wait() -> None:
    timeline = Timeline().hear(SPOKEN * 2)
    timeline.receive(partial(1, "a"), partial(2, "b"), partial(2, "b b"), final(2, "b b"))
    assert texts(timeline.told) == [("Unsettled", 1, "a")]
    timeline.receive(final(1, "a."))
    assert texts(timeline.told)[1:] == [("Settled", 1, "a."), ("Settled", 2, "b b")]


def test_the_newest_waiting_partial_is_told_once_the_earlier_utterance_is_settled() -> None:
    timeline = Timeline().hear(SPOKEN * 2).receive(partial(2, "b"), partial(2, "b b"), final(1, "a"))
    assert texts(timeline.told) == [("Settled", 1, "a"), ("Unsettled", 2, "b b")]


def test_no_more_than_four_utterances_are_open() -> None:
    timeline = Timeline()
    for count in range(1, MOST_OPEN_UTTERANCES + 1):
        assert not timeline.session.is_full
        timeline.hear(SPOKEN)
        assert timeline.session.is_full == (count == MOST_OPEN_UTTERANCES)
    timeline.receive(final(1, ""))
    assert not timeline.session.is_full


def test_an_utterance_that_settles_empty_is_left_out_of_the_end() -> None:
    timeline = Timeline().hear(SPOKEN * 2).receive(final(1, ""), final(2, "b"), CLOSE)
    assert [settled.utterance_id for settled in finished(timeline).settled] == [2]


def test_close_finishes_the_open_utterance_before_the_end() -> None:
    timeline = Timeline().hear("x" * 20).receive(CLOSE)
    assert timeline.session.state is State.DRAINING
    assert timeline.streams()[-1] == FinishStream(1)
    timeline.hear("xxxx").receive(final(1, "a"))
    assert timeline.session.state is State.CLOSED
    (settled,) = finished(timeline).settled
    assert (settled.reason, finished(timeline).totals.received) == (Reason.CLOSE, 20 * FRAME_SAMPLES)


def test_every_sample_is_recognized_skipped_or_lost() -> None:
    timeline = Timeline().hear("." * 30 + SPOKEN + "." * 7 + SPOKEN + "x" * 9 + "." * 3)
    timeline.receive(final(2, "b"), RecognitionFailed(1), CLOSE, final(3, "c"))
    totals = finished(timeline).totals
    assert totals == Totals(
        received=109 * FRAME_SAMPLES,
        recognized=(35 + 12) * FRAME_SAMPLES,
        skipped=(25 + 2) * FRAME_SAMPLES,
        lost=35 * FRAME_SAMPLES,
    )
    assert totals.received == totals.recognized + totals.skipped + totals.lost


def test_a_last_frame_of_a_few_samples_is_counted() -> None:
    timeline = Timeline().hear("x" * 20).receive(AudioReceived((b"\x01\x00" * 7,)), CLOSE, final(1, "a"))
    assert finished(timeline).totals == Totals(20 * FRAME_SAMPLES + 7, 20 * FRAME_SAMPLES + 7)


def test_a_pausing_sender_ends_the_utterance_and_not_the_session() -> None:
    timeline = Timeline().hear("x" * 20).receive(SenderPaused(), final(1, "a")).hear(SPOKEN)
    assert timeline.streams()[1:] == [FinishStream(1), OpenStream(2, OPTIONS), FinishStream(2)]
    (told,) = timeline.told
    assert isinstance(told, Settled)
    assert told.reason is Reason.IDLE


def test_the_rest_of_a_cut_utterance_opens_the_next_at_once() -> None:
    timeline = Timeline(SessionConfig(max_utterance_ms=2000)).hear("x" * 180 + "...." + "x" * 16)
    assert timeline.sent_frames(1) == 182
    assert timeline.sent_frames(2) == 18
    assert timeline.session.is_in_utterance


def test_speech_without_end_is_cut_at_the_longest_utterance() -> None:
    timeline = Timeline(SessionConfig(max_utterance_ms=2000)).hear("x" * 450)
    assert timeline.sent_frames(1) == timeline.sent_frames(2) == 200
    timeline.receive(final(1, "a"))
    (told,) = timeline.told
    assert isinstance(told, Settled)
    assert told.reason is Reason.MAX_UTTERANCE


def test_a_new_configuration_waits_for_the_next_utterance() -> None:
    changed = Configured(SessionConfig(hangover_ms=300, preroll_ms=50), RecognitionOptions("en-GB", 3))
    timeline = Timeline().hear("x" * 20).receive(changed).hear("." * 10 + "x" * 20 + "." * 29)
    assert timeline.streams()[1:] == [FinishStream(1), OpenStream(2, RecognitionOptions("en-GB", 3))]
    timeline.hear(".")
    assert timeline.streams()[-1] == FinishStream(2)


def test_a_configuration_of_others_is_silent() -> None:
    changed = RecognitionOptions("en-US", phrases=("Yazd",))
    timeline = Timeline().hear("x" * 20).receive(Configured(CONFIG, changed, is_silent=True))
    assert not any(isinstance(event, Ready) for event in timeline.told)
    timeline.hear("." * 60 + "x" * 20)
    assert timeline.streams()[-1] == OpenStream(2, changed)


def test_a_new_aggressiveness_makes_a_new_classifier() -> None:
    made: list[int] = []

    def factory(kind: str, aggressiveness: int) -> MarkedClassifier:
        made.append(aggressiveness)
        return MarkedClassifier(kind, aggressiveness)

    session = Session(Configured(CONFIG, OPTIONS), factory)
    session.receive(AudioReceived((SILENT_FRAME,)))
    session.receive(Configured(SessionConfig(vad_aggressiveness=1), OPTIONS))
    session.receive(Configured(SessionConfig(vad_aggressiveness=1, hangover_ms=100), OPTIONS))
    assert made == [3, 1]


def test_time_waited_for_finals_adds_up() -> None:
    timeline = Timeline().hear(SPOKEN * 2).receive(final(1, "a", 0.25), final(2, "b", 0.5), CLOSE)
    assert finished(timeline).inference_seconds == 0.75


def test_a_failed_utterance_is_settled_with_what_was_known_and_speech_goes_on_in_the_next() -> None:
    timeline = Timeline().hear("x" * 20).receive(partial(1, "known so far"), RecognitionFailed(1)).hear(SPOKEN)
    assert texts(timeline.told)[-1] == ("Settled", 1, "known so far")
    settled = timeline.told[-1]
    assert isinstance(settled, Settled)
    assert settled.reason is Reason.GAP
    assert settled.hypothesis.best.words[-1].end == 5 * FRAME_SAMPLES
    assert [o.stream_id for o in timeline.orders if isinstance(o, OpenStream)] == [1, 2]


def test_three_failures_in_a_row_end_the_session_and_abandon_what_is_open() -> None:
    timeline = Timeline().hear(SPOKEN * 3 + "x" * 20)
    timeline.receive(RecognitionFailed(1), RecognitionFailed(2), RecognitionFailed(3))
    assert timeline.orders[-1] == AbandonStream(4)
    end = finished(timeline)
    assert end.error is not None
    assert end.error.problem is Problem.RECOGNIZER_FAILED
    assert end.totals == Totals(110 * FRAME_SAMPLES, lost=110 * FRAME_SAMPLES)
    assert timeline.session.state is State.CLOSED


def test_what_was_heard_and_never_settled_is_a_gap_and_no_failure() -> None:
    timeline = Timeline(EXTENDED).hear(SPOKEN * 4)
    for stream in range(1, 5):
        timeline.receive(partial(stream, f"text{stream}"), RecognitionFailed(stream, is_only_final_owed=True))
    assert timeline.session.state is State.STREAMING
    settled = [event.hypothesis.best.transcript for event in timeline.told if isinstance(event, Settled)]
    assert settled == ["text1", "text2", "text3", "text4"]
    assert sum(isinstance(event, Warned) and event.code == "gap" for event in timeline.told) == 4


def test_a_final_in_between_forgives_failures() -> None:
    timeline = Timeline().hear(SPOKEN * 4)
    timeline.receive(RecognitionFailed(1), RecognitionFailed(2), final(3, "c"), RecognitionFailed(4))
    assert timeline.session.state is State.STREAMING


def test_failures_while_draining_still_reach_the_end() -> None:
    timeline = Timeline().hear(SPOKEN * 3).receive(CLOSE)
    timeline.receive(RecognitionFailed(1), RecognitionFailed(2), RecognitionFailed(3))
    assert finished(timeline).totals.lost == 90 * FRAME_SAMPLES


def test_an_error_of_the_client_is_told_after_the_open_utterance() -> None:
    error = ClientError(Problem.INVALID_AUDIO, "not sound")
    timeline = Timeline().hear("x" * 20).receive(AudioEnded(EndCause.ERROR, error))
    assert timeline.told == []
    timeline.receive(final(1, "a"))
    assert texts(timeline.told) == [("Settled", 1, "a")]
    assert finished(timeline).error is error


def test_only_the_first_end_counts_and_nothing_follows_it() -> None:
    timeline = Timeline().hear("x" * 20).receive(CLOSE, AudioEnded(EndCause.SHUTDOWN), final(1, "a"))
    assert finished(timeline).cause is EndCause.CLOSE
    count = len(timeline.told)
    timeline.hear(SPOKEN).receive(CLOSE)
    assert len(timeline.told) == count


# --- extended mode ---

EXTENDED = replace(CONFIG, extended=True)


def kinds(events: Iterable[ClientEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_plain_mode_tells_nothing_that_only_extended_mode_has() -> None:
    timeline = Timeline().hear(SPOKEN).receive(FellBehind("it"), LimitNears(60), Configured(CONFIG, OPTIONS))
    timeline.receive(RecognitionFailed(1))
    assert kinds(timeline.told) == ["Settled"]


def test_the_same_is_emitted_in_both_modes() -> None:
    plain, extended = (
        Timeline(config).hear(SPOKEN * 2).receive(partial(2, "b"), partial(1, "a"), FellBehind("it"), final(1, "a"))
        for config in (CONFIG, EXTENDED)
    )
    assert [e for e in plain.emitted if not isinstance(e, Ready)] == [
        e for e in extended.emitted if not isinstance(e, Ready)
    ]
    assert [
        (e.utterance_id, e.is_next, e.is_repeated, e.revision) for e in plain.emitted if isinstance(e, Unsettled)
    ] == [
        (2, False, False, 1),
        (1, True, False, 1),
        (2, True, True, 1),
    ]


def test_extended_mode_is_ready_and_tells_where_speech_begins_and_ends() -> None:
    timeline = Timeline(EXTENDED).hear("." * 20 + SPOKEN).receive(partial(1, "a"), final(1, "a"), CLOSE)
    ready, started, ended, shown, settled, _ = timeline.told
    assert ready == Ready(EXTENDED, "en-US")
    assert started == SpeechStarted(1, 20 * FRAME_SAMPLES)
    assert ended == SpeechEnded(1, 50 * FRAME_SAMPLES)
    assert isinstance(shown, Unsettled)
    assert isinstance(settled, Settled)
    assert (settled.endpoint, settled.start) == (10 * FRAME_SAMPLES, 15 * FRAME_SAMPLES)


def test_each_accepted_configuration_is_answered() -> None:
    changed = Configured(replace(EXTENDED, hangover_ms=200), OPTIONS)
    timeline = Timeline(EXTENDED).hear("x" * 20).receive(changed)
    progress = Progress(20 * FRAME_SAMPLES, 0)
    assert timeline.told[-1] == Ready(changed.config, "en-US", progress)


def test_the_answer_to_an_empty_configuration_tells_in_silence_how_much_may_be_forgotten() -> None:
    same = Configured(EXTENDED, OPTIONS)
    timeline = Timeline(EXTENDED).hear("." * 300).receive(same).hear(SPOKEN).receive(same)
    silent, spoken = (event.progress for event in timeline.told[1:] if isinstance(event, Ready))
    assert silent.received == 300 * FRAME_SAMPLES
    assert silent.received - EXTENDED.preroll_ms * 16 - 20 * FRAME_SAMPLES <= silent.settled <= silent.received
    # The utterance is spoken and has no final yet: nothing of it may be forgotten.
    assert silent.settled <= spoken.settled <= silent.received
    timeline.receive(final(1, "a"), same)
    assert isinstance(timeline.told[-1], Ready)
    assert timeline.told[-1].progress.settled > silent.received


def test_partials_of_several_utterances_interleave_and_finals_stay_in_order() -> None:
    timeline = (
        Timeline(EXTENDED).hear(SPOKEN * 2).receive(partial(2, "b"), partial(1, "a"), final(2, "b"), final(1, "a"))
    )
    assert texts(timeline.told) == [
        ("Unsettled", 2, "b"),
        ("Unsettled", 1, "a"),
        ("Settled", 1, "a"),
        ("Settled", 2, "b"),
    ]


def test_revisions_count_and_stable_words_hold() -> None:
    first = HypothesisReceived(1, Hypothesis((_alternative("a b c"),), stable_words=2, stability=0.1))
    second = HypothesisReceived(1, Hypothesis((_alternative("x b d"),), stable_words=0))
    timeline = Timeline(EXTENDED).hear(SPOKEN).receive(first, second, final(1, "a q"))
    one, two, settled = (event for event in timeline.told if isinstance(event, Unsettled | Settled))
    assert isinstance(one, Unsettled)
    assert isinstance(two, Unsettled)
    assert (one.revision, one.hypothesis.stable_words, one.hypothesis.stability) == (1, 2, 0.1)
    assert (two.revision, two.hypothesis.stable_words, two.hypothesis.best.transcript) == (2, 2, "a b d")
    assert isinstance(settled, Settled)
    assert settled.prefix_violated


def test_the_same_words_are_shown_again_only_when_more_are_stable() -> None:
    steady = [HypothesisReceived(1, Hypothesis((_alternative("a b c"),), stable_words=n)) for n in (0, 0, 2, 2)]
    timeline = Timeline(EXTENDED).hear(SPOKEN).receive(*steady)
    shown = [event for event in timeline.told if isinstance(event, Unsettled)]
    assert [(event.revision, event.hypothesis.stable_words) for event in shown] == [(1, 0), (2, 2)]


def test_progress_tells_what_a_client_may_forget() -> None:
    timeline = Timeline(EXTENDED).hear(SPOKEN).receive(partial(1, "a")).hear("." * 50).receive(final(1, "a"))
    shown, settled = (event for event in timeline.told if isinstance(event, Unsettled | Settled))
    assert shown.progress == Progress(30 * FRAME_SAMPLES, 0)
    # What could still be the pre-roll of a next utterance is not skipped yet.
    assert settled.progress == Progress(80 * FRAME_SAMPLES, (80 - 5 - 12) * FRAME_SAMPLES)


def test_finalize_settles_the_open_utterance_and_does_nothing_without_one() -> None:
    timeline = Timeline(EXTENDED).receive(UtteranceFinalized()).hear("x" * 20).receive(UtteranceFinalized())
    timeline.receive(final(1, "a")).hear(SPOKEN)
    settled = next(event for event in timeline.told if isinstance(event, Settled))
    assert settled.reason is Reason.FINALIZE
    assert [type(order).__name__ for order in timeline.streams()] == ["OpenStream", "FinishStream"] * 2


def test_each_finalize_is_answered_once_everything_before_it_is_settled() -> None:
    timeline = Timeline(EXTENDED).receive(UtteranceFinalized())
    assert timeline.emitted[1:] == [Finalized()]
    timeline.hear(SPOKEN).hear("x" * 20).receive(UtteranceFinalized(), UtteranceFinalized(), final(2, "b"))
    assert timeline.emitted.count(Finalized()) == 1
    timeline.hear("x" * 20).receive(final(1, "a"))
    answers = [event for event in timeline.emitted if isinstance(event, Settled | Finalized)]
    assert [type(event).__name__ for event in answers] == ["Finalized", "Settled", "Settled", "Finalized"]


def test_a_finalize_is_answered_although_the_recognizer_failed() -> None:
    timeline = Timeline(EXTENDED).hear("x" * 20).receive(UtteranceFinalized(), RecognitionFailed(1))
    assert isinstance(timeline.emitted[-2], Settled)
    assert timeline.emitted[-1] == Finalized()


def test_a_command_to_finalize_one_channel_leaves_the_other_alone() -> None:
    timeline = Timeline(replace(EXTENDED, channels=2))
    timeline.receive(*(AudioReceived((SPEECH_FRAME, SPEECH_FRAME)) for _ in range(20)))
    timeline.receive(UtteranceFinalized(1), final(2, "b"))
    assert [event.channel for event in timeline.emitted if isinstance(event, SpeechEnded)] == [1]
    assert timeline.emitted[-1] == Finalized(1)
    timeline.receive(UtteranceFinalized(), UtteranceFinalized(1), final(1, "a"))
    # Nothing was open in the second channel any more.
    assert [event for event in timeline.emitted if isinstance(event, Finalized)] == [
        Finalized(1),
        Finalized(1),
        Finalized(),
    ]


def test_a_gap_spans_only_what_was_not_settled() -> None:
    timeline = Timeline(EXTENDED).hear(SPOKEN).receive(RecognitionFailed(1, settled=12 * FRAME_SAMPLES), CLOSE)
    (gap,) = [event for event in timeline.told if isinstance(event, Warned)]
    assert gap.start is not None
    assert gap.end is not None
    (settled,) = [event for event in timeline.told if isinstance(event, Settled)]
    assert gap.start == settled.start + 12 * FRAME_SAMPLES
    totals = finished(timeline).totals
    assert (totals.recognized, totals.lost) == (12 * FRAME_SAMPLES, gap.end - gap.start)
    assert totals.received == totals.recognized + totals.lost + totals.skipped


def test_a_gap_is_told_with_its_span_before_the_final() -> None:
    timeline = Timeline(EXTENDED).hear(SPOKEN).receive(RecognitionFailed(1))
    warned, settled = timeline.told[-2:]
    assert warned == Warned(
        "gap",
        "the recognizer failed; audio from 0.00 to 0.30 seconds may be missing in the text",
        0,
        30 * FRAME_SAMPLES,
    )
    assert isinstance(settled, Settled)


def test_falling_behind_and_a_near_limit_are_told() -> None:
    timeline = Timeline(EXTENDED).receive(FellBehind("the recognizer"), LimitNears(60.0))
    assert timeline.told[1:] == [
        Warned("slow", "audio waits: the recognizer is behind"),
        Warned("limit", "the connection ends in 60 seconds"),
    ]


# --- sound without words ---

QUIET = 1000  # frames of 10 ms
NOTHING_FOUND = Warned(
    "quiet",
    "no speech was found in 10 seconds of sound: the microphone may be too quiet or too far, or nobody speaks",
)
MUTED = Warned("quiet", "10 seconds of sound were silence to the last sample: the microphone may be muted")
NOISE_FRAME = b"\x02\x00" * FRAME_SAMPLES


def noise(frames: int, channels: int = 1) -> list[AudioReceived]:
    return [AudioReceived((NOISE_FRAME,) * channels)] * frames


def quiet(timeline: Timeline) -> list[ClientEvent]:
    return [event for event in timeline.told if isinstance(event, Warned) and event.code == "quiet"]


def test_ten_seconds_without_speech_are_told_once() -> None:
    timeline = Timeline(EXTENDED).receive(*noise(QUIET - 1))
    assert quiet(timeline) == []
    assert quiet(timeline.receive(*noise(3 * QUIET))) == [NOTHING_FOUND]


def test_silence_to_the_last_sample_is_told_as_such() -> None:
    assert quiet(Timeline(EXTENDED).hear("." * 2 * QUIET)) == [MUTED]


def test_plain_mode_is_not_told_of_silence() -> None:
    assert Timeline().receive(*noise(2 * QUIET)).told == []


def test_a_stretch_begins_anew_where_words_were_found() -> None:
    timeline = Timeline(EXTENDED).receive(*noise(QUIET)).hear(SPOKEN).receive(final(1, "one"))
    assert quiet(timeline.receive(*noise(QUIET - 1))) == [NOTHING_FOUND]
    assert quiet(timeline.receive(*noise(QUIET))) == [NOTHING_FOUND] * 2


def test_a_long_utterance_is_not_told_as_silence_before_its_text_is_there() -> None:
    timeline = Timeline(EXTENDED).hear("x" * (QUIET + 100))
    assert quiet(timeline) == []
    assert quiet(timeline.hear("." * 10).receive(final(1, "one")).hear("." * (QUIET - 1))) == []


def test_utterances_that_hold_no_words_end_no_stretch() -> None:
    timeline = Timeline(EXTENDED).hear("x" * 600 + "." * 10).receive(final(1, "")).hear("x" * 400)
    assert quiet(timeline) == []
    assert len(quiet(timeline.hear("." * 10).receive(final(2, "")).receive(*noise(1)))) == 1


def test_words_on_either_channel_end_the_stretch() -> None:
    timeline = Timeline(replace(EXTENDED, channels=2)).receive(*noise(QUIET // 2, channels=2))
    timeline.receive(*[AudioReceived((NOISE_FRAME, SPEECH_FRAME))] * 20, *noise(10, channels=2), final(1, "one"))
    assert quiet(timeline.receive(*noise(QUIET - 1, channels=2))) == []
    assert quiet(timeline.receive(*noise(1, channels=2))) == [NOTHING_FOUND]


def test_where_the_recognizer_finds_the_ends_its_text_ends_the_stretch() -> None:
    timeline = Timeline(replace(EXTENDED, vad="off")).receive(*noise(QUIET // 2), partial(1, "one"))
    assert quiet(timeline.receive(*noise(QUIET - 1))) == []
    assert quiet(timeline.receive(*noise(1))) == [NOTHING_FOUND]


def test_without_unsettled_text_an_endless_utterance_is_not_judged() -> None:
    assert quiet(Timeline(replace(EXTENDED, vad="off", interim_results=False)).receive(*noise(2 * QUIET))) == []


# --- two channels ---


def test_each_channel_has_its_own_utterances_on_one_clock() -> None:
    config = replace(EXTENDED, channels=2)
    timeline = Timeline(config)
    for left, right in zip("x" * 20 + "." * 40, "." * 15 + "x" * 20 + "." * 25, strict=True):
        timeline.receive(AudioReceived(tuple(SPEECH_FRAME if m == "x" else SILENT_FRAME for m in (left, right))))
    timeline.receive(final(2, "b"), final(1, "a"), CLOSE)
    settled = [event for event in timeline.told if isinstance(event, Settled)]
    assert [(s.channel, s.hypothesis.best.transcript, s.start // FRAME_SAMPLES) for s in settled] == [
        (1, "b", 10),
        (0, "a", 0),
    ]
    assert [s.utterance_id for s in finished(timeline).settled] == [1, 2]
    totals = finished(timeline).totals
    assert totals.received == 2 * 60 * FRAME_SAMPLES == totals.recognized + totals.skipped
    assert finished(timeline).received == 60 * FRAME_SAMPLES


# --- a recognizer that finds the endpoints ---

OFF = SessionConfig(vad="off", extended=True)


def test_without_a_detector_one_stream_takes_everything_from_the_first_sample() -> None:
    timeline = Timeline(OFF).hear("." * 300 + "x" * 5)
    assert timeline.streams() == [OpenStream(1, OPTIONS)]
    assert timeline.sent_frames(1) == 305
    assert kinds(timeline.told) == ["Ready"]


def test_each_final_of_the_recognizer_is_an_utterance_and_nothing_is_skipped() -> None:
    timeline = Timeline(OFF).hear("." * 100).receive(partial(1, "a"), stretch("a", 40), partial(1, "b"))
    timeline.hear("." * 50).receive(stretch("b b", 90)).receive(CLOSE, final(1, "c"))
    assert texts(timeline.told) == [
        ("Unsettled", 1, "a"),
        ("Settled", 1, "a"),
        ("Unsettled", 2, "b"),
        ("Settled", 2, "b b"),
        ("Settled", 3, "c"),
    ]
    settled = [event for event in timeline.told if isinstance(event, Settled)]
    assert [(s.reason, s.start // FRAME_SAMPLES, s.processed // FRAME_SAMPLES) for s in settled] == [
        (Reason.RECOGNIZER, 0, 40),
        (Reason.RECOGNIZER, 40, 90),
        (Reason.CLOSE, 90, 150),
    ]
    assert finished(timeline).totals == Totals(150 * FRAME_SAMPLES, 150 * FRAME_SAMPLES)


def test_a_stream_that_ends_with_nothing_left_tells_no_empty_utterance() -> None:
    timeline = Timeline(OFF).hear("." * 100).receive(CLOSE, stretch("a", 100), final(1, ""))
    assert texts(timeline.told) == [("Settled", 1, "a")]
    assert finished(timeline).totals.recognized == 100 * FRAME_SAMPLES


def test_a_stretch_of_unknown_length_reaches_to_the_newest_sample() -> None:
    timeline = Timeline(OFF).hear("." * 100).receive(stretch("a", 0))
    settled = next(event for event in timeline.told if isinstance(event, Settled))
    assert settled.processed == 100 * FRAME_SAMPLES


def test_words_without_times_are_spread_over_their_stretch() -> None:
    timeless = Hypothesis((Alternative((Word("b"), Word("c"))),), is_final=True)
    timeline = Timeline(OFF).hear("." * 40).receive(stretch("a", 40)).hear("." * 20)
    timeline.receive(CLOSE, HypothesisReceived(1, timeless))
    words = finished(timeline).settled[1].hypothesis.best.words
    assert [(word.start, word.end) for word in words] == [
        (40 * FRAME_SAMPLES, 50 * FRAME_SAMPLES),
        (50 * FRAME_SAMPLES, 60 * FRAME_SAMPLES),
    ]


# --- frames that come together ---

_MARKS = st.text("x..n", min_size=1, max_size=60).map(lambda marks: "".join(mark * 7 for mark in marks))
_FRAMES = {"x": SPEECH_FRAME, ".": SILENT_FRAME, "n": NOISE_FRAME}


def in_batches(marks: list[str], sizes: list[int], config: SessionConfig, changed_at: int) -> Timeline:
    """Push frames in batches, and change the configuration in between; each final comes when its stream is finished."""
    timeline, at, batch = Timeline(config), 0, itertools.cycle(sizes)
    while at < len(marks[0]):
        until = min(at + next(batch), changed_at if at < changed_at else len(marks[0]))
        pcm = tuple(b"".join(_FRAMES[mark] for mark in channel[at:until]) for channel in marks)
        timeline.receive(AudioReceived(pcm))
        at = until
        if at == changed_at:
            timeline.receive(Configured(replace(config, hangover_ms=50, vad_aggressiveness=0), OPTIONS))
    return timeline.receive(CLOSE)


@examples(60)
@given(
    marks=st.one_of(st.tuples(_MARKS), st.tuples(_MARKS, _MARKS)),
    sizes=st.lists(st.integers(1, 90), min_size=1, max_size=8),
    changed_at=st.integers(1, 300),
    vad=st.sampled_from(["webrtc", "manual"]),
)
def test_the_same_follows_from_frames_however_many_come_at_once(
    marks: tuple[str, ...], sizes: list[int], changed_at: int, vad: str
) -> None:
    shortest = min(map(len, marks))
    channels, changed_at = [channel[:shortest] for channel in marks], min(changed_at, shortest)
    config = replace(EXTENDED, channels=len(channels), vad=vad)
    together, alone = (in_batches(channels, some, config, changed_at) for some in (sizes, [1]))
    assert together.streams() == alone.streams()
    assert together.told == alone.told
    for number in range(1, 20):
        assert together.sent_frames(number) == alone.sent_frames(number)


def test_a_warning_comes_at_the_same_frame_however_many_come_at_once() -> None:
    timeline = Timeline(EXTENDED).receive(AudioReceived((NOISE_FRAME * (QUIET - 1),)))
    assert quiet(timeline) == []
    marks = "n" * (QUIET + 20) + "x" * 20 + "." * 20
    together, alone = (in_batches([marks], [size], EXTENDED, 5) for size in (len(marks), 1))
    assert together.told == alone.told
    assert quiet(together) == [NOTHING_FOUND]


MARKS = st.text("x-", min_size=200, max_size=600)


@examples(60)
@given(marks=MARKS, at=st.integers(0, 599))
def test_a_session_that_goes_on_settles_what_one_session_would(marks: str, at: int) -> None:
    """From any settled place: the same utterances, under the same numbers, at the same times, and all of it once."""

    def settle(session: Session) -> list[Settled]:
        settled: list[Settled] = []
        for order in session.take_orders():
            if isinstance(order, FinishStream):
                session.receive(final(order.stream_id, f"word {order.stream_id}"))
        settled += [event for event in session.take_events() if isinstance(event, Settled)]
        return settled

    def run(session: Session, marks: str) -> list[Settled]:
        settled = []
        for mark in marks:
            session.receive(AudioReceived((SPEECH_FRAME if mark == "x" else SILENT_FRAME,)))
            settled += settle(session)
        return settled

    whole = Session(Configured(CONFIG, OPTIONS), MarkedClassifier)
    expected = run(whole, marks)
    first = Session(Configured(CONFIG, OPTIONS), MarkedClassifier)
    before = run(first, marks[:at])
    from_samples = before[-1].processed if before else 0
    origin = Origin(samples=from_samples, utterances=len(before), settled=before)
    second = Session(Configured(CONFIG, OPTIONS), MarkedClassifier, origin)
    after = run(second, marks[from_samples // FRAME_SAMPLES :])
    brief = [(one.utterance_id, one.start, one.processed) for one in expected]
    assert [(one.utterance_id, one.start, one.processed) for one in before + after] == brief
    ends = []
    for session in (whole, second):
        session.receive(AudioEnded(EndCause.CLOSE))
        for order in session.take_orders():
            if isinstance(order, FinishStream):
                session.receive(final(order.stream_id, f"word {order.stream_id}"))
        ends.append(next(event for event in session.take_events() if isinstance(event, Finished)))
    assert ends[0].totals == ends[1].totals
    assert [one.utterance_id for one in ends[0].settled] == [one.utterance_id for one in ends[1].settled]
