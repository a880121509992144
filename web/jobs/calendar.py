"""The time of day that deletion goes by: a leap of the wall clock is believed only after it has lasted.

What is deleted is gone for good, and a wall clock may be wrong: before NTP has set it at boot, after a battery failed,
for the minute in which somebody tried something. So every minute the wall clock's advance is compared with that of a
clock that cannot be set and counts the sleep of a laptop, too. Where the wall clock has leapt ahead, deletion goes on
as if it had not, until six hours of running have passed without its being set back. One that was set back is believed
at once: then things are deleted later, never earlier.

What was seen last is kept in the database for the next start. How long a server was away nothing can tell, so more
than an hour counts as a leap. The time that each leap has lasted is kept as well: a machine that runs two hours a day
deletes three days late, not never.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import structlog

from web.clock import Clock
from web.store.notes import Notes

_LEAP_SECONDS = 30.0
"""More than any two clocks drift apart, and any stop of the process takes, in a minute."""
_RESTART_SECONDS = 3600.0
_PROBATION_SECONDS = 6 * 3600.0
_MOST_LEAPS = 16
_NAME = "calendar"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Leap:
    """So many `seconds` that the wall clock went ahead; it is believed when `left` more have passed."""

    seconds: float
    left: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What the wall clock said at the last look, and the leaps in it that are not believed yet, the latest last."""

    wall: float
    leaps: tuple[Leap, ...] = ()

    @property
    def now(self) -> float:
        """The time of day that has come for certain."""
        return self.wall - sum(leap.seconds for leap in self.leaps)

    def next(self, wall: float, passed_seconds: float | None) -> "Seen":
        """Look again, after so many seconds, or after a restart (None)."""
        passed = passed_seconds or 0.0
        allowed = _RESTART_SECONDS if passed_seconds is None else _LEAP_SECONDS
        leaps = [replace(leap, left=leap.left - passed) for leap in self.leaps if leap.left > passed]
        ahead = wall - self.wall - passed
        if ahead > allowed:
            leaps.append(Leap(ahead, _PROBATION_SECONDS))
        return Seen(wall, tuple(_merged(_shortened(leaps, max(0.0, -ahead)))))


def _shortened(leaps: list[Leap], back_seconds: float) -> list[Leap]:
    """Take back what the wall clock was set back by, from the latest leap first."""
    while leaps and back_seconds:
        last = leaps.pop()
        if last.seconds > back_seconds:
            return [*leaps, replace(last, seconds=last.seconds - back_seconds)]
        back_seconds -= last.seconds
    return leaps


def _merged(leaps: Sequence[Leap]) -> Sequence[Leap]:
    """No more leaps than are kept: the oldest two last as long as the longer of them."""
    if len(leaps) <= _MOST_LEAPS:
        return leaps
    first, second, *rest = leaps
    return [Leap(first.seconds + second.seconds, max(first.left, second.left)), *rest]


class Calendar:
    """Looks at the clocks, and keeps what it saw in the database."""

    def __init__(self, notes: Notes, *, clock: Clock, boot_clock: Clock) -> None:
        self._notes = notes
        self._clock = clock
        self._boot_clock = boot_clock
        self._seen: Seen | None = None
        self._looked_at = 0.0

    async def look(self) -> float:
        """Look at the clocks; return the seconds since 1970 that have passed for certain."""
        wall, at = self._clock(), self._boot_clock()
        if self._seen is None:
            before, passed = await self._before(wall), None
        else:
            before, passed = self._seen, at - self._looked_at
        seen = before.next(wall, passed)
        if len(seen.leaps) > len(before.leaps):
            _log.warning("clock_leapt", seconds=round(seen.leaps[-1].seconds), believed_in_seconds=_PROBATION_SECONDS)
        self._seen, self._looked_at = seen, at
        await self._notes.put(_NAME, msgspec.json.encode(seen).decode())
        return seen.now

    async def _before(self, wall: float) -> Seen:
        """What an earlier process saw last; without a note, when it last touched anything."""
        text = await self._notes.get(_NAME)
        if text is not None:
            return msgspec.json.decode(text, type=Seen)
        touched_at = await self._notes.last_touched_at()
        return Seen(wall if touched_at is None else touched_at)
