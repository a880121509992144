"""Decode a recording of any supported format to a stream of 16 kHz PCM16, with the decoder of the server."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np

from stream.audio import AudioFormat, AudioTransfer
from stream.audio.containers.declaration import MismatchError
from stream.audio.containers.signatures import FileKind, Handling
from stream.audio.containers.sniffing import kind_of_recording
from stream.audio.decoder import AudioDecoder, Samples
from stream.errors import ClientError
from vad import SAMPLE_BYTES, SAMPLE_RATE
from web.cli.files.sources import MediaError, Source, SourceKind, check_file, read_pipe

SECOND_BYTES = SAMPLE_RATE * SAMPLE_BYTES
CHUNK_BYTES = SECOND_BYTES // 10
_READ_BYTES = 1 << 16
_ADVICE = "give a sound file such as WAV, FLAC or MP3"
_RAW_ADVICE = "give a sound file such as WAV, FLAC or MP3, or --rate for samples without a header"
_UNKNOWN = "its format is not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundOptions:
    """How a recording is read; without `rate_hertz`, samples without a header are refused.

    With two `channels` each is kept, otherwise all are mixed.
    """

    rate_hertz: int | None = None
    channels: int = 1

    @property
    def format(self) -> AudioFormat:
        """The format of what comes from a file or a pipe; a header overrides the rate."""
        rate_hertz = SAMPLE_RATE if self.rate_hertz is None else self.rate_hertz
        return AudioFormat(
            transfer=AudioTransfer.RAW, sample_rate_hertz=rate_hertz, channels=self.channels, is_recording=True
        )


class Clip(ABC):
    """The first audio stream of a recording, which may be a film.

    `seconds` is the length that it declares, None if it declares none. After decoding, `damaged_packets` is the number
    of packets that could not be decoded; their audio is missing.
    """

    def __init__(self, name: str, sound: SoundOptions) -> None:
        self.name = name
        self.seconds: float | None = None
        self.damaged_packets = 0
        self.second_bytes = SECOND_BYTES * sound.channels
        self._sound = sound
        self._is_left = threading.Event()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Decode to `int16[1600]` little-endian for each channel, interleaved: 100 ms each, the last one shorter.

        Raises MediaError. About a second is in memory. Decoding runs in a thread of its own, so that a slow disk stalls
        nothing else. Leave early only inside `contextlib.aclosing`.
        """
        decoder = self._decoded()
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "decoder") as thread:
            try:
                while chunk := await loop.run_in_executor(thread, next, decoder, b""):
                    yield chunk
            finally:
                # The thread finishes a chunk whose wait was cancelled before it closes the file.
                self._is_left.set()
                await loop.run_in_executor(thread, decoder.close)

    def _decoded(self) -> Generator[bytes, None, None]:
        chunk_bytes = CHUNK_BYTES * self._sound.channels
        pending = bytearray()
        is_silent = True
        for samples in self._samples():
            is_silent = is_silent and not samples
            pending += samples
            whole = len(pending) // chunk_bytes * chunk_bytes
            for start in range(0, whole, chunk_bytes):
                yield bytes(pending[start : start + chunk_bytes])
            del pending[:whole]
        if is_silent:
            raise self._undecodable("its sound is empty")
        if pending:
            yield bytes(pending)

    def _samples(self) -> Generator[bytes, None, None]:
        try:
            with self._opened() as file:
                decoder = AudioDecoder(self._sound.format, file)
                try:
                    for data in self._pieces(decoder):
                        for samples in decoder.push(data):
                            self._check_kind(decoder, samples)
                            yield _interleaved(samples)
                    for samples in decoder.flush():
                        self._check_kind(decoder, samples)
                        yield _interleaved(samples)
                finally:
                    self.damaged_packets = decoder.damaged_packets
                    decoder.close()
        except MismatchError as fault:
            raise MediaError(f"{self.name} cannot be decoded ({fault.detail})") from fault
        except ClientError as fault:
            raise self._undecodable(fault.detail) from fault
        except OSError as failed:
            raise MediaError(f"{self.name} cannot be read ({failed.strerror or failed})") from failed

    @abstractmethod
    def _opened(self) -> AbstractContextManager[BinaryIO | None]:
        """Open the recording while the context lasts; give it as a file where FFmpeg can seek in it."""

    @abstractmethod
    def _pieces(self, decoder: AudioDecoder) -> Iterator[bytes]:
        """Read what the decoder has to be given."""

    def _check_kind(self, decoder: AudioDecoder, samples: Samples) -> None:
        """Refuse what the decoder takes for samples without a header, unless their rate is known."""
        if decoder.kind is None and samples[0] and self._sound.rate_hertz is None:
            raise self._undecodable(_UNKNOWN)

    def _undecodable(self, reason: str) -> MediaError:
        return MediaError(f"{self.name} cannot be decoded ({reason}); {_RAW_ADVICE if reason is _UNKNOWN else _ADVICE}")


class FileClip(Clip):
    """A recording that is a file."""

    def __init__(self, path: Path, sound: SoundOptions = SoundOptions()) -> None:
        """Check a file without decoding it; raises MediaError."""
        super().__init__(str(path), sound)
        self.path = path
        check_file(path)
        try:
            with path.open("rb") as file:
                kind = kind_of_recording(file)
        except OSError as failed:
            raise MediaError(f"{path} cannot be read ({failed.strerror or failed})") from failed
        if kind is None and sound.rate_hertz is None:
            raise self._undecodable(_UNKNOWN)
        if kind is not None and kind.handling is Handling.NONE:
            raise self._undecodable(f"it is {kind.name}")
        self.seconds = self._raw_seconds() if kind is None else _length_seconds(path, kind)

    def _raw_seconds(self) -> float:
        rate_hertz = self._sound.rate_hertz or SAMPLE_RATE
        return self.path.stat().st_size / (SAMPLE_BYTES * self._sound.channels * rate_hertz)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO | None]:
        with self.path.open("rb") as self._file:
            yield self._file

    def _pieces(self, decoder: AudioDecoder) -> Iterator[bytes]:
        # A decoder that needs the file reads it itself.
        while not decoder.needs_file and (data := self._file.read(_READ_BYTES)):
            yield data


class PipedClip(Clip):
    """A recording that comes through a pipe or as standard input, at its own speed."""

    def __init__(self, source: Source, sound: SoundOptions = SoundOptions()) -> None:
        super().__init__(source.name, sound)
        self._source = source

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO | None]:
        with self._source.opened_pipe() as self._descriptor:
            yield None

    def _pieces(self, decoder: AudioDecoder) -> Iterator[bytes]:
        return read_pipe(self._descriptor, self._is_left)


def clip_of(source: Source, sound: SoundOptions) -> Clip:
    """Return the recording of a source that is no address; raises MediaError."""
    return PipedClip(source, sound) if source.kind is SourceKind.PIPE else FileClip(source.path, sound)


def _interleaved(samples: Samples) -> bytes:
    if len(samples) == 1:
        return samples[0]
    return np.stack([np.frombuffer(channel, "<i2") for channel in samples], axis=1).tobytes()


async def paced(chunks: AsyncGenerator[bytes, None], second_bytes: int = SECOND_BYTES) -> AsyncGenerator[bytes, None]:
    """Delay every chunk until the end of it would have been spoken, counted from the first call."""
    now = asyncio.get_running_loop().time
    start = now()
    spoken_bytes = 0
    async with aclosing(chunks):
        async for chunk in chunks:
            spoken_bytes += len(chunk)
            await asyncio.sleep(max(start + spoken_bytes / second_bytes - now(), 0.0))
            yield chunk


def _length_seconds(path: Path, kind: FileKind) -> float | None:
    """Return the length that the file declares, None if it declares none."""
    try:
        # FFmpeg would take a relative path such as `concat:a` for one of its protocols.
        with av.open(str(path.absolute()), format=kind.demuxer or None) as container:
            return None if container.duration is None else container.duration / av.time_base
    except (av.FFmpegError, OSError, ValueError):
        return None
