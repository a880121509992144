"""Build Riva's responses from transcripts, changed by the faults that garble them."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from riva.client.proto import riva_asr_pb2 as pb

from tests.hostile.riva.faults import (
    Duplicate,
    EmptyResponses,
    Fault,
    FirstPass,
    LatePartial,
    NegativeConfidence,
    Reorder,
    Spaces,
    Split,
)
from tests.hostile.riva.recognition import Transcript
from vad import SAMPLE_RATE

_SAMPLES_PER_MS = SAMPLE_RATE // 1000
_CONFIDENCE = 0.9
_LOG_CONFIDENCE = -0.3
_STABLE = 0.9
_FIRST_PASS = 1.0


class Wording:
    """Builds the responses of one call in order; `stability` is that of its interims."""

    def __init__(self, faults: Sequence[Fault] = (), *, stability: float = 0.1) -> None:
        self._kinds = {type(fault) for fault in faults}
        self._after = next((fault for fault in faults if isinstance(fault, LatePartial)), None)
        self._stability = stability
        self._confidence = _LOG_CONFIDENCE if NegativeConfidence in self._kinds else _CONFIDENCE
        self._previous: pb.StreamingRecognizeResponse | None = None

    def responses(self, transcript: Transcript) -> list[pb.StreamingRecognizeResponse]:
        if transcript.is_final:
            response = pb.StreamingRecognizeResponse(results=[self._final(transcript)])
            responses, self._previous = [response], None
            if self._after is not None and transcript.words:
                later = replace(transcript, position=transcript.position + self._after.after_ms * _SAMPLES_PER_MS)
                responses.append(pb.StreamingRecognizeResponse(results=self._interims(later)))
        else:
            response = pb.StreamingRecognizeResponse(results=self._interims(transcript))
            responses = [response]
            if Reorder in self._kinds and self._previous is not None:
                responses.append(self._previous)
            self._previous = response
        if EmptyResponses in self._kinds:
            responses = list(itertools.chain.from_iterable((pb.StreamingRecognizeResponse(), r) for r in responses))
        copies = 2 if Duplicate in self._kinds else 1
        return [response for response in responses for _ in range(copies)]

    def _final(self, transcript: Transcript) -> pb.StreamingRecognitionResult:
        alternative = self._alternative(f"w{word.number}" for word in transcript.words)
        alternative.confidence = self._confidence
        for word in transcript.words:
            alternative.words.add(
                word=f"w{word.number}",
                start_time=word.start // _SAMPLES_PER_MS,
                end_time=-(-word.end // _SAMPLES_PER_MS),
                confidence=self._confidence,
            )
        return pb.StreamingRecognitionResult(
            alternatives=[alternative], is_final=True, audio_processed=transcript.position / SAMPLE_RATE
        )

    def _interims(self, transcript: Transcript) -> list[pb.StreamingRecognitionResult]:
        """Return one or several results; without words there is one with the processed audio only."""
        words = [f"w{word.number}" for word in transcript.words]
        if not words:
            return [self._interim(transcript)]
        if Split in self._kinds and len(words) > 1:
            half = len(words) // 2
            first, second = self._alternative(words[:half]), self._alternative(words[half:])
            second.transcript = f" {second.transcript}"
            results = [self._interim(transcript, first, _STABLE), self._interim(transcript, second)]
        else:
            results = [self._interim(transcript, self._alternative(words))]
        if FirstPass in self._kinds:
            results.append(self._interim(transcript, self._alternative(words), _FIRST_PASS))
        return results

    def _interim(
        self,
        transcript: Transcript,
        alternative: pb.SpeechRecognitionAlternative | None = None,
        stability: float | None = None,
    ) -> pb.StreamingRecognitionResult:
        return pb.StreamingRecognitionResult(
            alternatives=[alternative] if alternative else [],
            stability=self._stability if stability is None else stability,
            audio_processed=transcript.position / SAMPLE_RATE,
        )

    def _alternative(self, words: Iterable[str]) -> Any:
        text = " ".join(words)
        return pb.SpeechRecognitionAlternative(transcript=f"  {text} " if Spaces in self._kinds else text)
