"""FFmpeg: a recording's bytes to PCM16, on the container's clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import av
from av.container import InputContainer
from av.stream import Disposition

from stream.audio.containers.signatures import FileKind
from stream.audio.containers.timeline import MOST_START_SECONDS, Timeline
from stream.audio.ffmpeg.thread_handoff import Lane, Outcome, Pause
from stream.audio.layout import MAXIMUM_HERTZ, MINIMUM_HERTZ, MOST_CHANNELS, Shape
from stream.errors import ClientError, Problem
from vad import SAMPLE_BYTES

_LAYOUTS = {1: "mono", 2: "stereo"}
_BUFFER_BYTES = 4096
# What arrives bit by bit is not waited for; what may be looked through as a whole is, for so many bytes.
_STREAMED_OPTIONS = {"probesize": "32", "analyzeduration": "0"}
_SEEKABLE_OPTIONS = {"probesize": str(1 << 20)}
# PyAV's demux() looks up the stream of a packet in an array that does not grow with streams that begin later; as many
# as here stay within the smallest piece of memory that malloc gives. Other containers name all in their header.
_MOST_STREAMS = 16
_MOST_STREAMS_IN_HEADER = 256
_WITH_HEADER = ("matroska", "mov", "avi", "asf", "mxf")
# When others end is not known.
_RETRY_SECONDS = 5
# Containers whose clock begins anywhere, and elementary streams that have none.
_FROM_ZERO = ("matroska", "mov", "ogg", "flv", "avi", "asf", "nut")
_OPUS = ("ogg", "matroska")


@dataclass(frozen=True, slots=True)
class Source:
    """Where FFmpeg reads: from a lane, or in a `file` that it may jump in.

    What is streamed live has to hold the codec that its encoding names, and nothing but sound; of a recording the
    first sound is taken, whatever it is and whatever lies beside it.
    """

    kind: FileKind
    is_recording: bool
    file: BinaryIO | None = None


class Unpacker:
    """Runs FFmpeg in the thread, from the source's bytes to the lane's samples."""

    def __init__(self, source: Source, lane: Lane) -> None:
        self.shape: Shape | None = None
        self.damaged_packets = 0
        self._source = source
        self._kind = source.kind
        self._lane = lane
        self._has_packets = False
        self._frame_shape: tuple[str, str, int] | None = None
        self._converter = av.AudioResampler()
        self._timeline: Timeline | None = None
        self._origin_seconds: float | None = None
        self._kept_samples = 0
        self._end_seconds = 0.0

    def run(self) -> None:
        """Decode to the end of the input, to a fault, or until cancelled."""
        outcome: Outcome = Pause.ENDED
        self._lane.wait_for_turn()
        try:
            self._unpack()
        except BaseException as error:
            outcome = error
        self._lane.finish(outcome)

    def _unpack(self) -> None:
        with self._open() as container:
            stream = self._audio_stream(container)
            self._origin_seconds = self._origin(container)
            for packet in self._packets(container):
                if self._lane.is_cancelled:
                    return
                if self._source.is_recording:
                    # Of a film, sound is a small part; of what is live there is nothing else.
                    self._lane.progress()
                if packet is None or packet.stream is stream:
                    self._decode(packet, stream)
                elif packet.stream.type == "video" and not packet.stream.disposition & Disposition.attached_pic:
                    self._reach(packet)
        self._keep(self._converter.resample(None))
        if self._timeline is not None and self.shape is not None and self._source.is_recording:
            # The recording goes on where its sound does not.
            self._fill(self._end_seconds, self.shape)
        self._lane.give()
        self._check_end()

    def _open(self) -> InputContainer:
        options = dict(_STREAMED_OPTIONS if self._source.file is None else _SEEKABLE_OPTIONS)
        has_header = self._kind.demuxer in _WITH_HEADER
        options["max_streams"] = str(_MOST_STREAMS_IN_HEADER if has_header else _MOST_STREAMS)
        try:
            return av.open(
                self._lane if self._source.file is None else self._source.file,
                mode="r",
                format=self._kind.demuxer or None,
                options=options,
                metadata_errors="replace",
                buffer_size=_BUFFER_BYTES,
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise (_no_room() if self._lane.is_crowded_out else self._no_beginning()) from error

    def _audio_stream(self, container: InputContainer) -> av.AudioStream:
        if not self._source.is_recording:
            self._check_alone(container)
        # PyAV's stubs do not tell that a codec which FFmpeg does not know has no context.
        known = [stream for stream in container.streams.audio if getattr(stream.codec_context, "codec", None)]
        if not known:
            found = "it holds an unknown codec" if container.streams.audio else "it has no audio stream"
            raise self._fault(found)
        audio = known[0]
        # FLAC's extradata are its first block. Without it FFmpeg looks for frames in anything, and never fails.
        if self._kind.demuxer == "flac" and not audio.codec_context.extradata:
            raise self._no_beginning()
        # As many as there are processors otherwise, for codecs that have no use for them.
        audio.codec_context.thread_count = 1
        return audio

    def _check_alone(self, container: InputContainer) -> None:
        """Refuse what is not the codec that was declared, alone."""
        for video in container.streams.video:
            if not video.disposition & Disposition.attached_pic:
                raise self._fault("it has a video stream; send the audio alone")
        wanted = "opus" if self._kind.demuxer in _OPUS else self._kind.demuxer
        for audio in container.streams.audio[:1]:
            codec = getattr(audio.codec_context, "codec", None)
            if codec is None or codec.canonical_name != wanted:
                found = "an unknown codec" if codec is None else codec.canonical_name
                raise self._fault(f"it holds {found}; it must hold {wanted}")

    def _origin(self, container: InputContainer) -> float | None:
        """The timestamp at which the recording begins; None for that of its first sound."""
        # PyAV's stubs do not tell that it may be unknown.
        started = cast("int | None", container.start_time)
        start = None if started is None else started / av.time_base
        if self._kind.demuxer in _FROM_ZERO:
            return 0.0 if start is None or start <= MOST_START_SECONDS else start
        return start

    def _packets(self, container: InputContainer) -> "Iterator[av.Packet | None]":  # type: ignore[type-arg]
        """Yield packets and at last one that flushes; damage costs what it hit, as long as the input goes on."""
        read_before = -1
        while read_before < self._read_bytes and not self._lane.is_cancelled:
            read_before = self._read_bytes
            try:
                yield from container.demux()
            except (av.FFmpegError, OSError):
                continue
            return
        yield None

    @property
    def _read_bytes(self) -> int:
        return self._lane.taken_bytes if self._source.file is None else self._source.file.tell()

    def _decode(self, packet: "av.Packet[av.AudioStream] | None", stream: av.AudioStream) -> None:
        self._has_packets = self._has_packets or (packet is not None and packet.size > 0)
        try:
            frames = stream.decode(packet)
        except av.FFmpegError:
            self.damaged_packets += 1
            if packet is not None:
                self._reach(packet)
            return
        for frame in frames:
            self._convert(frame, stream)

    def _reach(self, packet: "av.Packet") -> None:  # type: ignore[type-arg]
        """Note that the recording lasts to the end of this packet, whatever of it is heard."""
        at = packet.pts if packet.pts is not None else packet.dts
        if at is not None and packet.time_base is not None:
            self._end_seconds = max(self._end_seconds, float((at + (packet.duration or 0)) * packet.time_base))

    def _convert(self, frame: av.AudioFrame, stream: av.AudioStream) -> None:
        """Bring a frame to PCM16 in the first frame's rate and channels: a stream may change, and damage may lie."""
        shape = self._checked(frame) if self.shape is None else self.shape
        self.shape = shape
        self._keep_clock(frame, stream, shape)
        frame = _plain(frame)
        frame_shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        try:
            if frame_shape != self._frame_shape:
                self._keep(self._converter.resample(None))
                self._frame_shape = frame_shape
                self._converter = self._converter_of(frame, shape)
            self._keep(self._converter.resample(frame))
        except (av.FFmpegError, ValueError):
            # No way leads from these channels to those of the beginning.
            self.damaged_packets += 1

    def _converter_of(self, frame: av.AudioFrame, shape: Shape) -> av.AudioResampler:
        is_like_first = frame.layout.nb_channels == shape.channels
        layout = frame.layout if is_like_first else _LAYOUTS.get(shape.channels, f"{shape.channels}c")
        return av.AudioResampler("s16", layout, shape.sample_rate_hertz)

    def _keep_clock(self, frame: av.AudioFrame, stream: av.AudioStream, shape: Shape) -> None:
        time_base = frame.time_base or stream.time_base
        if frame.pts is None or time_base is None:
            return
        timestamp = float(frame.pts * time_base)
        if self._timeline is None:
            origin = self._origin_seconds
            was_joined = origin == 0.0 and timestamp > MOST_START_SECONDS
            self._timeline = Timeline(timestamp if origin is None or was_joined else origin)
        self._fill(timestamp, shape)

    def _fill(self, timestamp_seconds: float, shape: Shape) -> None:
        """Keep silence up to a timestamp, a second at a time, as it is taken."""
        assert self._timeline is not None  # noqa: S101
        rate = shape.sample_rate_hertz
        silence = self._timeline.silence_before(timestamp_seconds, self._kept_samples / rate)
        left = round(silence * rate)
        frame_bytes = shape.channels * SAMPLE_BYTES
        if left:
            self._keep(self._converter.resample(None))
            self._frame_shape = None
        while left > 0 and not self._lane.is_cancelled:
            samples = min(left, rate)
            self._lane.keep(memoryview(bytes(samples * frame_bytes)), rate * frame_bytes)
            self._kept_samples += samples
            left -= samples

    def _checked(self, frame: av.AudioFrame) -> Shape:
        channels, rate = frame.layout.nb_channels, frame.sample_rate
        if not 1 <= channels <= MOST_CHANNELS:
            raise self._fault(f"it has {channels} channels; it must have 1 to {MOST_CHANNELS}")
        if not MINIMUM_HERTZ <= rate <= MAXIMUM_HERTZ:
            raise self._fault(f"its sample rate is {rate}; it must be between {MINIMUM_HERTZ} and {MAXIMUM_HERTZ}")
        places = tuple(channel.name for channel in frame.layout.channels)
        return Shape(rate, channels, places if channels > 2 and len(places) == channels else ())

    def _keep(self, frames: list[av.AudioFrame]) -> None:
        if self.shape is None:
            return
        frame_bytes = self.shape.channels * SAMPLE_BYTES
        for frame in frames:
            samples = memoryview(frame.planes[0])[: frame.samples * frame_bytes]
            self._kept_samples += frame.samples
            self._lane.keep(samples, self.shape.sample_rate_hertz * frame_bytes)

    def _check_end(self) -> None:
        if self._lane.is_crowded_out:
            raise _no_room()
        if self._lane.is_barren:
            raise self._fault(f"no sound came out of its last {self._lane.barren_bytes} bytes")
        may_be_empty = self._kind.demuxer in _OPUS
        if self.shape is None and (self._has_packets or not may_be_empty):
            raise self._fault(f"no sound was found in its {self._read_bytes} bytes")

    def _no_beginning(self) -> ClientError:
        return self._fault("it does not begin as it must")

    def _fault(self, what: str) -> ClientError:
        encoding = self._kind.encoding
        name = self._kind.name if encoding is None or self._source.is_recording else encoding.value
        return ClientError(Problem.INVALID_AUDIO, f"the audio cannot be decoded as {name}: {what}")


def _no_room() -> ClientError:
    detail = "the audio has much in it that is no sound, and so has other audio now; come again soon"
    return ClientError(Problem.OVERLOADED, detail, retry_after_seconds=_RETRY_SECONDS)


def _plain(frame: av.AudioFrame) -> av.AudioFrame:
    """Call one channel mono and two stereo: a header may name places that FFmpeg cannot bring to either."""
    layout = _LAYOUTS.get(frame.layout.nb_channels)
    if layout is None or frame.layout.name == layout:
        return frame
    plain = av.AudioFrame.from_ndarray(frame.to_ndarray(), frame.format.name, layout)
    plain.sample_rate = frame.sample_rate
    return plain
