"""The sound that no final covers yet: a new connection sends it again."""

import asyncio
from collections.abc import AsyncGenerator

from vad import SAMPLE_BYTES, SAMPLE_RATE

MOST_SECONDS = 60
"""A server that is away for longer loses what was said before."""
_MOST_BYTES = MOST_SECONDS * SAMPLE_RATE * SAMPLE_BYTES


class Replay:
    """Keeps the newest sound from the last settled sample on; positions are samples of 16 kHz from the first one."""

    def __init__(self) -> None:
        self.lost_seconds = 0.0
        """The sound that had to be dropped before a server took it."""
        self.is_ended = False
        self._sent = 0
        self._pcm = bytearray()
        self._start = 0
        self._changed = asyncio.Event()

    @property
    def start(self) -> int:
        """The first sample that is kept."""
        return self._start

    def put(self, pcm: bytes) -> None:
        """Add `int16[n_samples]`."""
        self._pcm += pcm
        excess_bytes = len(self._pcm) - _MOST_BYTES
        if excess_bytes > 0:
            kept_from = self._start + excess_bytes // SAMPLE_BYTES
            self.lost_seconds += max(0, kept_from - max(self._start, self._sent)) / SAMPLE_RATE
            self.settle(kept_from)
        self._changed.set()

    def end(self) -> None:
        """No more sound will come."""
        self.is_ended = True
        self._changed.set()

    def settle(self, position: int) -> None:
        """Forget what comes before a sample."""
        samples = min(max(0, position - self._start), len(self._pcm) // SAMPLE_BYTES)
        del self._pcm[: samples * SAMPLE_BYTES]
        self._start += samples

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield all that is kept and what comes, until the end: the sound of one connection."""
        self._sent = self._start
        while True:
            position = max(self._sent, self._start)
            piece = bytes(self._pcm[(position - self._start) * SAMPLE_BYTES :])
            if piece:
                self._sent = position + len(piece) // SAMPLE_BYTES
                yield piece
            elif self.is_ended:
                return
            else:
                self._changed.clear()
                await self._changed.wait()
