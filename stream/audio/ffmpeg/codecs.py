"""Decode compressed audio to PCM16, as it arrives or from a whole file."""

import tempfile
import threading
import weakref
from collections.abc import Iterator
from typing import BinaryIO, cast

from stream.audio.containers.ogg_pages import OggPages
from stream.audio.containers.signatures import FileKind, Handling
from stream.audio.ffmpeg.memory_share import MemoryShare
from stream.audio.ffmpeg.thread_handoff import Pause, ThreadHandoff
from stream.audio.ffmpeg.transcoder import Source, Transcoder
from stream.audio.layout import Shape

# Above this size a recording in which FFmpeg has to seek is kept on disk.
_SPOOLED_BYTES = 1 << 20


class CodecDecoder:
    """Decodes one compressed recording; the output depends on the bytes alone, never on their cuts.

    FFmpeg pulls its input and blocks for it, so it runs in a thread, in turns with the caller, never both at once.
    A turn of the thread ends when it needs more bytes or has decoded a second, so that a small file which decodes to
    hours is held a second at a time. One thread may use a decoder at a time, but any may `close` it.

    A recording in which FFmpeg has to seek is kept in a temporary file, unless the caller has it as `file`, and
    decoded by `flush`. `is_recording` is for a whole file, whose first sound is used whatever else it contains.
    `share` is its share of the memory for what is not sound, by default of the process's pool.
    """

    def __init__(
        self,
        kind: FileKind,
        *,
        is_recording: bool = False,
        file: BinaryIO | None = None,
        share: MemoryShare | None = None,
    ) -> None:
        self._handoff = ThreadHandoff(share)
        self._pages = OggPages(self._handoff.share.require) if kind.demuxer == "ogg" else None
        self._is_seekable = kind.handling is Handling.SEEKABLE
        self._is_spooled = self._is_seekable and file is None
        self._file = _spooled_file() if self._is_spooled else file
        source = Source(kind, is_recording, self._file if self._is_seekable else None)
        self._transcoder = Transcoder(source, self._handoff)
        self._thread: threading.Thread | None = None
        self._is_finished = False
        # The thread references the transcoder but not this object, so that it is collected when the caller drops it.
        # The finalizer then wakes the thread, which ends; it does not join it, because it may run in that very thread.
        self._cancel = weakref.finalize(self, self._handoff.cancel)

    @property
    def shape(self) -> Shape:
        """The rate and the channels of what was yielded; ValueError before anything was."""
        if self._transcoder.shape is None:
            raise ValueError("nothing is decoded yet")
        return self._transcoder.shape

    @property
    def damaged_packets(self) -> int:
        """How many packets could not be decoded; if the container has timestamps, silence replaces them."""
        return self._transcoder.damaged_packets

    def push(self, data: bytes) -> Iterator[bytes]:
        """Yield interleaved `int16[n_frames * channels]`, little-endian, at most a second at a time.

        Raises ClientError (`invalid_audio`) after the samples before the fault. After that, and after `close`, nothing
        more is yielded.
        """
        if data and self._is_seekable:
            if self._is_spooled and self._file is not None and not self._handoff.is_cancelled:
                self._file.write(data)
        elif data:
            self._handoff.append(data if self._pages is None else self._pages.push(data))
            yield from self._drain()

    def flush(self) -> Iterator[bytes]:
        """Yield the rest at the end of the input; raises ClientError if there was input but no sound in it."""
        if self._pages is not None:
            self._handoff.append(self._pages.flush())
        self._handoff.end()
        if self._is_seekable and self._file is not None and not self._file.closed:
            self._file.seek(0)
            yield from self._drain()
        elif self._thread is not None:
            yield from self._drain()

    def close(self) -> None:
        """Stop decoding and end the thread, in any state; further calls change nothing."""
        self._cancel()
        if self._thread is not None:
            self._thread.join()
        if self._is_spooled and self._file is not None:
            self._file.close()

    def _drain(self) -> Iterator[bytes]:
        while not self._is_finished and not self._handoff.is_cancelled:
            if self._thread is None:
                thread = threading.Thread(target=self._transcoder.run, name="codec")
                thread.start()
                self._thread = thread
            match self._handoff.resume():
                case bytes() as samples:
                    yield samples
                case Pause.NEEDS_INPUT:
                    return
                case Pause.ENDED:
                    self._finish()
                case error:
                    self._finish()
                    raise error

    def _finish(self) -> None:
        self._is_finished = True
        self.close()


def _spooled_file() -> BinaryIO:
    make = tempfile.SpooledTemporaryFile
    return cast("BinaryIO", make(_SPOOLED_BYTES))
