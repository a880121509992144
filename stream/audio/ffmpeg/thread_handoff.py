"""Hand bytes to a decoder's thread and samples back to its caller; only one side runs at a time."""

import threading
from enum import Enum, auto
from queue import Empty, SimpleQueue

from stream.audio.containers.signatures import may_begin_with_metadata
from stream.audio.ffmpeg.memory_share import MemoryShare

# FFmpeg reads pieces of exactly this size, so that its input never depends on how the client cut it. So much may be
# held back until more arrives: 40 ms of Opus at 24 kbit/s.
_PIECE_BYTES = 128
# How much may come in a row without sound. Metadata may: a cover picture fills up to a FLAC block of 16 MiB, and FFmpeg
# keeps it, so this bounds its memory too. In files without metadata sound has to come soon. FFmpeg itself searches so
# far for the first MP3 frame or Ogg page, but without a limit for the first FLAC frame.
MOST_BYTES_WITHOUT_SOUND = 16 << 20
_MOST_BYTES_BEFORE_SOUND = 64 << 10
_EXIT_POLL_SECONDS = 1.0


class Pause(Enum):
    """Why the thread gives its turn back without samples: it needs input, or has ended."""

    NEEDS_INPUT = auto()
    ENDED = auto()


Outcome = bytes | Pause | BaseException


class ThreadHandoff:
    """Carries bytes to the thread and samples back, and lets one side run at a time.

    Neither side waits for ever: the thread ends with `finish` in any case, and the caller with `cancel`, at the latest
    in a finalizer, where SimpleQueue is the only safe primitive. FFmpeg sees a file that has `read` alone, and so does
    not seek.
    """

    def __init__(self, share: MemoryShare | None = None) -> None:
        self.share = share or MemoryShare()
        self.is_cancelled = False
        self.is_without_sound = False
        self.is_out_of_memory = False
        self.read_bytes = 0
        self._input = b""
        self._input_start = 0
        self._has_ended = False
        self._samples = bytearray()
        self.bytes_without_sound = 0
        self._limit_bytes = MOST_BYTES_WITHOUT_SOUND
        self._to_thread: SimpleQueue[None] = SimpleQueue()
        self._to_caller: SimpleQueue[Outcome] = SimpleQueue()

    def append(self, data: bytes) -> None:
        """Caller: add to the input, unless nothing reads it any more."""
        if self.is_cancelled:
            return
        self._input = self._input[self._input_start :] + data
        self._input_start = 0

    def end(self) -> None:
        """Caller: mark the input as complete."""
        self._has_ended = True

    def resume(self) -> Outcome:
        """Caller: give the turn to the thread and wait for its outcome."""
        self._to_thread.put(None)
        return self._to_caller.get()

    def cancel(self) -> None:
        """Either side: make the thread end, waiting or not."""
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
        """FFmpeg: return a piece of input, a shorter one at its end only, b"" after it."""
        wanted = min(size, _PIECE_BYTES)
        while len(self._input) - self._input_start < wanted and not self._has_ended and not self.is_cancelled:
            self.flush()
            self._yield_turn(Pause.NEEDS_INPUT)
        if self.is_cancelled or self.is_without_sound:
            return b""
        piece = self._input[self._input_start : self._input_start + wanted]
        self._input_start += len(piece)
        if not self.read_bytes and not may_begin_with_metadata(piece):
            self._limit_bytes = _MOST_BYTES_BEFORE_SOUND
        self.read_bytes += len(piece)
        self.bytes_without_sound += len(piece)
        self.is_out_of_memory = not self.share.require(self.bytes_without_sound)
        self.is_without_sound = self.bytes_without_sound > self._limit_bytes or self.is_out_of_memory
        return piece

    def write(self, samples: memoryview, second_bytes: int) -> None:
        """Thread: add to the output; every complete second of it is handed over at once."""
        self._samples += samples
        self.progress()
        while len(self._samples) >= second_bytes and not self.is_cancelled:
            self._hand_over(second_bytes)

    def progress(self) -> None:
        """Thread: note that FFmpeg holds nothing of what was read so far."""
        self.bytes_without_sound = 0
        self._limit_bytes = MOST_BYTES_WITHOUT_SOUND

    def flush(self) -> None:
        """Thread: hand all samples over."""
        if self._samples:
            self._hand_over(len(self._samples))

    def finish(self, outcome: Outcome) -> None:
        """Thread: give the turn back for the last time; once cancelled, an error is of no interest."""
        self.share.close()
        self._to_caller.put(Pause.ENDED if self.is_cancelled else outcome)

    def _hand_over(self, count: int) -> None:
        samples = bytes(self._samples[:count])
        del self._samples[:count]
        self._yield_turn(samples)

    def _yield_turn(self, outcome: Outcome) -> None:
        self._to_caller.put(outcome)
        self.wait_for_turn()
