"""`niyosha caption` as it is typed."""

import uuid
from pathlib import Path

import httpx
import pytest

from tests.support.places import CLIPS
from tests.support.processes import typed
from tests.support.sounds import clip_texts, words_of


def test_a_file_is_captioned_for_the_audience_of_a_channel(server: str) -> None:
    name = f"c-{uuid.uuid4().hex}"
    httpx.post(f"{server}/v1/channels", json={"name": name, "public": True}).raise_for_status()
    clip = str(CLIPS / "quick.wav")
    ended = typed("caption", clip, "--channel", name, "--speaker", "Ann", "--server", server, "--language", "en")
    assert (ended.returncode, ended.stderr) == (0, "")
    shown = httpx.get(f"{server}/v1/channels/{name}.txt").text
    assert shown.splitlines() == [f"Ann: {line}" for line in ended.stdout.splitlines()]
    assert words_of(ended.stdout) == words_of(clip_texts()["quick.wav"])


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (str(CLIPS / "quick.wav"), 'there is no channel "nowhere"'),
        ("nowhere.wav", "nowhere.wav does not exist"),
        ("srt://127.0.0.1:1", "srt://127.0.0.1:1 cannot be read: the FFmpeg of this installation has no SRT"),
    ],
)
def test_what_cannot_be_captioned_is_a_sentence(server: str, source: str, sentence: str) -> None:
    ended = typed("caption", source, "--channel", "nowhere", "--server", server)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_page_is_no_stream(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<html>")
    ended = typed("caption", str(page), "--channel", "nowhere", "--server", "http://127.0.0.1:1")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "page.html" in ended.stderr
