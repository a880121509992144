"""Decide whether a child process that should beat once a second hangs; pure, `now` in seconds on any steady clock."""

from dataclasses import dataclass
from enum import Enum

BEAT_SECONDS = 1.0
"""How often the child beats, and how often it is looked at."""
# So long without a beat, idle or busy, and new streams had better wait.
_SUSPECT_IDLE_SECONDS = 2.5
_SUSPECT_BUSY_SECONDS = 15.0
# A look that comes so late tells of the process that looks: it was stopped, or its machine was asleep.
_LATE_SECONDS = 3.0
_MOST_DOUBLINGS = 4
# A child that answered for so long starts well on this machine.
_PROVEN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class HangLimits:
    """Seconds without a beat after which a child hangs: `idle` where it did nothing at all, `busy` where it worked.

    Before its first beat it is patiently waited for (`starting_idle` and `starting_busy`): a slow machine reads the
    libraries and the model from a disk that others use, too.
    """

    idle: float = 6.0
    busy: float = 60.0
    starting_idle: float = 60.0
    starting_busy: float = 600.0


HANG_LIMITS = HangLimits()


class Health(Enum):
    """STARTING has not said yet that it is ready; HUNG is to be replaced."""

    STARTING = "starting"
    WELL = "well"
    SUSPECT = "suspect"
    HUNG = "hung"


class Heartbeat:
    """The health of one child, judged at looks that are `BEAT_SECONDS` apart.

    Only time in which this process itself ran counts against the child. Whether the child works is measured from
    outside (`process_activity.py`), because a busy machine keeps its loop from beating, but not its threads from using
    the processor or waiting for memory and disk.
    """

    def __init__(self, limits: HangLimits, now: float, *, hangs: int = 0) -> None:
        """Begin with a child that was just started, after so many in a row that hung: each doubles the patience."""
        self.health = Health.STARTING
        self.is_proven = False
        self._limits = limits
        self._factor = 1 << min(hangs, _MOST_DOUBLINGS)
        self._began = self._looked = now
        self._has_beaten = self._beats = self._is_ready = False
        self._silent_seconds = self._idle_seconds = 0.0

    def beat(self, *, is_ready: bool) -> None:
        """Note that the child beat; `is_ready` once it said so."""
        self._has_beaten = self._beats = True
        self._is_ready = self._is_ready or is_ready
        if self.health is not Health.HUNG:
            self.health = Health.WELL if self._is_ready else Health.STARTING

    def look(self, now: float, *, is_working: bool) -> Health:
        """Judge what was seen since the look before."""
        passed, self._looked = now - self._looked, now
        if self._beats:
            self._silent_seconds = self._idle_seconds = 0.0
            self._beats = False
            self.is_proven = self.is_proven or now - self._began >= _PROVEN_SECONDS
        elif passed < _LATE_SECONDS:
            self._silent_seconds += passed
            self._idle_seconds = 0.0 if is_working else self._idle_seconds + passed
        if self._is_over():
            self.health = Health.HUNG
        elif self.health is Health.WELL and self._is_suspect():
            self.health = Health.SUSPECT
        return self.health

    def _is_suspect(self) -> bool:
        return self._idle_seconds >= _SUSPECT_IDLE_SECONDS or self._silent_seconds >= _SUSPECT_BUSY_SECONDS

    def _is_over(self) -> bool:
        limits = self._limits
        idle, busy = (limits.idle, limits.busy) if self._has_beaten else (limits.starting_idle, limits.starting_busy)
        return self._idle_seconds >= idle * self._factor or self._silent_seconds >= busy * self._factor
