"""Bias decoding towards expected phrases: try each phrase where a hypothesis sounds like it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import PLAIN_SEARCH, Decoding, Hypothesis, Search, Tokens
from stream.engine.model.whisper import Encoded, Whisper
from stream.engine.text.english_spelling import is_function_word
from stream.engine.text.phrase_correction import Correction, Phrases, find_corrections, has_phrase, without_overlaps
from stream.engine.text.speech_check import NO_SPEECH_PROB, is_speech
from stream.engine.text.spelling import Spellings
from stream.vocabulary.vocabularies import MOST_BOOST, USUAL_BOOST
from stream.words import spoken_form

# A word whose tokens are all likelier than this is right, however much it sounds like a phrase. Of 186 misrecognized
# rare words 184 have a less likely token. A boost above the usual one counts where a token is less likely than
# `_UNSURE_PROBABILITY`, and less and less up to 0.42. Of 391 lists of phrases that sound like the words of a real
# recording none broke a word then, at any boost; without these bounds a twentieth did at the usual boost, and a third
# at the highest. Rare words corrected: 223 of 376 (219), at the highest boost 239 (228).
_SURE_PROBABILITY = 0.5
_UNSURE_PROBABILITY = 0.25
_DOUBT_WEIGHT = 6.0
# Measured with 123 phrases on 36 sentences with 55 rare words, 41 of them misrecognized, and on 36 sentences that only
# sound like phrases.
_SIMILARITY = 8.0  # weight of the similarity, from 0 to 1, in log probability
_NEUTRAL_SIMILARITY = 0.7  # the similarity with the weight 0
_MOST_CORRECTIONS = 4  # each costs 6 to 9 ms
_LONGER_TOKENS = 8  # the biased hypothesis may be so much longer than the plain one, otherwise it repeats itself
_CONTEXT_TOKENS = 100  # of phrases: they share the decoder's 448 positions with 24 s of speech, and cost time
# Added to the log probability of a phrase. At -4 18 of the 41 rare words are corrected, from -2 to +1 23, at +2 24 and
# at +4 28; sentences that only sound like phrases are changed in 0 cases up to -1, 2 at 0, 3 at +1, 5 at +2, 7 at +4.
_USUAL_BONUS = -1.0
_DOUBLED_BONUS = 2.0  # added for each doubling of the boost
_LEAST_BOOST = 5.0  # lower values count as this


class BiasedWhisper:
    """Decodes as `Whisper` does, then replaces words that sound like one of `phrases`; thread-safe.

    `boost` is on Riva's scale: 20 is the default, for which 0 stands. Higher values, up to 100, correct more rare words
    and change more words that only sound like a phrase; lower values, down to 5, do the opposite.
    """

    def __init__(self, whisper: Whisper, phrases: Iterable[str], boost: float = 0.0) -> None:
        self._whisper = whisper
        self._texts = tuple(phrases)
        self._boost = min(max(boost, _LEAST_BOOST), MOST_BOOST) if boost else USUAL_BOOST

    def decode(
        self, samples: Samples, language: str = "", search: Search = PLAIN_SEARCH, *, align: bool = False
    ) -> Decoding:
        """Recognize `float32[n_samples]` as `Whisper.decode` does; a corrected hypothesis precedes the plain ones."""
        encoded, plain = self._whisper.encode_and_generate(samples, language, search.widened if align else search)
        decoding = self._correct(encoded, plain, search)
        if align:
            decoding = self._whisper.align_all(encoded, decoding, search.alternatives)
        return replace(
            decoding, hypotheses=tuple(self._respelled(one, decoding, search) for one in decoding.hypotheses)
        )

    def _respelled(self, hypothesis: Hypothesis, decoding: Decoding, search: Search) -> Hypothesis:
        kept = _words_of_prefix(hypothesis, len(search.prefix))
        return self._spellings.rewrite(hypothesis, decoding.language, self._encode, kept_words=kept)

    @cached_property
    def _spellings(self) -> Spellings:
        return Spellings(self._texts)

    @cached_property
    def _phrases(self) -> Phrases:
        # Not in the constructor, which runs on the event loop: 500 phrases take milliseconds.
        return Phrases(self._texts)

    def _correct(self, encoded: Encoded, plain: Decoding, search: Search) -> Decoding:
        if plain.no_speech_prob > NO_SPEECH_PROB or not is_speech(encoded.samples, plain):
            return plain
        least = self._least_probabilities(encoded, plain.best)
        words = self._spellings.respelled([word.text for word in plain.best.words], plain.language)
        related = self._phrases.related(words) if min(least, default=1.0) < _SURE_PROBABILITY else []
        candidates = self._candidates(encoded, plain.best, search.prefix, related, least) if related else []
        if not candidates:
            return plain
        context = self._context([p for p in related if any(has_phrase(one.text, p) for one in candidates)])
        gains = self._gains(encoded, plain.best, candidates, context, least)
        improving = (one for one in candidates if gains[one] > 0)
        accepted = without_overlaps(sorted(improving, key=lambda one: -gains[one]))
        if not accepted:
            return plain
        text = self._corrected(plain.best, accepted)
        # The correction is likelier than the plain hypothesis, so it must not count as less likely to be speech.
        logprob = max(plain.best.logprob, self._whisper.score(encoded, [text], context)[0] / len(text))
        corrected = Hypothesis(self._whisper.tokens.words(text), logprob)
        others = (hypothesis for hypothesis in plain.hypotheses if hypothesis.tokens != text)
        return replace(plain, hypotheses=(corrected, *others)[: max(search.alternatives, len(plain.hypotheses))])

    def _candidates(
        self, encoded: Encoded, plain: Hypothesis, prefix: Tokens, related: Sequence[str], least: Sequence[float]
    ) -> list[Correction]:
        """Return the most similar corrections of unsure words; words of the prefix and recognized phrases are kept."""
        most_tokens = len(plain.tokens) - len(prefix) + _LONGER_TOKENS
        search = Search(prefix=prefix, context=self._context(related), beam_size=1, most_tokens=most_tokens)
        biased = self._whisper.generate(encoded, search).best
        words = [word.text for word in plain.words]
        kept = _words_of_prefix(plain, len(prefix))
        found = find_corrections(words, [word.text for word in biased.words], related)
        allowed = (
            one
            for one in found
            if one.first_word >= kept
            and min(least[one.replaced(words)]) < _SURE_PROBABILITY
            and not _is_function_word(words[one.replaced(words)])
            and not self._phrases.removes_any(words, one)
        )
        return sorted(allowed, key=lambda one: -one.similarity)[:_MOST_CORRECTIONS]

    def _least_probabilities(self, encoded: Encoded, plain: Hypothesis) -> list[float]:
        """Return the probability of the least likely token of each word."""
        (probabilities,) = self._whisper.token_probabilities(encoded, [plain.tokens])
        left = iter(probabilities)
        return [min(islice(left, len(word.tokens)), default=0.0) for word in plain.words]

    def _gains(
        self,
        encoded: Encoded,
        plain: Hypothesis,
        corrections: Sequence[Correction],
        context: Tokens,
        least: Sequence[float],
    ) -> dict[Correction, float]:
        """Return the gain in log probability of each correction alone against the plain hypothesis."""
        words = [word.text for word in plain.words]
        texts = [plain.tokens, *(self._corrected(plain, [correction]) for correction in corrections)]
        unchanged, *changed = self._whisper.score(encoded, texts, context)
        return {
            correction: score
            - unchanged
            + _bonus(self._boost, min(least[correction.replaced(words)]))
            + _SIMILARITY * (correction.similarity - _NEUTRAL_SIMILARITY)
            for correction, score in zip(corrections, changed, strict=True)
        }

    def _context(self, phrases: Sequence[str]) -> Tokens:
        """Return a sentence of phrases, the first of them last, where it has the most influence on the decoder."""
        taken = list(phrases)
        while taken and len(tokens := self._encode(", ".join(reversed(taken)) + ".")) > _CONTEXT_TOKENS:
            taken.pop()
        return tokens if taken else ()

    def _corrected(self, hypothesis: Hypothesis, corrections: Sequence[Correction]) -> Tokens:
        """Return the tokens of a hypothesis after corrections that do not overlap."""
        tokens = [word.tokens for word in hypothesis.words]
        for one in corrections:
            # The number of items stays the same, so that the places of other corrections do.
            tokens[one.first_word : one.end_word] = [
                self._encode(one.text),
                *[()] * (one.end_word - one.first_word - 1),
            ]
        return tuple(token for word in tokens for token in word)

    def _encode(self, text: str) -> Tokens:
        """Return the tokens of a text without special tokens: "<|endoftext|>" may be a phrase."""
        tokens = self._whisper.tokens
        return tuple(token for token in tokens.encode(" " + text) if token < tokens.end)


def _bonus(boost: float, least_probability: float) -> float:
    """Return what a boost adds where the least likely token of the replaced words has this probability."""
    more = _DOUBLED_BONUS * math.log2(boost / USUAL_BOOST)
    if more > 0:
        more *= min(1.0, max(0.0, 1 - _DOUBT_WEIGHT * (least_probability - _UNSURE_PROBABILITY)))
    return _USUAL_BONUS + more


def _is_function_word(words: Sequence[str]) -> bool:
    """Whether this is a single word such as "to": it may be unsure for its capital alone."""
    return len(words) == 1 and is_function_word(spoken_form(words[0]))


def _words_of_prefix(hypothesis: Hypothesis, n_tokens: int) -> int:
    """How many words contain the first tokens."""
    n_words = 0
    while n_tokens > 0 and n_words < len(hypothesis.words):
        n_tokens -= len(hypothesis.words[n_words].tokens)
        n_words += 1
    return n_words
