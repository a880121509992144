"""Fair shares between sessions: audio that comes faster than it is spoken takes turns, live audio does not wait."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from stream.runtime.loop_load import LoopLoad

# A connection that was away may catch up by so much, and a clock may be off by so much, and the audio counts as live.
_BURST_SECONDS = 2.0
_SPEED = 1.1
# Beside live audio a tenth of a second of the other is taken so often: together some twenty times real time.
_APART_SECONDS = 0.005
_LIVE_SECONDS = 1.0
# Ten frames, a tenth of a second, take about 0.25 ms.
_FRAMES_BESIDE_LIVE = 10
_FRAMES = 100
# Clients send up to a hundred messages a second, 10 ms of sound in each. A step takes at most some milliseconds.
_STEPS_PER_SECOND = 200
_BURST_STEPS = 100
# To decode and to resample takes less than a hundredth of the time that any usual audio lasts.
_SHARE = 0.05


class FairShare:
    """Shared by all sessions of a process: those that are ahead of real time are served one at a time.

    Beside live audio there are pauses between them, so that it never waits for a crowd; otherwise there are none.
    """

    def __init__(self, work_clock: Callable[[], float] = lambda: 0.0) -> None:
        """Take a clock of processor seconds to measure steps with; the loop's own clock stands still meanwhile."""
        self.work_clock = work_clock
        self.load = LoopLoad()
        self._free = asyncio.Lock()
        self._live_until = 0.0

    def see_live(self, now: float) -> None:
        """Note that live audio came."""
        self._live_until = now + _LIVE_SECONDS

    def frames(self, now: float) -> int:
        """Return how many frames of a session are taken before others have their turn."""
        return _FRAMES_BESIDE_LIVE if self._is_beside_live(now) else _FRAMES

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn; it lasts as long as the context."""
        async with self._free:
            yield
            is_beside_live = self._is_beside_live(asyncio.get_running_loop().time())
            await asyncio.sleep(_APART_SECONDS if is_beside_live else 0)

    def _is_beside_live(self, now: float) -> bool:
        return now < self._live_until


class WorkLimit:
    """Limits the work that one session causes beside the worth of its audio: messages, and parts of them.

    A session that causes more than `_STEPS_PER_SECOND`, or takes more than `_SHARE` of the time, waits for a turn after
    each step; others only let the loop go round.
    """

    def __init__(self, fair_share: FairShare, now: float) -> None:
        self._fair_share = fair_share
        self._lead = AudioLead(now, _BURST_STEPS / _STEPS_PER_SECOND)

    async def step(self, now: float, audio_seconds: float = 0.0, work_seconds: float = 0.0) -> None:
        """Count a step that took `work_seconds` and brought `audio_seconds` of audio, and give others their turn."""
        debt_seconds = max(1 / _STEPS_PER_SECOND, work_seconds / _SHARE) - audio_seconds
        if debt_seconds <= 0:
            return
        if self._lead.take(debt_seconds, now):
            async with self._fair_share.turn():
                pass
        else:
            await asyncio.sleep(0)


class AudioLead:
    """How far the audio of one session is ahead of real time: a token bucket that fills a little faster.

    It forgets after some seconds how late or early the audio was.
    """

    def __init__(self, now: float, burst_seconds: float = _BURST_SECONDS) -> None:
        self._began = now
        self._at = now
        self._burst_seconds = self._seconds = burst_seconds

    @property
    def is_live(self) -> bool:
        """Whether the audio is clearly live: it has come for a while, and not ahead of time; a file never does."""
        return self._at - self._began >= _LIVE_SECONDS and self._seconds > self._burst_seconds / 2

    def take(self, seconds: float, now: float) -> bool:
        """Count further seconds of audio; return whether they are early."""
        self._seconds = min(self._burst_seconds, self._seconds + _SPEED * (now - self._at)) - seconds
        self._at = now
        is_early = self._seconds < 0
        self._seconds = max(-self._burst_seconds, self._seconds)
        return is_early
