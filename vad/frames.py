"""Frames of 10 ms: chunks of any size are cut into whole frames, the remainder is carried over."""

SAMPLE_RATE = 16_000
SAMPLE_BYTES = 2
FRAME_MS = 10
FRAME_SAMPLES = SAMPLE_RATE * FRAME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * SAMPLE_BYTES


class Framer:
    """Cuts a stream of `int16[n_samples]` little-endian bytes at 16 kHz into whole frames of 320 bytes.

    The frames depend only on the bytes, never on how they were cut into chunks: a chunk may end
    inside a frame or inside a sample.
    """

    def __init__(self) -> None:
        self._remainder = bytearray()

    def push(self, chunk: bytes) -> bytes:
        """Return the frames that `chunk` completes, `int16[160 * n_frames]`; the rest waits for the next chunk."""
        if not self._remainder and not len(chunk) % FRAME_BYTES:
            return chunk
        self._remainder += chunk
        whole_bytes = len(self._remainder) // FRAME_BYTES * FRAME_BYTES
        whole = bytes(self._remainder[:whole_bytes])
        del self._remainder[:whole_bytes]
        return whole

    def flush(self) -> bytes:
        """Return the whole samples of the last, incomplete frame; half a sample is dropped."""
        rest = bytes(self._remainder[: len(self._remainder) // SAMPLE_BYTES * SAMPLE_BYTES])
        self._remainder.clear()
        return rest


def split_frames(pcm: bytes) -> list[bytes]:
    """Cut `int16[n_samples]` into frames; the last one is shorter where `pcm` ends inside a frame."""
    return [pcm[start : start + FRAME_BYTES] for start in range(0, len(pcm), FRAME_BYTES)]


def frames_in(milliseconds: int) -> int:
    """Whole frames in a span of time, rounded up: 25 ms is 3 frames."""
    return -(-milliseconds // FRAME_MS)
