"""The load of the event loop: how late its timers are, and how much audio is sent at once because of that."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from stream.recognition.recognition import LEAST_SEND_SAMPLES
from vad import SAMPLE_RATE

# Sending, the recognizer's answer and the message for it cost as much for 200 ms as for 100 ms, and are most of the
# cost of a chunk.
_BEHIND_SAMPLES = SAMPLE_RATE // 5
_LOOK_SECONDS = 0.05
# Timers of a loop with room are a millisecond late at most; they are 5 ms late on average at nine tenths of a core.
_BEHIND_SECONDS = 0.005
_CAUGHT_UP_SECONDS = 0.001
# One long callback is no load: three timers in a row have to be late by so much.
_MOST_LATE_SECONDS = 0.02
_WEIGHT = 0.1
# The sessions themselves are what keeps the loop busy, and not something else that would only make them wait longer.
_MANY_SESSIONS = 30
# Larger messages lower the load: it is not to swing.
_LEAST_SECONDS = 5.0


class LoopLoad:
    """Decides whether the sessions are more than the loop can serve, from how late its timers are.

    Times are seconds on the loop's clock.
    """

    def __init__(self) -> None:
        self._late_seconds = 0.0
        self._is_behind = False
        self._changed_at = -_LEAST_SECONDS
        self._sessions = 0

    @property
    def is_behind(self) -> bool:
        """Whether the loop serves many sessions and is late."""
        return self._is_behind and self._sessions >= _MANY_SESSIONS

    @property
    def least_send_samples(self) -> int:
        """How much audio of a stream is sent to the recognizer at once, at least."""
        return _BEHIND_SAMPLES if self.is_behind else LEAST_SEND_SAMPLES

    @contextmanager
    def session(self) -> Iterator[None]:
        """Count a session while the context lasts."""
        self._sessions += 1
        try:
            yield
        finally:
            self._sessions -= 1

    def observe(self, now: float, late_seconds: float) -> None:
        """Note by how much a timer was late."""
        late_seconds = min(max(0.0, late_seconds), _MOST_LATE_SECONDS)
        self._late_seconds += _WEIGHT * (late_seconds - self._late_seconds)
        if now - self._changed_at < _LEAST_SECONDS:
            return
        is_behind = self._late_seconds > (_CAUGHT_UP_SECONDS if self._is_behind else _BEHIND_SECONDS)
        if is_behind is not self._is_behind:
            self._is_behind, self._changed_at = is_behind, now

    async def watch(self) -> None:
        """Observe the running loop until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LOOK_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)
            self.observe(loop.time(), loop.time() - due)
