"""Split a recording into segments, exactly as a live session would."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from stream.audio import AudioTransfer
from stream.audio.decoder import AudioDecoder, Samples
from stream.configuration.config import OFF, SessionConfig
from stream.errors import ClientError, Problem
from stream.session.channel import Channel, ClassifierFactory
from vad import (
    SAMPLE_BYTES,
    SAMPLE_RATE,
    Framer,
    SegmentAudio,
    SegmentEnded,
    SegmentEvent,
    SegmentStarted,
    split_frames,
)
from vad import make_classifier as any_classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A span of speech in a recording; `pcm` is `int16[end_samples - start_samples]`.

    `number` counts from 1 in the order in which segments begin on any channel.
    """

    number: int
    channel: int
    start_samples: int
    end_samples: int
    pcm: bytes


@dataclass(slots=True)
class _OpenSegment:
    number: int
    start_samples: int
    pcm: bytearray = field(default_factory=bytearray)


def check_cuttable(config: SessionConfig) -> None:
    """Raise ClientError for a configuration without segmentation."""
    if config.vad == OFF:
        raise ClientError(
            Problem.INVALID_CONFIG, "vad is off; a recording is cut by webrtc or silero, only live sound goes uncut"
        )


class RecordingSegmenter:
    """Decodes a recording and splits it; the segments depend on the bytes alone, never on their cuts.

    It holds at most one segment of 30 s for each channel. `close` it in the end.
    """

    def __init__(
        self,
        config: SessionConfig,
        most_seconds: float,
        make_classifier: ClassifierFactory = any_classifier,
        *,
        file: BinaryIO | None = None,
    ) -> None:
        """Raises ClientError for a configuration without segmentation; `file` has the whole recording, if given."""
        check_cuttable(config)
        self._config = config
        self._file = file
        # A file or a body is never base64 text.
        audio_format = replace(config.audio_format, transfer=AudioTransfer.RAW, is_recording=True)
        self._decoder = AudioDecoder(audio_format, file)
        self._framers = [Framer() for _ in range(config.channels)]
        self._channels = [Channel(index, config, make_classifier) for index in range(config.channels)]
        self._open: dict[int, _OpenSegment] = {}
        self._count = 0
        self._most_samples = most_seconds * SAMPLE_RATE

    @property
    def position(self) -> int:
        """How many samples are decoded and framed so far."""
        return self._channels[0].position

    @property
    def copies_to_disk(self) -> bool:
        """Whether the pushed bytes are kept in a temporary file until `flush`."""
        return self._decoder.needs_file and self._file is None

    def push(self, data: bytes) -> Iterator[Segment]:
        """Yield the segments that `data` completes; raises ClientError for invalid audio, or too much of it."""
        for samples in self._decoder.push(data):
            yield from self._framed(samples)

    def flush(self) -> Iterator[Segment]:
        """Yield the last segments at the end of the recording; raises ClientError as `push` does."""
        for samples in self._decoder.flush():
            yield from self._framed(samples)
        for channel, framer in zip(self._channels, self._framers, strict=True):
            yield from self._pushed(channel, framer.flush())
            yield from self._followed(channel, channel.cut())

    def close(self) -> None:
        """Release the decoder."""
        self._decoder.close()

    def _framed(self, samples: Samples) -> Iterator[Segment]:
        if self.position + len(samples[0]) // SAMPLE_BYTES > self._most_samples:
            limit_minutes = self._most_samples / SAMPLE_RATE / 60
            raise ClientError(Problem.TOO_LARGE, f"the audio is longer than {limit_minutes:g} minutes")
        frames = [framer.push(pcm) for framer, pcm in zip(self._framers, samples, strict=True)]
        if len(frames) == 1:
            yield from self._pushed(self._channels[0], frames[0])
            return
        for channel, pcm in zip(self._channels, frames, strict=True):
            channel.classify(pcm)
        # Segments are numbered in the order of their starts, whichever their channel.
        for parts in zip(*map(split_frames, frames), strict=True):
            for channel, frame in zip(self._channels, parts, strict=True):
                yield from self._pushed(channel, frame)

    def _pushed(self, channel: Channel, pcm: bytes) -> Iterator[Segment]:
        while pcm:
            events, pcm = channel.push(pcm)
            yield from self._followed(channel, events)

    def _followed(self, channel: Channel, events: list[SegmentEvent]) -> Iterator[Segment]:
        for event in events:
            match event:
                case SegmentStarted(start):
                    self._count += 1
                    self._open[channel.index] = _OpenSegment(self._count, start)
                case SegmentAudio(_, pcm):
                    self._open[channel.index].pcm += pcm
                case SegmentEnded(end):
                    segment = self._open.pop(channel.index)
                    yield Segment(
                        number=segment.number,
                        channel=channel.index,
                        start_samples=segment.start_samples,
                        end_samples=end,
                        pcm=bytes(segment.pcm),
                    )
                    yield from self._followed(channel, channel.resume())
