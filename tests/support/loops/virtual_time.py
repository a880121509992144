"""An event loop whose clock jumps to the next timer as soon as nothing else is ready.

A wait of 30 s costs a test nothing, and takes exactly 30 s of the loop's clock. `looptime` 0.9 cannot replace it: it
jumps while a thread that it did not start (aiosqlite's) is at work, rounds to microseconds, and polls 42 times before
each jump.
"""

import asyncio
import selectors
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

# A thread that takes so long is stuck; no test comes near it.
_STUCK_SECONDS = 60.0
# The busiest test takes a thousand rounds of its loop before the clock moves on.
_MOST_ROUNDS = 100_000
# At this distance from zero the difference of two times is exact for every wait up to a day.
_START_SECONDS = 100_000.0


class StuckError(RuntimeError):
    """Nothing will ever become ready, or the clock never advances; the test would not end."""


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that advances the clock of its loop instead of sleeping."""

    def __init__(self, advance: Callable[[float], None], is_held: Callable[[], bool]) -> None:
        super().__init__()
        self._advance_clock = advance
        self._is_held = is_held
        self._rounds = 0  # of the loop, since the clock moved on or a thread was at work

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; if nothing is, advance by `timeout` seconds. Raises StuckError."""
        ready = super().select(0)
        is_held = self._is_held()
        if ready or (timeout is not None and timeout <= 0):
            self._count_round(is_held)
            return ready
        self._rounds = 0
        if is_held:
            ready = super().select(_STUCK_SECONDS)
            if not ready:
                raise StuckError(f"a thread has not ended its work within {_STUCK_SECONDS:g} s")
        elif timeout is None:
            raise StuckError("nothing is ready, no timer is set and no thread is at work")
        else:
            self._advance_clock(timeout)
        return ready

    def _count_round(self, is_held: bool) -> None:
        self._rounds = 0 if is_held else self._rounds + 1
        if self._rounds > _MOST_ROUNDS:
            # Cancelled tasks get as many rounds to end.
            self._rounds = 0
            raise StuckError(f"the clock has stood still for {_MOST_ROUNDS} rounds of the loop")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose time stands still while anything is ready or a thread works, and else jumps to the next timer.

    Threads of `run_in_executor` and `asyncio.to_thread` are known; others need `hold`.
    """

    def __init__(self) -> None:
        self._now = _START_SECONDS
        self._holds = 0
        self._paths: dict[int, str] = {}
        self._next_port = 1
        super().__init__(_JumpingSelector(self._advance, lambda: self._holds > 0))

    def time(self) -> float:
        return self._now

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep the clock still while a thread works that the loop does not know."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Arguments], T], *args: *Arguments
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._holds += 1
        future.add_done_callback(self._release)
        return future

    async def shutdown_default_executor(self) -> None:
        with self.hold():
            await super().shutdown_default_executor()

    @contextmanager
    def address_of(self, path: str) -> Iterator[str]:
        """Yield a host and port that lead to the Unix socket at `path`, for a client that accepts no path.

        Data over TCP may arrive after a timer that it should precede; over a Unix socket it is there at once.
        """
        port = self._next_port
        self._next_port += 1
        self._paths[port] = path
        try:
            yield f"127.0.0.1:{port}"
        finally:
            del self._paths[port]

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        if port in self._paths:
            return await self.create_unix_connection(protocol_factory, self._paths[port])
        return await super().create_connection(protocol_factory, host, port, **options)

    def _release(self, _: object) -> None:
        self._holds -= 1

    def _advance(self, seconds: float) -> None:
        self._now += seconds
