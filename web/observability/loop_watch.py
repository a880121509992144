"""A watch on the event loop: how long it was held up at most, and by what."""

import asyncio
import math
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import FrameType

import structlog

from web.clock import Clock, steady_clock, thread_clock

# A callback of 10 ms is what one may take; a beat costs some 10 us, a look of the thread as much.
_BEAT_SECONDS = 0.02
_LOOK_SECONDS = 0.05
_LONG_SECONDS = 0.1
_LOG_EVERY_SECONDS = 60.0
# The longest of a minute is shown for so long, and for half as long again.
_SHOWN_SECONDS = 60.0
_MOST_FRAMES = 6
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stall:
    """A time in which the loop did nothing else; `cpu_seconds` of it were its own work.

    `place` has the calls in which it was, innermost first, as far as they were seen. So many long ones were not logged
    since the last one that was: `unlogged`.
    """

    seconds: float
    cpu_seconds: float
    place: tuple[str, ...] = ()
    unlogged: int = 0


class Stalls:
    """Judges beats that should come every `_BEAT_SECONDS`; all times are seconds of one clock."""

    def __init__(self, now: float, cpu_seconds: float = 0.0) -> None:
        self.beat_at = now
        self._cpu_seconds = cpu_seconds
        self._logged_at = -math.inf
        self._unlogged = 0
        self._seen: tuple[float, tuple[str, ...]] = (math.nan, ())
        self._since = now
        self._longest = self._longest_before = 0.0

    def beat(self, now: float, cpu_seconds: float) -> Stall | None:
        """The loop goes round; return what is to be logged."""
        seconds, worked = max(0.0, now - self.beat_at - _BEAT_SECONDS), cpu_seconds - self._cpu_seconds
        seen_at, place = self._seen
        place = place if seen_at == self.beat_at else ()
        self.beat_at, self._cpu_seconds = now, cpu_seconds
        self._forget(now)
        self._longest = max(self._longest, seconds)
        if seconds < _LONG_SECONDS:
            return None
        if now - self._logged_at < _LOG_EVERY_SECONDS:
            self._unlogged += 1
            return None
        self._logged_at, unlogged, self._unlogged = now, self._unlogged, 0
        return Stall(seconds, worked, place, unlogged)

    def is_late(self, now: float) -> bool:
        """Whether the loop is held up for so long by now that its place is wanted, and was not seen yet."""
        return now - self.beat_at > _LONG_SECONDS and self._seen[0] != self.beat_at

    def see(self, beat_at: float, place: tuple[str, ...]) -> None:
        """Note where the loop has been since a beat."""
        self._seen = beat_at, place

    def longest(self, now: float) -> float:
        """Seconds of the longest stall of the last minute, or a little more."""
        self._forget(now)
        return max(self._longest, self._longest_before)

    def _forget(self, now: float) -> None:
        if now - self._since >= _SHOWN_SECONDS / 2:
            is_old = now - self._since >= _SHOWN_SECONDS
            self._longest_before, self._longest = 0.0 if is_old else self._longest, 0.0
            self._since = now


@asynccontextmanager
async def watched_loop(
    show: Callable[[Callable[[], float]], None], clock: Clock = steady_clock, cpu_clock: Clock = thread_clock
) -> AsyncIterator[None]:
    """Watch the running loop while the context lasts; `show` is given what tells the longest stall."""
    stalls = Stalls(clock(), cpu_clock())
    show(lambda: stalls.longest(clock()))
    is_over = threading.Event()
    looking = threading.Thread(
        target=_look, args=(stalls, threading.get_ident(), is_over, clock), name="loop-watch", daemon=True
    )
    beating = asyncio.create_task(_beat(stalls, clock, cpu_clock))
    looking.start()
    try:
        yield
    finally:
        is_over.set()
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        looking.join()


async def _beat(stalls: Stalls, clock: Clock, cpu_clock: Clock) -> None:
    while True:
        await asyncio.sleep(_BEAT_SECONDS)
        stall = stalls.beat(clock(), cpu_clock())
        if stall is not None:
            _log.warning(
                "loop_stalled",
                seconds=round(stall.seconds, 3),
                cpu_seconds=round(stall.cpu_seconds, 3),
                place=list(stall.place),
                unlogged=stall.unlogged,
            )


def _look(stalls: Stalls, thread_id: int, is_over: threading.Event, clock: Clock) -> None:
    """Look now and then, in a thread of its own, where a loop is that is held up."""
    while not is_over.wait(_LOOK_SECONDS):
        beat_at = stalls.beat_at
        if stalls.is_late(clock()):
            stalls.see(beat_at, _place(sys._current_frames().get(thread_id)))


def _place(frame: FrameType | None) -> tuple[str, ...]:
    """The innermost calls, as `module:line function`: nothing that anybody sent."""
    calls: list[str] = []
    while frame is not None and len(calls) < _MOST_FRAMES:
        calls.append(f"{frame.f_globals.get('__name__', '?')}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return tuple(calls)
