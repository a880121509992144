"""Decoding of a file, whatever its format, to a stream of 16 kHz mono PCM16."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from stream.audio.resample import Resampler
from vad import SAMPLE_BYTES, SAMPLE_RATE

SECOND_BYTES = SAMPLE_RATE * SAMPLE_BYTES
CHUNK_BYTES = SECOND_BYTES // 10


class MediaError(Exception):
    """The file cannot be used: `str()` names it and says why."""


class Clip:
    """The sound in a file: the first audio stream of anything that PyAV opens, films too.

    `seconds` is its length as the file has it, None if it does not say. After decoding,
    `damaged_packets` is how many packets could not be decoded; their sound is missing.
    """

    def __init__(self, path: Path) -> None:
        """Look at the file without decoding it. Raises MediaError."""
        self.path = path
        self.damaged_packets = 0
        if not path.exists():
            raise MediaError(f"{path} does not exist; check the name")
        if not path.is_file():
            raise MediaError(f"{path} is not a file; a directory or a pipe cannot be transcribed")
        with _opened(path) as (container, stream):
            if stream.duration is not None and stream.time_base is not None:
                self.seconds: float | None = float(stream.duration * stream.time_base)
            else:
                self.seconds = None if container.duration is None else container.duration / av.time_base

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Decode to `int16[1600]` little-endian, 100 ms each, the last one shorter; raises MediaError.

        One chunk at a time is in memory. Decoding has a thread of its own, so that a slow disk holds up
        nothing else; leave early only inside `contextlib.aclosing`.
        """
        decoder = self._decoded()
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "decoder") as thread:
            try:
                while chunk := await loop.run_in_executor(thread, next, decoder, b""):
                    yield chunk
            finally:
                # The one thread finishes a chunk that was cancelled before it closes the file.
                await loop.run_in_executor(thread, decoder.close)

    def _decoded(self) -> Generator[bytes, None, None]:
        pending = bytearray()
        is_silent = True
        with _opened(self.path) as (container, stream):
            for samples in _mixed(self._frames(container, stream)):
                is_silent = is_silent and not samples
                pending += samples
                while len(pending) >= CHUNK_BYTES:
                    yield bytes(pending[:CHUNK_BYTES])
                    del pending[:CHUNK_BYTES]
        if is_silent:
            raise _undecodable(self.path, "its sound is empty")
        if pending:
            yield bytes(pending)

    def _frames(self, container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                # Recordings that were cut or joined have such packets; players leave them out too.
                self.damaged_packets += 1


async def paced(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Hold every chunk until its last sample would have been spoken, counted from the first call."""
    now = asyncio.get_running_loop().time
    start = now()
    spoken_bytes = 0
    async with aclosing(chunks):
        async for chunk in chunks:
            spoken_bytes += len(chunk)
            await asyncio.sleep(max(start + spoken_bytes / SECOND_BYTES - now(), 0.0))
            yield chunk


def _mixed(frames: Iterator[AudioFrame]) -> Iterator[bytes]:
    """Bring frames to `int16[n_samples]` at 16 kHz, mixed down."""
    converter, resampler, source = av.AudioResampler(), None, None
    for frame in frames:
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or shape != source:
            # Files joined end to end, such as radio recordings, change their rate in the middle.
            if resampler is not None:
                yield resampler.flush()[0]
            source = shape
            converter = av.AudioResampler(format="s16")
            places = tuple(channel.name for channel in frame.layout.channels)
            resampler = Resampler(frame.sample_rate, len(places), places=places)
        for packed in converter.resample(frame):
            packed_bytes = packed.samples * packed.layout.nb_channels * SAMPLE_BYTES
            yield resampler.push(bytes(memoryview(packed.planes[0])[:packed_bytes]))[0]
    if resampler is not None:
        yield resampler.flush()[0]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    try:
        # An absolute path is never taken for one of FFmpeg's protocols, as `concat:a` would be.
        with av.open(str(path.absolute())) as container:
            if not container.streams.audio:
                raise _undecodable(path, "there is no sound in it")
            yield container, container.streams.audio[0]
    except (av.error.InvalidDataError, av.error.EOFError) as unknown:
        raise _undecodable(path, "its format is not known") from unknown
    except (av.FFmpegError, OSError) as failed:
        raise _undecodable(path, failed.strerror or str(failed)) from failed


def _undecodable(path: Path, reason: str) -> MediaError:
    return MediaError(f"{path} cannot be decoded ({reason}); give a sound file such as WAV, FLAC or MP3")
