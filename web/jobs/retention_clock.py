"""The time of day for deletions, which follows a jump of the wall clock only once the jump has lasted for hours.

A deletion cannot be undone, and a wall clock can be wrong: before NTP has set it at boot, after a battery failed, or
while somebody tries something. Every minute its advance is therefore compared with a clock that cannot be set and that
also counts the time in which a laptop sleeps. After a jump ahead, deletions go by the time without the jump until the
server has run for six hours without the clock being set back. A clock that was set back is followed at once, because
that only delays deletions.

The last observation is kept in the database for the next start. Nothing measures how long a server was off, so that
more than an hour counts as a jump. How long each jump has lasted is kept too: a machine that runs two hours a day
deletes three days late.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import structlog

from web.clock import Clock
from web.store.shared import Notes

_JUMP_SECONDS = 30.0
"""More than two clocks drift apart in a minute, and more than a pause of the process takes."""
_RESTART_SECONDS = 3600.0
_PROBATION_SECONDS = 6 * 3600.0
_MOST_JUMPS = 16
_NAME = "calendar"  # of the note in the database
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump of the wall clock, `seconds` ahead, which is followed after `left` more seconds."""

    seconds: float
    left: float


@dataclass(frozen=True, slots=True)
class Observation:
    """The wall clock at the last comparison, and its jumps that are not followed yet, the latest one last."""

    wall: float
    jumps: tuple[Jump, ...] = ()

    @property
    def now(self) -> float:
        """The time of day without the jumps."""
        return self.wall - sum(jump.seconds for jump in self.jumps)

    def next(self, wall: float, passed_seconds: float | None) -> "Observation":
        """Return the next observation, after so many seconds, or after a restart (None)."""
        passed = passed_seconds or 0.0
        allowed = _RESTART_SECONDS if passed_seconds is None else _JUMP_SECONDS
        jumps = [replace(jump, left=jump.left - passed) for jump in self.jumps if jump.left > passed]
        ahead = wall - self.wall - passed
        if ahead > allowed:
            jumps.append(Jump(ahead, _PROBATION_SECONDS))
        return Observation(wall, tuple(_merged(_shortened(jumps, max(0.0, -ahead)))))


def _shortened(jumps: list[Jump], back_seconds: float) -> list[Jump]:
    """Remove the seconds by which the wall clock was set back, from the latest jump first."""
    while jumps and back_seconds:
        last = jumps.pop()
        if last.seconds > back_seconds:
            return [*jumps, replace(last, seconds=last.seconds - back_seconds)]
        back_seconds -= last.seconds
    return jumps


def _merged(jumps: Sequence[Jump]) -> Sequence[Jump]:
    """Bound the jumps: the two oldest become one, which waits as long as the longer of them."""
    if len(jumps) <= _MOST_JUMPS:
        return jumps
    first, second, *rest = jumps
    return [Jump(first.seconds + second.seconds, max(first.left, second.left)), *rest]


class RetentionClock:
    """Compares the clocks, and keeps the last observation in the database.

    `clock` tells the time of day, `boot_clock` the seconds since boot, sleep included.
    """

    def __init__(self, notes: Notes, *, clock: Clock, boot_clock: Clock) -> None:
        self._notes = notes
        self._clock = clock
        self._boot_clock = boot_clock
        self._observation: Observation | None = None
        self._observed_at = 0.0

    async def now(self) -> float:
        """Compare the clocks; return the time of day for deletions, in seconds since 1970."""
        wall, at = self._clock(), self._boot_clock()
        if self._observation is None:
            before, passed = await self._before(wall), None
        else:
            before, passed = self._observation, at - self._observed_at
        current = before.next(wall, passed)
        if len(current.jumps) > len(before.jumps):
            _log.warning(
                "clock_leapt", seconds=round(current.jumps[-1].seconds), followed_in_seconds=_PROBATION_SECONDS
            )
        self._observation, self._observed_at = current, at
        await self._notes.put(_NAME, msgspec.json.encode(current).decode())
        return current.now

    async def _before(self, wall: float) -> Observation:
        """Return the last observation of an earlier process, or the time of its last change of the database."""
        text = await self._notes.get(_NAME)
        if text is not None:
            return msgspec.json.decode(text, type=Observation)
        touched_at = await self._notes.last_touched_at()
        return Observation(wall if touched_at is None else touched_at)
