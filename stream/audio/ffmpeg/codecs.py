"""Compressed audio to PCM16: as it arrives, cut anywhere, or from a whole file."""

import tempfile
import threading
import weakref
from collections.abc import Iterator
from typing import BinaryIO, cast

from stream.audio.containers.ogg_pages import OggPages
from stream.audio.containers.signatures import FileKind, Handling
from stream.audio.ffmpeg.memory_share import Share
from stream.audio.ffmpeg.thread_handoff import Lane, Pause
from stream.audio.ffmpeg.unpacker import Source, Unpacker
from stream.audio.layout import Shape

# Above this a recording that FFmpeg has to jump in lies on disk.
_SPOOLED_BYTES = 1 << 20


class CodecDecoder:
    """Decodes one compressed recording; the output depends on the bytes alone, never on their cuts.

    FFmpeg pulls its input and blocks for it, so it runs in a thread; the thread and the caller take turns, never
    both at once. A turn of the thread ends when it needs more bytes or has decoded a second: a small file that
    unpacks to hours is held a second at a time. One thread may use a decoder at a time, but any may `close` it.

    A kind that FFmpeg has to jump in is kept in a temporary file, unless the caller has it as `file`, and decoded by
    `flush`. `is_recording`: a whole file, of which the sound is taken, whatever it is. `share`: of the memory for what
    is no sound, that of the process unless given.
    """

    def __init__(
        self,
        kind: FileKind,
        *,
        is_recording: bool = False,
        file: BinaryIO | None = None,
        share: Share | None = None,
    ) -> None:
        self._lane = Lane(share)
        self._pages = OggPages(self._lane.share.require) if kind.demuxer == "ogg" else None
        self._is_seekable = kind.handling is Handling.SEEKABLE
        self._is_spooled = self._is_seekable and file is None
        self._file = cast("BinaryIO", tempfile.SpooledTemporaryFile(_SPOOLED_BYTES)) if self._is_spooled else file  # noqa: SIM115
        self._unpacker = Unpacker(Source(kind, is_recording, self._file if self._is_seekable else None), self._lane)
        self._thread: threading.Thread | None = None
        self._is_finished = False
        # The thread holds the unpacker but not this object, which is thus collected when the caller drops it.
        # Then the thread is woken and ends, unjoined: a finalizer may run inside any thread, even that one.
        self._cancel = weakref.finalize(self, self._lane.cancel)

    @property
    def shape(self) -> Shape:
        """The rate and the channels of what was yielded."""
        assert self._unpacker.shape is not None  # noqa: S101
        return self._unpacker.shape

    @property
    def damaged_packets(self) -> int:
        """How many packets could not be decoded; where the container has times, they are silence."""
        return self._unpacker.damaged_packets

    def push(self, data: bytes) -> Iterator[bytes]:
        """Yield interleaved `int16[n_frames * channels]`, little-endian, at most a second at a time.

        Raises ClientError (`invalid_audio`) after the samples that came before the fault. After that, and after
        `close`, nothing comes any more.
        """
        if data and self._is_seekable:
            if self._is_spooled and self._file is not None and not self._lane.is_cancelled:
                self._file.write(data)
        elif data:
            self._lane.append(data if self._pages is None else self._pages.push(data))
            yield from self._drain()

    def flush(self) -> Iterator[bytes]:
        """Yield what is left at the end of the input; raises ClientError if there was input, but no sound in it."""
        if self._pages is not None:
            self._lane.append(self._pages.flush())
        self._lane.end()
        if self._is_seekable and self._file is not None and not self._file.closed:
            self._file.seek(0)
            yield from self._drain()
        elif self._thread is not None:
            yield from self._drain()

    def close(self) -> None:
        """Stop decoding and end the thread, from any state, as often as it is called."""
        self._cancel()
        if self._thread is not None:
            self._thread.join()
        if self._is_spooled and self._file is not None:
            self._file.close()

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
