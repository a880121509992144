"""Owns compressed audio as a stream: FLAC, MP3, Opus in Ogg or in WebM, cut anywhere, to PCM16."""

import threading
import weakref
from collections.abc import Iterator

from stream.audio.format import Encoding
from stream.audio.lane import Lane, Pause
from stream.audio.unpacker import Unpacker


class CodecDecoder:
    """Decodes FLAC, MP3, OGG_OPUS or WEBM_OPUS; the output depends on the bytes alone, never on their cuts.

    FFmpeg pulls its input and blocks for it, so it runs in a thread; the thread and the caller take turns, never
    both at once. A turn of the thread ends when it needs more bytes or has decoded a second: a small file that
    unpacks to hours is held a second at a time. One thread may use a decoder at a time, but any may `close` it.
    """

    def __init__(self, encoding: Encoding) -> None:
        self._lane = Lane()
        self._unpacker = Unpacker(encoding, self._lane)
        self._thread: threading.Thread | None = None
        self._is_finished = False
        # The thread holds the unpacker but not this object, which is thus collected when the caller drops it.
        # Then the thread is woken and ends, unjoined: a finalizer may run inside any thread, even that one.
        self._cancel = weakref.finalize(self, self._lane.cancel)

    @property
    def sample_rate_hertz(self) -> int:
        """Frames in a second, 8000 to 192000; 0 before the first samples."""
        return self._unpacker.rate

    @property
    def channels(self) -> int:
        """1 or 2; 0 before the first samples."""
        return self._unpacker.channels

    def push(self, data: bytes) -> Iterator[bytes]:
        """Yield interleaved `int16[n_frames * channels]`, little-endian, at most a second at a time.

        Raises ClientError (`invalid_audio`) after the samples that came before the fault. After that, and after
        `close`, nothing comes any more.
        """
        if data:
            self._lane.append(data)
            yield from self._drain()

    def flush(self) -> Iterator[bytes]:
        """Yield what is left at the end of the input; raises ClientError if there was input, but no sound in it."""
        self._lane.end()
        if self._thread is not None:
            yield from self._drain()

    def close(self) -> None:
        """Stop decoding and end the thread, from any state, as often as it is called."""
        self._cancel()
        if self._thread is not None:
            self._thread.join()

    def _drain(self) -> Iterator[bytes]:
        while not self._is_finished and not self._lane.is_cancelled:
            if self._thread is None:
                thread = threading.Thread(target=self._unpacker.run, name="codec")
                thread.start()
                self._thread = thread
            match self._lane.resume():
                case bytes() as samples:
                    yield samples
                case Pause.STARVED:
                    return
                case Pause.ENDED:
                    self._finish()
                case error:
                    self._finish()
                    raise error

    def _finish(self) -> None:
        self._is_finished = True
        self.close()
