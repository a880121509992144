"""The audio of a stream that may be sent again, and positions on the clocks of stream and attempt; pure."""

from vad import SAMPLE_BYTES


class Replay:
    """The unsettled audio of a stream, from sample `start` to `end` of the stream; `is_complete` once no more follows.

    It holds what was appended since the last settled sample; the caller bounds that.
    """

    def __init__(self) -> None:
        self.start = 0
        self.is_complete = False
        self._pcm = bytearray()

    @property
    def end(self) -> int:
        return self.start + len(self._pcm) // SAMPLE_BYTES

    def append(self, pcm: bytes) -> None:
        """Take the stream's next samples, `int16[n_samples]`."""
        self._pcm += pcm

    def settle(self, position: int) -> None:
        """Forget what lies before `position`."""
        dropped = max(0, min(position, self.end) - self.start)
        del self._pcm[: dropped * SAMPLE_BYTES]
        self.start += dropped

    def read(self, position: int, most_bytes: int) -> bytes:
        """Return samples from `position` on, which must not be settled."""
        first = (position - self.start) * SAMPLE_BYTES
        return bytes(self._pcm[first : first + most_bytes])


class Placement:
    """Where one attempt stands: it was sent the stream from sample `base` to `sent`, with silence put in between.

    The recognizer counts from the first sample it was sent, silence included.
    """

    def __init__(self, base: int) -> None:
        self.base = self.sent = base
        self._silences: list[tuple[int, int]] = []

    def send(self, samples: int) -> None:
        """So many more samples of the stream were sent."""
        self.sent += samples

    def insert_silence(self, samples: int) -> None:
        """So many samples were sent that are not of the stream."""
        self._silences.append((self.sent, samples))

    def stream_position(self, attempt_position: int) -> int:
        """Turn a position on the recognizer's clock into one of the stream, never past what was sent."""
        position = self.base + attempt_position
        for at, samples in self._silences:
            if position <= at:
                break
            position = max(at, position - samples)
        return min(position, self.sent)
