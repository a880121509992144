"""Owns the choice among a closed list of phrases: which of them the sound is, and whether it is any of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from stream.engine.features import Samples
from stream.engine.likeness import spoken
from stream.engine.readings import Decoding, Reading, Search, Tokens
from stream.engine.silence import NO_SPEECH_PROB
from stream.engine.whisper import Encoded, Whisper
from vad import SAMPLE_RATE

_READINGS = 5  # sequences made of the candidates' tokens alone
_BATCH = 64  # texts scored at once
_UNHEARD = 0.6  # of the log probability in noise alone; 0 finds 5 of 14 at 10 dB, 0.5 to 0.7 finds 11 or 12
_NOISE = 0.02  # of full scale
_MARGIN = 6.0  # by how much in log evidence the free reading may beat a candidate that was said
_SHARPNESS = 0.6
_COVERED = 0.2  # of the letters of a sentence are the candidate's: "um, yes please", "I work as a plumber"
_FLOOR = 1e-9


class Candidates:
    """A closed vocabulary; `repeatable` lets one utterance be several entries in a row, as numbers are."""

    def __init__(self, whisper: Whisper, phrases: Iterable[str], *, repeatable: bool = False) -> None:
        self._whisper = whisper
        self._phrases = tuple(phrase for phrase in dict.fromkeys(phrases) if spoken(phrase))
        self._repeatable = repeatable
        self._words = {word for phrase in self._phrases for word in spoken(phrase).split()}
        used = {token for phrase in self._phrases for token in self._spellings(phrase)}
        self._sentences = {f"{_sentence(phrase)}." for phrase in self._phrases}
        self._priors: dict[str, float] = {}
        self._noise: Encoded | None = None
        self._suppressed = tuple(token for token in range(whisper.tokens.end) if token not in used)

    def recognize(self, samples: Samples, language: str = "", *, alternatives: int = 1) -> Decoding:
        """Return the entries that `float32[n_samples]` may be, best first, with times; no readings when it is none."""
        encoded = self._whisper.encode(samples, language)
        free = self._whisper.generate(encoded, Search())
        if free.no_speech_prob > NO_SPEECH_PROB:
            return replace(free, readings=())
        entries = self._sequences(encoded) if self._repeatable else self._phrases
        if not entries:
            return replace(free, readings=())
        chances = self._chances(encoded, free, entries)
        best = sorted(zip(chances, entries, strict=True), reverse=True)[:alternatives]
        return replace(free, readings=tuple(self._reading(encoded, entry, chance) for chance, entry in best))

    def _spellings(self, phrase: str) -> Tokens:
        tokens = self._whisper.tokens
        return tuple(
            token
            for text in (phrase, _sentence(phrase))
            for end in ("", ".")
            for token in tokens.encode(f" {text}{end}")
        )

    def _sequences(self, encoded: Encoded) -> list[str]:
        own = self._whisper.generate(encoded, Search(alternatives=_READINGS, suppressed=self._suppressed))
        texts = dict.fromkeys(spoken(reading.text) for reading in own.readings)
        return [text for text in texts if text and set(text.split()) <= self._words]

    def _chances(self, encoded: Encoded, free: Decoding, entries: Sequence[str]) -> list[float]:
        """Return for each entry from 0 to 1 how sure it is that it was said, against the others and anything else."""
        texts = [f"{_sentence(entry)}." for entry in entries]
        background, *own = self._evidence(encoded, [free.best.text or texts[0], *texts])
        best = max(own)
        shares = [math.exp(_SHARPNESS * (each - best)) for each in own]
        digits = self._repeatable and all(w.isdigit() or w in self._words for w in spoken(free.best.text).split())
        chances = []
        for entry, each, share in zip(entries, own, shares, strict=True):
            known = 1 / (1 + math.exp(-_SHARPNESS * (each + _MARGIN - background)))
            covered = digits or _share(free.best.text, entry) >= _COVERED
            chances.append((1.0 if covered else known) * share / sum(shares))
        return chances

    def _evidence(self, encoded: Encoded, texts: Sequence[str]) -> list[float]:
        """Return for each text its log probability, less most of what it has in noise: how likely it is unheard."""
        if self._noise is None:
            noise = np.random.default_rng(0).normal(0, _NOISE, SAMPLE_RATE).astype(np.float32)
            self._noise = self._whisper.encode(noise, encoded.language)
        new = [text for text in texts if text not in self._priors]
        priors = dict(zip(new, self._score(self._noise, new), strict=True))
        self._priors.update({text: prior for text, prior in priors.items() if text in self._sentences})
        return [
            score - _UNHEARD * (self._priors[text] if text in self._priors else priors[text])
            for text, score in zip(texts, self._score(encoded, texts), strict=True)
        ]

    def _score(self, encoded: Encoded, texts: Sequence[str]) -> list[float]:
        tokens = [self._whisper.tokens.encode(f" {text}") for text in texts]
        batches = [tokens[n : n + _BATCH] for n in range(0, len(tokens), _BATCH)]
        return [
            math.fsum(math.log(max(p, _FLOOR)) for p in some)
            for batch in batches
            for some in self._whisper.score(encoded, batch)
        ]

    def _reading(self, encoded: Encoded, entry: str, chance: float) -> Reading:
        words = self._whisper.tokens.words(self._whisper.tokens.encode(" " + entry))
        aligned = self._whisper.align(encoded, Reading(words, math.log(max(chance, _FLOOR))))
        return replace(aligned, words=tuple(replace(word, confidence=chance) for word in aligned.words))


def _sentence(phrase: str) -> str:
    return phrase[:1].upper() + phrase[1:]


def _share(text: str, entry: str) -> float:
    """How much of a text the entry is, 0 when it does not stand there as words."""
    heard, said = f" {spoken(text)} ", f" {spoken(entry)} "
    return len(said) / len(heard) if said in heard else 0.0
