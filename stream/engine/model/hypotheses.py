"""Owns what a decoder is asked for and what it heard: words with their tokens, readings, and those of one pass."""

import math
from dataclasses import dataclass, replace

from stream.engine.text.repetition import is_loop

Tokens = tuple[int, ...]

BEAM_SIZE = 5  # beam search finds one word in 200 that greedy search misses


@dataclass(frozen=True, slots=True)
class Search:
    """How readings are looked for.

    Every reading begins with the tokens `prefix`; `context` is what was said before the sound, or might be in it;
    at most `alternatives` readings come back, from a beam at least as wide; a beam of 1 is greedy search. No reading
    holds a token of `suppressed`; `most_tokens` bounds it after the prefix, None by the length of the sound.
    """

    prefix: Tokens = ()
    context: Tokens = ()
    alternatives: int = 1
    beam_size: int = BEAM_SIZE
    suppressed: Tokens = ()
    most_tokens: int | None = None

    @property
    def widened(self) -> "Search":
        """The same with all readings of the beam: what else the sound may be tells how sure a word is, at no cost."""
        return replace(self, alternatives=max(self.alternatives, self.beam_size))


PLAIN_SEARCH = Search()


@dataclass(frozen=True, slots=True)
class DecodedWord:
    """One word and its tokens; `start` and `end` are samples of the decoded sound, 0 when it was not aligned.

    `confidence` is the mean probability of its tokens, 0.0 when it was not aligned.
    """

    text: str
    tokens: Tokens
    start: int = 0
    end: int = 0
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One hypothesis of the decoder; `logprob` is the mean over its tokens, those of the prefix as if sure.

    Its confidence is at most `confidence_limit`.
    """

    words: tuple[DecodedWord, ...] = ()
    logprob: float = 0.0
    confidence_limit: float = 1.0

    @property
    def tokens(self) -> Tokens:
        return tuple(token for word in self.words for token in word.tokens)

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def has_words(self) -> bool:
        """Whether there is more in it than punctuation."""
        return any(letter.isalnum() for word in self.words for letter in word.text)

    @property
    def confidence(self) -> float:
        """From 0 to 1: the mean probability of the tokens if they were aligned, else what the score says."""
        n_tokens = len(self.tokens)
        aligned = sum(word.confidence * len(word.tokens) for word in self.words)
        return min(self.confidence_limit, aligned / n_tokens if aligned else math.exp(self.logprob))


@dataclass(frozen=True, slots=True)
class Decoding:
    """What one pass of the decoder heard, best reading first; at least one reading."""

    readings: tuple[Reading, ...]
    no_speech_prob: float
    language: str

    @property
    def best(self) -> Reading:
        return self.readings[0]

    @property
    def ranked(self) -> "Decoding":
        """The same for those who read the alternatives: the best reading, then the others by falling confidence.

        The decoder's search finds the best reading better than the confidences of its words do, so no other is surer
        than that one. Loops, readings without a word, and what was read already are no alternatives.
        """
        others = list({other.text: other for other in reversed(self.readings) if other.has_words}.values())
        others = [other for other in others if other.text != self.best.text and not is_loop(other.text)]
        others.sort(key=lambda other: -other.confidence)
        limited = (replace(other, confidence_limit=self.best.confidence) for other in others)
        return replace(self, readings=(self.best, *limited))
