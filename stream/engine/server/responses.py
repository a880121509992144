"""Owns what is said to the caller: partials and finals as Riva's messages."""

from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_common_pb2 as common

from stream.engine.model.hypotheses import DecodedWord, Reading
from stream.engine.recognition import Final
from stream.engine.text.profanity import mask, mask_reading
from stream.engine.utterance import Partial
from vad import SAMPLE_RATE

_STABLE, _UNSTABLE = 0.9, 0.1  # the stabilities that Riva's own pipelines give
_SAMPLES_PER_MS = SAMPLE_RATE // 1000


class Speaker:
    """Writes the results of one call; after the first final with text each text begins with a space.

    So the finals read right when a client joins them with nothing in between, and so does a partial after them.
    Swear words are masked if asked.
    """

    def __init__(self, *, word_times: bool, masks_profanity: bool = False) -> None:
        self._word_times = word_times
        self._masks_profanity = masks_profanity
        self._has_spoken = False

    def partial(
        self, partial: Partial, utterance_start: int, request_id: common.RequestId | None
    ) -> asr.StreamingRecognizeResponse:
        """The words that are settled and those that are not, one result each; joined they are the text.

        One of them may be missing. Without any text the second is there, empty, to tell how far the sound was heard.
        """
        processed_seconds = (utterance_start + partial.heard_samples) / SAMPLE_RATE
        stable, tail = self._said(partial.stable), self._said(partial.tail)
        texts = self._spaced(stable), tail if stable else self._spaced(tail)
        results = [
            asr.StreamingRecognitionResult(
                alternatives=[asr.SpeechRecognitionAlternative(transcript=text)],
                stability=stability,
                audio_processed=processed_seconds,
            )
            for text, stability in zip(texts, (_STABLE, _UNSTABLE), strict=True)
            if text or (stability == _UNSTABLE and not partial.stable)
        ]
        return asr.StreamingRecognizeResponse(results=results, id=request_id)

    def whole(self, final: Final, request_id: common.RequestId | None) -> asr.StreamingRecognizeResponse:
        """The text of a final as a partial, all of it settled: for an utterance that ended before it had one."""
        text = final.readings[0].text
        return self.partial(Partial(text, "", final.end - final.start), final.start, request_id)

    def final(self, final: Final, request_id: common.RequestId | None) -> asr.StreamingRecognizeResponse:
        """One result; without speech its one alternative has an empty transcript."""
        result = asr.StreamingRecognitionResult(
            alternatives=self._alternatives(final),
            is_final=True,
            stability=1.0,
            audio_processed=final.end / SAMPLE_RATE,
        )
        return asr.StreamingRecognizeResponse(results=[result], id=request_id)

    def offline(self, finals: list[Final], request_id: common.RequestId | None) -> asr.RecognizeResponse:
        """One result for each utterance in which somebody spoke."""
        results = [
            asr.SpeechRecognitionResult(alternatives=self._alternatives(final), audio_processed=final.end / SAMPLE_RATE)
            for final in finals
            if final.readings
        ]
        return asr.RecognizeResponse(results=results, id=request_id)

    def _alternatives(self, final: Final) -> list[asr.SpeechRecognitionAlternative]:
        if not final.readings:
            return [asr.SpeechRecognitionAlternative(transcript="")]
        alternatives = [
            asr.SpeechRecognitionAlternative(
                transcript=self._spaced(reading.text),
                confidence=reading.confidence,
                words=self._words(reading, final.start),
            )
            for reading in map(self._masked, final.readings)
        ]
        self._has_spoken = True
        return alternatives

    def _said(self, text: str) -> str:
        return mask(text) if self._masks_profanity else text

    def _masked(self, reading: Reading) -> Reading:
        return mask_reading(reading) if self._masks_profanity else reading

    def _spaced(self, text: str) -> str:
        return f" {text}" if text and self._has_spoken else text

    def _words(self, reading: Reading, utterance_start: int) -> list[asr.WordInfo]:
        return [_word_info(word, utterance_start) for word in reading.words] if self._word_times else []


def _word_info(word: DecodedWord, utterance_start: int) -> asr.WordInfo:
    return asr.WordInfo(
        word=word.text,
        start_time=(utterance_start + word.start) // _SAMPLES_PER_MS,
        end_time=(utterance_start + word.end) // _SAMPLES_PER_MS,
        confidence=min(1.0, word.confidence),
    )
