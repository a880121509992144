import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audio import AudioFormat, AudioTransfer, Encoding
from stream.audio.decoder import AudioDecoder
from stream.errors import ClientError, Problem
from tests.stream.audio.encoders import encoded, recorded
from tests.support.places import CLIPS
from tests.support.sounds import clip_pcm, cut, wav
from tests.support.tiers import examples

PCM = clip_pcm("yes.wav")
WAV = (CLIPS / "yes.wav").read_bytes()


def decoded(*messages: bytes, audio_format: AudioFormat | None = None) -> bytes:
    decoder = AudioDecoder(audio_format or AudioFormat())
    parts = [part for message in messages for part in decoder.push(message)] + list(decoder.flush())
    decoder.close()
    return b"".join(part for (part,) in parts)


ANDROID = b"".join(base64.b64encode(buffer) for buffer in cut(PCM, 1001))


@pytest.mark.fault(17)
@examples(20)
@given(
    st.sampled_from([PCM, WAV, base64.b64encode(PCM), base64.b64encode(WAV), ANDROID]),
    st.integers(1, 5000),
)
def test_every_way_of_sending_gives_the_same_samples(sent: bytes, size: int) -> None:
    assert decoded(*cut(sent, size)) == PCM


def test_empty_messages_are_ignored() -> None:
    assert decoded(b"", PCM[:10], b"", b"", PCM[10:], b"") == PCM


def test_less_than_sixteen_bytes_are_judged_at_the_end() -> None:
    assert decoded(b"\x01\x02") == b"\x01\x02"
    assert decoded(base64.b64encode(b"\x01\x02\x03\x04")) == b"\x01\x02\x03\x04"


def test_a_named_transfer_is_not_guessed() -> None:
    looks_like_text = b"ABCDEFGHIJKLMNOPQRST"
    assert decoded(looks_like_text, audio_format=AudioFormat(transfer=AudioTransfer.RAW)) == looks_like_text
    with pytest.raises(ClientError, match="not valid base64"):
        decoded(PCM, audio_format=AudioFormat(transfer=AudioTransfer.BASE64))


def test_a_header_wins_over_the_default_rate() -> None:
    at_8000 = WAV[:24] + (8000).to_bytes(4, "little") + WAV[28:]
    assert len(decoded(at_8000)) == pytest.approx(2 * len(PCM), abs=4)


def test_a_header_that_contradicts_an_explicit_rate_is_refused_naming_both() -> None:
    with pytest.raises(ClientError) as caught:
        decoded(WAV, audio_format=AudioFormat(sample_rate_hertz=44100, rate_is_explicit=True))
    assert caught.value.problem is Problem.INVALID_AUDIO
    assert caught.value.detail == (
        "the header of the audio says 16000 Hz, but sampleRateHertz is 44100; "
        "leave sampleRateHertz out or make them agree"
    )


@pytest.mark.parametrize(
    ("sent", "declared", "kind"),
    [
        (b"fLaC" + bytes(20), Encoding.LINEAR16, "FLAC"),
        (b"OggS" + bytes(20), Encoding.WEBM_OPUS, "Ogg"),
        (WAV, Encoding.MP3, "WAV"),
    ],
)
def test_a_file_that_was_not_declared_is_refused_naming_both(sent: bytes, declared: Encoding, kind: str) -> None:
    with pytest.raises(ClientError) as caught:
        decoded(*cut(sent, 3), audio_format=AudioFormat(encoding=declared))
    assert caught.value.problem is Problem.INVALID_AUDIO
    assert caught.value.detail == (f"the audio is {kind}, but audioEncoding is {declared.value}; declare what is sent")


def test_each_channel_is_kept_on_its_own() -> None:
    left, right = PCM, PCM[::-1]
    stereo = bytearray(2 * len(PCM))
    for offset, channel in ((0, left), (2, right)):
        stereo[offset::4], stereo[offset + 1 :: 4] = channel[::2], channel[1::2]
    decoder = AudioDecoder(AudioFormat(transfer=AudioTransfer.RAW, channels=2))
    parts = [part for message in cut(bytes(stereo), 777) for part in decoder.push(message)]
    assert [b"".join(channel) for channel in zip(*parts, strict=True)] == [left, right]


def test_one_channel_is_not_two() -> None:
    with pytest.raises(ClientError) as caught:
        decoded(WAV, audio_format=AudioFormat(channels=2))
    assert caught.value.detail == (
        "the header of the audio says 1 channel, but channels is 2; leave channels out or make them agree"
    )


def refusal(sent: bytes, audio_format: AudioFormat | None = None) -> str:
    with pytest.raises(ClientError) as caught:
        decoded(*cut(sent, 777), audio_format=audio_format)
    assert caught.value.problem is Problem.INVALID_AUDIO
    return caught.value.detail


def test_interleaved_channels_are_mixed_to_one() -> None:
    stereo = b"".join(PCM[at : at + 2] * 2 for at in range(0, len(PCM), 2))
    mixed = decoded(*cut(stereo, 777), audio_format=AudioFormat(transfer=AudioTransfer.RAW, interleaved_channels=2))
    assert mixed == PCM


MP3 = encoded(PCM, 44_100, "mp3")
FLAC = encoded(PCM, 16_000, "flac")
SAMPLES = AudioFormat(encoding=Encoding.LINEAR16, encoding_is_explicit=True)


@pytest.mark.parametrize("audio_format", [AudioFormat(), SAMPLES], ids=["undeclared", "samples"])
@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (recorded(PCM, "aiff", "pcm_s16be"), "AIFF"),
        (recorded(PCM, "mp4", "aac"), "MP4, M4A, MOV or 3GP"),
        (recorded(PCM, "adts", "aac"), "AAC (ADTS)"),
        (recorded(PCM, "adts", "aac")[555:], "AAC (ADTS)"),
        (bytes(70_001) + recorded(PCM, "mp2", "mp2"), "MP2"),
        (recorded(PCM, "mpegts", "mp2")[99:], "MPEG-TS"),
    ],
)
def test_a_file_that_is_not_streamed_is_never_heard_as_samples(
    sent: bytes, name: str, audio_format: AudioFormat
) -> None:
    assert refusal(sent, audio_format) == (
        f"the audio is {name}, which is not streamed; "
        "send PCM16, G.711, WAV, FLAC, MP3, or Opus in Ogg or WebM, or upload the file"
    )


def test_compressed_streams_are_known_behind_tags_and_zeros_and_when_cut() -> None:
    ape = b"APETAGEX\xd0\x07\0\0\x40\0\0\0" + bytes(80)
    for sent in (MP3, MP3[700:], bytes(3000) + MP3, ape + MP3, TAG + TAG + MP3):
        assert refusal(sent) == "the audio is MP3, but audioEncoding is LINEAR16; declare what is sent"


TAG = b"ID3\x03\0\0\0\0\x02\x01" + bytes(257)


def test_behind_a_tag_lies_what_it_is() -> None:
    assert decoded(*cut(TAG + FLAC, 100), audio_format=AudioFormat(encoding=Encoding.FLAC)) == PCM
    assert decoded(*cut(TAG + TAG + WAV, 100)) == PCM
    assert refusal(TAG + FLAC, AudioFormat(encoding=Encoding.MP3)).startswith(
        "the audio is FLAC, but audioEncoding is MP3"
    )


def test_text_is_refused_and_quoted() -> None:
    assert refusal(b"<!doctype html><title>Not found</title>" * 3).startswith(
        "the audio is a text: <!doctype html><title>Not found</title>"
    )
    assert refusal(b'{"detail": "no"}', SAMPLES).startswith('the audio is a text: {"detail": "no"}; if it is bare')


def test_only_samples_are_looked_at_for_base64() -> None:
    filler = b"U" * 200 + MP3[200:]
    mp3 = AudioFormat(encoding=Encoding.MP3)
    assert len(decoded(*cut(filler, 100), audio_format=mp3)) > len(PCM) // 2
    assert decoded(base64.b64encode(FLAC), audio_format=AudioFormat(encoding=Encoding.FLAC)) == PCM
    assert len(decoded(base64.b64encode(MP3), audio_format=mp3)) == len(decoded(MP3, audio_format=mp3))


def test_samples_that_begin_like_letters_are_samples() -> None:
    pcm = b"Uq" * 20 + PCM
    assert decoded(*cut(pcm, 7)) == pcm
    assert decoded(*cut(base64.b64encode(PCM) + bytes(300), 1000)) == PCM


def test_leading_silence_is_kept() -> None:
    pcm = bytes(150_001) + PCM[1:]
    assert decoded(*cut(pcm, 3000)) == pcm[: len(pcm) // 2 * 2]


@pytest.mark.parametrize("size", [100, 10_000])
def test_files_in_a_row_may_differ_in_rate_and_channels(size: int) -> None:
    stereo = wav(np.repeat(np.frombuffer(PCM, "<i2"), 2).tobytes(), channels=2)
    slow = wav(PCM, rate=8000)
    heard = decoded(*cut(WAV + stereo + slow + WAV, size))
    assert heard.startswith(PCM)
    assert heard.endswith(PCM)
    assert len(heard) == pytest.approx(5 * len(PCM), abs=1000)


FILE = AudioFormat(transfer=AudioTransfer.RAW, needs_header=True)


@pytest.mark.parametrize("kind", ["wav", "mp3", "flac", "ogg", "webm"])
def test_live_audio_that_needs_a_header_is_identified_by_it(kind: str) -> None:
    sent = WAV if kind == "wav" else encoded(PCM, 48_000, kind)
    assert len(decoded(*cut(sent, 333), audio_format=FILE)) > len(PCM) // 2


@pytest.mark.parametrize(
    "sent", [PCM, bytes(200), b"\x01", b"This is no sound, but a text of more than sixty letters. " * 3]
)
def test_live_audio_without_the_header_that_it_needs_is_refused(sent: bytes) -> None:
    assert refusal(sent, FILE).startswith("the audio ")


def test_an_ogg_file_within_samples_is_no_header() -> None:
    assert refusal(PCM + encoded(PCM, 48_000, "ogg"), FILE).startswith("the audio does not begin like a file")


RECORDING = AudioFormat(transfer=AudioTransfer.RAW, is_recording=True)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "aac"),
        ("mov", "pcm_s24le"),
        ("aiff", "pcm_s16be"),
        ("au", "pcm_mulaw"),
        ("caf", "pcm_s16le"),
        ("flv", "aac"),
        ("avi", "mp2"),
        ("mpegts", "aac"),
        ("adts", "aac"),
        ("ac3", "ac3"),
        ("matroska", "pcm_s16le"),
        ("ogg", "flac"),
        ("asf", "mp2"),
        ("wav", "adpcm_ima_wav"),
    ],
)
def test_a_recording_is_whatever_ffmpeg_decodes(container: str, codec: str) -> None:
    heard = decoded(*cut(recorded(PCM, container, codec), 5000), audio_format=RECORDING)
    assert len(heard) == pytest.approx(len(PCM), abs=0.12 * 32_000)
    a, b = (np.frombuffer(pcm, "<i2").astype(float) for pcm in (heard, PCM))
    size = 1 << 17
    likeness = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size))).max()
    assert likeness / (np.linalg.norm(a) * np.linalg.norm(b)) > 0.8


def test_a_recording_without_sound_is_refused_by_name() -> None:
    with pytest.raises(ClientError, match="the audio is ZIP; send a recording with sound") as caught:
        decoded(b"PK\x03\x04" + bytes(100), audio_format=RECORDING)
    assert caught.value.problem is Problem.UNSUPPORTED_MEDIA


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_no_bytes_do_worse_than_a_clear_error(messages: list[bytes]) -> None:
    try:
        decoded(*messages)
    except ClientError as error:
        assert error.problem is Problem.INVALID_AUDIO


def onset_seconds(pcm: bytes) -> float:
    """Where the first loud sample is."""
    return float(np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2").astype(int)) > 3000)[0]) / 16_000


@pytest.mark.parametrize(
    ("container", "codec"),
    [("matroska", "aac"), ("webm", "libopus"), ("mp4", "aac"), ("mov", "pcm_s16le"), ("flv", "aac")],
)
def test_a_late_beginning_keeps_its_time(container: str, codec: str) -> None:
    late = decoded(recorded(PCM, container, codec, at=4.836), audio_format=RECORDING)
    assert onset_seconds(late) == pytest.approx(4.836 + onset_seconds(PCM), abs=0.1)


@pytest.mark.parametrize(
    "audio_format", [RECORDING, AudioFormat(encoding=Encoding.WEBM_OPUS)], ids=["recording", "live"]
)
def test_a_gap_in_the_timestamps_is_silence_of_its_length(audio_format: AudioFormat) -> None:
    heard = decoded(*cut(recorded(PCM, "webm", "libopus", pause=(0.3, 30.0)), 300), audio_format=audio_format)
    assert len(heard) / 32_000 == pytest.approx(30.0 + len(PCM) / 32_000, abs=0.1)
    quiet = np.abs(np.frombuffer(heard, "<i2")[16_000 : 30 * 16_000])
    assert not quiet.any()
