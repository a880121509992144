"""Owns the bias towards phrases that a caller expects: where a reading sounds like one of them, the phrase is tried."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from stream.engine.features import Samples
from stream.engine.likeness import Likeness, likeness, spoken
from stream.engine.readings import PLAIN_SEARCH, Decoding, Reading, Search, Tokens
from stream.engine.silence import NO_SPEECH_PROB
from stream.engine.whisper import Encoded, Whisper

# Measured with 110 phrases on 36 sentences of 53 rare words and 36 sentences that only sound like phrases.
_RELATED = 0.47  # half-heard names are at least that like themselves: "his friend" for "Isfahan" is 0.47
_LIKENESS = 8.0  # what likeness from 0 to 1 weighs in log probability
_ALIKE_ENOUGH = 0.7  # where it weighs nothing
_ALIKE = 0.55  # what is put in place of what was read without the decoder having said so
_REPLACED = 0.45  # what the decoder itself says in place of what it read before
_MOST_RELATED = 6  # phrases of one utterance: more of them cost time and mend nothing
_MOST_CHANGES = 4  # each costs 6 to 9 ms
_LONGEST_STRETCH = 6  # words: "me to proud old wise" for "Metoprolol twice"
_LONGER_TOKENS = 8  # the second reading may be that much longer than the first, else it is a loop
_FLOOR = 1e-9


@dataclass(frozen=True, slots=True)
class Change:
    """Words `first` to `last`, exclusive, of a reading, and what might have been said there."""

    first: int
    last: int
    text: str


class BiasedWhisper:
    """Decodes as `Whisper` does, and then mends what sounds like one of `phrases`; safe to share between threads.

    `boost` is the log probability that a phrase gets on top: 0 is measured, more finds more phrases, wrongly too.
    """

    def __init__(self, whisper: Whisper, phrases: Iterable[str], boost: float = 0.0) -> None:
        self._whisper = whisper
        self._phrases = tuple(phrase for phrase in dict.fromkeys(phrases) if spoken(phrase))
        self._boost = boost

    def decode(
        self, samples: Samples, language: str = "", search: Search = PLAIN_SEARCH, *, align: bool = False
    ) -> Decoding:
        """Recognise `float32[n_samples]` as `Whisper.decode` does; a mended reading comes before the plain ones."""
        encoded, plain = self._whisper.hear(samples, language, search)
        decoding = self._mend(encoded, plain, search)
        return self._whisper.align_all(encoded, decoding) if align else decoding

    def _mend(self, encoded: Encoded, plain: Decoding, search: Search) -> Decoding:
        related = self._related(plain.best.text) if plain.no_speech_prob <= NO_SPEECH_PROB else []
        if not related:
            return plain
        tokens = self._whisper.tokens
        # The decoder minds most what stands last.
        context = tokens.encode(" " + ", ".join(reversed(related)) + ".")
        longest = len(plain.best.tokens) - len(search.prefix) + _LONGER_TOKENS
        biased = self._whisper.generate(encoded, Search(search.prefix, context, beam_size=1, most_tokens=longest))
        words = [word.text for word in plain.best.words]
        kept = _words_of_prefix(plain.best, len(search.prefix))
        changes = self._worth_trying(_changes(words, [word.text for word in biased.best.words], related), words, kept)
        if not changes:
            return plain
        named = [phrase for phrase in reversed(related) if any(_has(change.text, phrase) for change in changes)]
        context = tokens.encode(" " + ", ".join(named) + ".")
        texts = [self._changed(plain.best, [change]) for change in changes]
        unchanged, *changed = (
            math.fsum(math.log(max(probability, _FLOOR)) for probability in scores)
            for scores in self._whisper.score(encoded, [plain.best.tokens, *texts], context)
        )
        gains = {
            change: score - unchanged + self._boost + _LIKENESS * (_alike(words, change) - _ALIKE_ENOUGH)
            for change, score in zip(changes, changed, strict=True)
        }
        accepted = _compatible(gains)
        if not accepted:
            return plain
        text = self._changed(plain.best, accepted)
        logprob = math.fsum(map(math.log, (max(p, _FLOOR) for p in self._whisper.score(encoded, [text], context)[0])))
        mended = Reading(tokens.words(text), logprob / len(text))
        return replace(plain, readings=(mended, *plain.readings)[: max(1, search.alternatives)])

    def _related(self, text: str) -> list[str]:
        """Phrases that something in the text sounds like, the most alike first; not those that stand there."""
        words = text.split()
        alike = likeness([" ".join(words[a:b]) for a, b in _stretches(words)], self._phrases).max(axis=0)
        said = f" {spoken(text)} "
        order = (int(index) for index in (-alike).argsort(kind="stable") if alike[index] >= _RELATED)
        return [self._phrases[n] for n in order if f" {spoken(self._phrases[n])} " not in said][:_MOST_RELATED]

    def _worth_trying(self, changes: Iterable[Change], words: Sequence[str], kept: int) -> list[Change]:
        """Return the most alike of the changes that leave the first words, and phrases that were heard, alone."""
        tried = []
        for change in changes:
            old = " ".join(words[change.first : change.last])
            loses = any(_has(old, phrase) and not _has(change.text, phrase) for phrase in self._phrases)
            if change.first >= kept and not loses:
                tried.append(change)
        return sorted(tried, key=lambda change: -_alike(words, change))[:_MOST_CHANGES]

    def _changed(self, reading: Reading, changes: Sequence[Change]) -> Tokens:
        """Return the tokens of a reading with changes that do not overlap; all other tokens stay as they are."""
        tokens = [word.tokens for word in reading.words]
        for change in changes:
            new = self._whisper.tokens.encode(" " + change.text)
            tokens[change.first : change.last] = [new, *[()] * (change.last - change.first - 1)]
        return tuple(token for word in tokens for token in word)


def _stretches(words: Sequence[str]) -> list[tuple[int, int]]:
    return [
        (first, last)
        for first in range(len(words))
        for last in range(first + 1, min(len(words), first + _LONGEST_STRETCH) + 1)
    ]


def _changes(plain: list[str], biased: list[str], phrases: Sequence[str]) -> list[Change]:
    """Return what to try, the surest first: phrases for what sounds like them, and what the biased decoder says."""
    found = _replacements(plain, phrases)
    spelled = list(biased)
    for change in sorted(_apart(_replacements(biased, phrases)), key=lambda change: -change.first):
        spelled[change.first : change.last] = change.text.split()
    said = _differences(plain, spelled, phrases)
    if spelled != biased:
        said += _differences(plain, biased, phrases)
    return list(dict.fromkeys([*said, *found]))


def _replacements(words: list[str], phrases: Sequence[str]) -> list[Change]:
    """Return each phrase in the place that is most like it; the mark at the end of the place stays."""
    stretches = _stretches(words)
    if not stretches:
        return []
    alike: Likeness = likeness([" ".join(words[a:b]) for a, b in stretches], phrases)
    found = []
    for number, phrase in sorted(enumerate(phrases), key=lambda pair: -alike[:, pair[0]].max()):
        first, last = stretches[int(alike[:, number].argmax())]
        if _ALIKE <= alike[:, number].max() < 1:
            found.append(Change(first, last, phrase + _mark_after(words[last - 1])))
    return found


def _differences(plain: list[str], biased: list[str], phrases: Sequence[str]) -> list[Change]:
    """Return where the biased reading has a phrase and sounds like the plain one: each place, and all in one."""
    matcher = SequenceMatcher(None, [spoken(word) for word in plain], [spoken(word) for word in biased], autojunk=False)
    blocks = [codes[1:] for codes in matcher.get_opcodes() if codes[0] != "equal"]
    if len(blocks) > 1:
        (first, _, begin, _), (_, last, _, end) = blocks[0], blocks[-1]
        blocks.append((first, last, begin, end))
    found = []
    for first, last, begin, end in blocks:
        old, new = " ".join(plain[first:last]), " ".join(biased[begin:end])
        has_phrase = any(_has(new, phrase) for phrase in phrases)
        if has_phrase and old and likeness([old], [new])[0, 0] >= _REPLACED:
            found.append(Change(first, last, new))
    return found


def _apart(changes: Iterable[Change]) -> list[Change]:
    """Leave out every change that overlaps one before it."""
    kept: list[Change] = []
    for change in changes:
        if all(change.last <= other.first or other.last <= change.first for other in kept):
            kept.append(change)
    return kept


def _compatible(gains: dict[Change, float]) -> list[Change]:
    better = sorted((change for change, gain in gains.items() if gain > 0), key=lambda change: -gains[change])
    return _apart(better)


def _alike(words: Sequence[str], change: Change) -> float:
    return float(likeness([" ".join(words[change.first : change.last])], [change.text])[0, 0])


def _has(text: str, phrase: str) -> bool:
    return f" {spoken(phrase)} " in f" {spoken(text)} "


def _mark_after(word: str) -> str:
    return word[len(word.rstrip(".,;:!?")) :]


def _words_of_prefix(reading: Reading, n_tokens: int) -> int:
    """How many words hold the first tokens."""
    n_words = 0
    while n_tokens > 0 and n_words < len(reading.words):
        n_tokens -= len(reading.words[n_words].tokens)
        n_words += 1
    return n_words
