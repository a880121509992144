import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audio import AudioDecoder, AudioFormat, AudioTransfer, Encoding
from stream.errors import ClientError, Problem
from tests.sounds import CLIPS, clip_pcm, cut
from tests.tiers import examples

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
        decoded(*cut(sent, 3), audio_format=AudioFormat(declared))
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


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_no_bytes_do_worse_than_a_clear_error(messages: list[bytes]) -> None:
    try:
        decoded(*messages)
    except ClientError as error:
        assert error.problem is Problem.INVALID_AUDIO
