"""Control the load: choose how often growing utterances are decoded, by the cost of decodes and their number."""

from dataclasses import dataclass

from vad import SAMPLE_RATE

# With one talker, the goal of a quarter of a core allows a partial for each half second of audio.
_SHORTEST_STEP_SECONDS = 0.5
_LONGEST_STEP_SECONDS = 4.0
# The rest of the cores is for finals, which must not wait, and for the work around the decoding.
_PARTIALS_SHARE = 0.9
# A pause that may end the utterance: after 250 ms of silence the text is that of the whole (30 of 34 utterances are
# identical, with the same word errors). Under load only longer pauses are worth a decode.
_SHORTEST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 0.4
# After a single word the answer is wanted soonest, and a decode in vain costs little: its padding is most of the audio.
_PAUSE_AFTER_WORD_SECONDS = 0.15
_FIRST_GUESS_SECONDS = 0.1
_NEWEST_SHARE = 0.1  # of the latest decode in the running mean


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeIntervals:
    """A partial is due after each `step_samples` of audio, an early final after `pause_samples` of silence.

    After a single word the pause is `word_pause_samples`. All are longer than usual where `is_longer`.
    """

    step_samples: int
    pause_samples: int
    word_pause_samples: int
    is_longer: bool = False


class LoadControl:
    """Chooses the intervals from `mean_seconds`, the running mean of partials, and the number of growing utterances."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self.mean_seconds = _FIRST_GUESS_SECONDS

    def note(self, seconds: float) -> None:
        """Record how long the decode of a growing utterance took."""
        self.mean_seconds += _NEWEST_SHARE * (seconds - self.mean_seconds)

    def intervals(self, growing: int) -> DecodeIntervals:
        """Return the intervals for so many growing utterances."""
        needed_seconds = growing * self.mean_seconds / (_PARTIALS_SHARE * self._workers)
        step_seconds = min(max(needed_seconds, _SHORTEST_STEP_SECONDS), _LONGEST_STEP_SECONDS)
        is_busy = step_seconds > _SHORTEST_STEP_SECONDS
        pause_seconds = _LONGEST_PAUSE_SECONDS if is_busy else _SHORTEST_PAUSE_SECONDS
        word_pause_seconds = pause_seconds if is_busy else _PAUSE_AFTER_WORD_SECONDS
        return DecodeIntervals(
            step_samples=round(step_seconds * SAMPLE_RATE),
            pause_samples=round(pause_seconds * SAMPLE_RATE),
            word_pause_samples=round(word_pause_seconds * SAMPLE_RATE),
            is_longer=is_busy,
        )
