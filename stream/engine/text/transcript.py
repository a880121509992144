"""Owns the words of one utterance while it grows: which are settled, and which are shown."""

from collections import deque

from stream.engine.model.hypotheses import DecodedWord, Tokens

Words = tuple[DecodedWord, ...]

# The final has to keep the words that were settled, right or wrong. Where four decodes of at least 2 s agree, it
# lost nothing against a decode without settled words; with three it lost 0.6 points of word errors, with two 0.9.
_AGREEING_DECODES = 4
_UNTRUSTED_WORDS = 1  # the last word of a decode is often half heard
_UNSURE_WORDS = 2  # and the one before it changes still once in ten
# Whisper ends a text so where the sound is weak: the subtitles it learned from often thank for watching there.
_WEAK_ENDINGS = ("thank", "thanks")
_WEAK_ENDING_WORDS = 4


class Transcript:
    """What an utterance's decodes say: a longer and longer text, of which `stable_words` will not change any more."""

    def __init__(self) -> None:
        self.stable_words = 0
        self.prefix: Tokens = ()
        self._recent: deque[Words] = deque(maxlen=_AGREEING_DECODES)
        self._latest: Words = ()
        self._shown: Words = ()

    @property
    def shown(self) -> Tokens:
        """The text that was shown last."""
        return tuple(token for word in self._shown for token in word.tokens)

    def settle(self, words: Words) -> None:
        """Take a decode: words on which the recent ones agree are settled, short of the last of them.

        That last one seals the words before it: its first token carries a space, and as the end of the
        prefix it keeps a later decode from growing the last settled word by a comma or a syllable.
        """
        self._recent.append(words)
        if len(self._recent) < _AGREEING_DECODES:
            return
        agreed = 0
        for same in zip(*(recent[:-_UNTRUSTED_WORDS] for recent in self._recent), strict=False):
            if len({word.tokens for word in same}) > 1:
                break
            agreed += 1
        if agreed - 1 > self.stable_words:
            self.stable_words = agreed - 1
            settled = tuple(token for word in words[: self.stable_words] for token in word.tokens)
            self.prefix = settled + words[self.stable_words].tokens[:1]

    def show(self, words: Words, *, ended: bool) -> tuple[str, str]:
        """Take the newest text and return what to show of it: the settled words, and the others.

        Joined they read right. Words that were shown are taken back only once two decodes in a row want it, and never
        for nothing. The last two words, and thanks at the end, are shown once two decodes have them, or at once when
        speech has `ended`.
        """
        before, self._latest = self._latest, words
        kept, confirmed = _common(self._shown, words), _common(before, words)
        if words and (kept == len(self._shown) or confirmed > kept):
            unsure = 0 if ended else max(_UNSURE_WORDS if self._shown else _UNTRUSTED_WORDS, _weak_ending(words))
            sure = len(words) - unsure
            self._shown = words[: max(kept, sure, confirmed)]
        stable = " ".join(word.text for word in self._shown[: self.stable_words])
        tail = " ".join(word.text for word in self._shown[self.stable_words :])
        return stable, f" {tail}" if stable and tail else tail


def _weak_ending(words: Words) -> int:
    """How many words at the end are thanks that nobody may have said."""
    last = [_plain(word.text) for word in words[-_WEAK_ENDING_WORDS:]]
    return next((len(last) - place for place, word in enumerate(last) if word in _WEAK_ENDINGS), 0)


def _common(one: Words, other: Words) -> int:
    """How many leading words both have, case and punctuation apart."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if _plain(a.text) != _plain(b.text):
            break
        count += 1
    return count


def _plain(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum())
