"""Owns FFmpeg: compressed audio from a lane's bytes to PCM16, refusing what was not declared."""

from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.stream import Disposition

from stream.audio.format import Encoding
from stream.audio.lane import Lane, Outcome, Pause
from stream.errors import ClientError, Problem
from vad import SAMPLE_BYTES

_LAYOUTS = {1: "mono", 2: "stereo"}
_MINIMUM_HERTZ = 8_000
_MAXIMUM_HERTZ = 192_000
_BUFFER_BYTES = 4096
_OPTIONS = {
    "probesize": "32",
    "analyzeduration": "0",
    # PyAV's demux() looks up the stream of a packet in an array that does not grow with streams that begin
    # later; this many stay within the smallest piece of memory that malloc gives.
    "max_streams": "16",
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """What FFmpeg calls the container and the codec; whether a sound container can be told from none at all."""

    container: str
    codec: str
    may_be_empty: bool


_KINDS = {
    Encoding.FLAC: _Kind("flac", "flac", may_be_empty=False),
    Encoding.MP3: _Kind("mp3", "mp3", may_be_empty=False),
    Encoding.OGG_OPUS: _Kind("ogg", "opus", may_be_empty=True),
    Encoding.WEBM_OPUS: _Kind("matroska", "opus", may_be_empty=True),
}


class Unpacker:
    """Runs FFmpeg in the thread, from the lane's bytes to the lane's samples."""

    def __init__(self, encoding: Encoding, lane: Lane) -> None:
        self.rate = 0
        self.channels = 0
        self._encoding = encoding
        self._kind = _KINDS[encoding]
        self._lane = lane
        self._has_packets = False
        self._shape: tuple[str, str, int] | None = None
        self._converter = av.AudioResampler()

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
            for packet in self._packets(container, stream):
                self._decode(packet, stream)
        self._keep(self._converter.resample(None))
        self._lane.give()
        self._check_end()

    def _open(self) -> InputContainer:
        try:
            return av.open(
                self._lane,
                mode="r",
                format=self._kind.container,
                options=_OPTIONS,
                metadata_errors="replace",
                buffer_size=_BUFFER_BYTES,
            )
        except av.FFmpegError as error:
            raise self._no_beginning() from error

    def _audio_stream(self, container: InputContainer) -> av.AudioStream:
        for stream in container.streams.video:
            if not stream.disposition & Disposition.attached_pic:
                raise self._fault("it has a video stream; send the audio alone")
        if not container.streams.audio:
            raise self._fault("it has no audio stream")
        audio = container.streams.audio[0]
        # PyAV's stubs do not tell that a codec which FFmpeg does not know has no context.
        codec = getattr(audio.codec_context, "codec", None)
        if codec is None or codec.canonical_name != self._kind.codec:
            found = "an unknown codec" if codec is None else codec.canonical_name
            raise self._fault(f"it holds {found}; it must hold {self._kind.codec}")
        # FLAC's extradata are its first block. Without it FFmpeg looks for frames in anything, and never fails.
        if self._encoding is Encoding.FLAC and not audio.codec_context.extradata:
            raise self._no_beginning()
        # As many as there are processors otherwise, for codecs that have no use for them.
        audio.codec_context.thread_count = 1
        return audio

    def _packets(
        self, container: InputContainer, stream: av.AudioStream
    ) -> Iterator["av.Packet[av.AudioStream] | None"]:
        """Yield packets and at last one that flushes; damage costs what it hit, as long as the input goes on."""
        taken_before = -1
        while taken_before < self._lane.taken_bytes and not self._lane.is_cancelled:
            taken_before = self._lane.taken_bytes
            try:
                yield from container.demux(stream)
            except av.FFmpegError:
                continue
            return
        yield None

    def _decode(self, packet: "av.Packet[av.AudioStream] | None", stream: av.AudioStream) -> None:
        self._has_packets = self._has_packets or (packet is not None and packet.size > 0)
        try:
            frames = stream.decode(packet)
        except av.FFmpegError:
            return
        for frame in frames:
            self._convert(frame)

    def _convert(self, frame: av.AudioFrame) -> None:
        """Bring a frame to PCM16 in the first frame's rate and channels: a stream may change, and damage may lie."""
        if not self.channels:
            self._check(frame)
            self.rate, self.channels = frame.sample_rate, frame.layout.nb_channels
        if frame.layout.nb_channels not in _LAYOUTS:
            return
        frame = _plain(frame)
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            self._keep(self._converter.resample(None))
            self._shape = shape
            self._converter = av.AudioResampler("s16", _LAYOUTS[self.channels], self.rate)
        self._keep(self._converter.resample(frame))

    def _check(self, frame: av.AudioFrame) -> None:
        channels = frame.layout.nb_channels
        if channels not in _LAYOUTS:
            raise self._fault(f"it has {channels} channels; it must have 1 or 2")
        if not _MINIMUM_HERTZ <= frame.sample_rate <= _MAXIMUM_HERTZ:
            raise self._fault(
                f"its sample rate is {frame.sample_rate}; it must be between {_MINIMUM_HERTZ} and {_MAXIMUM_HERTZ}"
            )

    def _keep(self, frames: list[av.AudioFrame]) -> None:
        frame_bytes = self.channels * SAMPLE_BYTES
        for frame in frames:
            samples = memoryview(frame.planes[0])[: frame.samples * frame_bytes]
            self._lane.keep(samples, self.rate * frame_bytes)

    def _check_end(self) -> None:
        if self._lane.is_barren:
            raise self._fault(f"no sound came out of its last {self._lane.barren_bytes} bytes")
        if not self.channels and (self._has_packets or not self._kind.may_be_empty):
            raise self._fault(f"no sound was found in its {self._lane.taken_bytes} bytes")

    def _no_beginning(self) -> ClientError:
        return self._fault("it does not begin as it must")

    def _fault(self, what: str) -> ClientError:
        return ClientError(Problem.INVALID_AUDIO, f"the audio cannot be decoded as {self._encoding.value}: {what}")


def _plain(frame: av.AudioFrame) -> av.AudioFrame:
    """Call one channel mono and two stereo: a header may name places that FFmpeg cannot bring to either."""
    layout = _LAYOUTS[frame.layout.nb_channels]
    if frame.layout.name == layout:
        return frame
    plain = av.AudioFrame.from_ndarray(frame.to_ndarray(), frame.format.name, layout)
    plain.sample_rate = frame.sample_rate
    return plain
