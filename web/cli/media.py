"""Decode a file of any supported format to a stream of 16 kHz mono PCM16, with the decoder of the server."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO

import av

from stream.audio import AudioFormat, AudioTransfer
from stream.audio.containers.signatures import FileKind, Handling
from stream.audio.containers.sniffing import kind_of_recording
from stream.audio.decoder import AudioDecoder
from stream.errors import ClientError
from vad import SAMPLE_BYTES, SAMPLE_RATE

SECOND_BYTES = SAMPLE_RATE * SAMPLE_BYTES
CHUNK_BYTES = SECOND_BYTES // 10
_READ_BYTES = 1 << 16
_FORMAT = AudioFormat(transfer=AudioTransfer.RAW, is_recording=True)
_ADVICE = "give a sound file such as WAV, FLAC or MP3"


class MediaError(Exception):
    """The file cannot be used; `str()` names it and the reason."""


class Clip:
    """The first audio stream of a file, which may be a film.

    `seconds` is the length that the file declares, None if it declares none. After decoding, `damaged_packets` is the
    number of packets that could not be decoded; their audio is missing.
    """

    def __init__(self, path: Path) -> None:
        """Check a file without decoding it; raises MediaError."""
        self.path = path
        self.damaged_packets = 0
        if not path.exists():
            raise MediaError(f"{path} does not exist; check the name")
        if not path.is_file():
            raise MediaError(f"{path} is not a file; a directory or a pipe cannot be transcribed")
        try:
            with path.open("rb") as file:
                kind = kind_of_recording(file)
        except OSError as failed:
            raise self._undecodable(failed.strerror or str(failed)) from failed
        if kind is None:
            raise self._undecodable("its format is not known")
        if kind.handling is Handling.NONE:
            raise self._undecodable(f"it is {kind.name}")
        self.seconds = _length_seconds(path, kind)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Decode to `int16[1600]` little-endian, 100 ms each, the last one shorter; raises MediaError.

        About a second is in memory. Decoding runs in a thread of its own, so that a slow disk stalls nothing else.
        Leave early only inside `contextlib.aclosing`.
        """
        decoder = self._decoded()
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "decoder") as thread:
            try:
                while chunk := await loop.run_in_executor(thread, next, decoder, b""):
                    yield chunk
            finally:
                # The thread finishes a chunk whose wait was cancelled before it closes the file.
                await loop.run_in_executor(thread, decoder.close)

    def _decoded(self) -> Generator[bytes, None, None]:
        pending = bytearray()
        is_silent = True
        for samples in self._samples():
            is_silent = is_silent and not samples
            pending += samples
            whole = len(pending) // CHUNK_BYTES * CHUNK_BYTES
            for start in range(0, whole, CHUNK_BYTES):
                yield bytes(pending[start : start + CHUNK_BYTES])
            del pending[:whole]
        if is_silent:
            raise self._undecodable("its sound is empty")
        if pending:
            yield bytes(pending)

    def _samples(self) -> Generator[bytes, None, None]:
        try:
            with self.path.open("rb") as file:
                decoder = AudioDecoder(_FORMAT, file)
                try:
                    for data in _pieces(file, decoder):
                        for (samples,) in decoder.push(data):
                            yield samples
                    for (samples,) in decoder.flush():
                        yield samples
                finally:
                    self.damaged_packets = decoder.damaged_packets
                    decoder.close()
        except ClientError as fault:
            raise self._undecodable(fault.detail) from fault
        except OSError as failed:
            raise self._undecodable(failed.strerror or str(failed)) from failed

    def _undecodable(self, reason: str) -> MediaError:
        return MediaError(f"{self.path} cannot be decoded ({reason}); {_ADVICE}")


async def paced(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Delay every chunk until the end of it would have been spoken, counted from the first call."""
    now = asyncio.get_running_loop().time
    start = now()
    spoken_bytes = 0
    async with aclosing(chunks):
        async for chunk in chunks:
            spoken_bytes += len(chunk)
            await asyncio.sleep(max(start + spoken_bytes / SECOND_BYTES - now(), 0.0))
            yield chunk


def _pieces(file: BinaryIO, decoder: AudioDecoder) -> Generator[bytes, None, None]:
    """Read the file for a decoder that is pushed; one that needs the file reads it itself."""
    while not decoder.needs_file and (data := file.read(_READ_BYTES)):
        yield data


def _length_seconds(path: Path, kind: FileKind) -> float | None:
    """Return the length that the file declares, None if it declares none."""
    try:
        # FFmpeg would take a relative path such as `concat:a` for one of its protocols.
        with av.open(str(path.absolute()), format=kind.demuxer or None) as container:
            return None if container.duration is None else container.duration / av.time_base
    except (av.FFmpegError, OSError, ValueError):
        return None
