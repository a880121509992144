import gc
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain, pairwise
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from stream.audio.containers.signatures import streamed_kind
from stream.audio.ffmpeg.codecs import CodecDecoder
from stream.audio.format import Encoding
from stream.errors import ClientError, Problem
from tests.support.sounds import clip_pcm, cut
from tests.support.tiers import examples, tiered

Samples = npt.NDArray[np.int16]
COMPRESSED = [Encoding.FLAC, Encoding.MP3, Encoding.OGG_OPUS, Encoding.WEBM_OPUS]
CONTAINERS = {Encoding.FLAC: "flac", Encoding.MP3: "mp3", Encoding.OGG_OPUS: "ogg", Encoding.WEBM_OPUS: "webm"}
CODECS = {Encoding.FLAC: "flac", Encoding.MP3: "libmp3lame"}
OPUS_RATE = 48_000
SILENT_MINUTES = tiered(15, 60)
NOISE = np.random.default_rng(7).bytes(30_000)


class Sink:
    """A pipe: what an encoder writes to it cannot be filled in later."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> int:
        self.written += data
        return len(data)


def encode(
    samples: Samples,
    rate: int,
    *,
    container: str,
    codec: str,
    layout: str | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """Encode `int16[n_frames, channels]`."""
    layout = layout or ("mono" if samples.shape[1] == 1 else "stereo")
    sink: Any = Sink()
    with av.open(sink, "w", format=container, options=options) as output:
        stream: Any = output.add_stream(codec, rate=rate)
        stream.layout = layout
        if codec == "vorbis":
            stream.codec_context.options = {"strict": "experimental"}
        for start in range(0, len(samples), rate // 10):
            block = samples[start : start + rate // 10]
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), "s16", layout)
            frame.sample_rate, frame.pts = rate, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    written: bytes = sink.written
    return written


@cache
def speech(rate: int = 16_000, channels: int = 1) -> Samples:
    """`int16[n_frames, channels]`, 3.5 s; the right channel is the left one backwards."""
    left = soxr.resample(np.frombuffer(clip_pcm("harbour.wav"), "<i2"), 16_000, rate)
    return np.stack([left, left[::-1]][:channels], axis=1)


@cache
def encoded(encoding: Encoding, rate: int = 0, channels: int = 1) -> bytes:
    rate = rate or native_rate(encoding)
    codec = CODECS.get(encoding, "libopus")
    # Pages of 20 ms, as live sources write them; FFmpeg's own are of a second.
    options = {"page_duration": "20000"} if encoding is Encoding.OGG_OPUS else None
    return encode(speech(rate, channels), rate, container=CONTAINERS[encoding], codec=codec, options=options)


def native_rate(encoding: Encoding) -> int:
    return 16_000 if encoding in CODECS else OPUS_RATE


@cache
def long_silence() -> bytes:
    """A FLAC of so many minutes at 16 kHz, an hour in 200 kB or so."""
    silence = np.zeros((SILENT_MINUTES * 60 * 16_000, 1), np.int16)
    return encode(silence, 16_000, container="flac", codec="flac")


def decoder_of(encoding: Encoding, *, is_recording: bool = False) -> CodecDecoder:
    kind = streamed_kind(encoding)
    assert kind is not None
    return CodecDecoder(kind, is_recording=is_recording)


def drain(decoder: CodecDecoder, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from decoder.push(piece)
    yield from decoder.flush()


def decode(encoding: Encoding, *pieces: bytes) -> bytes:
    return b"".join(drain(decoder_of(encoding), pieces))


def frames(pcm: bytes, channels: int = 1) -> Samples:
    return np.frombuffer(pcm, "<i2").reshape(-1, channels)


def refusal(encoding: Encoding, *pieces: bytes) -> str:
    """What is wrong, from a sentence that also has to name the declared encoding."""
    with pytest.raises(ClientError) as caught:
        decode(encoding, *pieces)
    assert caught.value.problem is Problem.INVALID_AUDIO
    start = f"the audio cannot be decoded as {encoding.value}: "
    assert caught.value.detail.startswith(start)
    return caught.value.detail.removeprefix(start)


def cut_at(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


def likeness(decoded: Samples, source: Samples) -> float:
    """The highest normalized correlation over all delays."""
    size = 1 << (len(decoded) + len(source)).bit_length()
    spectrum = np.fft.rfft(decoded.astype(float), size) * np.conj(np.fft.rfft(source.astype(float), size))
    norm = np.linalg.norm(decoded.astype(float)) * np.linalg.norm(source.astype(float))
    return float(np.fft.irfft(spectrum, size).max() / norm)


def codec_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "codec"]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    gc.collect()
    for thread in codec_threads():
        thread.join(10)
    assert not codec_threads()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000, 192_000])
def test_flac_comes_out_bit_by_bit(rate: int, channels: int) -> None:
    decoder = decoder_of(Encoding.FLAC)
    pcm = b"".join(drain(decoder, cut(encoded(Encoding.FLAC, rate, channels), 1000)))
    assert pcm == speech(rate, channels).astype("<i2").tobytes()
    assert (decoder.shape.sample_rate_hertz, decoder.shape.channels) == (rate, channels)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("encoding", "rate"),
    [
        *((Encoding.MP3, rate) for rate in (8000, 44_100)),
        (Encoding.OGG_OPUS, OPUS_RATE),
        (Encoding.WEBM_OPUS, OPUS_RATE),
    ],
)
def test_lossy_sound_has_the_source_s_length_and_shape(encoding: Encoding, rate: int, channels: int) -> None:
    decoder = decoder_of(encoding)
    pcm = b"".join(drain(decoder, cut(encoded(encoding, rate, channels), 1000)))
    decoded, source = frames(pcm, channels), speech(rate, channels)
    assert (decoder.shape.sample_rate_hertz, decoder.shape.channels) == (rate, channels)
    # MP3 that was written to a pipe cannot say how much of its ends is the encoder's.
    longest_delay = 3 * 1152 if encoding is Encoding.MP3 else OPUS_RATE // 50
    assert 0 <= len(decoded) - len(source) <= longest_delay
    for channel in range(channels):
        assert likeness(decoded[:, channel], source[:, channel]) > 0.9


@pytest.mark.parametrize("wide", [np.int16, np.int32])
def test_samples_are_little_endian_and_24_bits_are_cut_to_16(wide: type[np.signedinteger[Any]]) -> None:
    sink: Any = Sink()
    with av.open(sink, "w", format="flac") as output:
        stream: Any = output.add_stream("flac", rate=16_000)
        stream.layout = "mono"
        stream.format = "s16" if wide is np.int16 else "s32"
        ramp = np.arange(-4000, 4000, dtype=np.int32)
        samples = ramp.astype(np.int16) if wide is np.int16 else ramp << 16
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), stream.format.name, "mono")
        frame.sample_rate = 16_000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    assert frames(decode(Encoding.FLAC, sink.written))[:, 0].tolist() == ramp.tolist()


@pytest.mark.parametrize("encoding", COMPRESSED)
@examples(6)
@given(cuts=st.lists(st.integers(0, 1 << 20), max_size=40), damage=st.booleans())
def test_the_cuts_leave_no_trace(encoding: Encoding, cuts: list[int], damage: bool) -> None:
    clip = encoded(encoding)
    if damage:
        middle = len(clip) // 2
        clip = clip[:middle] + NOISE[:500] + clip[middle + 500 :]
    assert decode(encoding, *cut_at(clip, cuts)) == decode(encoding, clip)


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_single_bytes_leave_no_trace(encoding: Encoding) -> None:
    clip = encoded(encoding)[:25_000]
    assert decode(encoding, *cut(clip, 1)) == decode(encoding, clip)


@pytest.mark.parametrize(
    ("encoding", "bytes_needed"),
    # FFmpeg looks at ten FLAC frames before it believes the first.
    [(Encoding.FLAC, 25_000), (Encoding.MP3, 2000), (Encoding.OGG_OPUS, 1000), (Encoding.WEBM_OPUS, 1500)],
)
def test_the_first_samples_come_long_before_the_last_bytes(encoding: Encoding, bytes_needed: int) -> None:
    assert bytes_needed < len(encoded(encoding)) / 2
    with_samples = decoder_of(encoding)
    assert any(with_samples.push(encoded(encoding)[:bytes_needed]))


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_no_input_is_no_sound_and_no_fault(encoding: Encoding) -> None:
    assert decode(encoding) == b""
    assert decode(encoding, b"", b"") == b""
    assert not codec_threads()


@pytest.mark.parametrize("encoding", [Encoding.OGG_OPUS, Encoding.WEBM_OPUS])
def test_a_container_without_a_packet_is_an_empty_recording(encoding: Encoding) -> None:
    empty = encode(np.zeros((0, 1), np.int16), OPUS_RATE, container=CONTAINERS[encoding], codec="libopus")
    assert decode(encoding, empty) == b""


@pytest.mark.parametrize("encoding", COMPRESSED)
@pytest.mark.parametrize("kept", [0.4, 0.7, 0.99])
def test_a_truncated_end_keeps_what_came(encoding: Encoding, kept: float) -> None:
    clip = encoded(encoding)
    whole, part = decode(encoding, clip), decode(encoding, clip[: int(len(clip) * kept)])
    assert len(part) > (kept - 0.2) * len(whole)
    shared = len(part) - native_rate(encoding) // 2
    assert part[:shared] == whole[:shared]


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_damage_costs_only_what_it_hit(encoding: Encoding) -> None:
    clip = encoded(encoding)
    middle = len(clip) // 2
    damaged = clip[:middle] + NOISE[:300] + clip[middle + 300 :]
    whole, rest = decode(encoding, clip), decode(encoding, damaged)
    assert len(rest) > 0.7 * len(whole)
    assert rest[-8000:] == whole[-8000:]


@pytest.mark.parametrize("encoding", COMPRESSED)
@pytest.mark.parametrize("garbage", [NOISE, bytes(30_000), b"R", b"<html>" * 1000], ids=["noise", "zeros", "R", "html"])
def test_garbage_is_refused(encoding: Encoding, garbage: bytes) -> None:
    what = refusal(encoding, *cut(garbage, 1000))
    assert what in ("it does not begin as it must", f"no sound was found in its {len(garbage)} bytes")


def test_noise_after_a_flac_header_is_no_silence() -> None:
    marker, stream_info = b"fLaC", encoded(Encoding.FLAC)[5:42]
    last_block = b"\x80"
    what = refusal(Encoding.FLAC, marker + last_block + stream_info, NOISE)
    assert what == "no sound was found in its 30042 bytes"


def test_flac_frames_without_their_header_could_be_anything() -> None:
    clip = encoded(Encoding.FLAC)
    frame_sync = b"\xff\xf8"
    assert refusal(Encoding.FLAC, clip[clip.index(frame_sync) :]) == "it does not begin as it must"


@pytest.mark.parametrize("sent", COMPRESSED)
@pytest.mark.parametrize("declared", COMPRESSED)
def test_another_format_than_declared_is_refused(declared: Encoding, sent: Encoding) -> None:
    if declared is not sent:
        refusal(declared, encoded(sent))


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_garbage_is_refused_before_it_ends(encoding: Encoding) -> None:
    decoder = decoder_of(encoding)
    with pytest.raises(ClientError):
        list(chain.from_iterable(decoder.push(piece) for piece in cut(NOISE * 3, 1000)))


def test_metadata_without_sound_are_not_read_for_ever() -> None:
    decoder = decoder_of(Encoding.MP3)
    list(decoder.push(encoded(Encoding.MP3)))
    with pytest.raises(ClientError) as caught:
        list(chain.from_iterable(decoder.push(bytes(1 << 20)) for _ in range(17)))
    assert (
        caught.value.detail
        == f"the audio cannot be decoded as MP3: no sound came out of its last {(1 << 24) + 128} bytes"
    )


@pytest.mark.parametrize(
    ("encoding", "codec", "found"),
    [
        (Encoding.OGG_OPUS, "vorbis", "vorbis"),
        (Encoding.OGG_OPUS, "flac", "flac"),
        (Encoding.WEBM_OPUS, "vorbis", "vorbis"),
    ],
)
def test_another_codec_in_the_container_is_refused(encoding: Encoding, codec: str, found: str) -> None:
    clip = encode(speech(OPUS_RATE, 2), OPUS_RATE, container=CONTAINERS[encoding], codec=codec)
    assert refusal(encoding, clip) == f"it holds {found}; it must hold opus"


def matroska_with_video(*, audio: bool) -> bytes:
    sink: Any = Sink()
    with av.open(sink, "w", format="matroska") as output:
        video: Any = output.add_stream("mjpeg", rate=25)
        video.width, video.height, video.pix_fmt = 16, 16, "yuvj420p"
        sound: Any = output.add_stream("libopus", rate=OPUS_RATE) if audio else None
        for number in range(10):
            picture = av.VideoFrame(16, 16, "yuvj420p")
            picture.pts = number
            output.mux(video.encode(picture))
            if sound is not None:
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.int16), "s16", "stereo")
                frame.sample_rate, frame.pts = OPUS_RATE, number * 4800
                output.mux(sound.encode(frame))
    written: bytes = sink.written
    return written


@pytest.mark.parametrize("audio", [False, True])
def test_video_is_refused(audio: bool) -> None:
    what = refusal(Encoding.WEBM_OPUS, matroska_with_video(audio=audio))
    assert what == "it has a video stream; send the audio alone"


@pytest.mark.parametrize(("layout", "places"), [("2.1", ("FL", "FR", "LFE")), ("5.1(side)", None), ("7.1", None)])
def test_channels_keep_their_order_and_have_places(layout: str, places: tuple[str, ...] | None) -> None:
    channels = av.AudioLayout(layout).nb_channels
    samples = np.arange(16_000 * channels, dtype=np.int16).reshape(-1, channels)
    decoder = decoder_of(Encoding.FLAC)
    pcm = b"".join(drain(decoder, [encode(samples, 16_000, container="flac", codec="flac", layout=layout)]))
    assert pcm == samples.tobytes()
    assert len(decoder.shape.layout) == channels
    assert places is None or decoder.shape.layout == places


@pytest.mark.parametrize("rate", [4000, 384_000])
def test_rates_that_nobody_records_speech_at_are_decoded(rate: int) -> None:
    decoder = decoder_of(Encoding.FLAC)
    clip = encode(np.ones((rate, 1), np.int16), rate, container="flac", codec="flac")
    assert len(b"".join(drain(decoder, [clip]))) == 2 * rate
    assert decoder.shape.sample_rate_hertz == rate


def flac_with_block(kind: int, block: bytes, channels: int = 1) -> bytes:
    """Put a metadata block after STREAMINFO."""
    clip = encoded(Encoding.FLAC, channels=channels)
    return clip[:42] + bytes([kind]) + len(block).to_bytes(3, "big") + block + clip[42:]


def png() -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\1\2\3")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def comments(*lines: bytes) -> bytes:
    return struct.pack("<II", 0, len(lines)) + b"".join(struct.pack("<I", len(line)) + line for line in lines)


def test_a_cover_picture_is_no_video() -> None:
    picture = struct.pack(">II9sIIIIII", 3, 9, b"image/png", 0, 1, 1, 24, 0, len(png())) + png()
    assert decode(Encoding.FLAC, flac_with_block(6, picture)) == decode(Encoding.FLAC, encoded(Encoding.FLAC))
    frame = b"APIC" + struct.pack(">IH", 14 + len(png()), 0) + b"\0image/png\0\3\0\0" + png()
    tag = b"ID3\x03\0\0\0\0" + bytes([len(frame) >> 7, len(frame) & 127]) + frame
    assert len(decode(Encoding.MP3, tag + encoded(Encoding.MP3))) == len(decode(Encoding.MP3, encoded(Encoding.MP3)))


def test_metadata_in_no_known_alphabet_do_no_harm() -> None:
    clip = flac_with_block(4, comments(b"TITLE=\xff\xfe\xfd"))
    assert decode(Encoding.FLAC, clip) == decode(Encoding.FLAC, encoded(Encoding.FLAC))


@pytest.mark.parametrize("mask", [0xC, 0x30, 0x60000000])
def test_two_channels_stay_as_they_are_whatever_places_the_header_gives_them(mask: int) -> None:
    clip = flac_with_block(4, comments(b"WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x%X" % mask), channels=2)
    assert decode(Encoding.FLAC, clip) == decode(Encoding.FLAC, encoded(Encoding.FLAC, channels=2))


def test_a_stream_that_changes_is_brought_to_its_first_rate_and_channels() -> None:
    first, second = encoded(Encoding.MP3), encoded(Encoding.MP3, 48_000, 2)
    decoder = decoder_of(Encoding.MP3)
    pcm = b"".join(drain(decoder, [first, second]))
    assert (decoder.shape.sample_rate_hertz, decoder.shape.channels) == (16_000, 1)
    assert len(frames(pcm)) == pytest.approx(2 * len(speech()), rel=0.06)


def test_more_channels_in_the_middle_are_brought_to_the_first() -> None:
    six_channels = np.zeros((160_000, 6), np.int16)
    six = encode(six_channels, 16_000, container="flac", codec="flac", layout="5.1")
    pcm = decode(Encoding.FLAC, encoded(Encoding.FLAC), six)
    assert len(frames(pcm)) == pytest.approx(len(speech()) + len(six_channels), rel=0.06)


@pytest.mark.parametrize("encoding", [Encoding.FLAC, Encoding.OGG_OPUS, Encoding.WEBM_OPUS])
def test_files_one_after_another_are_decoded_one_after_another(encoding: Encoding) -> None:
    clip = encoded(encoding)
    length = len(decode(encoding, clip))
    assert len(decode(encoding, clip, clip)) == pytest.approx(2 * length, rel=0.01)


@pytest.mark.fault(19)
def test_a_long_silence_is_held_a_second_at_a_time() -> None:
    bomb = long_silence()
    assert len(bomb) < 1 << 20
    decoder = decoder_of(Encoding.FLAC)
    lengths = [len(samples) for samples in drain(decoder, [bomb])]
    assert sum(lengths) == 2 * 16_000 * 60 * SILENT_MINUTES
    assert max(lengths) <= 2 * 16_000
    assert len(codec_threads()) == 0


def test_nothing_is_decoded_while_the_caller_does_not_iterate() -> None:
    decoder = decoder_of(Encoding.FLAC)
    samples = decoder.push(long_silence())
    next(samples)
    held = len(decoder._handoff._samples)
    taken = decoder._handoff.read_bytes
    assert held <= 2 * 16_000
    assert taken < len(long_silence()) / 10
    decoder.close()


def test_samples_that_were_left_come_with_the_next_push() -> None:
    clip = encoded(Encoding.FLAC)
    decoder = decoder_of(Encoding.FLAC)
    half = len(clip) // 2
    first = next(decoder.push(clip[:half]))
    assert first + b"".join(drain(decoder, [clip[half:]])) == decode(Encoding.FLAC, clip)


@pytest.mark.parametrize("encoding", COMPRESSED)
@pytest.mark.parametrize("sent", [0, 10, 3000])
def test_close_ends_the_thread_from_any_state(encoding: Encoding, sent: int) -> None:
    decoder = decoder_of(encoding)
    list(decoder.push(encoded(encoding)[:sent]))
    assert len(codec_threads()) == bool(sent)
    decoder.close()
    assert not codec_threads()
    decoder.close()
    assert list(drain(decoder, [encoded(encoding)])) == []


def test_close_ends_a_push_that_waits_for_its_caller() -> None:
    decoder = decoder_of(Encoding.FLAC)
    samples = decoder.push(long_silence())
    next(samples)
    decoder.close()
    assert not codec_threads()
    assert list(samples) == []


def test_close_ends_a_push_in_another_thread() -> None:
    decoder = decoder_of(Encoding.FLAC)
    has_begun = threading.Event()

    def push_for_ever() -> None:
        for _ in range(1000):
            for _ in decoder.push(long_silence()):
                has_begun.set()

    pusher = threading.Thread(target=push_for_ever)
    pusher.start()
    assert has_begun.wait(10)
    decoder.close()
    pusher.join(10)
    assert not pusher.is_alive()
    assert not codec_threads()


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_the_end_of_the_input_ends_the_thread(encoding: Encoding) -> None:
    decoder = decoder_of(encoding)
    assert b"".join(drain(decoder, [encoded(encoding)]))
    assert not codec_threads()
    assert list(decoder.flush()) == []
    assert list(decoder.push(encoded(encoding))) == []


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_a_fault_ends_the_thread_and_the_stream(encoding: Encoding) -> None:
    decoder = decoder_of(encoding)
    with pytest.raises(ClientError):
        list(drain(decoder, [NOISE]))
    assert not codec_threads()
    assert list(drain(decoder, [encoded(encoding)])) == []


def test_a_fault_of_ours_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(av, "open", fail)
    with pytest.raises(MemoryError, match="no room"):
        list(decoder_of(Encoding.FLAC).push(b"fLaC"))
    assert not codec_threads()


class StumblingContainer:
    """Fails after every fifty packets and for ever at the end; no damage was found that does the like."""

    def __init__(self, container: Any) -> None:
        self._container = container
        self.streams = container.streams
        self.start_time = container.start_time

    def __enter__(self) -> "StumblingContainer":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def demux(self) -> Iterator[Any]:
        for number, packet in enumerate(self._container.demux()):
            yield packet
            if number % 50 == 49:
                break
        raise av.error.InvalidDataError(1, "a packet that cannot be read")


def test_ffmpeg_is_asked_again_after_an_error_while_the_input_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = decode(Encoding.WEBM_OPUS, encoded(Encoding.WEBM_OPUS))
    really_open = av.open
    monkeypatch.setattr(av, "open", lambda *a, **k: StumblingContainer(really_open(*a, **k)))
    assert decode(Encoding.WEBM_OPUS, encoded(Encoding.WEBM_OPUS)) == whole


@pytest.mark.parametrize("is_iterating", [False, True])
def test_a_dropped_decoder_leaves_no_thread(is_iterating: bool) -> None:
    decoder = decoder_of(Encoding.FLAC)
    samples = decoder.push(long_silence()[:50_000])
    next(samples)
    if not is_iterating:
        list(samples)
    (thread,) = codec_threads()
    del decoder, samples
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_a_process_that_forgot_a_decoder_exits() -> None:
    script = (
        "from stream.audio.ffmpeg.codecs import CodecDecoder; from stream.audio.containers.signatures import FLAC;"
        "decoder = CodecDecoder(FLAC); print(list(decoder.push(b'fLaC')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_ffmpeg_says_nothing_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    for encoding in COMPRESSED:
        clip = encoded(encoding)
        decode(encoding, clip[: len(clip) // 2], NOISE)
        with pytest.raises(ClientError):
            decode(encoding, NOISE)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("encoding", COMPRESSED)
@examples(20)
@given(
    kept=st.integers(0, 6000),
    noise=st.binary(max_size=400),
    flips=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=20),
    cuts=st.lists(st.integers(0, 1 << 20), max_size=5),
)
def test_no_bytes_do_worse_than_a_clear_error(
    encoding: Encoding, kept: int, noise: bytes, flips: list[tuple[int, int]], cuts: list[int]
) -> None:
    data = bytearray(encoded(encoding)[:kept] + noise + encoded(encoding)[kept : kept + 2000])
    for place, value in flips:
        data[place % len(data)] = value
    try:
        decode(encoding, *cut_at(bytes(data), cuts))
    except ClientError as error:
        assert error.problem is Problem.INVALID_AUDIO


@pytest.mark.fault(19)
@pytest.mark.parametrize("encoding", COMPRESSED)
@examples(20)
@given(data=st.binary(max_size=2000), magic=st.sampled_from([b"", b"fLaC", b"ID3\x04", b"OggS", b"\x1aE\xdf\xa3"]))
def test_random_bytes_do_no_worse_than_a_clear_error(encoding: Encoding, data: bytes, magic: bytes) -> None:
    try:
        decode(encoding, magic + data)
    except ClientError as error:
        assert error.problem is Problem.INVALID_AUDIO
