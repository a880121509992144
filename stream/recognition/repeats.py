"""Distinguish partials that repeat a final from words that were spoken again; pure."""

from dataclasses import replace

from stream.recognition.replay import Placement
from stream.session.events import Alternative, Hypothesis, Word
from vad import SAMPLE_RATE

# Nobody speaks more than 25 letters a second; quick speech has some 15.
_LEAST_SAMPLES_PER_LETTER = SAMPLE_RATE // 25
# Real servers were seen to send a partial with the text of a final some hundred milliseconds after it.
_LATE_SAMPLES = SAMPLE_RATE * 8 // 10

Keys = tuple[str, ...]


class Repeats:
    """Remembers the latest final of an attempt, and takes its text out of the partials that come late.

    `position` is the sample of the stream up to which a hypothesis goes, or up to which audio was sent where it has no
    position. Words of a partial belong to the final as long as there was no time to speak them again.
    """

    def __init__(self) -> None:
        self._final: Keys = ()
        self._before: Keys = ()
        self._latest: tuple[Word, ...] = ()
        self._position = 0
        self._end = 0
        self._base: int | None = None

    def settled(self, words: tuple[Word, ...], position: int, placement: Placement) -> None:
        """Take the words of a final that counts."""
        self._before, self._latest = _keys(self._latest), ()
        self._final = _keys(words)
        self._position = position
        self._end = (words[-1].end if words else 0) or position
        self._base = placement.base

    def new_part(self, partial: Hypothesis, position: int, placement: Placement) -> Hypothesis | None:
        """Return a partial without the words that only repeat the final; None when nothing is left."""
        words = partial.best.words
        count = self._repeated(words, partial, position, placement)
        if count and count == len(words):
            return None
        self._latest = words[count:] or self._latest
        if not count:
            return partial
        best = Alternative(words[count:], partial.best.confidence)
        return replace(partial, alternatives=(best,), stable_words=max(0, partial.stable_words - count))

    def is_said_again(self, words: tuple[Word, ...], position: int, placement: Placement) -> bool:
        """Whether a final without positions is the one before once more."""
        keys = _keys(words)
        is_same = bool(keys) and keys == self._final and placement.base == self._base and not self._latest
        return is_same and position - self._position < _time_to_say(keys)

    def _repeated(self, words: tuple[Word, ...], partial: Hypothesis, position: int, placement: Placement) -> int:
        """Return how many leading words of a partial are the final's."""
        if not self._final or placement.base != self._base:
            return 0
        keys = _keys(words)
        if partial.first_word:
            is_late = placement.stream_position(partial.first_word) < self._end
        else:
            is_late = position - self._position < _time_to_say(keys)
        if keys[: len(self._final)] == self._final:
            return len(self._final) if is_late else 0
        if keys == self._before:
            return len(keys) if is_late else 0
        # An older text of the final. It may be the beginning of something new as soon as there was time for that.
        is_older = keys == self._final[: len(keys)] and position - self._position < _quickest(keys)
        return len(keys) if is_older else 0


def _keys(words: tuple[Word, ...]) -> Keys:
    return tuple(word.key for word in words)


def _quickest(keys: Keys) -> int:
    """Return in how many samples these words can be spoken."""
    return _LEAST_SAMPLES_PER_LETTER * sum(len(key) for key in keys)


def _time_to_say(keys: Keys) -> int:
    return max(_LATE_SAMPLES, _quickest(keys))
