"""Transcode a recording to PCM16 with FFmpeg, on the clock of its container."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import av
from av.container import InputContainer
from av.stream import Disposition

from stream.audio.containers.signatures import FileKind
from stream.audio.containers.timeline import MOST_START_SECONDS, Timeline
from stream.audio.ffmpeg.thread_handoff import Outcome, Pause, ThreadHandoff
from stream.audio.layout import MAXIMUM_HERTZ, MINIMUM_HERTZ, MOST_CHANNELS, Shape
from stream.errors import ClientError, Problem
from vad import SAMPLE_BYTES

_LAYOUTS = {1: "mono", 2: "stereo"}
_BUFFER_BYTES = 4096
# A live stream is not probed, because that would delay it; a file is, for so many bytes.
_STREAMED_OPTIONS = {"probesize": "32", "analyzeduration": "0"}
_SEEKABLE_OPTIONS = {"probesize": str(1 << 20)}
# PyAV's demux() looks up the stream of a packet in an array that does not grow when streams appear later; so few fit
# into the smallest block that malloc allocates. Containers that list all streams in a header may have more.
_MOST_STREAMS = 16
_MOST_LISTED_STREAMS = 256
# We cannot predict when other recordings end; suggest a short retry.
_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Source:
    """What FFmpeg reads: the pieces of a `ThreadHandoff`, or a `file` in which it may seek.

    A live stream has to contain the codec of its encoding, and nothing but sound; of a recording the first sound is
    used, whatever its codec is and whatever else it contains.
    """

    kind: FileKind
    is_recording: bool
    file: BinaryIO | None = None


class Transcoder:
    """Runs FFmpeg in the thread, from the source to the samples of the handoff."""

    def __init__(self, source: Source, handoff: ThreadHandoff) -> None:
        self.shape: Shape | None = None
        self.damaged_packets = 0
        self._source = source
        self._kind = source.kind
        self._handoff = handoff
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
        self._handoff.wait_for_turn()
        try:
            self._transcode()
        except BaseException as error:
            outcome = error
        self._handoff.finish(outcome)

    def _transcode(self) -> None:
        with self._open() as container:
            stream = self._audio_stream(container)
            self._origin_seconds = self._origin(container)
            for packet in self._packets(container):
                if self._handoff.is_cancelled:
                    return
                if self._source.is_recording:
                    # Sound is a small part of a film; a live stream has nothing else.
                    self._handoff.progress()
                if packet is None or packet.stream is stream:
                    self._decode(packet, stream)
                elif packet.stream.type == "video" and not packet.stream.disposition & Disposition.attached_pic:
                    self._reach(packet)
        self._keep(self._converter.resample(None))
        if self._timeline is not None and self.shape is not None and self._source.is_recording:
            # The recording may be longer than its sound.
            self._fill(self._timeline, self._end_seconds, self.shape)
        self._handoff.flush()
        self._check_end()

    def _open(self) -> InputContainer:
        options = dict(_STREAMED_OPTIONS if self._source.file is None else _SEEKABLE_OPTIONS)
        options["max_streams"] = str(_MOST_LISTED_STREAMS if self._kind.lists_streams else _MOST_STREAMS)
        try:
            return av.open(
                self._handoff if self._source.file is None else self._source.file,
                mode="r",
                format=self._kind.demuxer or None,
                options=options,
                metadata_errors="replace",
                buffer_size=_BUFFER_BYTES,
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise (_no_room() if self._handoff.is_out_of_memory else self._no_beginning()) from error

    def _audio_stream(self, container: InputContainer) -> av.AudioStream:
        if not self._source.is_recording:
            self._check_alone(container)
        # A codec that FFmpeg does not know has no context, which is missing in PyAV's stubs.
        known = [stream for stream in container.streams.audio if getattr(stream.codec_context, "codec", None)]
        if not known:
            found = "it holds an unknown codec" if container.streams.audio else "it has no audio stream"
            raise self._fault(found)
        audio = known[0]
        # The extradata of FLAC are its first block. Without it FFmpeg searches for frames in anything and never fails.
        if self._kind.demuxer == "flac" and not audio.codec_context.extradata:
            raise self._no_beginning()
        # The default is one thread for each processor, even for codecs that cannot use them.
        audio.codec_context.thread_count = 1
        return audio

    def _check_alone(self, container: InputContainer) -> None:
        """Raise ClientError for a video stream, or another codec than the declared one."""
        for video in container.streams.video:
            if not video.disposition & Disposition.attached_pic:
                raise self._fault("it has a video stream; send the audio alone")
        wanted = self._kind.codec
        for audio in container.streams.audio[:1]:
            codec = getattr(audio.codec_context, "codec", None)
            if codec is None or codec.canonical_name != wanted:
                found = "an unknown codec" if codec is None else codec.canonical_name
                raise self._fault(f"it holds {found}; it must hold {wanted}")

    def _origin(self, container: InputContainer) -> float | None:
        """Return the timestamp of the recording's beginning, in seconds; None to begin with its first sound."""
        # It may be unknown, which is missing in PyAV's stubs.
        started = cast("int | None", container.start_time)
        start = None if started is None else started / av.time_base
        if self._kind.has_clock:
            return 0.0 if start is None or start <= MOST_START_SECONDS else start
        return start

    def _packets(self, container: InputContainer) -> "Iterator[av.Packet | None]":  # type: ignore[type-arg]
        """Yield packets and finally one that flushes; after damage it goes on as long as there is input."""
        read_before = -1
        while read_before < self._read_bytes and not self._handoff.is_cancelled:
            read_before = self._read_bytes
            try:
                yield from container.demux()
            except (av.FFmpegError, OSError):
                continue
            return
        yield None

    @property
    def _read_bytes(self) -> int:
        return self._handoff.read_bytes if self._source.file is None else self._source.file.tell()

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
        """Note that the recording lasts to the end of this packet, whether it can be decoded or not."""
        at = packet.pts if packet.pts is not None else packet.dts
        if at is not None and packet.time_base is not None:
            self._end_seconds = max(self._end_seconds, float((at + (packet.duration or 0)) * packet.time_base))

    def _convert(self, frame: av.AudioFrame, stream: av.AudioStream) -> None:
        """Convert a frame to PCM16 with the rate and channels of the first one: they may change, or be damaged."""
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
            # FFmpeg cannot convert these channels to those of the first frame.
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
        self._fill(self._timeline, timestamp, shape)

    def _fill(self, timeline: Timeline, timestamp_seconds: float, shape: Shape) -> None:
        """Write silence up to a timestamp, a second at a time."""
        rate = shape.sample_rate_hertz
        silence = timeline.silence_before(timestamp_seconds, self._kept_samples / rate)
        left = round(silence * rate)
        frame_bytes = shape.channels * SAMPLE_BYTES
        if left:
            self._keep(self._converter.resample(None))
            self._frame_shape = None
        while left > 0 and not self._handoff.is_cancelled:
            samples = min(left, rate)
            self._handoff.write(memoryview(bytes(samples * frame_bytes)), rate * frame_bytes)
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
            self._handoff.write(samples, self.shape.sample_rate_hertz * frame_bytes)

    def _check_end(self) -> None:
        if self._handoff.is_out_of_memory:
            raise _no_room()
        if self._handoff.is_without_sound:
            raise self._fault(f"no sound came out of its last {self._handoff.bytes_without_sound} bytes")
        if self.shape is None and (self._has_packets or not self._kind.may_be_empty):
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
    """Return a frame whose layout is mono or stereo: a header may name channels that FFmpeg cannot convert to these."""
    layout = _LAYOUTS.get(frame.layout.nb_channels)
    if layout is None or frame.layout.name == layout:
        return frame
    plain = av.AudioFrame.from_ndarray(frame.to_ndarray(), frame.format.name, layout)
    plain.sample_rate = frame.sample_rate
    return plain
