"""A model of sherpa-onnx that decodes complete audio: audio in, hypotheses with words out."""

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import PLAIN_SEARCH, Decoding, Hypothesis, Search
from stream.engine.model.languages import served_language
from stream.engine.model.sherpa.card import ModelCard
from stream.engine.model.sherpa.files import Kind
from stream.engine.model.sherpa.words import TokenizedText, hypothesis_of, timed
from vad import SAMPLE_RATE

# Convolutions need some frames, and Moonshine writes nothing for less than a tenth of a second.
_LEAST_SAMPLES = SAMPLE_RATE // 2
_GENERATIVE = frozenset({Kind.MOONSHINE, Kind.MOONSHINE_V2, Kind.WHISPER})
# Their language is a setting of a whole recognizer, which holds its own copy of the weights.
_MULTILINGUAL = frozenset({Kind.WHISPER, Kind.SENSE_VOICE})
_MOST_RECOGNIZERS = 2
# The mean log probability of a text that says nothing about its own: its audio has to be looked at.
_UNKNOWN_LOGPROB = -1.0


class SherpaModel:
    """A loaded model, shared by all calls: without state between calls, and thread-safe.

    `build` makes a recognizer for a language, "" to detect it. The first is made at once; raises what it raises.
    """

    def __init__(self, card: ModelCard, build: Callable[[str], Any]) -> None:
        self.name, self.languages, self.license = card.name, card.languages, card.license
        self.is_generative = card.kind in _GENERATIVE
        self._kind = card.kind
        self._build = build
        self._recognizers: dict[str, Any] = {}
        self._building = Lock()
        # sherpa-onnx's Whisper writes its settings into the shared decoder for every stream.
        self._decoding = Lock() if card.kind is Kind.WHISPER else None
        self._recognizer(self.match_language("") or "")

    def match_language(self, language_code: str) -> str | None:
        """Return the model's tag for a requested language, None if it serves none; see `served_language`."""
        return served_language(language_code, self.languages)

    def decode(
        self, samples: Samples, language: str = "", search: Search = PLAIN_SEARCH, *, align: bool = False
    ) -> Decoding:
        """Recognize `float32[n_samples]` at 16 kHz; blocks until done.

        The search is greedy, so that of the options of a search only `alternatives` matters: there is one hypothesis.
        """
        del search
        if not len(samples):
            return Decoding((Hypothesis(),), 0.0, language)
        recognizer = self._recognizer(language)
        stream = recognizer.create_stream()
        stream.accept_waveform(SAMPLE_RATE, np.pad(samples, (0, max(0, _LEAST_SAMPLES - len(samples)))))
        if self._decoding is None:
            recognizer.decode_stream(stream)
        else:
            with self._decoding:
                recognizer.decode_stream(stream)
        result = stream.result
        tokenized = TokenizedText(
            text=result.text, tokens=result.tokens, seconds=result.timestamps, logprobs=result.ys_log_probs
        )
        hypothesis = hypothesis_of(tokenized, _UNKNOWN_LOGPROB if self.is_generative else 0.0)
        if align:
            hypothesis = timed(hypothesis, tokenized, samples)
        return Decoding((hypothesis,), 0.0, self._language_of(result.lang) or language)

    def _recognizer(self, language: str) -> Any:
        """Return the recognizer for a language; of many only those of the latest languages are kept."""
        wanted = language if self._kind in _MULTILINGUAL else ""
        with self._building:
            recognizer = self._recognizers.pop(wanted, None) or self._build(wanted)
            self._recognizers[wanted] = recognizer
            while len(self._recognizers) > _MOST_RECOGNIZERS:
                del self._recognizers[next(iter(self._recognizers))]
        return recognizer

    def _language_of(self, written: str) -> str:
        """Return the tag of a detected language, which models write as `en` or `<|en|>`; "" for none of the model's."""
        tag = written.strip("<|>")
        return tag if tag in self.languages else ""
