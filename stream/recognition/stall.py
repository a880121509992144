"""Stall detection: how long an attempt may go without a response; pure."""

from vad import SAMPLE_RATE

# Speech of such a length must be answered; of less, a recognizer may make nothing yet.
_OWED_SAMPLES = SAMPLE_RATE
# After so many responses the times are known: so many times the slowest one is too long, though less than
# `_LEAST_SECONDS` never is, because machines are busy now and then.
_KNOWN_RESPONSES = 4
_TIMES_THE_SLOWEST = 6
# So often it is no accident.
_KNOWN_ENDS = 3
_LEAST_SECONDS = 2.0
_FADING = 0.99
_MOST_DOUBLINGS = 8


class _ResponseTime:
    """How long one kind of response takes; a slow one is forgotten slowly."""

    def __init__(self) -> None:
        self.responses = 0
        self._slowest_seconds = 0.0

    def took(self, seconds: float) -> None:
        """Note a response after so many seconds."""
        self.responses += 1
        self._slowest_seconds = max(_FADING * self._slowest_seconds, seconds)

    @property
    def timeout_seconds(self) -> float:
        """After how many seconds the next response is too late."""
        return max(_LEAST_SECONDS, _TIMES_THE_SLOWEST * self._slowest_seconds)


class ResponseTimes:
    """What one session has measured of its recognizer: how quickly it responds, and whether it ever sends a final.

    The final after the end of the audio is measured on its own: it may take many times as long as unsettled text.
    """

    def __init__(self) -> None:
        self._unsettled = _ResponseTime()
        self._final = _ResponseTime()
        self._has_settled = self._is_awaited_in_vain = False
        self._ends_without_final = 0

    @property
    def never_settles(self) -> bool:
        """Whether it seems to be one of those that mark nothing as final."""
        return not self._has_settled and self._ends_without_final >= _KNOWN_ENDS

    def settled(self) -> None:
        """Note a final."""
        self._has_settled = True

    def ended_without_final(self) -> None:
        """Note a stream that had text, and ended without a final."""
        self._ends_without_final += 1

    def waited_in_vain(self) -> None:
        """Note a stream that had text, and whose final did not come in time."""
        self._ends_without_final += 1
        self._is_awaited_in_vain = True

    def took(self, seconds: float) -> None:
        """Note a response after so many seconds."""
        self._unsettled.took(seconds)

    def final_took(self, seconds: float) -> None:
        """Note a final, so many seconds after the end of the audio."""
        self._final.took(seconds)
        self._is_awaited_in_vain = False

    def timeout_seconds(self, stall_seconds: float) -> float:
        """Return how long to wait for the next response, at most `stall_seconds`."""
        if self._unsettled.responses < _KNOWN_RESPONSES:
            return stall_seconds
        return min(stall_seconds, self._unsettled.timeout_seconds)

    def final_timeout_seconds(self, stall_seconds: float, final_seconds: float) -> float:
        """Return how long to wait for the final, at most `final_seconds`; `stall_seconds` before the first one."""
        if self._is_awaited_in_vain and not self.never_settles:
            return final_seconds
        return min(self._final.timeout_seconds, final_seconds) if self._final.responses else stall_seconds


class StallTimeout:
    """The time by which one attempt must get a response; times are seconds on the caller's clock.

    A response is owed from the moment when `_OWED_SAMPLES` of speech went unanswered, and after the end of the audio
    always, up to the final. `due` is when it is too late, None while none is owed: after `stall_seconds`, or less where
    the recognizer's response times are known. After `stalls` in a row the time is doubled as often, because the
    recognizer may be slow, up to `final_seconds`.
    """

    def __init__(
        self, response_times: ResponseTimes, stall_seconds: float, final_seconds: float, *, stalls: int = 0
    ) -> None:
        self._response_times = response_times
        self._stall_seconds = stall_seconds
        self._final_seconds = final_seconds
        self._factor = 1 << min(stalls, _MOST_DOUBLINGS)
        self._unanswered = 0
        self._unanswered_since: float | None = None
        self._owed_since: float | None = None
        self._finished: float | None = None

    @property
    def is_owed(self) -> bool:
        """Whether a response is owed."""
        return self._owed_since is not None

    @property
    def due(self) -> float | None:
        """When the response is too late; None while none is owed."""
        if self._owed_since is None:
            return None
        if self._finished is None:
            seconds = self._response_times.timeout_seconds(self._stall_seconds)
        else:
            seconds = self._response_times.final_timeout_seconds(self._stall_seconds, self._final_seconds)
        return self._owed_since + min(seconds * self._factor, self._final_seconds)

    def sent(self, now: float, speech_samples: int) -> None:
        """Note audio that was sent, so much of it speech."""
        self._unanswered += speech_samples
        if self._unanswered_since is None:
            self._unanswered_since = now
        if self._owed_since is None and self._unanswered >= _OWED_SAMPLES:
            self._owed_since = now

    def responded(self, now: float, *, is_final: bool = False) -> None:
        """Note a response."""
        if self._finished is not None and is_final:
            self._response_times.final_took(now - self._finished)
        elif self._unanswered_since is not None:
            self._response_times.took(now - self._unanswered_since)
        self._unanswered = 0
        self._unanswered_since = None
        self._owed_since = None if self._finished is None else now

    def finished(self, now: float) -> None:
        """Note the end of the audio."""
        self._finished = self._owed_since = now
        self._unanswered_since = None
