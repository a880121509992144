"""The memory that FFmpeg may take for what is not sound: pictures, other streams, packets without an end."""

import threading

FREE_BYTES = 256 << 10
"""What a recording may hold without a share of the rest: headers, and packets of sound."""
MOST_BYTES = 32 << 20
"""What all recordings together may hold beyond that; for a moment twice as much, because FFmpeg doubles a buffer."""


class Memory:
    """What the recordings of a process hold; decoders run in threads of their own."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self.held_bytes = 0

    def take(self, more_bytes: int) -> bool:
        """Take more, or return False where there is not so much."""
        with self._lock:
            if self.held_bytes + more_bytes > self._most_bytes:
                return False
            self.held_bytes += more_bytes
            return True

    def give_back(self, held_bytes: int) -> None:
        """Free what was taken."""
        with self._lock:
            self.held_bytes -= held_bytes


MEMORY = Memory()


class Share:
    """What one recording holds, up to its end: FFmpeg keeps a picture as long as the file is open."""

    def __init__(self, memory: Memory = MEMORY) -> None:
        self._memory = memory
        self._held_bytes = 0
        self._is_closed = False

    def require(self, total_bytes: int) -> bool:
        """Hold so many bytes in all, if not more already; False where others hold too much."""
        more_bytes = total_bytes - FREE_BYTES - self._held_bytes
        if more_bytes <= 0:
            return True
        if self._is_closed or not self._memory.take(more_bytes):
            return False
        self._held_bytes += more_bytes
        return True

    def close(self) -> None:
        """Free it all."""
        held_bytes, self._held_bytes, self._is_closed = self._held_bytes, 0, True
        if held_bytes:
            self._memory.give_back(held_bytes)
