"""End a process within a limit, whatever its event loop and its threads are doing.

The first SIGTERM or SIGINT asks it to finish, the second one to drop everything, the third one ends it. They are taken
by a thread of its own, because an event loop that is blocked takes none.
"""

import asyncio
import contextlib
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TextIO

import structlog

from web.clock import steady_clock

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CUT_OFF = 1
"""The exit code of a process that did not finish what it was at."""
# The time after a second signal for giving back what was begun and closing files: little where the event loop does
# not even receive it.
_DROP_SECONDS = 1.0
_CLOSE_SECONDS = 5.0
# A process that has nothing more to do may still wait for its threads.
_END_SECONDS = 2.0
# How long the log may take to say that the limit has passed; it may be what is stuck.
_SAY_SECONDS = 0.5
_FOREVER_SECONDS = 86_400.0
_log = structlog.get_logger()


class Step(Enum):
    """What a signal asks for."""

    FINISH = "finish"
    DROP = "drop"
    END = "end"


class StopPlan:
    """Decide what each signal asks for, and when the process has to be over (`due`); `now` in seconds."""

    def __init__(self, limit_seconds: float) -> None:
        self.due: float | None = None
        self._latest = 0.0
        self._limit_seconds = limit_seconds
        self._count = 0

    def signal(self, now: float) -> Step:
        """Take one more signal."""
        self._count += 1
        if self._count == 1:
            self.due = now + self._limit_seconds
            return Step.FINISH
        if self._count == 2:
            self._latest = min(self.due or now, now + _CLOSE_SECONDS)
            self.due = min(self._latest, now + _DROP_SECONDS)
            return Step.DROP
        self.due = now
        return Step.END

    def dropping(self) -> None:
        """Note that the process has begun to drop everything."""
        if self._count == 2:
            self.due = self._latest


class StopSignals:
    """The signals of this process that ask it to end; `count` is how many came."""

    def __init__(self) -> None:
        self.count = 0
        self._plan: StopPlan | None = None
        self._send: Callable[[Step], object] = _nobody
        self._is_over = False

    @classmethod
    @contextlib.contextmanager
    def taken(cls) -> Iterator["StopSignals"]:
        """Take the signals while the context lasts; before `listen` they end the process at once.

        To be entered before other threads start: what they inherit leaves the signals to this object's thread.
        """
        signals = cls()
        thread = threading.Thread(target=signals._take, name="signals", daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        thread.start()
        try:
            yield signals
        finally:
            # A process that was asked to end is held to its limit until it is over.
            if not signals.count:
                signals._is_over = True
                signal.pthread_kill(thread.ident or 0, signal.SIGTERM)
                thread.join()
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def listen(self, limit_seconds: float, finish: Callable[[], object], drop: Callable[[], object]) -> None:
        """Call `finish` in the running loop at the first signal and `drop` at the second.

        The process is over `limit_seconds` after the first one, a few seconds after the second, at once at the third.
        """
        loop, plan = asyncio.get_running_loop(), StopPlan(limit_seconds)

        def take(step: Step) -> None:
            if step is Step.FINISH:
                finish()
            else:
                plan.dropping()
                self._arm(plan)
                drop()

        self._send = lambda step: loop.call_soon_threadsafe(take, step)
        self._plan = plan

    def _take(self) -> None:
        while True:
            due = self._plan.due if self._plan else None
            wait_seconds = _FOREVER_SECONDS if due is None else max(0.0, due - steady_clock())
            taken = signal.sigtimedwait(_SIGNALS, wait_seconds)
            if self._is_over:
                return
            if taken is not None:
                self._signalled(taken.si_signo)
            elif self._plan and self._plan.due is not None and steady_clock() >= self._plan.due:
                self._cut_off()

    def _signalled(self, number: int) -> None:
        if self._plan is None:
            os._exit(128 + number)  # as a shell tells the end by a signal
        now = steady_clock()
        step = self._plan.signal(now)
        self.count += 1
        if step is Step.END:
            os._exit(_CUT_OFF)
        self._arm(self._plan)
        # A loop that is closed has nothing left to finish.
        with contextlib.suppress(RuntimeError):
            self._send(step)

    def _arm(self, plan: StopPlan) -> None:
        """Let faulthandler end the process where a library keeps the interpreter's lock and no thread of ours runs."""
        left_seconds = max(0.0, (plan.due or 0.0) - steady_clock())
        faulthandler.dump_traceback_later(left_seconds + _SAY_SECONDS, exit=True, file=_open_nowhere())

    def _cut_off(self) -> None:
        _log.error("stop_cut_off", place=_place_of_main_thread())
        _end(_CUT_OFF)


@contextlib.contextmanager
def within_limit(code: int, seconds: float = _END_SECONDS) -> Iterator[None]:
    """End the process with `code` if the context takes longer: it waits for threads, and one of them may not end."""
    cancel = end_within_limit(code, seconds)
    yield
    cancel()


def end_within_limit(code: int, seconds: float = _END_SECONDS) -> Callable[[], None]:
    """End the process with `code` after so long, even if it still waits for a thread; return what calls that off."""
    timer = threading.Timer(seconds, _end, (code,))
    timer.daemon = True
    timer.start()
    return timer.cancel


def _end(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


@cache
def _open_nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _place_of_main_thread() -> str:
    """File and line at which the main thread is."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _nobody(_: Step) -> None:
    return None
