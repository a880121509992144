"""Make words of a model's text and tokens: where each begins, and how sure it is; pure."""

import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from stream.engine.model.alignment import find_pauses, word_spans
from stream.engine.model.features import HOP_SAMPLES, Samples
from stream.engine.model.hypotheses import DecodedWord, Hypothesis
from vad import SAMPLE_RATE

# Tokens of models with byte fallback, such as `<0xE2>`, are bytes of a letter.
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
# Marks that some models write behind what was said: the end of an utterance, and of a backchannel such as "mhm".
END_MARKS = ("<EOU>", "<EOB>")
_UNKNOWN = "<unk>"
# A text whose model gives no probabilities has no confidence, which the protocol writes as 0.
_NO_CONFIDENCE = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedText:
    """The text of a model, with its tokens, when each was emitted, and its log probability; the last two may be empty.

    Times are in seconds from the start of the audio.
    """

    text: str
    tokens: Sequence[str]
    seconds: Sequence[float] = ()
    logprobs: Sequence[float] = ()

    @property
    def has_end_mark(self) -> bool:
        """Whether the model has marked the end of the utterance."""
        return any(mark in token for token in self.tokens[-1:] for mark in END_MARKS)


def hypothesis_of(tokenized: TokenizedText, unknown_logprob: float = 0.0) -> Hypothesis:
    """Return the words of a text, with confidences but without times.

    `unknown_logprob` is the mean log probability of a text whose model gives none. Models do not say the numbers of
    their tokens, so that those of the words are made of the letters.
    """
    texts = written_words(tokenized.text)
    groups = token_groups(texts, tokenized.tokens)
    has_logprobs = len(tokenized.logprobs) == len(tokenized.tokens) > 0
    words = []
    for text, group in zip(texts, groups, strict=True):
        confidence = _confidence(tokenized.logprobs, group) if has_logprobs else _NO_CONFIDENCE
        numbers = tuple(zlib.crc32(token.encode()) for token in tokenized.tokens[group.start : group.stop])
        words.append(DecodedWord(text=text, tokens=numbers or (zlib.crc32(text.encode()),), confidence=confidence))
    mean = math.fsum(tokenized.logprobs) / len(tokenized.logprobs) if has_logprobs else unknown_logprob
    return Hypothesis(tuple(words), mean, 1.0 if has_logprobs else _NO_CONFIDENCE)


def written_words(text: str) -> list[str]:
    """Return the words of a text as people write them, without the marks that models add."""
    for mark in (*END_MARKS, _UNKNOWN):
        text = text.replace(mark, " ")
    return text.split()


def token_groups(words: Sequence[str], tokens: Sequence[str]) -> list[range]:
    """Return which tokens each word consists of: one at least, and all in order.

    Tokens are counted by their letters. Where those are not the letters of the words, as with the bytes of some
    vocabularies, the words share the tokens by their lengths.
    """
    sizes = [len(token.strip()) for token in _decoded(tokens)]
    ends = list(accumulate(len(word) for word in words))
    n_letters = ends[-1] if ends else 0
    scale = sum(sizes) / n_letters if n_letters else 1.0
    begins = [0, *ends[:-1]]
    places = [0, *accumulate(sizes)]
    firsts: list[int] = []
    for begin in begins[: len(words)]:
        wanted = begin * scale
        first = next((index for index, place in enumerate(places[:-1]) if place >= wanted - 1e-6 and sizes[index]), 0)
        firsts.append(max(first, firsts[-1]) if firsts else 0)
    return [range(a, max(a + 1, b)) for a, b in zip(firsts, [*firsts[1:], len(tokens)], strict=True)] if words else []


def timed(hypothesis: Hypothesis, tokenized: TokenizedText, samples: Samples) -> Hypothesis:
    """Return the hypothesis with the times of its words in `float32[n_samples]`.

    A word begins where its first token was emitted and ends where the next one begins, both moved to the pauses of the
    audio. Of a model without times, words share the audio by their lengths first.
    """
    words = hypothesis.words
    if not words:
        return hypothesis
    if len(tokenized.seconds) == len(tokenized.tokens) > 0:
        groups = token_groups([word.text for word in words], tokenized.tokens)
        starts = [round(tokenized.seconds[group.start] * SAMPLE_RATE) for group in groups]
    else:
        starts = shared_starts([word.text for word in words], samples)
    spans = word_spans(samples, [word.text for word in words], starts, late_samples=0)
    placed = (
        DecodedWord(
            text=word.text, tokens=word.tokens, start_samples=start, end_samples=end, confidence=word.confidence
        )
        for word, (start, end) in zip(words, spans, strict=True)
    )
    return Hypothesis(tuple(placed), hypothesis.logprob, hypothesis.confidence_limit)


def shared_starts(words: Sequence[str], samples: Samples) -> list[int]:
    """Return where words begin if each takes as much of the sound between the pauses as it has of the letters."""
    is_sound = [True] * (len(samples) // HOP_SAMPLES + 1)
    for pause in find_pauses(samples):
        is_sound[pause.start_frames : pause.end_frames] = [False] * pause.n_frames
    frames = [frame for frame, has_sound in enumerate(is_sound) if has_sound]
    # The space between words takes time, too.
    letters = [len(word) + 1 for word in words]
    total = sum(letters)
    before = accumulate(letters[:-1], initial=0)
    return [frames[count * len(frames) // total] * HOP_SAMPLES if frames else 0 for count in before]


def _confidence(logprobs: Sequence[float], group: range) -> float:
    own = [logprobs[index] for index in group if index < len(logprobs)]
    return math.exp(min(0.0, math.fsum(own) / len(own))) if own else _NO_CONFIDENCE


def _decoded(tokens: Sequence[str]) -> list[str]:
    """Return the letters of each token; those of a letter in bytes are in the token of its first byte."""
    letters: list[str] = []
    pending = b""
    first = 0
    for index, token in enumerate(tokens):
        found = _BYTE.fullmatch(token.strip())
        letters.append("" if found or token.strip() in (*END_MARKS, _UNKNOWN) else token)
        if not found:
            pending = b""
            continue
        first = first if pending else index
        pending += bytes.fromhex(found[1])
        try:
            letters[first] = pending.decode()
        except UnicodeDecodeError:
            continue
        pending = b""
    return letters
