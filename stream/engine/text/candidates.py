"""Owns the choice among a closed list of phrases: which of them the sound is, and whether it is any of them."""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import Decoding, Reading, Search, Tokens
from stream.engine.model.whisper import Encoded, Whisper
from stream.engine.text.phonetics import likeness, sounds, spoken
from stream.engine.text.repetition import is_loop
from stream.engine.text.speech_check import is_speech
from stream.vocabulary.vocabularies import VocabularyLanguageError, vocabulary
from vad import SAMPLE_RATE

# Measured on 67 clips of five vocabularies, clean and in white noise of 20 and 10 dB.
_READINGS = 5  # free ones, and ones made of the candidates' tokens alone; with 10 no more entries are found
_MOST_SCORED = 20  # the said entry is among them 96 times in 100 at 10 dB; 4 to 5 ms each
_SEQUENCES = 8  # single entries scored beside the sequences of an utterance of numbers
_FIRST_TOKEN = 0.12  # what its log probability weighs beside likeness: without it, 93 in 100
_UNHEARD = 0.7  # of the log probability in noise alone; 0.5 and 0.8 find fewer
_NOISE = 0.02  # of full scale
_LIKENESS = 6.0  # what likeness to a reading weighs in log evidence; 4 to 8 find the same
_SHARPNESS = 0.5
# Logistic regression of "said" against "something else was said" (100 against 550 utterances): by how much the entry
# is likelier than the free reading, likelier than in noise, like the free readings, and like those of its own tokens.
_KNOWN = np.array([0.16, 0.33, 5.2, 3.1])
_KNOWN_BIAS = -7.9  # the fit has -7.2; less believes fewer others, and fewer noisy entries
_COVERED = 0.3  # of the letters of a reading are the entry's: "um, yes please", "I work as a plumber"
_FEWEST_DIGITS = 10  # shorter lists of number words are menus, in which nobody says two entries
_SPECIAL_TOKENS = 1608  # how many every Whisper model has from the end of text on
_FLOOR = 1e-9

Numbers = NDArray[np.float64]


class Candidates:
    """A closed vocabulary: what is recognized is one of `phrases`, written as there; safe to share between threads.

    When all its words are number words, and there are ten or more phrases, an utterance may be several in a row.
    """

    def __init__(self, whisper: Whisper, phrases: Iterable[str]) -> None:
        self._whisper = whisper
        self._phrases = tuple(dict.fromkeys(phrases))

    def recognize(self, samples: Samples, language: str = "", *, alternatives: int = 1) -> Decoding:
        """Return the entries that `float32[n_samples]` may be, best first, with times; no readings when it is none.

        The confidence of a reading is how sure it is that the entry was said, against the others and anything else.
        """
        encoded, free = self._whisper.hear(samples, language, Search(alternatives=_READINGS))
        if not free.best.text:
            return replace(free, readings=())
        entries = _entries(self._whisper, self._phrases, encoded.language)
        chances = entries.chances(encoded, [reading.text for reading in free.readings if reading.text])
        best = sorted(chances.items(), key=lambda item: -item[1])[:alternatives]
        found = replace(free, readings=tuple(self._reading(encoded, entry, chance) for entry, chance in best))
        # "312" is too few tokens for so much voice, or "yes" for "yep, yes"; noise is too few by both.
        readings = (free.best, *(replace(reading, logprob=free.best.logprob) for reading in found.readings[:1]))
        is_said = any(is_speech(samples, replace(free, readings=(reading,))) for reading in readings)
        return found if is_said else replace(free, readings=())

    def _reading(self, encoded: Encoded, entry: str, chance: float) -> Reading:
        words = self._whisper.tokens.words(self._whisper.tokens.encode(" " + entry))
        aligned = self._whisper.align(encoded, Reading(words, math.log(max(chance, _FLOOR))))
        return replace(aligned, words=tuple(replace(word, confidence=chance) for word in aligned.words))


class _Entries:
    """What the choice needs to know of a list in one language; kept between calls, as tokens and priors cost time."""

    def __init__(self, whisper: Whisper, phrases: Sequence[str], language: str) -> None:
        self._whisper = whisper
        self.phrases = [phrase for phrase in phrases if spoken(phrase)]
        self._known = {spoken(phrase) for phrase in self.phrases}
        self._longest = max((len(phrase.split()) for phrase in self._known), default=0)
        self._in_a_row = len(self.phrases) >= _FEWEST_DIGITS and _are_numbers(self._known, language)
        self._sounds = sounds(self.phrases)
        self._firsts = [self._tokens(_written(phrase))[0] for phrase in self.phrases]
        end = whisper.tokens.end
        used = {token for phrase in self.phrases for text in _spellings(phrase) for token in self._tokens(text)}
        self._own = tuple(token for token in range(end) if token not in used)
        firsts = set(self._firsts)
        unused = (token for token in range(end + _SPECIAL_TOKENS) if token not in firsts)
        self._openings = Search(alternatives=max(1, len(firsts)), suppressed=tuple(unused), most_tokens=1)
        noise = np.random.default_rng(0).normal(0, _NOISE, SAMPLE_RATE).astype(np.float32)
        self._noise = whisper.encode(noise, language)
        self._unheard_firsts = self._first_tokens(self._noise)
        self._unheard: dict[str, float] = {}

    def chances(self, encoded: Encoded, free: Sequence[str]) -> dict[str, float]:
        """Return for the likeliest entries from 0 to 1 how sure it is that they were said."""
        search = Search(alternatives=_READINGS, suppressed=self._own)
        own = [reading.text for reading in self._whisper.generate(encoded, search).readings if reading.text]
        entries = self._likely(encoded, free, own) if self.phrases else []
        if not entries:
            return {}
        digits = self._are_digits(free[0])
        written = np.array([share if (share := _share(free[0], entry)) >= _COVERED else 0.0 for entry in entries])
        alike = [_likest(some, entries) for some in (free, own)]
        scores, unheard, background = self._evidence(encoded, entries, free[0])
        like = np.where(written > 0, 1.0 + written, np.maximum(*alike))  # "yeah" is not "yup"
        evidence = _SHARPNESS * (scores - _UNHEARD * unheard + _LIKENESS * like)
        shares = np.exp(evidence - np.logaddexp.reduce(evidence))
        doubts = np.stack([scores - background, scores - unheard, *alike]).T @ _KNOWN + _KNOWN_BIAS
        known = np.where(digits | (written > 0), 1.0, 1 / (1 + np.exp(-doubts)))
        return dict(zip(entries, (known * shares).tolist(), strict=True))

    def _likely(self, encoded: Encoded, free: Sequence[str], own: Sequence[str]) -> list[str]:
        """Return the few entries worth scoring, by likeness to the readings and by how they begin."""
        heard = [likeness(sounds(some), self._sounds) for some in (free, own) if some]
        merit = sum((some.max(axis=0) + some.mean(axis=0) for some in heard), np.zeros(len(self.phrases)))
        merit += _FIRST_TOKEN * (self._first_tokens(encoded) - _UNHEARD * self._unheard_firsts)
        covered = np.array([_share(free[0], phrase) >= _COVERED for phrase in self.phrases])
        order = np.argsort(-merit - 10 * covered)
        if not self._in_a_row:
            return [self.phrases[n] for n in order[:_MOST_SCORED]]
        rows = (spoken(text) for text in (*own, *free))
        said = [row for row in rows if row and not is_loop(row) and self._is_row(row.split())]
        return list(dict.fromkeys([*said, *(self.phrases[n] for n in order[:_SEQUENCES])]))

    def _is_row(self, words: Sequence[str]) -> bool:
        """Whether the words are entries, one after the other."""
        return not words or any(
            " ".join(words[:n]) in self._known and self._is_row(words[n:]) for n in range(1, self._longest + 1)
        )

    def _are_digits(self, text: str) -> bool:
        words = spoken(text).split()
        return (
            self._in_a_row
            and any(word.isdigit() for word in words)
            and all(word.isdigit() or word in self._known for word in words)
        )

    def _first_tokens(self, encoded: Encoded) -> Numbers:
        """Return for each phrase the log probability of its first token among all of theirs."""
        readings = self._whisper.generate(encoded, self._openings).readings
        found = {reading.tokens[0]: reading.logprob for reading in readings if reading.tokens}
        least = min(found.values(), default=0.0)
        return np.array([found.get(token, least) for token in self._firsts])

    def _evidence(self, encoded: Encoded, entries: Sequence[str], free: str) -> tuple[Numbers, Numbers, float]:
        """Return the log probabilities of entries in the sound and in noise alone, and that of the free reading."""
        texts = [_written(entry) for entry in entries]
        new = [text for text in texts if text not in self._unheard]
        unheard = self._unheard | dict(zip(new, self._score(self._noise, new), strict=True))
        if not self._in_a_row:  # rows have no end
            self._unheard = unheard
        *scores, background = self._score(encoded, [*texts, free])
        return np.array(scores), np.array([unheard[text] for text in texts]), background

    def _score(self, encoded: Encoded, texts: Sequence[str]) -> list[float]:
        return self._whisper.score(encoded, [self._tokens(text) for text in texts])

    def _tokens(self, text: str) -> Tokens:
        return self._whisper.tokens.encode(f" {text}")


@lru_cache(maxsize=32)
def _entries(whisper: Whisper, phrases: tuple[str, ...], language: str) -> _Entries:
    return _Entries(whisper, phrases, language)


def _are_numbers(phrases: Iterable[str], language: str) -> bool:
    try:
        numbers = {word for phrase in vocabulary("numbers", language) for word in spoken(phrase).split()}
    except VocabularyLanguageError:
        return False
    return all(word in numbers for phrase in phrases for word in phrase.split())


def _written(phrase: str) -> str:
    """Return a phrase as the model would write it: a sentence, and Latin letters without accents."""
    marks = unicodedata.normalize("NFKD", phrase)
    bare = "".join(letter for letter in marks if not unicodedata.combining(letter))
    text = bare if bare.isascii() else phrase
    return f"{text[:1].upper()}{text[1:]}."


def _spellings(phrase: str) -> tuple[str, ...]:
    text = _written(phrase)
    return phrase, f"{phrase}.", text, text[:-1], text[0].lower() + text[1:]


def _share(text: str, entry: str) -> float:
    """How much of a text the entry is, 0 when it does not stand there as words."""
    heard, said = f" {spoken(text)} ", f" {spoken(entry)} "
    return len(said) / len(heard) if said in heard else 0.0


def _likest(texts: Sequence[str], entries: Sequence[str]) -> Numbers:
    if not texts:
        return np.zeros(len(entries))
    return np.asarray(likeness(sounds(texts), sounds(entries)).max(axis=0), dtype=np.float64)
