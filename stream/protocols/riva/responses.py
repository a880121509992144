"""The responses of Riva's recognition calls, from what the session emits."""

from collections.abc import Iterable

from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_common_pb2

from stream.session.events import Alternative, Settled, Unsettled, Word
from vad import SAMPLE_RATE

_SAMPLES_PER_MS = SAMPLE_RATE // 1000


class ResponseWriter:
    """Writes the responses of one call as serialized messages; `request_id` is what the client sent last."""

    def __init__(self, config: pb.RecognitionConfig, request_id: riva_common_pb2.RequestId | None) -> None:
        self.request_id = request_id
        self._language_code = config.language_code
        self._has_word_times = config.enable_word_time_offsets
        self._has_speakers = config.diarization_config.enable_speaker_diarization

    def interim(self, event: Unsettled) -> bytes:
        """Write unsettled text as one result."""
        result = pb.StreamingRecognitionResult(
            alternatives=[self._bare(event.hypothesis.best)],
            is_final=False,
            stability=event.hypothesis.stability,
            channel_tag=event.channel + 1,
            audio_processed=event.processed / SAMPLE_RATE,
        )
        return self._streaming(result)

    def final(self, event: Settled) -> bytes:
        """Write settled text as one result."""
        result = pb.StreamingRecognitionResult(
            alternatives=self._alternatives(event),
            is_final=True,
            stability=1.0,
            channel_tag=event.channel + 1,
            audio_processed=event.processed / SAMPLE_RATE,
        )
        return self._streaming(result)

    def whole(self, settled: Iterable[Settled]) -> bytes:
        """Write all settled text of a recording."""
        results = [
            pb.SpeechRecognitionResult(
                alternatives=self._alternatives(one),
                channel_tag=one.channel + 1,
                audio_processed=one.processed / SAMPLE_RATE,
            )
            for one in settled
        ]
        return bytes(pb.RecognizeResponse(results=results, id=self.request_id).SerializeToString())

    def _streaming(self, result: pb.StreamingRecognitionResult) -> bytes:
        response = pb.StreamingRecognizeResponse(results=[result], id=self.request_id)
        return bytes(response.SerializeToString())

    def _alternatives(self, event: Settled) -> list[pb.SpeechRecognitionAlternative]:
        return [self._full(one) for one in event.hypothesis.alternatives or (Alternative(),)]

    def _bare(self, alternative: Alternative) -> pb.SpeechRecognitionAlternative:
        return pb.SpeechRecognitionAlternative(transcript=alternative.transcript)

    def _full(self, alternative: Alternative) -> pb.SpeechRecognitionAlternative:
        words = [self._word(word) for word in alternative.words] if self._has_word_times else []
        return pb.SpeechRecognitionAlternative(
            transcript=alternative.transcript,
            confidence=alternative.confidence,
            words=words,
            language_code=[self._language_code] if self._language_code else [],
        )

    def _word(self, word: Word) -> pb.WordInfo:
        return pb.WordInfo(
            start_time=round(word.start / _SAMPLES_PER_MS),
            end_time=round(word.end / _SAMPLES_PER_MS),
            word=word.text,
            confidence=word.confidence,
            speaker_tag=word.speaker if self._has_speakers else 0,
            language_code=self._language_code,
        )
