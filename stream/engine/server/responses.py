"""Build Riva's response messages from partials and finals."""

from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_common_pb2 as common

from stream.engine.model.hypotheses import DecodedWord, Hypothesis
from stream.engine.options import MOST_ALTERNATIVES
from stream.engine.recognition import Final
from stream.engine.server.text_style import TextStyle
from stream.engine.utterance import Partial
from vad import SAMPLE_RATE

_FIRST_PASS, _STABLE, _UNSTABLE = 1.0, 0.9, 0.1  # the stabilities that Riva's own pipelines give
_SAMPLES_PER_MS = SAMPLE_RATE // 1000
_AS_RECOGNIZED = TextStyle()


class ResponseBuilder:
    """Builds the responses of one call; after the first final with text each text begins with a space.

    Clients that concatenate the finals, and a partial after them, then get correct text.
    """

    def __init__(
        self,
        *,
        word_times: bool,
        most_alternatives: int = MOST_ALTERNATIVES,
        style: TextStyle = _AS_RECOGNIZED,
        separates_stable_words: bool = False,
    ) -> None:
        self._word_times = word_times
        self._most_alternatives = most_alternatives
        self._style = style
        self._separates_stable_words = separates_stable_words
        self._has_text = False

    def partial(
        self, partial: Partial, start_samples: int, request_id: common.RequestId | None
    ) -> asr.StreamingRecognizeResponse:
        """Return a partial of the utterance at `start_samples`: its text, which is empty if there is none yet.

        It is one result, as stable as its last words, because clients show one of several. If they are to be separate,
        stable words and the others have a result each, whose concatenation is the text. A first pass is one result with
        the stability 1.0, whose confidence is that of its end.
        """
        processed_seconds = (start_samples + partial.processed_samples) / SAMPLE_RATE
        stable, tail = self._style.text(partial.stable), self._style.text(partial.tail)
        tail = f" {tail}" if stable and tail else tail
        if partial.is_first_pass:
            parts = [(stable + tail, _FIRST_PASS)]
        elif stable and tail and self._separates_stable_words:
            parts = [(stable, _STABLE), (tail, _UNSTABLE)]
        else:
            parts = [(stable + tail, _STABLE if stable and not tail else _UNSTABLE)]
        # Of a text without punctuation nobody sees how it ends.
        has_confidence = partial.is_first_pass and self._style.punctuation
        confidence = partial.ending_confidence if has_confidence else 0.0
        texts = [self._spaced(parts[0][0]), *(text for text, _ in parts[1:])]
        results = [
            asr.StreamingRecognitionResult(
                alternatives=[asr.SpeechRecognitionAlternative(transcript=text, confidence=confidence)],
                stability=stability,
                audio_processed=processed_seconds,
            )
            for text, (_, stability) in zip(texts, parts, strict=True)
        ]
        return asr.StreamingRecognizeResponse(results=results, id=request_id)

    def whole(self, final: Final, request_id: common.RequestId | None) -> asr.StreamingRecognizeResponse:
        """Return the text of a final as a stable partial, for an utterance that ended before it had one."""
        text = final.hypotheses[0].text
        return self.partial(Partial(text, "", final.end_samples - final.start_samples), final.start_samples, request_id)

    def final(self, final: Final, request_id: common.RequestId | None) -> asr.StreamingRecognizeResponse:
        """Return a final as one result; without speech its only alternative has an empty transcript."""
        result = asr.StreamingRecognitionResult(
            alternatives=self._alternatives(final),
            is_final=True,
            stability=1.0,
            audio_processed=final.end_samples / SAMPLE_RATE,
        )
        return asr.StreamingRecognizeResponse(results=[result], id=request_id)

    def offline(self, finals: list[Final], request_id: common.RequestId | None) -> asr.RecognizeResponse:
        """Return one result for each utterance with speech."""
        results = [
            asr.SpeechRecognitionResult(
                alternatives=self._alternatives(final), audio_processed=final.end_samples / SAMPLE_RATE
            )
            for final in finals
            if final.hypotheses
        ]
        return asr.RecognizeResponse(results=results, id=request_id)

    def _alternatives(self, final: Final) -> list[asr.SpeechRecognitionAlternative]:
        if not final.hypotheses:
            return [asr.SpeechRecognitionAlternative(transcript="")]
        alternatives: dict[str, asr.SpeechRecognitionAlternative] = {}
        for hypothesis in final.hypotheses:
            written = self._style.hypothesis(hypothesis)
            # Several hypotheses may differ in punctuation alone.
            if written.text not in alternatives:
                alternatives[written.text] = asr.SpeechRecognitionAlternative(
                    transcript=self._spaced(written.text),
                    confidence=hypothesis.confidence,
                    words=self._words(written, final.start_samples),
                )
        self._has_text = self._has_text or any(alternatives)
        return list(alternatives.values())[: self._most_alternatives]

    def _spaced(self, text: str) -> str:
        return f" {text}" if text and self._has_text else text

    def _words(self, hypothesis: Hypothesis, start_samples: int) -> list[asr.WordInfo]:
        return [_word_info(word, start_samples) for word in hypothesis.words] if self._word_times else []


def _word_info(word: DecodedWord, start_samples: int) -> asr.WordInfo:
    return asr.WordInfo(
        word=word.text,
        start_time=(start_samples + word.start_samples) // _SAMPLES_PER_MS,
        end_time=(start_samples + word.end_samples) // _SAMPLES_PER_MS,
        confidence=min(1.0, word.confidence),
    )
