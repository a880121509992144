"""Decide how long an attempt may go without an answer before it is taken for stalled; pure."""

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
_FADING = 0.99
_MOST_DOUBLINGS = 8


class Pace:
    """How long one kind of answer takes; what was slow once is forgotten slowly."""

    def __init__(self) -> None:
        self.answers = 0
        self._slowest_seconds = 0.0

    def took(self, seconds: float) -> None:
        """An answer came after so long."""
        self.answers += 1
        self._slowest_seconds = max(_FADING * self._slowest_seconds, seconds)

    @property
    def patience(self) -> float:
        """After how many seconds the next answer is too late."""
        return max(_LEAST_SECONDS, _TIMES_THE_SLOWEST * self._slowest_seconds)


class Habits:
    """What one session has learned of its recognizer: how quickly it answers, and whether it ever says final.

    The final after the end of the audio has a pace of its own: it may take many times as long as unsettled text.
    """

    def __init__(self) -> None:
        self._unsettled = Pace()
        self._final = Pace()
        self._has_settled = self._is_awaited_in_vain = False
        self._ends_without_final = 0

    @property
    def never_settles(self) -> bool:
        """Whether it seems to be one of those that mark nothing as final."""
        return not self._has_settled and self._ends_without_final >= _KNOWN_ENDS

    def settled(self) -> None:
        """It marked something as final."""
        self._has_settled = True

    def ended_without_final(self) -> None:
        """It had text, and ended without a final."""
        self._ends_without_final += 1

    def waited_in_vain(self) -> None:
        """It had text, and its final did not come however long it was waited for."""
        self._ends_without_final += 1
        self._is_awaited_in_vain = True

    def took(self, seconds: float) -> None:
        """An answer came after so long."""
        self._unsettled.took(seconds)

    def final_took(self, seconds: float) -> None:
        """The final came so long after the end of the audio."""
        self._final.took(seconds)
        self._is_awaited_in_vain = False

    def patience(self, stall_seconds: float) -> float:
        """How long to wait for the next answer, at most `stall_seconds`."""
        return (
            min(stall_seconds, self._unsettled.patience) if self._unsettled.answers >= _KNOWN_ANSWERS else stall_seconds
        )

    def final_patience(self, stall_seconds: float, final_seconds: float) -> float:
        """How long to wait for the final, at most `final_seconds`; `stall_seconds` for one that has given none yet."""
        if self._is_awaited_in_vain and not self.never_settles:
            return final_seconds
        return min(self._final.patience, final_seconds) if self._final.answers else stall_seconds


class Patience:
    """Follows one attempt; times are seconds on the caller's clock.

    An answer is owed from the moment when `_OWED_SAMPLES` of speech went unanswered, and after the end of the audio
    always, up to the final. `due` is when the patience with that ends, None while nothing is owed: after
    `stall_seconds`, or as the recognizer's habits say. After `stalls` in a row it is doubled as often, because it may
    be slow, up to `final_seconds`.
    """

    def __init__(self, habits: Habits, stall_seconds: float, final_seconds: float, *, stalls: int = 0) -> None:
        self._habits = habits
        self._stall_seconds = stall_seconds
        self._final_seconds = final_seconds
        self._factor = 1 << min(stalls, _MOST_DOUBLINGS)
        self._unanswered = 0
        self._unanswered_since: float | None = None
        self._owed_since: float | None = None
        self._finished: float | None = None

    @property
    def is_owed(self) -> bool:
        return self._owed_since is not None

    @property
    def due(self) -> float | None:
        if self._owed_since is None:
            return None
        if self._finished is None:
            seconds = self._habits.patience(self._stall_seconds)
        else:
            seconds = self._habits.final_patience(self._stall_seconds, self._final_seconds)
        return self._owed_since + min(seconds * self._factor, self._final_seconds)

    def sent(self, now: float, speech_samples: int) -> None:
        self._unanswered += speech_samples
        if self._unanswered_since is None:
            self._unanswered_since = now
        if self._owed_since is None and self._unanswered >= _OWED_SAMPLES:
            self._owed_since = now

    def heard(self, now: float, *, is_final: bool = False) -> None:
        if self._finished is not None and is_final:
            self._habits.final_took(now - self._finished)
        elif self._unanswered_since is not None:
            self._habits.took(now - self._unanswered_since)
        self._unanswered = 0
        self._unanswered_since = None
        self._owed_since = None if self._finished is None else now

    def finished(self, now: float) -> None:
        self._finished = self._owed_since = now
        self._unanswered_since = None
