"""Decide when a child process that ended is started again, or that it cannot be kept; pure, `now` in seconds."""

from enum import Enum

CANNOT_START = 2
"""Exit code of a child that would never start, such as for a model that does not exist."""
# A child that dies at once is not started again at once; one that lived starts from the first pause.
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_HEALTHY_SECONDS = 10.0


class GivenUp(Enum):
    """Why a child is not started again."""

    CANNOT_START = "it cannot start; it says why above"
    DIES_AT_ONCE = "it ends soon after each start; the log above has its exit codes"


class Restarts:
    """The pauses before the starts of one child, which grow while it dies young.

    It is given up after `most_deaths` deaths in a row, of which all but the first came within ten seconds of the start;
    None for never.
    """

    def __init__(self, most_deaths: int | None = None) -> None:
        self._most_deaths = most_deaths
        self._deaths = 0
        self._started = 0.0

    def started(self, now: float) -> None:
        """Note a start."""
        self._started = now

    def ended(self, now: float, exit_code: int) -> float | GivenUp:
        """Note the end of the child; return the pause before its next start in seconds, or why there is none."""
        if exit_code == CANNOT_START:
            return GivenUp.CANNOT_START
        if now - self._started > _HEALTHY_SECONDS:
            self._deaths = 0
        pause = min(_FIRST_PAUSE_SECONDS * 2**self._deaths, _LONGEST_PAUSE_SECONDS)
        self._deaths += 1
        return GivenUp.DIES_AT_ONCE if self._deaths == self._most_deaths else pause
