import asyncio
from collections.abc import AsyncIterator

import pytest

from stream.recognition.recognition import RecognitionLimits
from stream.recognition.recognizer import RecognizerError
from stream.recordings.segmentation import Segment
from stream.recordings.segments import SegmentFailedError, recognize_segment, settled_of
from stream.session.events import (
    Alternative,
    Hypothesis,
    HypothesisReceived,
    RecognitionFailed,
    RecognitionOptions,
    Word,
)
from tests.support.recognizers import (
    WORD_SAMPLES,
    CountingStream,
    FailingStream,
    MuteStream,
    ScriptedRecognizer,
    counted,
)

_OPTIONS = RecognitionOptions("en-US", interim_results=False)
_SEGMENT = Segment(
    number=7, channel=1, start_samples=32_000, end_samples=32_000 + 4 * WORD_SAMPLES, pcm=bytes(8 * WORD_SAMPLES)
)


async def test_the_words_of_a_segment_lie_on_the_clock_of_its_recording() -> None:
    recognizer = ScriptedRecognizer()
    settled = await recognize_segment(recognizer, _SEGMENT, _OPTIONS, RecognitionLimits())
    assert settled.hypothesis.best.transcript == "w0 w1 w2 w3"
    assert [word.start for word in settled.hypothesis.best.words] == [32_000 + n * WORD_SAMPLES for n in range(4)]
    assert (settled.utterance_id, settled.channel, settled.start, settled.processed) == (
        7,
        1,
        32_000,
        _SEGMENT.end_samples,
    )
    assert recognizer.streams[0].pcm == _SEGMENT.pcm


async def test_a_recognizer_that_refuses_for_good_fails_the_segment() -> None:
    with pytest.raises(SegmentFailedError, match="segment 7 was given up"):
        await recognize_segment(ScriptedRecognizer(script=[FailingStream]), _SEGMENT, _OPTIONS, RecognitionLimits())


async def test_a_recognizer_that_says_nothing_fails_the_segment_in_time() -> None:
    limits = RecognitionLimits(final_seconds=0.1)
    async with asyncio.timeout(5):
        with pytest.raises(SegmentFailedError):
            await recognize_segment(ScriptedRecognizer(script=[MuteStream]), _SEGMENT, _OPTIONS, limits)


async def test_a_segment_that_fails_once_is_heard_again_from_its_beginning() -> None:
    class Breaking(CountingStream):
        async def hypotheses(self) -> AsyncIterator[Hypothesis]:
            await self._changed.wait()
            yield counted(WORD_SAMPLES, is_final=False)
            raise RecognizerError("UNAVAILABLE: away", retryable=True)

    recognizer = ScriptedRecognizer(script=[Breaking, CountingStream])
    settled = await recognize_segment(recognizer, _SEGMENT, _OPTIONS, RecognitionLimits())
    assert settled.hypothesis.best.transcript == "w0 w1 w2 w3"
    assert len(recognizer.streams) == 2


def heard(text: str, processed: int, *, is_segment_final: bool) -> HypothesisReceived:
    words = tuple(Word(word, 0, 0, 0.5) for word in text.split())
    alternatives = (Alternative(words, 0.5),) if words else ()
    return HypothesisReceived(
        7, Hypothesis(alternatives, is_final=True, is_segment_final=is_segment_final, processed=processed)
    )


def test_stretches_that_the_recognizer_settled_by_itself_become_one_utterance() -> None:
    stretches = [
        heard("one two", 2 * WORD_SAMPLES, is_segment_final=True),
        heard("three", 3 * WORD_SAMPLES, is_segment_final=True),
        heard("", 0, is_segment_final=False),
    ]
    settled = settled_of(_SEGMENT, stretches)
    assert settled.hypothesis.best.transcript == "one two three"
    starts = [word.start for word in settled.hypothesis.best.words]
    assert starts == sorted(starts)
    assert starts[2] == 32_000 + 2 * WORD_SAMPLES
    assert (settled.start, settled.processed) == (_SEGMENT.start_samples, _SEGMENT.end_samples)


def test_without_any_word_a_segment_is_settled_empty() -> None:
    silent = [heard("", WORD_SAMPLES, is_segment_final=True), heard("", 0, is_segment_final=False)]
    assert settled_of(_SEGMENT, silent).hypothesis.alternatives == ()


def test_a_segment_without_a_final_has_failed() -> None:
    with pytest.raises(SegmentFailedError, match="segment 7 got no final"):
        settled_of(_SEGMENT, [])
    with pytest.raises(SegmentFailedError, match="segment 7 was given up"):
        settled_of(_SEGMENT, [heard("one", WORD_SAMPLES, is_segment_final=True), RecognitionFailed(7, WORD_SAMPLES)])
