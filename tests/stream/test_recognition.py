import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import pytest

from stream.attempt import Rotation
from stream.events import Alternative, Hypothesis, HypothesisReceived, OpenStream, RecognitionFailed, RecognitionOptions
from stream.events import Word as HeardWord
from stream.patience import Habits
from stream.recognition import Recognition, RecognitionLimits
from stream.recognizer import Acknowledged, RecognizerError
from tests.hostile.audio import PAUSE_MS, Ear, numbered_speech, silence, spoken_numbers
from tests.recognizers import ScriptedRecognizer
from vad import SAMPLE_BYTES, SAMPLE_RATE

GONE = RecognizerError("UNAVAILABLE: gone", retryable=True)
REFUSED = RecognizerError("PERMISSION_DENIED: no", retryable=False)
UTTERANCE = OpenStream(1, RecognitionOptions("en-US"))
CONTINUOUS = OpenStream(1, RecognitionOptions("en-US", finds_endpoints_ms=PAUSE_MS))
QUICK = RecognitionLimits(final_seconds=2.0, stall_seconds=0.1)
PIECE_BYTES = SAMPLE_RATE // 5 * SAMPLE_BYTES


class HearingStream:
    """Reads numbered words: an interim after each piece, a final at each pause that the options ask for and at the end.

    `fault` is raised when so many pieces were `heard`, before it says so.
    """

    def __init__(
        self,
        options: RecognitionOptions,
        *,
        fails_at: int | None = None,
        error: RecognizerError = GONE,
        settles_at_ms: int | None = None,
    ) -> None:
        pause_ms = options.finds_endpoints_ms or settles_at_ms
        self.pause = None if pause_ms is None else pause_ms * SAMPLE_RATE // 1000
        self.pcm = b""
        self.is_abandoned = self.is_stalled = self.is_finished = False
        self._fails_at = fails_at
        self._error = error
        self._ear = Ear()
        self._settled = 0
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def send(self, pcm: bytes) -> None:
        self.pcm += pcm
        self._pieces.put_nowait(pcm)

    async def finish(self) -> None:
        self.is_finished = True
        self._pieces.put_nowait(None)

    async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
        pieces = 0
        while (pcm := await self._pieces.get()) is not None:
            pieces += 1
            if pieces == self._fails_at:
                raise self._error
            self._ear.hear(pcm)
            yield self.said(is_final=self._is_pause)
        if self._fails_at == -1:
            raise self._error
        yield self.said(is_final=True)
        if self._fails_at == -2:
            raise self._error

    @property
    def _is_pause(self) -> bool:
        silent = self._ear.position - self._ear.speech_end
        return self.pause is not None and silent >= self.pause and bool(self._ear.words_from(self._settled))

    def said(self, *, is_final: bool) -> Hypothesis:
        heard = self._ear.words_from(self._settled)
        words = tuple(HeardWord(f"w{word.number}", word.start * is_final, word.end * is_final) for word in heard)
        if is_final:
            self._settled += len(heard)
        alternatives = (Alternative(words),) if words else ()
        return Hypothesis(alternatives, is_final=is_final, processed=self._ear.position)

    async def abandon(self, *, is_stalled: bool = False) -> None:
        self.is_abandoned = True
        self.is_stalled = is_stalled


class FrozenStream(HearingStream):
    """Takes everything and says nothing any more."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
        await asyncio.Event().wait()
        yield Acknowledged()


class InterimStream(HearingStream):
    """Never marks anything as final, and does not end the stream either."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
        async for answer in super().hypotheses():
            if isinstance(answer, Hypothesis) and not answer.is_final:
                yield answer
        await asyncio.Event().wait()


class AcknowledgingStream(HearingStream):
    """Has nothing to say before the end, but answers."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
        async for answer in super().hypotheses():
            yield answer if isinstance(answer, Hypothesis) and answer.is_final else Acknowledged()


def failing_at(pieces: int, error: RecognizerError = GONE) -> Callable[[RecognitionOptions], HearingStream]:
    return lambda options: HearingStream(options, fails_at=pieces, error=error)


@dataclass
class Harness:
    """Speaks to one recognition and keeps what it reports."""

    script: list[Callable[[RecognitionOptions], HearingStream]]
    order: OpenStream = UTTERANCE
    limits: RecognitionLimits = QUICK
    habits: Habits = field(default_factory=Habits)
    reports: list[HypothesisReceived | RecognitionFailed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recognizer = ScriptedRecognizer(self.script)  # type: ignore[arg-type]
        self.recognition = Recognition(self.order, self.reports.append, lambda: None, self.limits, self.habits)

    async def speak(self, pcm: bytes, *, pause_seconds: float = 0.0) -> None:
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            tasks.create_task(self.recognition.run(self.recognizer))
            for start in range(0, len(pcm), PIECE_BYTES):
                self.recognition.add(pcm[start : start + PIECE_BYTES])
                await asyncio.sleep(pause_seconds)
            self.recognition.finish()
        assert all(stream.is_abandoned for stream in self.streams)

    @property
    def streams(self) -> list[HearingStream]:
        return self.recognizer.streams  # type: ignore[return-value]

    @property
    def hypotheses(self) -> list[Hypothesis]:
        return [report.hypothesis for report in self.reports if isinstance(report, HypothesisReceived)]

    @property
    def numbers(self) -> list[int]:
        """The words of everything that was settled, in order."""
        return [n for h in self.hypotheses if h.is_final for n in spoken_numbers(h.best.transcript)]


SPEECH = silence(200) + numbered_speech([4, 4]) + silence(300)


async def test_a_stream_that_fails_is_begun_again_and_no_word_is_lost_or_said_twice() -> None:
    harness = Harness([failing_at(5), failing_at(1), HearingStream])
    await harness.speak(SPEECH, pause_seconds=0.005)
    assert harness.numbers == list(range(8))
    assert [stream.pcm for stream in harness.streams][-1] == SPEECH


async def test_what_a_recognizer_settled_is_not_sent_again() -> None:
    harness = Harness(
        [lambda options: HearingStream(options, fails_at=11, settles_at_ms=PAUSE_MS - 200), HearingStream]
    )
    await harness.speak(SPEECH, pause_seconds=0.005)
    assert harness.numbers == list(range(8))
    times = [(word.start, word.end) for word in harness.hypotheses[-1].best.words]
    assert times == sorted(times)
    assert len(harness.streams[1].pcm) < len(SPEECH) - 4 * SAMPLE_RATE // 4 * SAMPLE_BYTES


async def test_text_that_was_shown_does_not_shrink_while_a_new_attempt_catches_up() -> None:
    harness = Harness([failing_at(8), HearingStream])
    await harness.speak(SPEECH, pause_seconds=0.005)
    shown = [len(hypothesis.best.words) for hypothesis in harness.hypotheses]
    assert shown == sorted(shown)


@pytest.mark.parametrize("fails_at", [-1, -2])
async def test_a_stream_that_fails_after_its_last_audio_is_settled_once(fails_at: int) -> None:
    harness = Harness([failing_at(fails_at), HearingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))
    # With the final in hand nothing has to be asked again.
    assert len(harness.streams) == (2 if fails_at == -1 else 1)


async def test_a_refusal_for_good_is_not_tried_again() -> None:
    harness = Harness([failing_at(3, REFUSED), HearingStream])
    await harness.speak(SPEECH, pause_seconds=0.005)
    assert harness.reports[-1] == RecognitionFailed(1, 0)
    assert len(harness.streams) == 1


async def test_what_was_settled_before_all_failed_is_not_lost() -> None:
    order = OpenStream(1, UTTERANCE.options)
    harness = Harness(
        [lambda options: HearingStream(options, fails_at=12, settles_at_ms=400, error=REFUSED)], order=order
    )
    await harness.speak(SPEECH, pause_seconds=0.005)
    failed = harness.reports[-1]
    assert isinstance(failed, RecognitionFailed)
    first_group_end = (200 + 4 * 250) * SAMPLE_RATE // 1000
    assert first_group_end <= failed.settled <= first_group_end + PAUSE_MS * SAMPLE_RATE // 1000


async def test_a_recognizer_that_fails_of_the_same_audio_again_and_again_is_given_up() -> None:
    harness = Harness([failing_at(2)], limits=RecognitionLimits(final_seconds=10.0))
    await harness.speak(SPEECH)
    assert isinstance(harness.reports[-1], RecognitionFailed)
    assert len(harness.streams) == 1 + 6  # the first one got further than any before it


async def test_a_recognizer_that_stalls_in_mid_speech_is_left_for_a_new_attempt() -> None:
    harness = Harness([FrozenStream, HearingStream])
    await harness.speak(SPEECH, pause_seconds=0.02)
    assert harness.numbers == list(range(8))
    assert [stream.is_stalled for stream in harness.streams] == [True, False]


async def test_one_that_answers_without_words_is_not_stalled() -> None:
    harness = Harness([AcknowledgingStream])
    await harness.speak(SPEECH, pause_seconds=0.02)
    assert harness.numbers == list(range(8))
    assert len(harness.streams) == 1


async def test_one_that_stalls_after_the_last_audio_is_left_too() -> None:
    harness = Harness([FrozenStream, FrozenStream, HearingStream])
    await harness.speak(SPEECH[: SAMPLE_RATE * SAMPLE_BYTES // 2])
    assert harness.numbers == [0]
    assert [stream.is_stalled for stream in harness.streams] == [True, True, False]


async def test_one_that_never_says_final_is_taken_at_its_last_word() -> None:
    harness = Harness([InterimStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))
    assert len(harness.streams) == 3


async def test_what_was_learned_of_a_recognizer_holds_for_the_next_utterance() -> None:
    harness = Harness([InterimStream])
    await harness.speak(SPEECH)
    again = Harness([InterimStream], habits=harness.habits)
    await again.speak(SPEECH)
    assert again.numbers == list(range(8))
    assert len(again.streams) == 1


class EarlyStream(HearingStream):
    """Ends as if all was well when the audio ends, and settles nothing."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
        while await self._pieces.get() is not None:
            yield Acknowledged()


async def test_one_that_ends_without_a_final_is_asked_again() -> None:
    harness = Harness([EarlyStream, HearingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))


class BriefStream(HearingStream):
    """Ends as if all was well when the audio ends, after its first words."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
        async for answer in super().hypotheses():
            if isinstance(answer, Hypothesis) and answer.processed < SAMPLE_RATE:
                yield answer


async def test_one_that_ends_in_mid_sentence_is_asked_until_it_has_said_all() -> None:
    harness = Harness([BriefStream] * 4 + [HearingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))


async def test_unsettled_text_is_not_taken_for_the_final_though_it_comes_with_the_last_position() -> None:
    class HastyStream(HearingStream):
        """Ends as if all was well when the audio ends; its last interim lacks a word."""

        async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
            async for answer in super().hypotheses():
                if isinstance(answer, Hypothesis) and not answer.is_final:
                    yield replace(answer, alternatives=(Alternative(answer.best.words[:-1]),))

    harness = Harness([HastyStream, HastyStream, HearingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))


async def test_one_that_ends_with_a_final_in_mid_sentence_is_asked_again() -> None:
    class EarlyFinalStream(HearingStream):
        """Ends as if all was well when the audio ends, with a final for its first half."""

        async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
            async for answer in super().hypotheses():
                if isinstance(answer, Hypothesis) and answer.processed >= SAMPLE_RATE:
                    yield self.said(is_final=True)
                    break
            while not self.is_finished:
                await asyncio.sleep(0)

    harness = Harness([EarlyFinalStream, EarlyFinalStream, HearingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))


async def test_one_that_never_has_anything_to_say_is_believed_in_the_end() -> None:
    harness = Harness([EarlyStream])
    await harness.speak(SPEECH)
    assert harness.numbers == []
    assert [hypothesis.is_final for hypothesis in harness.hypotheses] == [True]
    assert len(harness.streams) == 3


async def test_without_a_final_in_time_the_stream_is_given_up() -> None:
    harness = Harness([FrozenStream], limits=RecognitionLimits(final_seconds=0.2, stall_seconds=5.0))
    await harness.speak(SPEECH)
    assert harness.reports == [RecognitionFailed(1, 0)]


async def test_after_a_stall_the_next_attempt_is_given_twice_the_time() -> None:
    began: list[float] = []
    lives: list[float] = []

    class TimedStream(FrozenStream):
        def __init__(self, options: RecognitionOptions) -> None:
            super().__init__(options)
            began.append(asyncio.get_running_loop().time())

        async def abandon(self, *, is_stalled: bool = False) -> None:
            await super().abandon(is_stalled=is_stalled)
            if is_stalled:
                lives.append(asyncio.get_running_loop().time() - began[-1])

    harness = Harness([TimedStream], limits=RecognitionLimits(final_seconds=2.0, stall_seconds=0.2))
    await harness.speak(SPEECH)
    # A busy machine gives more, never less.
    assert len(lives) >= 2
    assert min(lives) >= 0.19
    assert min(lives[1:]) >= 0.39


async def test_where_the_recognizer_finds_the_endpoints_only_what_is_not_settled_is_sent_again() -> None:
    harness = Harness([failing_at(14), HearingStream], CONTINUOUS)
    await harness.speak(SPEECH, pause_seconds=0.005)
    assert harness.numbers == list(range(8))
    first, second, end = (hypothesis for hypothesis in harness.hypotheses if hypothesis.is_final)
    assert (first.is_stretch, second.is_stretch, end.is_stretch) == (True, True, False)
    assert second.best.words[0].start > first.best.words[-1].end


LONG = silence(200) + numbered_speech([4] * 12) + silence(1000)


async def test_a_stream_without_end_is_begun_anew_at_a_pause() -> None:
    limits = RecognitionLimits(stall_seconds=5.0, rotation=Rotation(after_seconds=0.05))
    harness = Harness([HearingStream], CONTINUOUS, limits)
    await harness.speak(LONG, pause_seconds=0.003)
    assert harness.numbers == list(range(48))
    assert len(harness.streams) > 2
    # Left at pauses, not ended before all was sent: so no stream begins or ends in the middle of a word.
    assert all(LONG.endswith(stream.pcm) for stream in harness.streams if stream.is_finished)


async def test_one_that_settles_nothing_for_long_is_ended_and_begun_anew() -> None:
    limits = RecognitionLimits(stall_seconds=5.0, rotation=Rotation(longest=4 * SAMPLE_RATE))
    order = OpenStream(1, RecognitionOptions("en-US", finds_endpoints_ms=60_000))
    harness = Harness([HearingStream], order, limits)
    await harness.speak(LONG, pause_seconds=0.003)
    assert sorted(harness.numbers) == list(range(48))
    assert all(stream.is_finished for stream in harness.streams)
    assert b"".join(stream.pcm for stream in harness.streams) == LONG


async def test_no_more_is_sent_than_a_recognizer_can_follow() -> None:
    rotation = Rotation(window=2 * SAMPLE_RATE)
    limits = RecognitionLimits(final_seconds=0.5, stall_seconds=0.3, rotation=rotation)
    harness = Harness([FrozenStream], CONTINUOUS, limits)
    await harness.speak(LONG)
    assert len(harness.streams[0].pcm) <= 3 * SAMPLE_RATE * SAMPLE_BYTES
    assert isinstance(harness.reports[-1], RecognitionFailed)


async def test_while_nothing_is_said_the_stream_is_kept_alive_with_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.attempt._KEEP_ALIVE_SECONDS", 0.05)
    first, second = numbered_speech([2]), numbered_speech([2], first=2)
    harness = Harness([HearingStream], CONTINUOUS)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(harness.recognition.run(harness.recognizer))
        harness.recognition.add(first)
        await asyncio.sleep(0.2)
        harness.recognition.add(second)
        harness.recognition.finish()
    assert len(harness.streams[0].pcm) > len(first + second)
    assert harness.numbers == [0, 1, 2, 3]
    words = [word for hypothesis in harness.hypotheses if hypothesis.is_final for word in hypothesis.best.words]
    assert [word.start // (SAMPLE_RATE // 4) for word in words] == [0, 1, 2, 3]
