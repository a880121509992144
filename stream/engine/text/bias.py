"""Owns the bias towards phrases that a caller expects: where a reading sounds like one of them, the phrase is tried."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import PLAIN_SEARCH, Decoding, Reading, Search, Tokens
from stream.engine.model.whisper import Encoded, Whisper
from stream.engine.text.phrase_correction import Change, Phrases, apart, find_changes, has_phrase
from stream.engine.text.speech_check import NO_SPEECH_PROB, is_speech

# Measured with 123 phrases on 36 sentences of 55 rare words, 41 of them misheard, and 36 that only sound like phrases.
_LIKENESS = 8.0  # what likeness from 0 to 1 weighs in log probability
_ALIKE_ENOUGH = 0.7  # where it weighs nothing
_MOST_CHANGES = 4  # each costs 6 to 9 ms
_LONGER_TOKENS = 8  # the second reading may be that much longer than the first, else it is a loop
_CONTEXT_TOKENS = 100  # of phrases: they share the decoder's 448 positions with 24 s of speech, and cost time
# What a phrase gets on top of its log probability: at -4 18 of the 41 rare words are mended, from -2 to +1 23, at +2 24
# and at +4 28; it changes none of the sentences that only sound so up to -1, 2 at 0, 3 at +1, 5 at +2, 7 at +4.
_USUAL_BONUS = -1.0
_DOUBLED_BONUS = 2.0  # by how much more when the boost doubles
_USUAL_BOOST = 20.0  # what the gateway sends for callers who name none
_LEAST_BOOST, _MOST_BOOST = 5.0, 100.0


class BiasedWhisper:
    """Decodes as `Whisper` does, and then mends what sounds like one of `phrases`; safe to share between threads.

    `boost` is in Riva's scale: 20 is usual, and so is 0, which means unset. More, up to 100, mends more rare words and
    changes more of what only sounds like a phrase; less, down to 5, does the opposite.
    """

    def __init__(self, whisper: Whisper, phrases: Iterable[str], boost: float = 0.0) -> None:
        self._whisper = whisper
        self._texts = tuple(phrases)
        self._bonus = _bonus(boost)

    def decode(
        self, samples: Samples, language: str = "", search: Search = PLAIN_SEARCH, *, align: bool = False
    ) -> Decoding:
        """Recognize `float32[n_samples]` as `Whisper.decode` does; a mended reading comes before the plain ones."""
        encoded, plain = self._whisper.hear(samples, language, search.widened if align else search)
        decoding = self._mend(encoded, plain, search)
        return self._whisper.align_all(encoded, decoding, search.alternatives) if align else decoding

    @cached_property
    def _phrases(self) -> Phrases:
        # Not in the constructor, which the event loop waits for: 500 phrases cost milliseconds.
        return Phrases(self._texts)

    def _mend(self, encoded: Encoded, plain: Decoding, search: Search) -> Decoding:
        if plain.no_speech_prob > NO_SPEECH_PROB or not is_speech(encoded.samples, plain):
            return plain
        related = self._phrases.related([word.text for word in plain.best.words])
        changes = self._changes(encoded, plain.best, search.prefix, related) if related else []
        if not changes:
            return plain
        context = self._context([p for p in related if any(has_phrase(change.text, p) for change in changes)])
        gains = self._gains(encoded, plain.best, changes, context)
        best_first = sorted((change for change in changes if gains[change] > 0), key=lambda change: -gains[change])
        accepted = apart(best_first)
        if not accepted:
            return plain
        text = self._changed(plain.best, accepted)
        # It was found likelier than the plain reading: what was speech before is not less so now.
        logprob = max(plain.best.logprob, self._whisper.score(encoded, [text], context)[0] / len(text))
        mended = Reading(self._whisper.tokens.words(text), logprob)
        others = (reading for reading in plain.readings if reading.tokens != text)
        return replace(plain, readings=(mended, *others)[: max(search.alternatives, len(plain.readings))])

    def _changes(self, encoded: Encoded, plain: Reading, prefix: Tokens, related: Sequence[str]) -> list[Change]:
        """Return the most alike of what may be tried; the words of the prefix, and phrases that were heard, stay."""
        most_tokens = len(plain.tokens) - len(prefix) + _LONGER_TOKENS
        search = Search(prefix, self._context(related), beam_size=1, most_tokens=most_tokens)
        biased = self._whisper.generate(encoded, search).best
        words = [word.text for word in plain.words]
        kept = _words_of_prefix(plain, len(prefix))
        found = find_changes(words, [word.text for word in biased.words], related)
        tried = [change for change in found if change.first >= kept and not self._phrases.lost(words, change)]
        return sorted(tried, key=lambda change: -change.likeness)[:_MOST_CHANGES]

    def _gains(
        self, encoded: Encoded, plain: Reading, changes: Sequence[Change], context: Tokens
    ) -> dict[Change, float]:
        """Return by how much each change alone is likelier than the plain reading, as a log probability."""
        texts = [plain.tokens, *(self._changed(plain, [change]) for change in changes)]
        unchanged, *changed = self._whisper.score(encoded, texts, context)
        return {
            change: score - unchanged + self._bonus + _LIKENESS * (change.likeness - _ALIKE_ENOUGH)
            for change, score in zip(changes, changed, strict=True)
        }

    def _context(self, phrases: Sequence[str]) -> Tokens:
        """Return a sentence of phrases, the first of them last: the decoder minds most what stands there."""
        taken = list(phrases)
        while taken and len(tokens := self._encode(", ".join(reversed(taken)) + ".")) > _CONTEXT_TOKENS:
            taken.pop()
        return tokens if taken else ()

    def _changed(self, reading: Reading, changes: Sequence[Change]) -> Tokens:
        """Return the tokens of a reading with changes that do not overlap; all other tokens stay as they are."""
        tokens = [word.tokens for word in reading.words]
        for change in changes:
            tokens[change.first : change.last] = [
                self._encode(change.text),
                *[()] * (change.last - change.first - 1),
            ]
        return tuple(token for word in tokens for token in word)

    def _encode(self, text: str) -> Tokens:
        """Return the tokens of a text without those that only look like text: "<|endoftext|>" may be a phrase."""
        tokens = self._whisper.tokens
        return tuple(token for token in tokens.encode(" " + text) if token < tokens.end)


def _bonus(boost: float) -> float:
    bounded = min(max(boost, _LEAST_BOOST), _MOST_BOOST) if boost else _USUAL_BOOST
    return _USUAL_BONUS + _DOUBLED_BONUS * math.log2(bounded / _USUAL_BOOST)


def _words_of_prefix(reading: Reading, n_tokens: int) -> int:
    """How many words hold the first tokens."""
    n_words = 0
    while n_tokens > 0 and n_words < len(reading.words):
        n_tokens -= len(reading.words[n_words].tokens)
        n_words += 1
    return n_words
