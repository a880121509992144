"""Owns how long an attempt may go without an answer before it is taken for stalled; pure."""

from vad import SAMPLE_RATE

# Speech of such a length deserves an answer; of less, a recognizer may make nothing yet.
_OWED_SAMPLES = SAMPLE_RATE
# A recognizer that answered so often is known: so many times its slowest answer is too long for it,
# though less than this many seconds never are, because machines are busy now and then.
_KNOWN_ANSWERS = 4
_TIMES_THE_SLOWEST = 6
# So often it is no accident.
_KNOWN_ENDS = 3
_LEAST_SECONDS = 2.0
# What was slow once is forgotten slowly.
_FADING = 0.99


class Habits:
    """What one session has learned of its recognizer: how quickly it answers, and whether it ever says final."""

    def __init__(self) -> None:
        self._answers = 0
        self._slowest_seconds = 0.0
        self._has_settled = False
        self._ends_without_final = 0

    @property
    def never_settles(self) -> bool:
        """Whether it seems to be one of those that mark nothing as final."""
        return not self._has_settled and self._ends_without_final >= _KNOWN_ENDS

    def settled(self) -> None:
        """It marked something as final."""
        self._has_settled = True

    def ended_without_final(self) -> None:
        """It had text, and came to the end of the audio without a final."""
        self._ends_without_final += 1

    def took(self, seconds: float) -> None:
        """An answer came after so long."""
        self._answers += 1
        self._slowest_seconds = max(_FADING * self._slowest_seconds, seconds)

    def patience(self, stall_seconds: float) -> float:
        """How long to wait for the next, at most `stall_seconds`."""
        if self._answers < _KNOWN_ANSWERS:
            return stall_seconds
        return min(stall_seconds, max(_LEAST_SECONDS, _TIMES_THE_SLOWEST * self._slowest_seconds))


class Patience:
    """Follows one attempt; times are seconds on the caller's clock.

    An answer is owed from the moment when `_OWED_SAMPLES` of speech went unanswered, and after the end of the audio
    always. `due` is when the patience with that ends, None while nothing is owed: after `stall_seconds`, or earlier
    where the recognizer's habits are known. After a stall it is twice that: it may be slow.
    """

    def __init__(self, habits: Habits, stall_seconds: float, *, is_doubled: bool = False) -> None:
        self._habits = habits
        self._stall_seconds = stall_seconds
        self._factor = 2 if is_doubled else 1
        self._unanswered = 0
        self._unanswered_since: float | None = None
        self._owed_since: float | None = None
        self._is_finished = False

    @property
    def is_owed(self) -> bool:
        return self._owed_since is not None

    @property
    def due(self) -> float | None:
        if self._owed_since is None:
            return None
        return self._owed_since + self._habits.patience(self._stall_seconds) * self._factor

    def sent(self, now: float, speech_samples: int) -> None:
        self._unanswered += speech_samples
        if self._unanswered_since is None:
            self._unanswered_since = now
        if self._owed_since is None and self._unanswered >= _OWED_SAMPLES:
            self._owed_since = now

    def heard(self, now: float) -> None:
        if self._unanswered_since is not None:
            self._habits.took(now - self._unanswered_since)
        self._unanswered = 0
        self._unanswered_since = None
        self._owed_since = now if self._is_finished else None

    def finished(self, now: float) -> None:
        self._is_finished = True
        self._unanswered_since = self._owed_since = now
