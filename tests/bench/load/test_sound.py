from pathlib import Path

import pytest
import webrtcvad

from bench.load.sound import CHUNK_BYTES, SoundError, clips_in, synthetic
from tests.support.places import CLIPS
from tests.support.sounds import clip_texts, wav
from vad import SAMPLE_RATE, split_frames


def test_synthetic_speech_has_no_frame_that_a_detector_takes_for_silence() -> None:
    (clip,) = synthetic(is_half_silent=False)
    detector = webrtcvad.Vad(3)
    assert clip.seconds == pytest.approx(4.0)
    frames = [detector.is_speech(frame, SAMPLE_RATE) for chunk in clip.chunks for frame in split_frames(chunk)]
    assert all(frames[10:])


def test_half_of_it_may_be_silence() -> None:
    (clip,) = synthetic(is_half_silent=True)
    assert clip.seconds == pytest.approx(8.0)
    assert not any(map(any, clip.chunks[40:]))


def test_clips_have_their_texts_and_a_pause_behind_them() -> None:
    clips = clips_in(CLIPS, is_half_silent=False)
    assert sorted(clip.text for clip in clips) == sorted(clip_texts().values())
    for clip in clips:
        assert {len(chunk) for chunk in clip.chunks} == {CHUNK_BYTES}
        assert not any(map(any, clip.chunks[-9:]))


def test_a_directory_without_a_list_has_clips_without_texts(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(b"\1\0" * 1600))
    assert [clip.text for clip in clips_in(tmp_path, is_half_silent=False)] == [""]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b"", "has no WAV files; it needs some of 16 kHz, mono and 16 bits"),
        ("a.wav", b"no WAV", "has no clips that can be read"),
        ("a.wav", wav(b"\1\0" * 800, rate=8000), r"they must be \(16000, 1, 2\)"),
        ("manifest.tsv", b"file\ttext\nmissing.wav\tone\n", "has no clips that can be read"),
        ("manifest.tsv", b"name\ttext\na.wav\tone\n", "has no clips that can be read"),
    ],
)
def test_what_cannot_be_read_is_said(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SoundError, match=reason):
        clips_in(tmp_path, is_half_silent=False)
