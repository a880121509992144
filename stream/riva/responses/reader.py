"""Convert Riva's responses to hypotheses; pure."""

import math
from collections.abc import Iterable
from itertools import takewhile

from riva.client.proto import riva_asr_pb2 as pb

from stream.riva.responses.words import scale, timed_words, words_in
from stream.session.events import Alternative, Hypothesis, RecognitionOptions, untimed_word
from stream.session.stable_prefix import Agreement
from vad import SAMPLE_RATE

# The stability of Riva's first-pass hypothesis of the whole utterance, which must not be concatenated.
_WHOLE_UTTERANCE_STABILITY = 1.0
# The embedded engine marks stable words with 0.9, which is a little less in single precision.
_STABLE_STABILITY = 0.89


class ResponseReader:
    """Converts the responses of one stream to hypotheses, each for the audio after the last final one.

    Stable words are those of the server if it promises them, else those on which hypotheses agreed for a while.
    """

    def __init__(self, options: RecognitionOptions, *, promises_stable_words: bool = False) -> None:
        self._most_alternatives = options.max_alternatives
        self._agreement = None if promises_stable_words else Agreement()

    def read(self, response: pb.StreamingRecognizeResponse) -> list[Hypothesis]:
        """Return the finals of a response, then its unsettled text; [] for an empty response."""
        finals = [self._final(result) for result in response.results if result.is_final]
        if finals and self._agreement is not None:
            self._agreement = Agreement()
        interim = [result for result in response.results if not result.is_final and result.alternatives]
        whole = [result for result in interim if result.stability == _WHOLE_UTTERANCE_STABILITY]
        return finals + ([self._unsettled(whole[-1:] or interim, is_whole=bool(whole))] if interim else [])

    def _final(self, result: pb.StreamingRecognitionResult) -> Hypothesis:
        spoken = [alternative for alternative in _alternatives(result) if alternative.words]
        alternatives = tuple(spoken[: self._most_alternatives])
        return Hypothesis(alternatives, is_final=True, stability=1.0, processed=_samples(result))

    def _unsettled(self, results: list[pb.StreamingRecognitionResult], *, is_whole: bool) -> Hypothesis:
        spoken = words_in(_joined(results))
        processed = max(map(_samples, results))
        if self._agreement is None:
            stable = words_in(_joined(takewhile(_is_stable, results)))
            stable_words = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(stable, spoken, strict=False)))
        else:
            stable_words = self._agreement.stable_words(spoken, processed)
        words = tuple(map(untimed_word, spoken))
        confidence = _probability(results[-1].alternatives[0].confidence) if is_whole else 0.0
        return Hypothesis(
            (Alternative(words, confidence),) if words else (),
            stability=min(result.stability for result in results),
            stable_words=stable_words,
            processed=processed,
            first_word=_first_word(results),
        )


def _is_stable(result: pb.StreamingRecognitionResult) -> bool:
    """Whether its words will not change: a first pass says only that they are all."""
    return bool(_STABLE_STABILITY <= result.stability < _WHOLE_UTTERANCE_STABILITY)


def _probability(confidence: float) -> float:
    """Return the confidence of an unsettled text; 0.0, unknown, for the scores that some models report."""
    return confidence if 0 <= confidence <= 1 else 0.0


def _samples(result: pb.StreamingRecognitionResult) -> int:
    """Return how many samples of the stream the server has processed; 0 if it does not say."""
    seconds = result.audio_processed
    return round(seconds * SAMPLE_RATE) if math.isfinite(seconds) and seconds > 0 else 0


def _first_word(results: Iterable[pb.StreamingRecognitionResult]) -> int:
    """Return the sample at which unsettled text begins; 0 if the server sends no times for it, as most do."""
    infos = (info for result in results for info in result.alternatives[0].words if info.end_time > 0)
    return max(0, next((info.start_time for info in infos), 0)) * SAMPLE_RATE // 1000


def _joined(results: Iterable[pb.StreamingRecognitionResult]) -> str:
    return "".join(result.alternatives[0].transcript for result in results)


def _alternatives(result: pb.StreamingRecognitionResult) -> tuple[Alternative, ...]:
    reported = [word.confidence for alternative in result.alternatives for word in alternative.words]
    confidence = scale([alternative.confidence for alternative in result.alternatives] + reported)
    return tuple(
        Alternative(timed_words(alternative, confidence), confidence(alternative.confidence))
        for alternative in result.alternatives
    )
