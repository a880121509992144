"""The input and output of a decoder: search options, words with their tokens, hypotheses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stream.engine.model.repetition import is_repetitive
from stream.words import ends_sentence

Tokens = tuple[int, ...]

BEAM_SIZE = 5  # beam search finds one word in 200 that greedy search misses


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The options of a search for hypotheses.

    Every hypothesis begins with the tokens `prefix`. `context` is text from before the audio, or text that may be in
    it. At most `alternatives` hypotheses are returned, from a beam at least as wide; a beam of 1 is greedy search. No
    hypothesis contains a token of `suppressed`, or more than `most_tokens` after the prefix; None derives that from
    the length of the audio. A draft is a search in audio that still grows: short audio gets less padding then, which is
    a third of the work and repeats more texts. `is_padded_fully` gives it the padding that the model was trained with.
    """

    prefix: Tokens = ()
    context: Tokens = ()
    alternatives: int = 1
    beam_size: int = BEAM_SIZE
    suppressed: Tokens = ()
    most_tokens: int | None = None
    is_draft: bool = False
    is_padded_fully: bool = False

    @property
    def widened(self) -> "Search":
        """The same search, returning the whole beam: the other hypotheses improve word confidences at no cost."""
        return replace(self, alternatives=max(self.alternatives, self.beam_size))


PLAIN_SEARCH = Search()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedWord:
    """One word and its tokens; its times in the decoded audio and its confidence are 0 unless it was aligned."""

    text: str
    tokens: Tokens
    start_samples: int = 0
    end_samples: int = 0
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One hypothesis of the decoder; `logprob` is the mean over its tokens, with 0 for those of the prefix.

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
        """Whether it contains more than punctuation."""
        return any(letter.isalnum() for word in self.words for letter in word.text)

    @property
    def confidence(self) -> float:
        """From 0 to 1: the mean confidence over the tokens if they were aligned, else from `logprob`."""
        n_tokens = len(self.tokens)
        aligned = sum(word.confidence * len(word.tokens) for word in self.words)
        return min(self.confidence_limit, aligned / n_tokens if aligned else math.exp(self.logprob))


@dataclass(frozen=True, slots=True)
class Decoding:
    """The result of one decode: at least one hypothesis, the best first.

    `ending_confidence` is from 0 to 1 how sure it is that the best one ends with a sentence, or that it does not; 0.0
    where it was not computed.
    """

    hypotheses: tuple[Hypothesis, ...]
    no_speech_prob: float
    language: str
    ending_confidence: float = 0.0

    @property
    def best(self) -> Hypothesis:
        return self.hypotheses[0]

    @property
    def ranked(self) -> "Decoding":
        """The same with alternatives for clients: the best hypothesis, then the others by falling confidence.

        The search is a better judge of the best hypothesis than word confidences are, so no alternative has a higher
        confidence. Repetitive hypotheses, those without words and duplicates are left out.
        """
        others = list({other.text: other for other in reversed(self.hypotheses) if other.has_words}.values())
        others = [
            other for other in others if other.text != self.best.text and not _is_loop(other.text, self.best.text)
        ]
        others.sort(key=lambda other: -other.confidence)
        limited = (replace(other, confidence_limit=self.best.confidence) for other in others)
        return replace(self, hypotheses=(self.best, *limited))


def _is_loop(text: str, best: str) -> bool:
    """Whether a text repeats itself; in digits, only if it has more of them than the best: "1999" may be a year."""
    if is_repetitive(text):
        return True
    spaced = "".join(f" {letter} " if letter.isdigit() else letter for letter in text)
    return sum(map(str.isdigit, text)) > sum(map(str.isdigit, best)) and is_repetitive(spaced)


def ending_confidence(hypotheses: Sequence[Hypothesis]) -> float:
    """Return which share of the probability of a beam ends like its best hypothesis: with a sentence, or without one.

    It is 0.0, unknown, for less than two hypotheses.
    """
    if len(hypotheses) < 2:
        return 0.0
    ends = [ends_sentence(one.text) for one in hypotheses]
    # A score is the mean over the tokens and the end of the text.
    totals = [one.logprob * (len(one.tokens) + 1) for one in hypotheses]
    shares = [math.exp(total - max(totals)) for total in totals]
    return sum(share for share, end in zip(shares, ends, strict=True) if end == ends[0]) / sum(shares)
