"""Decoding of files of any format to 16 kHz mono PCM16."""

import asyncio
import os
import threading
import wave
from contextlib import aclosing
from pathlib import Path, PurePath
from typing import Any

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream

from tests.support.places import CLIPS
from web.cli.files.media import CHUNK_BYTES, SECOND_BYTES, Clip, FileClip, PipedClip, SoundOptions, paced
from web.cli.files.sources import MediaError, Source, SourceKind

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
    clip = FileClip(CLIPS / name)
    pcm = samples_of(clip.path)
    assert b"".join(await decoded(clip)) == pcm
    assert clip.seconds == pytest.approx(len(pcm) / SECOND_BYTES)


async def test_chunks_are_100_ms_and_only_the_last_is_shorter() -> None:
    sizes = [len(chunk) for chunk in await decoded(FileClip(CLIPS / "quick.wav"))]
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
    clip = FileClip(encoded(LIBRARY, tmp_path / name, codec, rate))
    original = np.frombuffer(samples_of(LIBRARY), "<i2").astype(float)
    decoded_samples = np.frombuffer(b"".join(await decoded(clip)), "<i2").astype(float)
    assert len(decoded_samples) == pytest.approx(len(original), abs=1600)
    padded = 1 << (len(decoded_samples) + len(original)).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(decoded_samples, padded) * np.conj(np.fft.rfft(original, padded)))
    assert correlation.max() / (np.linalg.norm(decoded_samples) * np.linalg.norm(original)) > 0.9
    assert clip.damaged_packets == 0


async def test_the_end_of_a_resampled_clip_is_not_lost(tmp_path: Path) -> None:
    telephone = encoded(LIBRARY, tmp_path / "telephone.wav", "pcm_s16le", 8_000, "mono")
    assert len(b"".join(await decoded(FileClip(telephone)))) == 2 * len(samples_of(telephone))


async def test_centre_dialogue_of_a_film_keeps_its_level(tmp_path: Path) -> None:
    voice = np.frombuffer(samples_of(LIBRARY), "<i2")
    channels = np.zeros((len(voice), 6), np.int16)
    channels[:, 2] = voice
    with wave.open(str(tmp_path / "film.wav"), "wb") as film:
        film.setparams((6, 2, 16_000, 0, "NONE", ""))
        film.writeframes(channels.tobytes())
    assert b"".join(await decoded(FileClip(tmp_path / "film.wav"))) == voice.tobytes()


async def test_recordings_joined_end_to_end_may_change_their_rate(tmp_path: Path) -> None:
    first = encoded(LIBRARY, tmp_path / "a.mp3", "libmp3lame", 44_100)
    second = encoded(LIBRARY, tmp_path / "b.mp3", "libmp3lame", 22_050, "mono")
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    decoded_samples = b"".join(await decoded(FileClip(joined)))
    assert len(decoded_samples) == pytest.approx(2 * len(samples_of(LIBRARY)), abs=SECOND_BYTES // 4)


async def test_damage_in_the_middle_is_left_out_and_counted(tmp_path: Path) -> None:
    clip = encoded(LIBRARY, tmp_path / "clip.mp3", "libmp3lame", 44_100)
    content = bytearray(clip.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(range(250)) * 16
    clip.write_bytes(content)
    damaged = FileClip(clip)
    assert len(b"".join(await decoded(damaged))) > len(samples_of(LIBRARY)) // 2
    assert damaged.damaged_packets > 0


async def test_leaving_early_closes_the_file() -> None:
    async with aclosing(FileClip(LIBRARY).chunks()) as chunks:
        assert len(await anext(chunks)) == CHUNK_BYTES
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        FileClip(tmp_path / "talk.wav")
    assert str(caught.value) == f"{tmp_path / 'talk.wav'} does not exist; check the name"


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"is not a file, a directory or a pipe; name one of these$"):
        FileClip(tmp_path)


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
        FileClip(path)
    advice = ", or --rate for samples without a header" if reason == "its format is not known" else ""
    assert str(caught.value) == (
        f"{path} cannot be decoded ({reason}); give a sound file such as WAV, FLAC or MP3{advice}"
    )


def test_pictures_have_no_sound_in_them(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as made:
        video: Any = made.add_stream("mjpeg", rate=25)
        video.width, video.height, video.pix_fmt = 16, 16, "yuvj420p"
        made.mux(video.encode(av.VideoFrame(16, 16, "yuvj420p")))
        made.mux(video.encode(None))
    with pytest.raises(MediaError, match=r"it has no audio stream\); give a sound file"):
        list(FileClip(path)._samples())


async def test_a_header_without_sound_is_an_error_and_not_silence(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.write_bytes(LIBRARY.read_bytes()[:44])
    with pytest.raises(MediaError, match=r"cannot be decoded \(its sound is empty\)"):
        await decoded(FileClip(path))


@pytest.mark.virtual_time
async def test_pacing_holds_each_chunk_until_it_was_spoken() -> None:
    now = asyncio.get_running_loop().time
    began = now()
    moments: list[float] = []
    async for _ in paced(FileClip(CLIPS / "yes.wav").chunks()):
        moments.append(round(now() - began, 6))
        # The server was slow once: the next ones catch up.
        await asyncio.sleep(0.15 if len(moments) == 3 else 0.0)
    assert moments == [0.1, 0.2, 0.3, 0.45, 0.5, 0.6, 0.7, 0.75]


async def test_samples_without_a_header_have_the_rate_that_was_given(tmp_path: Path) -> None:
    raw = tmp_path / "talk.raw"
    pcm = samples_of(LIBRARY)
    raw.write_bytes(pcm)
    clip = FileClip(raw, SoundOptions(rate_hertz=16_000))
    assert b"".join(await decoded(clip)) == pcm
    assert clip.seconds == pytest.approx(len(pcm) / SECOND_BYTES)
    assert len(b"".join(await decoded(FileClip(raw, SoundOptions(rate_hertz=8_000))))) == 2 * len(pcm)


async def test_a_header_overrides_the_rate_of_samples() -> None:
    clip = FileClip(LIBRARY, SoundOptions(rate_hertz=8_000))
    assert b"".join(await decoded(clip)) == samples_of(LIBRARY)


async def test_two_channels_are_kept_apart(tmp_path: Path) -> None:
    left = np.frombuffer(samples_of(LIBRARY), "<i2")
    both = np.stack([left, left[::-1]], axis=1).tobytes()
    path = tmp_path / "stereo.wav"
    with wave.open(str(path), "wb") as stereo:
        stereo.setparams((2, 2, 16_000, 0, "NONE", ""))
        stereo.writeframes(both)
    chunks = await decoded(FileClip(path, SoundOptions(channels=2)))
    assert b"".join(chunks) == both
    assert len(chunks[0]) == 2 * CHUNK_BYTES


async def test_one_channel_cannot_be_taken_apart() -> None:
    with pytest.raises(MediaError) as caught:
        await decoded(FileClip(LIBRARY, SoundOptions(channels=2)))
    assert str(caught.value) == (
        f"{LIBRARY} cannot be decoded (the header of the audio says 1 channel, but channels is 2; "
        "leave channels out or make them agree)"
    )


def fed(path: Path, content: bytes) -> threading.Thread:
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(content,), daemon=True)
    thread.start()
    return thread


def piped(path: Path, rate_hertz: int | None = None) -> PipedClip:
    source = Source(name=str(path), kind=SourceKind.PIPE, place=PurePath(path.name))
    return PipedClip(source, SoundOptions(rate_hertz=rate_hertz))


@pytest.mark.parametrize(("name", "codec"), [("clip.wav", "pcm_s16le"), ("clip.mp4", "aac"), ("clip.flac", "flac")])
async def test_any_format_comes_through_a_pipe(tmp_path: Path, name: str, codec: str) -> None:
    clip = encoded(LIBRARY, tmp_path / name, codec, 16_000, "mono")
    thread = fed(tmp_path / "pipe", clip.read_bytes())
    assert await decoded(piped(tmp_path / "pipe")) == await decoded(FileClip(clip))
    thread.join()


async def test_samples_through_a_pipe_need_a_rate(tmp_path: Path) -> None:
    pcm = samples_of(LIBRARY)
    thread = fed(tmp_path / "raw", pcm)
    assert b"".join(await decoded(piped(tmp_path / "raw", 16_000))) == pcm
    thread.join()
    fed(tmp_path / "unknown", pcm[:20_000])
    with pytest.raises(MediaError, match=r"\(its format is not known\); .* or --rate for samples without a header$"):
        await decoded(piped(tmp_path / "unknown"))


async def test_a_pipe_without_sound_is_named(tmp_path: Path) -> None:
    fed(tmp_path / "empty", b"")
    with pytest.raises(MediaError, match=r"cannot be decoded \(its sound is empty\)"):
        await decoded(piped(tmp_path / "empty"))
