"""Recognize one entry of a closed vocabulary, or reject audio that is none of them."""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import Decoding, Hypothesis, Search, Tokens
from stream.engine.model.repetition import is_repetitive
from stream.engine.model.whisper import Encoded, Whisper
from stream.engine.text.phonetics import phonetic_forms, similarity
from stream.engine.text.slots import slot_chances
from stream.engine.text.speech_check import is_speech
from stream.vocabulary.templates import closed_phrases
from stream.vocabulary.vocabularies import VocabularyLanguageError, vocabulary
from stream.words import spoken_form
from vad import SAMPLE_RATE

# Measured on 67 clips of five vocabularies, clean and in white noise of 20 and 10 dB SNR.
_HYPOTHESES = 5  # from a free search, and from one over the tokens of the entries; 10 find no more entries
_MOST_SCORED = 20  # these contain the spoken entry in 96 of 100 cases at 10 dB; 4 to 5 ms each
_SEQUENCES = 8  # single entries that are scored beside the sequences of an utterance of numbers
_FIRST_TOKEN = 0.12  # weight of its log probability beside the similarity: without it, 93 of 100 cases
_PRIOR_WEIGHT = 0.7  # of the log probability in noise alone; 0.5 and 0.8 find fewer
_NOISE = 0.02  # of full scale
_SIMILARITY = 6.0  # weight of the similarity to a hypothesis in log evidence; 4 to 8 find the same
_SHARPNESS = 0.5
# Logistic regression of "the entry was spoken" (100 utterances against 550): log probability of the entry above the
# free hypothesis, above noise alone, similarity to the free hypotheses, and to those of the entries' tokens.
_KNOWN = np.array([0.16, 0.33, 5.2, 3.1])
_KNOWN_BIAS = -7.9  # the fit has -7.2; a lower value accepts fewer other utterances, and fewer noisy entries
_COVERED = 0.3  # least share of the entry in the letters of a hypothesis: "um, yes please", "I work as a plumber"
_FEWEST_DIGITS = 10  # shorter lists of number words are menus, of which one entry is spoken at a time
_SPECIAL_TOKENS = 1608  # of every Whisper model, from the end-of-text token on
_FLOOR = 1e-9

Numbers = NDArray[np.float64]


class Candidates:
    """A closed vocabulary: the result is one of `phrases` or a sequence of them, spelled as there; thread-safe.

    Phrases may have alternatives and slots, as `closed_phrases` reads them; raises TemplateError. Sequences are found
    where the decoder reads them. If all words are number words, and there are ten or more phrases, they are searched
    for as well.
    """

    def __init__(self, whisper: Whisper, phrases: Iterable[str]) -> None:
        self._whisper = whisper
        closed = closed_phrases(phrases)
        self._phrases = closed.texts
        self._slot_phrases = closed.slot_phrases

    def recognize(self, samples: Samples, language: str = "", *, alternatives: int = 1) -> Decoding:
        """Return the likeliest entries for `float32[n_samples]` with times, best first; none if it is no entry.

        The confidence of a hypothesis is the probability of the entry against the others and any other text.
        """
        encoded, free = self._whisper.encode_and_generate(samples, language, Search(alternatives=_HYPOTHESES))
        if not free.best.text:
            return replace(free, hypotheses=())
        chances = slot_chances(free.hypotheses, self._slot_phrases)
        if self._phrases:
            entries = _entries(self._whisper, self._phrases, encoded.language)
            chances |= entries.chances(encoded, [hypothesis.text for hypothesis in free.hypotheses if hypothesis.text])
        best = sorted(chances.items(), key=lambda item: -item[1])[:alternatives]
        found = replace(free, hypotheses=tuple(self._aligned(encoded, entry, chance) for entry, chance in best))
        # Either text may have too few tokens for the voiced sound: "312", or "yes" for "yep, yes". For noise both do.
        texts = (free.best, *(replace(hypothesis, logprob=free.best.logprob) for hypothesis in found.hypotheses[:1]))
        has_speech = any(is_speech(samples, replace(free, hypotheses=(text,))) for text in texts)
        return found if has_speech else replace(free, hypotheses=())

    def _aligned(self, encoded: Encoded, entry: str, chance: float) -> Hypothesis:
        words = self._whisper.tokens.words(self._whisper.tokens.encode(" " + entry))
        aligned = self._whisper.align(encoded, Hypothesis(words, math.log(max(chance, _FLOOR))))
        return replace(aligned, words=tuple(replace(word, confidence=chance) for word in aligned.words))


class _Entries:
    """The tokens and priors of a list in one language; kept between calls, because they cost time."""

    def __init__(self, whisper: Whisper, phrases: Sequence[str], language: str) -> None:
        self._whisper = whisper
        self.phrases = [phrase for phrase in phrases if spoken_form(phrase)]
        self._known = {spoken_form(phrase): phrase for phrase in reversed(self.phrases)}
        self._longest = max((len(phrase.split()) for phrase in self._known), default=0)
        are_numbers, are_many = _are_numbers(self._known, language), len(self.phrases) >= _FEWEST_DIGITS
        self._takes_sequences = are_numbers and are_many
        self._is_menu = are_numbers and not are_many
        self._phonetic_forms = phonetic_forms(self.phrases)
        self._written = {_written(phrase) for phrase in self.phrases}
        self._firsts = [self._tokens(_written(phrase))[0] for phrase in self.phrases]
        end = whisper.tokens.end
        used = {token for phrase in self.phrases for text in _spellings(phrase) for token in self._tokens(text)}
        self._own = tuple(token for token in range(end) if token not in used)
        firsts = set(self._firsts)
        unused = (token for token in range(end + _SPECIAL_TOKENS) if token not in firsts)
        self._openings = Search(alternatives=max(1, len(firsts)), suppressed=tuple(unused), most_tokens=1)
        noise = np.random.default_rng(0).normal(0, _NOISE, SAMPLE_RATE).astype(np.float32)
        self._noise = whisper.encode(noise, language)
        self._prior_firsts = self._first_tokens(self._noise)
        self._priors: dict[str, float] = {}

    def chances(self, encoded: Encoded, free: Sequence[str]) -> dict[str, float]:
        """Return the probabilities of the likeliest entries."""
        search = Search(alternatives=_HYPOTHESES, suppressed=self._own)
        own = [hypothesis.text for hypothesis in self._whisper.generate(encoded, search).hypotheses if hypothesis.text]
        entries = self._likely(encoded, free, own) if self.phrases else []
        if not entries:
            return {}
        digits = self._are_digits(free[0])
        written = np.array([share if (share := _share(free[0], entry)) >= _COVERED else 0.0 for entry in entries])
        alike = [_highest_similarity(some, entries) for some in (free, own)]
        scores, prior, background = self._evidence(encoded, entries, free[0])
        like = np.where(written > 0, 1.0 + written, np.maximum(*alike))  # "yeah" is not "yup"
        evidence = _SHARPNESS * (scores - _PRIOR_WEIGHT * prior + _SIMILARITY * like)
        shares = np.exp(evidence - np.logaddexp.reduce(evidence))
        doubts = np.stack([scores - background, scores - prior, *alike]).T @ _KNOWN + _KNOWN_BIAS
        known = np.where(digits | (written > 0), 1.0, 1 / (1 + np.exp(-doubts)))
        return dict(zip(entries, (known * shares).tolist(), strict=True))

    def _likely(self, encoded: Encoded, free: Sequence[str], own: Sequence[str]) -> list[str]:
        """Return the few entries worth scoring, by similarity to the hypotheses and by their first tokens."""
        alike = [similarity(phonetic_forms(some), self._phonetic_forms) for some in (free, own) if some]
        merit = sum((some.max(axis=0) + some.mean(axis=0) for some in alike), np.zeros(len(self.phrases)))
        merit += _FIRST_TOKEN * (self._first_tokens(encoded) - _PRIOR_WEIGHT * self._prior_firsts)
        covered = np.array([_share(free[0], phrase) >= _COVERED for phrase in self.phrases])
        order = np.argsort(-merit - 10 * covered)
        # In the entries' own tokens everything becomes a sequence; of numbers that is what was spoken.
        sources = (*own, *free) if self._takes_sequences else () if self._is_menu else free
        texts = (spoken_form(text) for text in sources)
        sequences = [
            sequence
            for text in texts
            if text and not is_repetitive(text) and (sequence := self._sequence(text.split()))
        ]
        most = _SEQUENCES if self._takes_sequences else _MOST_SCORED
        return list(dict.fromkeys([*sequences, *(self.phrases[n] for n in order[:most])]))

    def _sequence(self, words: Sequence[str]) -> str:
        """Return the words as entries one after the other, spelled as those; "" if they are none."""
        for n_words in range(min(self._longest, len(words)), 0, -1):
            if (first := self._known.get(" ".join(words[:n_words]))) is None:
                continue
            if n_words == len(words):
                return first
            if rest := self._sequence(words[n_words:]):
                return f"{first} {rest}"
        return ""

    def _are_digits(self, text: str) -> bool:
        words = spoken_form(text).split()
        return (
            self._takes_sequences
            and any(word.isdigit() for word in words)
            and all(word.isdigit() or word in self._known for word in words)
        )

    def _first_tokens(self, encoded: Encoded) -> Numbers:
        """Return for each phrase the log probability of its first token among all of theirs."""
        hypotheses = self._whisper.generate(encoded, self._openings).hypotheses
        found = {hypothesis.tokens[0]: hypothesis.logprob for hypothesis in hypotheses if hypothesis.tokens}
        least = min(found.values(), default=0.0)
        return np.array([found.get(token, least) for token in self._firsts])

    def _evidence(self, encoded: Encoded, entries: Sequence[str], free: str) -> tuple[Numbers, Numbers, float]:
        """Return the log probabilities of entries in the audio and in noise alone, and that of the free text."""
        texts = [_written(entry) for entry in entries]
        new = [text for text in texts if text not in self._priors]
        prior = self._priors | dict(zip(new, self._score(self._noise, new), strict=True))
        self._priors = {text: prior[text] for text in prior.keys() & self._written}  # sequences have no end
        *scores, background = self._score(encoded, [*texts, free])
        return np.array(scores), np.array([prior[text] for text in texts]), background

    def _score(self, encoded: Encoded, texts: Sequence[str]) -> list[float]:
        return self._whisper.score(encoded, [self._tokens(text) for text in texts])

    def _tokens(self, text: str) -> Tokens:
        return self._whisper.tokens.encode(f" {text}")


@lru_cache(maxsize=32)
def _entries(whisper: Whisper, phrases: tuple[str, ...], language: str) -> _Entries:
    return _Entries(whisper, phrases, language)


def _are_numbers(phrases: Iterable[str], language: str) -> bool:
    try:
        numbers = {word for phrase in vocabulary("numbers", language) for word in spoken_form(phrase).split()}
    except VocabularyLanguageError:
        return False
    return all(word in numbers for phrase in phrases for word in phrase.split())


def _written(phrase: str) -> str:
    """Return a phrase as the model would write it: as a sentence, with Latin letters without accents."""
    marks = unicodedata.normalize("NFKD", phrase)
    bare = "".join(letter for letter in marks if not unicodedata.combining(letter))
    text = bare if bare.isascii() else phrase
    return f"{text[:1].upper()}{text[1:]}."


def _spellings(phrase: str) -> tuple[str, ...]:
    text = _written(phrase)
    return phrase, f"{phrase}.", text, text[:-1], text[0].lower() + text[1:]


def _share(text: str, entry: str) -> float:
    """The share of an entry in the letters of a text, 0 if it is not in it as whole words; spaces may differ."""
    whole, part = f" {spoken_form(text)} ", f" {spoken_form(entry)} "
    if whole.replace(" ", "") == part.replace(" ", ""):
        return 1.0
    return len(part) / len(whole) if part in whole else 0.0


def _highest_similarity(texts: Sequence[str], entries: Sequence[str]) -> Numbers:
    if not texts:
        return np.zeros(len(entries))
    return np.asarray(similarity(phonetic_forms(texts), phonetic_forms(entries)).max(axis=0), dtype=np.float64)
