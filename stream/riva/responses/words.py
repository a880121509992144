"""Read the words of a transcript with Riva's times and confidences; pure.

Some models report confidences as probabilities, others as scores: logarithms, or numbers on both sides of zero. One
server reported a sentence with -0.9994 and its words with -1.5961, -0.6129, -2.5625, -0.5912 and +0.36569.
"""

import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from riva.client.proto import riva_asr_pb2 as pb

from stream.session.events import Word
from stream.session.utterance import spread
from stream.words import WORDS_KEPT
from vad import SAMPLE_RATE

_SAMPLES_PER_MS = SAMPLE_RATE // 1000
# Marks that end a word or a sentence: Latin, Persian and Arabic, Indic, Chinese and Japanese.
_CLOSING = ".,?!;:…،؛؟۔।॥。，、？！；：．"
# The same without marks that may begin a word: ".NET", ".5".
_NEVER_FIRST = _CLOSING.translate({ord(mark): None for mark in ".…．"})
# Punctuation that is spoken: "rock & roll", "5 %".
_SPOKEN_MARKS = "&%@#*§°"
_SPOKEN_CATEGORIES = ("Sm", "Sc")
# More comparisons would block the event loop for too long; a minute of speech has some 200 words.
_MOST_PAIRS = 1_000_000
# A mean of single-precision probabilities may come out a little above 1.
_ROUNDING = 1e-5
# Beyond this exp() overflows, or a confidence becomes 0, which means unset.
_FURTHEST = 700.0

Scale = Callable[[float], float]


@dataclass(slots=True)
class _Group:
    """Tokens of the transcript, and Riva's words whose times they share."""

    tokens: list[str]
    infos: list[pb.WordInfo]


def words_in(transcript: str) -> list[str]:
    """Split a transcript at white space into words that have a letter, a digit or a spoken symbol.

    Marks at the beginning belong to an earlier utterance and are dropped. A separate closing mark is added to the word
    before it; other separate marks are dropped.
    """
    words: list[str] = []
    for token in transcript.split():
        if _is_spoken(token):
            words.append(token if words else token.lstrip(_NEVER_FIRST))
        elif words and not token.strip(_CLOSING) and words[-1][-1] not in _CLOSING:
            words[-1] += token
    return words


def timed_words(alternative: pb.SpeechRecognitionAlternative, confidence: Scale) -> tuple[Word, ...]:
    """Return the words of the transcript with the times, confidences and speakers of Riva's words.

    If their numbers differ, equal words are matched, and those between share the time between. Without any times the
    words have none.
    """
    tokens = words_in(alternative.transcript)
    spoken = [info for info in alternative.words if _is_spoken(info.word)]
    infos = [info for info in spoken if info.end_time > 0] or spoken
    if not infos:
        return tuple(Word(token) for token in tokens)
    return tuple(word for group in _groups(tokens, infos) for word in _placed(group, confidence))


@lru_cache(WORDS_KEPT)
def _is_spoken(token: str) -> bool:
    return any(
        letter.isalnum() or letter in _SPOKEN_MARKS or unicodedata.category(letter) in _SPOKEN_CATEGORIES
        for letter in token
    )


def _groups(tokens: list[str], infos: list[pb.WordInfo]) -> list[_Group]:
    if len(tokens) == len(infos):
        return [_Group([token], [info]) for token, info in zip(tokens, infos, strict=True)]
    if len(tokens) * len(infos) > _MOST_PAIRS:
        return [_Group(tokens, infos)]
    groups: list[_Group] = []
    early: list[str] = []
    for one in _matched(tokens, infos):
        if one.infos and one.tokens:
            groups.append(_Group(early + one.tokens, one.infos))
            early = []
        elif groups:  # without times of their own they share those of the words before, else those after
            groups[-1].tokens += one.tokens
        else:
            early += one.tokens
    return groups or [_Group(tokens, infos)]


def _matched(tokens: list[str], infos: list[pb.WordInfo]) -> list[_Group]:
    """Pair words that are equal except for case and punctuation; the words between are groups of several."""
    matcher = SequenceMatcher(
        None, [Word(token).key for token in tokens], [Word(info.word).key for info in infos], False
    )
    groups: list[_Group] = []
    for tag, first, last, first_info, last_info in matcher.get_opcodes():
        if tag == "equal":
            pairs = zip(tokens[first:last], infos[first_info:last_info], strict=True)
            groups += [_Group([token], [info]) for token, info in pairs]
        else:
            groups.append(_Group(tokens[first:last], infos[first_info:last_info]))
    return groups


def _placed(group: _Group, confidence: Scale) -> tuple[Word, ...]:
    start, end = (max(0, ms) * _SAMPLES_PER_MS for ms in (group.infos[0].start_time, group.infos[-1].end_time))
    mean = _mean([confidence(info.confidence) for info in group.infos])
    speaker = next((info.speaker_tag for info in group.infos if info.speaker_tag > 0), 0)
    words = tuple(Word(token, confidence=mean, speaker=speaker) for token in group.tokens)
    return spread(words, start, max(0, end - start)) if end else words


def _mean(confidences: Sequence[float]) -> float:
    """Return the mean of the confidences that are set."""
    known = [confidence for confidence in confidences if confidence]
    return sum(known) / len(known) if known else 0.0


def scale(reported: Iterable[float]) -> Scale:
    """Return a monotonic function from the values of one result to confidences from 0 to 1, 0.0 for unset.

    If one value is negative or above 1, all are scores and are mapped by the logistic function; otherwise they are
    probabilities and stay as they are.
    """
    is_score = any(value < 0 or value > 1 + _ROUNDING for value in reported)
    return _of_score if is_score else _of_probability


def _of_score(value: float) -> float:
    if not value or math.isnan(value):
        return 0.0
    return 1 / (1 + math.exp(-max(-_FURTHEST, min(value, _FURTHEST))))


def _of_probability(value: float) -> float:
    return 0.0 if math.isnan(value) else min(value, 1.0)
