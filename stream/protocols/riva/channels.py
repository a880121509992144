"""The first of two interleaved channels of 16-bit samples."""

from stream.audio.containers.riff import family_of

_FRAME_BYTES = 4  # two samples of 16 bits
_HEAD_BYTES = 12  # by which a WAV file is known


class FirstChannel:
    """Picks the first channel out of bytes that are cut anywhere; a WAV file, which says what it is, stays as it is."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_file: bool | None = None

    def push(self, data: bytes) -> bytes:
        """Take `int16[n_samples, 2]`; return `int16[n_samples]` of the first channel."""
        data = self._rest + data
        if self._is_file is None:
            if len(data) < _HEAD_BYTES:
                self._rest = data
                return b""
            self._is_file = family_of(data[:_HEAD_BYTES]) is not None
        whole_bytes = len(data) if self._is_file else len(data) // _FRAME_BYTES * _FRAME_BYTES
        self._rest = data[whole_bytes:]
        return data if self._is_file else _first_of(data[:whole_bytes])

    def flush(self) -> bytes:
        """Return what is left at the end."""
        rest, self._rest = self._rest, b""
        return b"" if self._is_file else _first_of(rest[: len(rest) // _FRAME_BYTES * _FRAME_BYTES])


def _first_of(pcm: bytes) -> bytes:
    first = bytearray(len(pcm) // 2)
    first[0::2] = pcm[0::_FRAME_BYTES]
    first[1::2] = pcm[1::_FRAME_BYTES]
    return bytes(first)
