"""Monitor the event loop: the longest stall of the last minute, and the calls that caused long ones."""

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

# A callback may take 10 ms; a beat and a check of the thread cost about 10 us each.
_BEAT_SECONDS = 0.02
_CHECK_SECONDS = 0.05
_LONG_SECONDS = 0.1
_LOG_EVERY_SECONDS = 60.0
# The longest stall is reported for a minute, and for up to half a minute more.
_REPORTED_SECONDS = 60.0
_MOST_FRAMES = 6
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """A time in which the loop ran one callback; `cpu_seconds` of it were work, the rest was waiting.

    `place` has the calls in progress, innermost first, if they were sampled. `unlogged` long stalls were not logged
    since the last one.
    """

    seconds: float
    cpu_seconds: float
    place: tuple[str, ...] = ()
    unlogged: int = 0


class Stalls:
    """Detects stalls from beats that are due every `_BEAT_SECONDS`; all times are seconds of one clock."""

    def __init__(self, now: float, cpu_seconds: float = 0.0) -> None:
        self.beat_at = now
        self._cpu_seconds = cpu_seconds
        self._logged_at = -math.inf
        self._unlogged = 0
        self._sampled: tuple[float, tuple[str, ...]] = (math.nan, ())
        self._since = now
        self._longest = self._longest_before = 0.0

    def beat(self, now: float, cpu_seconds: float) -> Stall | None:
        """Record a beat of the loop; return a stall that is to be logged."""
        seconds, worked = max(0.0, now - self.beat_at - _BEAT_SECONDS), cpu_seconds - self._cpu_seconds
        sampled_at, place = self._sampled
        place = place if sampled_at == self.beat_at else ()
        self.beat_at, self._cpu_seconds = now, cpu_seconds
        self._forget(now)
        self._longest = max(self._longest, seconds)
        if seconds < _LONG_SECONDS:
            return None
        if now - self._logged_at < _LOG_EVERY_SECONDS:
            self._unlogged += 1
            return None
        self._logged_at, unlogged, self._unlogged = now, self._unlogged, 0
        return Stall(seconds=seconds, cpu_seconds=worked, place=place, unlogged=unlogged)

    def is_late(self, now: float) -> bool:
        """Return whether a long stall is in progress whose place was not sampled yet."""
        return now - self.beat_at > _LONG_SECONDS and self._sampled[0] != self.beat_at

    def sample(self, beat_at: float, place: tuple[str, ...]) -> None:
        """Record the calls in which the loop has been since a beat."""
        self._sampled = beat_at, place

    def longest(self, now: float) -> float:
        """Return the seconds of the longest stall of the last minute, or a little more."""
        self._forget(now)
        return max(self._longest, self._longest_before)

    def _forget(self, now: float) -> None:
        if now - self._since >= _REPORTED_SECONDS / 2:
            is_old = now - self._since >= _REPORTED_SECONDS
            self._longest_before, self._longest = 0.0 if is_old else self._longest, 0.0
            self._since = now


@asynccontextmanager
async def watched_loop(
    show: Callable[[Callable[[], float]], None], clock: Clock = steady_clock, cpu_clock: Clock = thread_clock
) -> AsyncIterator[None]:
    """Monitor the running loop while the context lasts; `show` is given a function for the longest stall."""
    stalls = Stalls(clock(), cpu_clock())
    show(lambda: stalls.longest(clock()))
    is_over = threading.Event()
    checking = threading.Thread(
        target=_check, args=(stalls, threading.get_ident(), is_over, clock), name="loop-watch", daemon=True
    )
    beating = asyncio.create_task(_beat(stalls, clock, cpu_clock))
    checking.start()
    try:
        yield
    finally:
        is_over.set()
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        checking.join()


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


def _check(stalls: Stalls, thread_id: int, is_over: threading.Event, clock: Clock) -> None:
    """Sample the calls of a stalled loop, in a thread of its own."""
    while not is_over.wait(_CHECK_SECONDS):
        beat_at = stalls.beat_at
        if stalls.is_late(clock()):
            stalls.sample(beat_at, _place(sys._current_frames().get(thread_id)))


def _place(frame: FrameType | None) -> tuple[str, ...]:
    """Return the innermost calls as `module:line function`, which holds no data of clients."""
    calls: list[str] = []
    while frame is not None and len(calls) < _MOST_FRAMES:
        calls.append(f"{frame.f_globals.get('__name__', '?')}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return tuple(calls)
