"""Choose which words of a growing utterance are settled and which are shown."""

from collections import deque

from stream.engine.model.hypotheses import DecodedWord, Tokens
from stream.words import word_key

Words = tuple[DecodedWord, ...]

# The final has to keep the settled words, right or wrong. With four agreeing decodes of at least 2 s it has as few word
# errors as a decode without settled words; with three it has 0.6 points more, with two 0.9.
_AGREEING_DECODES = 4
_UNTRUSTED_WORDS = 1  # the last word of a decode is often cut off
_UNSURE_WORDS = 2  # and the one before it still changes in one case of ten
# Whisper adds such an ending when the audio is faint: the subtitles that it was trained on often end with thanks.
_WEAK_ENDINGS = ("thank", "thanks")
_WEAK_ENDING_WORDS = 4


class Transcript:
    """The text of a growing utterance, of which the first `stable_words` will not change any more."""

    def __init__(self) -> None:
        self.stable_words = 0
        self.prefix: Tokens = ()
        self._recent: deque[Words] = deque(maxlen=_AGREEING_DECODES)
        self._latest: Words = ()
        self._shown: Words = ()

    @property
    def shown(self) -> Tokens:
        """The tokens of the text that was shown last."""
        return tuple(token for word in self._shown for token in word.tokens)

    def settle(self, words: Words) -> None:
        """Take a decode: settle the words on which the recent decodes agree, except the last of them.

        The first token of that last word has a leading space. As the end of the prefix it keeps a later decode from
        extending the last settled word by a comma or a syllable.
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
        """Take the newest text and return what to show: the settled words, and the others; the text is both joined.

        Shown words are only replaced, once two decodes in a row agree, and never removed without a replacement. The
        last two words, and thanks at the end, are shown once two decodes have them, or at once if speech has `ended`.
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
    """How many words at the end are thanks that may not have been spoken."""
    last = [word_key(word.text) for word in words[-_WEAK_ENDING_WORDS:]]
    return next((len(last) - place for place, word in enumerate(last) if word in _WEAK_ENDINGS), 0)


def _common(one: Words, other: Words) -> int:
    """How many leading words are the same except for case and punctuation."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if word_key(a.text) != word_key(b.text):
            break
        count += 1
    return count
