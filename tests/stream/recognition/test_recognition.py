import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from stream.recognition.recognition import Recognition, RecognitionLimits
from stream.recognition.recognizer import Acknowledged, RecognizerError
from stream.recognition.stall import ResponseTimes
from stream.session.events import (
    Alternative,
    FellBehind,
    Hypothesis,
    HypothesisReceived,
    OpenStream,
    RecognitionFailed,
    RecognitionOptions,
)
from stream.session.events import Word as HeardWord
from tests.hostile.riva.audio import PAUSE_MS, WordReader, numbered_speech, silence, spoken_numbers
from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.support.sounds import cut
from vad import SAMPLE_BYTES, SAMPLE_RATE

pytestmark = pytest.mark.virtual_time

GONE = RecognizerError("UNAVAILABLE: gone", retryable=True)
REFUSED = RecognizerError("PERMISSION_DENIED: no", retryable=False)
UTTERANCE = OpenStream(1, RecognitionOptions("en-US"))
CONTINUOUS = OpenStream(1, RecognitionOptions("en-US", finds_endpoints_ms=PAUSE_MS))
PIECE_SECONDS = 0.25
PIECE_BYTES = int(PIECE_SECONDS * SAMPLE_RATE) * SAMPLE_BYTES
KEPT_ALIVE_BYTES = SAMPLE_RATE // 10 * SAMPLE_BYTES


@pytest.fixture(autouse=True)
def _no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every pause before a further attempt the longest that it may be."""
    monkeypatch.setattr("random.random", lambda: 1.0)


def now() -> float:
    return asyncio.get_running_loop().time()


class HearingStream:
    """Reads numbered words: an interim after each piece, a final at each pause that the options ask for and at the end.

    `error` is raised when so many pieces were heard, before it says so.
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
        self._sent = bytearray()
        self.is_abandoned = self.is_stalled = self.is_finished = False
        self.opened_at = self.left_at = now()
        self._fails_at = fails_at
        self._error = error
        self._reader = WordReader()
        self._settled = 0
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    @property
    def pcm(self) -> bytes:
        return bytes(self._sent)

    async def send(self, pcm: bytes) -> None:
        self._sent += pcm
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
            self._reader.push(pcm)
            yield self.said(is_final=self._is_pause)
        if self._fails_at == -1:
            raise self._error
        yield self.said(is_final=True)
        if self._fails_at == -2:
            raise self._error

    @property
    def _is_pause(self) -> bool:
        silent = self._reader.position - self._reader.speech_end
        return self.pause is not None and silent >= self.pause and bool(self._reader.words_from(self._settled))

    def said(self, *, is_final: bool) -> Hypothesis:
        heard = self._reader.words_from(self._settled)
        words = tuple(HeardWord(f"w{word.number}", word.start * is_final, word.end * is_final) for word in heard)
        if is_final:
            self._settled += len(heard)
        alternatives = (Alternative(words),) if words else ()
        return Hypothesis(alternatives, is_final=is_final, processed=self._reader.position)

    async def abandon(self, *, is_stalled: bool = False) -> None:
        self.is_abandoned = True
        self.is_stalled = is_stalled
        self.left_at = now()


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


@dataclass(kw_only=True)
class Harness:
    """Speaks to one recognition and keeps what it reports, and when it began and ended."""

    script: list[Callable[[RecognitionOptions], HearingStream]]
    order: OpenStream = UTTERANCE
    response_times: ResponseTimes = field(default_factory=ResponseTimes)
    limits: RecognitionLimits = field(default_factory=RecognitionLimits)
    reports: list[HypothesisReceived | RecognitionFailed | FellBehind] = field(default_factory=list)
    began = ended = 0.0

    def __post_init__(self) -> None:
        self.recognizer = ScriptedRecognizer(script=self.script)  # type: ignore[arg-type]
        self.recognition = Recognition(self.order, self.reports.append, lambda: None, self.limits, self.response_times)

    async def speak(self, pcm: bytes, *, pause_seconds: float = PIECE_SECONDS) -> None:
        """Say it at its own speed, or with other pauses between the pieces; 0.0 for all at once."""
        await self.say(*(part for piece in cut(pcm, PIECE_BYTES) for part in (piece, pause_seconds)))

    async def say(self, *parts: bytes | float) -> None:
        """Say it with pauses of so many seconds."""
        self.began = now()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recognize())
            for part in parts:
                if isinstance(part, float):
                    await asyncio.sleep(part)
                else:
                    self.recognition.add(part)
            self.recognition.finish()
        assert all(stream.is_abandoned for stream in self.streams)

    async def _recognize(self) -> None:
        await self.recognition.run(self.recognizer)
        self.ended = now()

    @property
    def lives(self) -> list[float]:
        """How long each stream was there."""
        return [stream.left_at - stream.opened_at for stream in self.streams]

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
LONG = silence(200) + numbered_speech([4] * 12) + silence(1000)


async def test_a_stream_that_fails_is_begun_again_and_no_word_is_lost_or_said_twice() -> None:
    harness = Harness(script=[failing_at(5), failing_at(1), HearingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))
    assert [stream.pcm for stream in harness.streams][-1] == SPEECH


async def test_what_a_recognizer_settled_is_not_sent_again() -> None:
    harness = Harness(
        script=[lambda options: HearingStream(options, fails_at=11, settles_at_ms=PAUSE_MS - 200), HearingStream]
    )
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))
    times = [(word.start, word.end) for word in harness.hypotheses[-1].best.words]
    assert times == sorted(times)
    assert len(harness.streams[1].pcm) < len(SPEECH) - 4 * SAMPLE_RATE // 4 * SAMPLE_BYTES


async def test_text_that_was_shown_does_not_shrink_while_a_new_attempt_catches_up() -> None:
    harness = Harness(script=[failing_at(8), HearingStream])
    await harness.speak(SPEECH)
    shown = [len(hypothesis.best.words) for hypothesis in harness.hypotheses]
    assert shown == sorted(shown)


@pytest.mark.parametrize("fails_at", [-1, -2])
async def test_a_stream_that_fails_after_its_last_audio_is_settled_once(fails_at: int) -> None:
    harness = Harness(script=[failing_at(fails_at), HearingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))
    # With the final in hand nothing has to be asked again.
    assert len(harness.streams) == (2 if fails_at == -1 else 1)


async def test_a_refusal_for_good_is_not_tried_again() -> None:
    harness = Harness(script=[failing_at(3, REFUSED), HearingStream])
    await harness.speak(SPEECH)
    assert harness.reports[-1] == RecognitionFailed(1, 0)
    assert len(harness.streams) == 1


async def test_what_was_settled_before_all_failed_is_not_lost() -> None:
    order = OpenStream(1, UTTERANCE.options)
    harness = Harness(
        script=[lambda options: HearingStream(options, fails_at=12, settles_at_ms=400, error=REFUSED)], order=order
    )
    await harness.speak(SPEECH)
    failed = harness.reports[-1]
    assert isinstance(failed, RecognitionFailed)
    first_group_end = (200 + 4 * 250) * SAMPLE_RATE // 1000
    assert first_group_end <= failed.settled <= first_group_end + PAUSE_MS * SAMPLE_RATE // 1000


async def test_a_recognizer_that_fails_of_the_same_audio_again_and_again_is_given_up() -> None:
    harness = Harness(script=[failing_at(2)])
    await harness.speak(SPEECH, pause_seconds=0.0)
    assert isinstance(harness.reports[-1], RecognitionFailed)
    opened = [stream.opened_at for stream in harness.streams]
    pauses = [second - first for first, second in pairwise(opened)]
    # The second one got further than the first: sound that has gathered is sent in larger parts.
    assert pauses == pytest.approx([0.05, 0.05, 0.1, 0.2, 0.4, 0.8])


async def test_a_recognizer_that_stalls_in_mid_speech_is_left_for_a_new_attempt() -> None:
    harness = Harness(script=[FrozenStream, HearingStream])
    await harness.speak(LONG)
    assert harness.numbers == list(range(48))
    assert [stream.is_stalled for stream in harness.streams] == [True, False]
    # A second of sound is there after four messages, and deserves an answer within five.
    assert harness.lives[0] == 0.75 + 5


async def test_one_that_answers_without_words_is_not_stalled() -> None:
    harness = Harness(script=[AcknowledgingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))
    assert len(harness.streams) == 1


async def test_one_that_stalls_after_the_last_audio_is_left_too() -> None:
    harness = Harness(script=[FrozenStream, FrozenStream, HearingStream])
    await harness.speak(SPEECH[: SAMPLE_RATE * SAMPLE_BYTES // 2])
    assert harness.numbers == [0]
    assert [stream.is_stalled for stream in harness.streams] == [True, True, False]
    assert harness.lives[:2] == pytest.approx([0.5 + 5, 10])


async def test_one_that_never_says_final_nor_ends_is_given_up_with_its_text_at_the_limit() -> None:
    harness = Harness(script=[InterimStream])
    await harness.speak(SPEECH)
    assert harness.reports[-1] == RecognitionFailed(1, 0, is_only_final_owed=True)
    assert spoken_numbers(harness.hypotheses[-1].best.transcript) == list(range(8))
    assert harness.ended - harness.began == 3.5 + 20
    assert harness.lives == pytest.approx([3.5 + 5, 10, 20 - 5 - 0.05 - 10 - 0.1])


async def test_after_three_utterances_without_a_final_no_more_than_the_stall_limit_is_waited() -> None:
    response_times = ResponseTimes()
    waits = []
    for _ in range(4):
        harness = Harness(script=[InterimStream], response_times=response_times)
        await harness.speak(SPEECH)
        assert harness.reports[-1] == RecognitionFailed(1, 0, is_only_final_owed=True)
        waits.append(harness.ended - harness.began - 3.5)
    assert waits == [20, 20, 20, 5]


async def test_one_that_ended_three_streams_without_a_final_is_taken_at_its_word() -> None:
    class EndingStream(HearingStream):
        """Says what it heard and ends as if all was well, without a final."""

        async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
            async for answer in super().hypotheses():
                if isinstance(answer, Hypothesis) and not answer.is_final:
                    yield answer

    harness = Harness(script=[EndingStream])
    await harness.speak(SPEECH)
    assert (harness.numbers, len(harness.streams)) == (list(range(8)), 3)
    again = Harness(script=[EndingStream], response_times=harness.response_times)
    await again.speak(SPEECH)
    assert (again.numbers, len(again.streams)) == (list(range(8)), 1)


def settling_after(seconds: float) -> Callable[[RecognitionOptions], HearingStream]:
    """Make streams that say at once what they hear, without the last word, and the final so long after the end."""

    class LateFinalStream(HearingStream):
        async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
            async for answer in super().hypotheses():
                if isinstance(answer, Hypothesis) and not answer.is_final:
                    yield replace(answer, alternatives=(Alternative(answer.best.words[:-1]),))
                else:
                    await asyncio.sleep(seconds)
                    yield answer

    return LateFinalStream


@pytest.mark.parametrize(("seconds", "streams", "waited"), [(4.5, 1, 4.5), (7, 2, 5.05 + 7), (9.5, 2, 5.05 + 9.5)])
async def test_one_whose_finals_are_slow_is_waited_for(seconds: float, streams: int, waited: float) -> None:
    harness = Harness(script=[settling_after(seconds)])
    await harness.speak(SPEECH)
    assert (harness.numbers, len(harness.streams)) == (list(range(8)), streams)
    assert harness.ended - harness.began == pytest.approx(3.5 + waited)
    again = Harness(script=[settling_after(seconds)], response_times=harness.response_times)
    await again.speak(SPEECH)
    assert (again.numbers, len(again.streams)) == (list(range(8)), 1)


async def test_a_final_that_comes_after_the_limit_is_given_up_and_the_next_is_waited_for_all_along() -> None:
    harness = Harness(script=[settling_after(16)])
    await harness.speak(SPEECH)
    assert harness.reports[-1] == RecognitionFailed(1, 0, is_only_final_owed=True)
    again = Harness(script=[settling_after(16)], response_times=harness.response_times)
    await again.speak(SPEECH)
    assert again.numbers == list(range(8))


async def test_one_whose_finals_are_known_to_be_quick_is_left_after_two_seconds() -> None:
    response_times = ResponseTimes()
    await Harness(script=[HearingStream], response_times=response_times).speak(SPEECH)
    harness = Harness(script=[settling_after(100), HearingStream], response_times=response_times)
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))
    assert harness.lives[0] == 3.5 + 2


class EarlyStream(HearingStream):
    """Ends as if all was well when the audio ends, and settles nothing."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
        while await self._pieces.get() is not None:
            yield Acknowledged()


async def test_one_that_ends_without_a_final_is_asked_again() -> None:
    harness = Harness(script=[EarlyStream, HearingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))


class BriefStream(HearingStream):
    """Ends as if all was well when the audio ends, after its first words."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
        async for answer in super().hypotheses():
            if isinstance(answer, Hypothesis) and answer.processed < SAMPLE_RATE:
                yield answer


async def test_one_that_ends_in_mid_sentence_is_asked_until_it_has_said_all() -> None:
    harness = Harness(script=[BriefStream] * 4 + [HearingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))


async def test_unsettled_text_is_not_taken_for_the_final_though_it_comes_with_the_last_position() -> None:
    class HastyStream(HearingStream):
        """Ends as if all was well when the audio ends; its last interim lacks a word."""

        async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
            async for answer in super().hypotheses():
                if isinstance(answer, Hypothesis) and not answer.is_final:
                    yield replace(answer, alternatives=(Alternative(answer.best.words[:-1]),))

    harness = Harness(script=[HastyStream, HastyStream, HearingStream])
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
            while await self._pieces.get() is not None:
                pass

    harness = Harness(script=[EarlyFinalStream, EarlyFinalStream, HearingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))


async def test_one_that_never_has_anything_to_say_is_believed_in_the_end() -> None:
    harness = Harness(script=[EarlyStream])
    await harness.speak(SPEECH)
    assert harness.numbers == []
    assert [hypothesis.is_final for hypothesis in harness.hypotheses] == [True]
    assert len(harness.streams) == 3


async def test_without_a_final_in_time_the_stream_is_given_up() -> None:
    harness = Harness(script=[FrozenStream])
    await harness.speak(SPEECH)
    assert harness.reports == [RecognitionFailed(1, 0)]
    assert harness.ended - harness.began == 3.5 + 20


async def test_after_a_stall_the_next_attempt_is_given_twice_the_time() -> None:
    harness = Harness(script=[FrozenStream])
    await harness.speak(SPEECH, pause_seconds=0.0)
    assert harness.lives == pytest.approx([5, 10, 20 - 5 - 0.05 - 10 - 0.1])
    assert [stream.is_stalled for stream in harness.streams] == [True, True, False]


class SlowStream(HearingStream):
    """Answers after half a second, until it has heard a second; then never again."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
        async for answer in super().hypotheses():
            if isinstance(answer, Hypothesis) and answer.processed > SAMPLE_RATE:
                await asyncio.Event().wait()
            await asyncio.sleep(0.5)
            yield answer


async def test_one_whose_quickness_is_known_is_given_six_times_as_long() -> None:
    harness = Harness(script=[SlowStream, HearingStream])
    # Each part is answered before the next, and four answers are enough to know it.
    await harness.say(*(part for piece in cut(SPEECH, PIECE_BYTES)[:8] for part in (piece, 0.5)), 60.0)
    # The second of sound that nobody answers is complete with the eighth part.
    assert harness.lives[0] == 7 * 0.5 + 6 * 0.5
    assert harness.numbers == [0, 1, 2, 3]


class ClosedRecognizer(ScriptedRecognizer):
    """Is reachable, and opens no stream."""

    async def open(self, options: RecognitionOptions) -> CountingStream:
        self.script.append(CountingStream)
        await asyncio.Event().wait()
        raise AssertionError


async def test_one_that_opens_no_stream_is_asked_again_after_ten_seconds() -> None:
    harness = Harness(script=[])
    harness.recognizer = recognizer = ClosedRecognizer(script=[])
    await harness.speak(SPEECH, pause_seconds=10.0)
    assert harness.reports == [RecognitionFailed(1, 0)]
    # Half a minute without any progress is enough.
    assert harness.ended - harness.began == pytest.approx(3 * 10 + 0.05 + 0.1)
    assert len(recognizer.script) == 3


async def test_where_the_recognizer_finds_the_endpoints_only_what_is_not_settled_is_sent_again() -> None:
    harness = Harness(script=[failing_at(14), HearingStream], order=CONTINUOUS)
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))
    first, second, end = (hypothesis for hypothesis in harness.hypotheses if hypothesis.is_final)
    assert (first.is_segment_final, second.is_segment_final, end.is_segment_final) == (True, True, False)
    assert second.best.words[0].start > first.best.words[-1].end


async def test_a_stream_without_end_is_begun_anew_at_the_first_pause_after_four_minutes() -> None:
    harness = Harness(script=[HearingStream], order=CONTINUOUS)
    first, second, third, last = (numbered_speech([1], number) + silence(PAUSE_MS) for number in range(4))
    await harness.say(first, 239.5, second, 0.5, third, 60.0, last)
    assert harness.numbers == [0, 1, 2, 3]
    assert len(harness.streams[0].pcm) == len(first + second + third) + 7 * KEPT_ALIVE_BYTES
    assert harness.lives == [240, 60]


async def test_no_stream_begins_or_ends_in_the_middle_of_a_word() -> None:
    # So slowly that four minutes pass again and again.
    harness = Harness(script=[HearingStream], order=CONTINUOUS)
    await harness.speak(LONG, pause_seconds=20.0)
    assert harness.numbers == list(range(48))
    assert len(harness.streams) > 5
    # Left at pauses, not ended before all was sent.
    assert all(LONG.endswith(stream.pcm) for stream in harness.streams if stream.is_finished)


async def test_one_that_settles_nothing_for_a_minute_is_ended_and_begun_anew() -> None:
    order = OpenStream(1, RecognitionOptions("en-US", finds_endpoints_ms=120_000))
    harness = Harness(script=[HearingStream], order=order)
    said = silence(200) + numbered_speech([4] * 40) + silence(1000)
    await harness.speak(said)
    assert sorted(harness.numbers) == list(range(160))
    assert all(stream.is_finished for stream in harness.streams)
    assert b"".join(stream.pcm for stream in harness.streams) == said
    assert [round(seconds) for seconds in harness.lives] == [60, 12]


async def test_no_more_is_sent_than_a_recognizer_can_follow() -> None:
    harness = Harness(script=[FrozenStream], order=CONTINUOUS)
    await harness.speak(LONG * 2, pause_seconds=0.0)
    assert 20 <= len(harness.streams[0].pcm) / SAMPLE_BYTES / SAMPLE_RATE <= 21
    assert isinstance(harness.reports[-1], RecognitionFailed)
    assert harness.ended - harness.began == 20


async def test_while_nothing_is_said_the_stream_is_kept_alive_with_silence() -> None:
    first, second = numbered_speech([2]), numbered_speech([2], first=2)
    harness = Harness(script=[HearingStream], order=CONTINUOUS)
    await harness.say(first, 29.0, second, 100.0)
    assert len(harness.streams[0].pcm) == len(first + second) + 3 * KEPT_ALIVE_BYTES
    assert harness.numbers == [0, 1, 2, 3]
    words = [word for hypothesis in harness.hypotheses if hypothesis.is_final for word in hypothesis.best.words]
    assert [word.start // (SAMPLE_RATE // 4) for word in words] == [0, 1, 2, 3]


# --- a recognizer that is full ---

FULL = RecognizerError("RESOURCE_EXHAUSTED: full", retryable=True, retry_after_seconds=2.0, is_full=True)


async def test_a_stream_that_is_refused_for_being_full_is_held_for_minutes_and_nothing_is_lost() -> None:
    harness = Harness(script=[failing_at(1, FULL)] * 200 + [HearingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))
    # The hint, and a quarter more at most.
    pauses = [second.opened_at - first.left_at for first, second in pairwise(harness.streams)]
    assert pauses == pytest.approx([2.5] * 200)
    assert harness.reports.count(FellBehind("the recognizer")) == 1
    assert not any(isinstance(report, RecognitionFailed) for report in harness.reports)


async def test_one_that_is_full_for_ten_minutes_without_a_break_is_given_up() -> None:
    harness = Harness(script=[failing_at(1, FULL)])
    await harness.speak(SPEECH)
    assert isinstance(harness.reports[-1], RecognitionFailed)
    assert 600 <= harness.ended - harness.began < 620


async def test_each_time_that_it_is_full_again_is_told() -> None:
    harness = Harness(script=[failing_at(1, FULL), failing_at(3, FULL), HearingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))
    assert harness.reports.count(FellBehind("the recognizer")) == 2


class WorkingStream(HearingStream):
    """Tells each second that it is at it, for so many seconds after the end of the audio."""

    seconds = 100

    async def hypotheses(self) -> AsyncIterator[Hypothesis | Acknowledged]:
        async for answer in super().hypotheses():
            if isinstance(answer, Hypothesis) and answer.is_final:
                for _ in range(self.seconds):
                    await asyncio.sleep(1)
                    yield Acknowledged(is_working=True)
            yield answer


async def test_one_that_says_that_it_is_at_work_is_waited_for_beyond_the_limit() -> None:
    harness = Harness(script=[WorkingStream])
    await harness.speak(SPEECH)
    assert harness.numbers == list(range(8))
    assert len(harness.streams) == 1


async def test_one_that_says_so_without_end_is_given_up() -> None:
    class EndlessStream(WorkingStream):
        seconds = 100_000

    harness = Harness(script=[EndlessStream])
    await harness.speak(SPEECH)
    assert isinstance(harness.reports[-1], RecognitionFailed)
    assert 600 <= harness.ended - harness.began < 640


class MeasuringStream(HearingStream):
    """Keeps the sizes of what it was sent."""

    def __init__(self, options: RecognitionOptions) -> None:
        super().__init__(options)
        self.sizes: list[int] = []

    async def send(self, pcm: bytes) -> None:
        self.sizes.append(len(pcm) // SAMPLE_BYTES)
        await super().send(pcm)


@pytest.mark.parametrize(("least_seconds", "sent_seconds"), [(0.05, 0.05), (0.2, 0.2)])
async def test_audio_is_sent_in_pieces_of_the_least_size(least_seconds: float, sent_seconds: float) -> None:
    limits = RecognitionLimits(least_send_samples=lambda: round(least_seconds * SAMPLE_RATE))
    streams = list[MeasuringStream]()

    def measured(options: RecognitionOptions) -> MeasuringStream:
        streams.append(MeasuringStream(options))
        return streams[-1]

    harness = Harness(script=[measured], limits=limits)
    await harness.say(*[part for _ in range(40) for part in (SPEECH[: SAMPLE_RATE // 40 * SAMPLE_BYTES], 0.025)])
    (stream,) = streams
    assert {size / SAMPLE_RATE for size in stream.sizes} == {sent_seconds}
    assert sum(stream.sizes) == SAMPLE_RATE
