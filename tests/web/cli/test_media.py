"""Decoding of files of any format to 16 kHz mono PCM16."""

import asyncio
import wave
from contextlib import aclosing
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream

from tests.support.places import CLIPS
from web.cli.media import CHUNK_BYTES, SECOND_BYTES, Clip, MediaError, paced

LIBRARY = CLIPS / "library.wav"


def samples_of(path: Path) -> bytes:
    with wave.open(str(path)) as clip:
        return bytes(clip.readframes(clip.getnframes()))


def encoded(source: Path, target: Path, codec: str, rate: int, layout: str = "stereo") -> Path:
    """Write `source` again as another format, resampled."""
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = made.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        resampler = av.AudioResampler(stream.format, layout, rate)
        for frame in given.decode(audio=0):
            for part in resampler.resample(frame):
                made.mux(stream.encode(part))
        for part in resampler.resample(None):
            made.mux(stream.encode(part))
        made.mux(stream.encode(None))
    return target


async def decoded(clip: Clip) -> list[bytes]:
    return [chunk async for chunk in clip.chunks()]


@pytest.mark.parametrize("name", ["library.wav", "yes.wav"])
async def test_a_16_khz_mono_wav_is_unchanged(name: str) -> None:
    clip = Clip(CLIPS / name)
    pcm = samples_of(clip.path)
    assert b"".join(await decoded(clip)) == pcm
    assert clip.seconds == pytest.approx(len(pcm) / SECOND_BYTES)


async def test_chunks_are_100_ms_and_only_the_last_is_shorter() -> None:
    sizes = [len(chunk) for chunk in await decoded(Clip(CLIPS / "quick.wav"))]
    assert set(sizes[:-1]) == {CHUNK_BYTES}
    assert 0 < sizes[-1] <= CHUNK_BYTES
    assert CHUNK_BYTES == 3200


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("clip.flac", "flac", 44_100),
        ("clip.mp3", "libmp3lame", 22_050),
        ("clip.ogg", "libopus", 48_000),
        ("clip.m4a", "aac", 44_100),
        ("clip.wav", "pcm_s24le", 8_000),
    ],
)
async def test_other_formats_sound_the_same(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    clip = Clip(encoded(LIBRARY, tmp_path / name, codec, rate))
    original = np.frombuffer(samples_of(LIBRARY), "<i2").astype(float)
    decoded_samples = np.frombuffer(b"".join(await decoded(clip)), "<i2").astype(float)
    assert len(decoded_samples) == pytest.approx(len(original), abs=1600)
    padded = 1 << (len(decoded_samples) + len(original)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(decoded_samples, padded) * np.conj(np.fft.rfft(original, padded)))
    assert correlation.max() / (np.linalg.norm(decoded_samples) * np.linalg.norm(original)) > 0.9
    assert clip.damaged_packets == 0


async def test_the_end_of_a_resampled_clip_is_not_lost(tmp_path: Path) -> None:
    telephone = encoded(LIBRARY, tmp_path / "telephone.wav", "pcm_s16le", 8_000, "mono")
    assert len(b"".join(await decoded(Clip(telephone)))) == 2 * len(samples_of(telephone))


async def test_centre_dialogue_of_a_film_keeps_its_level(tmp_path: Path) -> None:
    voice = np.frombuffer(samples_of(LIBRARY), "<i2")
    channels = np.zeros((len(voice), 6), np.int16)
    channels[:, 2] = voice
    with wave.open(str(tmp_path / "film.wav"), "wb") as film:
        film.setparams((6, 2, 16_000, 0, "NONE", ""))
        film.writeframes(channels.tobytes())
    assert b"".join(await decoded(Clip(tmp_path / "film.wav"))) == voice.tobytes()


async def test_recordings_joined_end_to_end_may_change_their_rate(tmp_path: Path) -> None:
    first = encoded(LIBRARY, tmp_path / "a.mp3", "libmp3lame", 44_100)
    second = encoded(LIBRARY, tmp_path / "b.mp3", "libmp3lame", 22_050, "mono")
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    decoded_samples = b"".join(await decoded(Clip(joined)))
    assert len(decoded_samples) == pytest.approx(2 * len(samples_of(LIBRARY)), abs=SECOND_BYTES // 4)


async def test_damage_in_the_middle_is_left_out_and_counted(tmp_path: Path) -> None:
    clip = encoded(LIBRARY, tmp_path / "clip.mp3", "libmp3lame", 44_100)
    content = bytearray(clip.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(range(250)) * 16
    clip.write_bytes(content)
    damaged = Clip(clip)
    assert len(b"".join(await decoded(damaged))) > len(samples_of(LIBRARY)) // 2
    assert damaged.damaged_packets > 0


async def test_leaving_early_closes_the_file() -> None:
    async with aclosing(Clip(LIBRARY).chunks()) as chunks:
        assert len(await anext(chunks)) == CHUNK_BYTES
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        Clip(tmp_path / "talk.wav")
    assert str(caught.value) == f"{tmp_path / 'talk.wav'} does not exist; check the name"


def test_a_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"is not a file; a directory or a pipe cannot be transcribed$"):
        Clip(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "its format is not known"),
        (b"hello, this is no sound at all\n" * 200, "it is a text"),
        (bytes(range(256)) * 20, "its format is not known"),
        (b"%PDF-1.7\n" + bytes(range(256)), "it is PDF"),
    ],
)
def test_what_is_no_sound_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "notes.dat"
    path.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        Clip(path)
    assert str(caught.value) == (f"{path} cannot be decoded ({reason}); give a sound file such as WAV, FLAC or MP3")


def test_pictures_have_no_sound_in_them(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as made:
        video: Any = made.add_stream("mjpeg", rate=25)
        video.width, video.height, video.pix_fmt = 16, 16, "yuvj420p"
        made.mux(video.encode(av.VideoFrame(16, 16, "yuvj420p")))
        made.mux(video.encode(None))
    with pytest.raises(MediaError, match=r"it has no audio stream\); give a sound file"):
        list(Clip(path)._samples())


async def test_a_header_without_sound_is_an_error_and_not_silence(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.write_bytes(LIBRARY.read_bytes()[:44])
    with pytest.raises(MediaError, match=r"cannot be decoded \(its sound is empty\)"):
        await decoded(Clip(path))


@pytest.mark.virtual_time
async def test_pacing_holds_each_chunk_until_it_was_spoken() -> None:
    now = asyncio.get_running_loop().time
    began = now()
    moments: list[float] = []
    async for _ in paced(Clip(CLIPS / "yes.wav").chunks()):
        moments.append(round(now() - began, 6))
        # The server was slow once: the next ones catch up.
        await asyncio.sleep(0.15 if len(moments) == 3 else 0.0)
    assert moments == [0.1, 0.2, 0.3, 0.45, 0.5, 0.6, 0.7, 0.75]
