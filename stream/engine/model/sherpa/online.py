"""A streaming model of sherpa-onnx: it takes audio as it comes, and its text only grows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stream.engine.model.features import HOP_SAMPLES, WINDOW_SAMPLES, Samples
from stream.engine.model.hypotheses import Hypothesis
from stream.engine.model.languages import served_language
from stream.engine.model.sherpa.card import ModelCard
from stream.engine.model.sherpa.files import Kind
from stream.engine.model.sherpa.words import TokenizedText, hypothesis_of, timed
from vad import SAMPLE_RATE

# sherpa-onnx 2.0.1 reckons the times of all CTC models with four feature frames a token, which only zipformers have.
_ASSUMED_FRAMES = 4
# Silence behind the audio, in windows of the model: the first one completes the window that the audio ends in, and the
# second is what a model needs to write the last word, which comes up to a window late.
_TAIL_WINDOWS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timing:
    """The steps of a model: it takes `window_samples` first, and `shift_samples` more for each further step.

    The times that sherpa-onnx reckons are `time_scale` times as long.
    """

    window_samples: int
    shift_samples: int
    time_scale: float

    @classmethod
    def of(cls, card: ModelCard) -> "_Timing":
        metadata = card.metadata
        window_frames = int(metadata.get("window_size") or metadata["T"])
        shift_frames = int(metadata.get("chunk_shift") or metadata["decode_chunk_len"])
        is_nemo_ctc = card.kind is Kind.STREAMING_NEMO_CTC
        return cls(
            # sherpa-onnx waits for one frame behind the window; a frame is there when its 25 ms are, around its middle.
            window_samples=window_frames * HOP_SAMPLES + (HOP_SAMPLES + WINDOW_SAMPLES) // 2,
            shift_samples=shift_frames * HOP_SAMPLES,
            time_scale=int(metadata["subsampling_factor"]) / _ASSUMED_FRAMES if is_nemo_ctc else 1.0,
        )


class SherpaStreamingModel:
    """A loaded model, shared by all calls; the state of an utterance is in what `open` returns."""

    def __init__(self, card: ModelCard, recognizer: Any) -> None:
        self.name, self.languages, self.license = card.name, card.languages, card.license
        self._recognizer = recognizer
        self._timing = _Timing.of(card)

    def match_language(self, language_code: str) -> str | None:
        """Return the model's tag for a requested language, None if it serves none; see `served_language`."""
        return served_language(language_code, self.languages)

    def open(self, language: str = "") -> "SherpaStream":
        """Begin an utterance; such models have one language, or find it by themselves."""
        del language
        return SherpaStream(self._recognizer, self._timing)


class SherpaStream:
    """One utterance: audio is fed once, in pieces, and `finish` settles the text; used by one thread at a time."""

    def __init__(self, recognizer: Any, timing: _Timing) -> None:
        self._recognizer = recognizer
        self._stream = recognizer.create_stream()
        self._timing = timing
        self._steps = 0
        self._text = TokenizedText(text="", tokens=())
        self._hypothesis = Hypothesis()

    @property
    def due_samples(self) -> int:
        """With how many samples in all the model takes its next step."""
        return self._steps * self._timing.shift_samples + self._timing.window_samples

    @property
    def lookahead_samples(self) -> int:
        """After how much more audio the words of a sound are there."""
        return self._timing.window_samples

    @property
    def is_ended(self) -> bool:
        """Whether the model has marked the end of the utterance."""
        return self._text.has_end_mark

    def feed(self, samples: Samples) -> Hypothesis:
        """Take the next `float32[n_samples]` at 16 kHz and return the text so far."""
        self._stream.accept_waveform(SAMPLE_RATE, samples)
        has_decoded = False
        while self._recognizer.is_ready(self._stream):
            self._recognizer.decode_stream(self._stream)
            self._steps += 1
            has_decoded = True
        if has_decoded:
            result = self._recognizer.get_result_all(self._stream)
            if len(result.tokens) != len(self._text.tokens):
                seconds = [second * self._timing.time_scale for second in result.timestamps]
                self._text = TokenizedText(
                    text=result.text, tokens=result.tokens, seconds=seconds, logprobs=result.ys_probs
                )
                self._hypothesis = hypothesis_of(self._text)
        return self._hypothesis

    def finish(self, samples: Samples) -> Hypothesis:
        """Return the whole text with the times of its words; `samples` are all that were fed."""
        hypothesis = self.feed(np.zeros(_TAIL_WINDOWS * self._timing.window_samples, np.float32))
        self._stream.input_finished()
        return timed(hypothesis, self._text, samples)
