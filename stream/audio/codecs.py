"""Owns compressed audio as a stream: FLAC, MP3, Opus in Ogg or in WebM, cut anywhere, to PCM16."""

import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, SimpleQueue

import av
from av.container import InputContainer
from av.stream import Disposition

from stream.audio.format import Encoding
from stream.errors import ClientError, Problem

_SAMPLE_BYTES = 2
_LAYOUTS = {1: "mono", 2: "stereo"}
_MINIMUM_HERTZ = 8_000
_MAXIMUM_HERTZ = 192_000
# FFmpeg is fed in pieces of exactly this size, so that what it sees never depends on the client's cuts.
# That much may be held back until more comes: 40 ms of Opus at 24 kbit/s.
_GRAIN_BYTES = 128
# How much may come in a row without sound. Metadata may: a cover picture fills up to a FLAC block, 16 MiB, and
# FFmpeg keeps it, so this bounds its memory too. What begins like none of these soon has to be sound; FFmpeg itself
# looks that far for the first MP3 frame or Ogg page, but for ever for the first FLAC frame.
_BARREN_LIMIT_BYTES = 16 << 20
_UNMARKED_BARREN_LIMIT_BYTES = 64 << 10
_MARKS = (b"fLaC", b"ID3", b"OggS", b"\x1aE\xdf\xa3")
_BUFFER_BYTES = 4096
_OPTIONS = {
    "probesize": "32",
    "analyzeduration": "0",
    # PyAV's demux() looks up the stream of a packet in an array that does not grow with streams that begin
    # later; this many stay within the smallest piece of memory that malloc gives.
    "max_streams": "16",
}
_EXIT_POLL_SECONDS = 1.0


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


class CodecDecoder:
    """Decodes FLAC, MP3, OGG_OPUS or WEBM_OPUS; the output depends on the bytes alone, never on their cuts.

    FFmpeg pulls its input and blocks for it, so it runs in a thread; the thread and the caller take turns, never
    both at once. A turn of the thread ends when it needs more bytes or has decoded a second: a small file that
    unpacks to hours is held a second at a time. One thread may use a decoder at a time, but any may `close` it.
    """

    def __init__(self, encoding: Encoding) -> None:
        self._lane = _Lane()
        self._unpacker = _Unpacker(encoding, self._lane)
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
                case _Pause.STARVED:
                    return
                case _Pause.ENDED:
                    self._finish()
                case error:
                    self._finish()
                    raise error

    def _finish(self) -> None:
        self._is_finished = True
        self.close()


class _Pause(Enum):
    """Why the thread gives its turn back without samples."""

    STARVED = auto()
    ENDED = auto()


_Outcome = bytes | _Pause | BaseException


class _Lane:
    """Carries bytes to the thread and samples back, and lets one side run at a time.

    Neither side waits in vain. The thread's last act, come what may, is `finish`. The caller's is `cancel`, in a
    finalizer at the latest; SimpleQueue is the one primitive that is safe there. FFmpeg takes this for a file that
    has `read` alone, and so does not seek.
    """

    def __init__(self) -> None:
        self.is_cancelled = False
        self.is_barren = False
        self.taken_bytes = 0
        self._input = b""
        self._input_start = 0
        self._has_ended = False
        self._samples = bytearray()
        self.barren_bytes = 0
        self._barren_limit_bytes = _BARREN_LIMIT_BYTES
        self._to_thread: SimpleQueue[None] = SimpleQueue()
        self._to_caller: SimpleQueue[_Outcome] = SimpleQueue()

    def append(self, data: bytes) -> None:
        """Caller: add to the input; what an earlier turn left is kept, and nothing once nobody reads any more."""
        if self.is_cancelled:
            return
        self._input = self._input[self._input_start :] + data
        self._input_start = 0

    def end(self) -> None:
        """Caller: the input is complete."""
        self._has_ended = True

    def resume(self) -> _Outcome:
        """Caller: give the turn to the thread and wait for what it has."""
        self._to_thread.put(None)
        return self._to_caller.get()

    def cancel(self) -> None:
        """Anyone: make the thread wind up, waiting or not."""
        self.is_cancelled = True
        self._to_thread.put(None)

    def wait_for_turn(self) -> None:
        """Thread: return when resumed or cancelled."""
        while not self.is_cancelled:
            try:
                self._to_thread.get(timeout=_EXIT_POLL_SECONDS)
            except Empty:
                # A process that exits waits for its threads first and runs finalizers later.
                self.is_cancelled = not threading.main_thread().is_alive()
            else:
                return

    def read(self, size: int) -> bytes:
        """FFmpeg: return a grain of input, less at its end only, none when there is no more to come."""
        wanted = min(size, _GRAIN_BYTES)
        while len(self._input) - self._input_start < wanted and not self._has_ended and not self.is_cancelled:
            self.give()
            self._give_back(_Pause.STARVED)
        if self.is_cancelled or self.is_barren:
            return b""
        grain = self._input[self._input_start : self._input_start + wanted]
        self._input_start += len(grain)
        if not self.taken_bytes and not grain.startswith(_MARKS):
            self._barren_limit_bytes = _UNMARKED_BARREN_LIMIT_BYTES
        self.taken_bytes += len(grain)
        self.barren_bytes += len(grain)
        self.is_barren = self.barren_bytes > self._barren_limit_bytes
        return grain

    def keep(self, samples: memoryview, second_bytes: int) -> None:
        """Thread: add to the output; every second of it is given at once."""
        self._samples += samples
        self.barren_bytes = 0
        self._barren_limit_bytes = _BARREN_LIMIT_BYTES
        while len(self._samples) >= second_bytes and not self.is_cancelled:
            self._give_first(second_bytes)

    def give(self) -> None:
        """Thread: give the caller all samples that are kept."""
        if self._samples:
            self._give_first(len(self._samples))

    def finish(self, outcome: _Outcome) -> None:
        """Thread: give the turn back for the last time; what goes wrong while winding up interests nobody."""
        self._to_caller.put(_Pause.ENDED if self.is_cancelled else outcome)

    def _give_first(self, count: int) -> None:
        samples = bytes(self._samples[:count])
        del self._samples[:count]
        self._give_back(samples)

    def _give_back(self, outcome: _Outcome) -> None:
        self._to_caller.put(outcome)
        self.wait_for_turn()


class _Unpacker:
    """Runs FFmpeg in the thread, from the lane's bytes to the lane's samples."""

    def __init__(self, encoding: Encoding, lane: _Lane) -> None:
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
        outcome: _Outcome = _Pause.ENDED
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
        frame_bytes = self.channels * _SAMPLE_BYTES
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
