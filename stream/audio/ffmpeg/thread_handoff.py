"""Owns the turns between a decoder's thread and its caller: bytes one way, samples the other, one side at a time."""

import threading
from enum import Enum, auto
from queue import Empty, SimpleQueue

from stream.audio.ffmpeg.memory_share import Share

# FFmpeg is fed in pieces of exactly this size, so that what it sees never depends on the client's cuts.
# That much may be held back until more comes: 40 ms of Opus at 24 kbit/s.
_GRAIN_BYTES = 128
# How much may come in a row without sound. Metadata may: a cover picture fills up to a FLAC block, 16 MiB, and
# FFmpeg keeps it, so this bounds its memory too. What begins like none of these soon has to be sound; FFmpeg itself
# looks that far for the first MP3 frame or Ogg page, but for ever for the first FLAC frame.
BARREN_LIMIT_BYTES = 16 << 20
_UNMARKED_BARREN_LIMIT_BYTES = 64 << 10
_MARKS = (b"fLaC", b"ID3", b"OggS", b"\x1aE\xdf\xa3")
_EXIT_POLL_SECONDS = 1.0


class Pause(Enum):
    """Why the thread gives its turn back without samples."""

    STARVED = auto()
    ENDED = auto()


Outcome = bytes | Pause | BaseException


class Lane:
    """Carries bytes to the thread and samples back, and lets one side run at a time.

    Neither side waits in vain. The thread's last act, come what may, is `finish`. The caller's is `cancel`, in a
    finalizer at the latest; SimpleQueue is the one primitive that is safe there. FFmpeg takes this for a file that
    has `read` alone, and so does not seek.
    """

    def __init__(self, share: Share | None = None) -> None:
        self.share = share or Share()
        self.is_cancelled = False
        self.is_barren = False
        self.is_crowded_out = False
        self.taken_bytes = 0
        self._input = b""
        self._input_start = 0
        self._has_ended = False
        self._samples = bytearray()
        self.barren_bytes = 0
        self._barren_limit_bytes = BARREN_LIMIT_BYTES
        self._to_thread: SimpleQueue[None] = SimpleQueue()
        self._to_caller: SimpleQueue[Outcome] = SimpleQueue()

    def append(self, data: bytes) -> None:
        """Caller: add to the input; what an earlier turn left is kept, and nothing once nobody reads any more."""
        if self.is_cancelled:
            return
        self._input = self._input[self._input_start :] + data
        self._input_start = 0

    def end(self) -> None:
        """Caller: the input is complete."""
        self._has_ended = True

    def resume(self) -> Outcome:
        """Caller: give the turn to the thread and wait for what it has."""
        self._to_thread.put(None)
        return self._to_caller.get()

    def cancel(self) -> None:
        """Anyone: make the thread wind up, waiting or not."""
        self.is_cancelled = True
        self._to_thread.put(None)

    def wait_for_turn(self) -> None:
        """Thread: return when resumed or cancelled."""
        while not self.is_cancelled:
            try:
                self._to_thread.get(timeout=_EXIT_POLL_SECONDS)
            except Empty:
                # A process that exits waits for its threads first and runs finalizers later.
                self.is_cancelled = not threading.main_thread().is_alive()
            else:
                return

    def read(self, size: int) -> bytes:
        """FFmpeg: return a grain of input, less at its end only, none when there is no more to come."""
        wanted = min(size, _GRAIN_BYTES)
        while len(self._input) - self._input_start < wanted and not self._has_ended and not self.is_cancelled:
            self.give()
            self._give_back(Pause.STARVED)
        if self.is_cancelled or self.is_barren:
            return b""
        grain = self._input[self._input_start : self._input_start + wanted]
        self._input_start += len(grain)
        if not self.taken_bytes and not grain.startswith(_MARKS):
            self._barren_limit_bytes = _UNMARKED_BARREN_LIMIT_BYTES
        self.taken_bytes += len(grain)
        self.barren_bytes += len(grain)
        self.is_crowded_out = not self.share.require(self.barren_bytes)
        self.is_barren = self.barren_bytes > self._barren_limit_bytes or self.is_crowded_out
        return grain

    def keep(self, samples: memoryview, second_bytes: int) -> None:
        """Thread: add to the output; every second of it is given at once."""
        self._samples += samples
        self.progress()
        while len(self._samples) >= second_bytes and not self.is_cancelled:
            self._give_first(second_bytes)

    def progress(self) -> None:
        """Thread: what was read so far is not held, but decoded or dropped."""
        self.barren_bytes = 0
        self._barren_limit_bytes = BARREN_LIMIT_BYTES

    def give(self) -> None:
        """Thread: give the caller all samples that are kept."""
        if self._samples:
            self._give_first(len(self._samples))

    def finish(self, outcome: Outcome) -> None:
        """Thread: give the turn back for the last time; what goes wrong while winding up interests nobody."""
        self.share.close()
        self._to_caller.put(Pause.ENDED if self.is_cancelled else outcome)

    def _give_first(self, count: int) -> None:
        samples = bytes(self._samples[:count])
        del self._samples[:count]
        self._give_back(samples)

    def _give_back(self, outcome: Outcome) -> None:
        self._to_caller.put(outcome)
        self.wait_for_turn()
