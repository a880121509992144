"""The pace of the engine: how often a growing utterance may be decoded, by what decodes cost and who talks."""

from dataclasses import dataclass

from vad import SAMPLE_RATE

# With one talker the processor goal, a quarter of a core, allows a partial for each half second of sound.
_SHORTEST_STEP_SECONDS = 0.5
_LONGEST_STEP_SECONDS = 4.0
# The rest of the cores is for finals, which nobody shall wait for, and for the work around the decoding.
_PARTIALS_SHARE = 0.9
# A pause that may be the end of the utterance: after 250 ms of silence the text is that of the whole (30 of 34
# utterances to the letter, the word errors are the same); when busy only longer ones are worth a decode.
_SHORTEST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 0.4
_FIRST_GUESS_SECONDS = 0.1
_NEWEST_SHARE = 0.1  # of the latest decode in the running mean


@dataclass(frozen=True, slots=True)
class Pace:
    """A partial after each `step_samples` of sound, an early final after `pause_samples` of silence."""

    step_samples: int
    pause_samples: int


class Pacer:
    """Sets the pace from the `mean_seconds` that partials take lately and the number of utterances that grow."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self.mean_seconds = _FIRST_GUESS_SECONDS

    def note(self, seconds: float) -> None:
        """A decode of a growing utterance took so long."""
        self.mean_seconds += _NEWEST_SHARE * (seconds - self.mean_seconds)

    def pace(self, growing: int) -> Pace:
        """The pace for so many growing utterances."""
        needed_seconds = growing * self.mean_seconds / (_PARTIALS_SHARE * self._workers)
        step_seconds = min(max(needed_seconds, _SHORTEST_STEP_SECONDS), _LONGEST_STEP_SECONDS)
        is_busy = step_seconds > _SHORTEST_STEP_SECONDS
        pause_seconds = _LONGEST_PAUSE_SECONDS if is_busy else _SHORTEST_PAUSE_SECONDS
        return Pace(round(step_seconds * SAMPLE_RATE), round(pause_seconds * SAMPLE_RATE))
