"""Bound the memory that FFmpeg takes for what is not sound: pictures, other streams, incomplete packets."""

import threading

FREE_BYTES = 256 << 10
"""What a recording may hold without a share of the pool: headers, and packets of sound."""
MOST_BYTES = 32 << 20
"""What all recordings together may hold beyond that; for a moment twice as much, because FFmpeg doubles a buffer."""


class MemoryPool:
    """The memory that all recordings of a process share; thread-safe, because each decoder has a thread."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self.held_bytes = 0

    def take(self, more_bytes: int) -> bool:
        """Take memory; return False if there is not enough."""
        with self._lock:
            if self.held_bytes + more_bytes > self._most_bytes:
                return False
            self.held_bytes += more_bytes
            return True

    def give_back(self, held_bytes: int) -> None:
        """Return memory to the pool."""
        with self._lock:
            self.held_bytes -= held_bytes


MEMORY_POOL = MemoryPool()


class MemoryShare:
    """The memory of one recording, held to its end: FFmpeg keeps a picture as long as the file is open."""

    def __init__(self, pool: MemoryPool = MEMORY_POOL) -> None:
        self._pool = pool
        self._held_bytes = 0
        self._is_closed = False

    def require(self, total_bytes: int) -> bool:
        """Hold at least so many bytes in all; return False if other recordings hold too much."""
        more_bytes = total_bytes - FREE_BYTES - self._held_bytes
        if more_bytes <= 0:
            return True
        if self._is_closed or not self._pool.take(more_bytes):
            return False
        self._held_bytes += more_bytes
        return True

    def close(self) -> None:
        """Return everything to the pool."""
        held_bytes, self._held_bytes, self._is_closed = self._held_bytes, 0, True
        if held_bytes:
            self._pool.give_back(held_bytes)
