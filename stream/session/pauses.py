"""Pauses between words, on the audio's clock."""

from collections.abc import Iterable

from stream.session.events import Settled
from stream.session.utterance import Utterance
from vad import SAMPLE_RATE


class PauseWatch:
    """Finds where no word followed the last settled one of a channel for `pause_ms`, each such place once.

    What it finds depends on the audio and on its words alone, not on when they come: an utterance that began before
    the pause was over may still have a word in it, so that its final is waited for. `pause_ms` is 0 for no pauses.
    """

    def __init__(self, pause_ms: int) -> None:
        self._pause_samples = pause_ms * SAMPLE_RATE // 1000
        self._last_word_end: int | None = None

    def settle(self, settled: Settled) -> None:
        """Take the next settled utterance; one without words changes nothing."""
        words = settled.hypothesis.best.words
        if words and self._pause_samples:
            self._last_word_end = words[-1].end

    def take(self, decided: int, unsettled: Iterable[Utterance]) -> int | None:
        """Return the end of the word before a pause that is over, None if there is none.

        No further utterance begins before the sample `decided`; `unsettled` are those of the channel.
        """
        last_word_end = self._last_word_end
        if last_word_end is None:
            return None
        due = last_word_end + self._pause_samples
        for utterance in unsettled:
            if utterance.onset is None:
                # Without a detector an utterance is always open; only words show that it is one.
                if utterance.hypothesis.best.words:
                    return None
            elif utterance.onset < due:
                return None
            else:
                decided = due
        if decided < due:
            return None
        self._last_word_end = None
        return last_word_end
