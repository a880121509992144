"""What the user names: files, directories, pipes, standard input and addresses."""

import os
import pty
import shutil
import threading
from pathlib import Path, PurePath

import pytest

from tests.support.places import CLIPS
from web.cli.files.sources import MediaError, Source, SourceKind, read_pipe, sources_of

YES = CLIPS / "yes.wav"


def kinds(*names: str) -> list[tuple[str, SourceKind, PurePath] | str]:
    return [
        str(source) if isinstance(source, MediaError) else (source.name, source.kind, source.place)
        for source in sources_of(names)
    ]


def test_a_directory_has_the_recordings_below_it_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    for name in ("z.wav", "b/deep/without_suffix", ".hidden/yes.wav", ".yes.wav"):
        shutil.copyfile(YES, tmp_path / name)
    (tmp_path / "notes.wav").write_text("a text, whatever its name is; " * 9)
    (tmp_path / "raw.pcm").write_bytes(bytes(range(256)) * 64)
    assert kinds(str(tmp_path)) == [
        (f"{tmp_path}/z.wav", SourceKind.FILE, PurePath("z.wav")),
        (f"{tmp_path}/b/deep/without_suffix", SourceKind.FILE, PurePath("b/deep/without_suffix")),
    ]


def test_a_directory_without_recordings_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to hear")
    expected = f"{tmp_path} has no recordings; files count whose content is that of a sound or video file"
    assert kinds(str(tmp_path)) == [expected]


def test_a_link_to_a_directory_above_is_not_followed(tmp_path: Path) -> None:
    shutil.copyfile(YES, tmp_path / "yes.wav")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [source for source in kinds(str(tmp_path)) if "loop" in str(source)] == []


def test_addresses_pipes_and_files_are_told_apart(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    address = "HTTPS://host/talks/one.mp3?x=1"
    assert kinds(address, "https://host", str(tmp_path / "pipe"), str(YES)) == [
        (address, SourceKind.ADDRESS, PurePath("one.mp3")),
        ("https://host", SourceKind.ADDRESS, PurePath("recording")),
        (str(tmp_path / "pipe"), SourceKind.PIPE, PurePath("pipe")),
        (str(YES), SourceKind.FILE, PurePath("yes.wav")),
    ]


def test_standard_input_is_read_once_and_from_no_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with YES.open("rb") as recording:
        monkeypatch.setattr("sys.stdin", recording)
        assert kinds("-", "-") == [
            ("-", SourceKind.PIPE, PurePath("stdin")),
            "- is given twice; standard input is read once",
        ]
    primary, secondary = pty.openpty()
    with open(secondary) as terminal:  # noqa: PTH123  a descriptor
        monkeypatch.setattr("sys.stdin", terminal)
        assert kinds("-") == ["standard input is a terminal; send a recording, as in `niyosha transcribe - < talk.wav`"]
    os.close(primary)
    monkeypatch.setattr("sys.stdin", None)
    assert kinds("-") == ["standard input is closed; send a recording, as in `niyosha transcribe - < talk.wav`"]


def test_a_pipe_is_left_although_its_writer_goes_on(tmp_path: Path) -> None:
    path, is_left = tmp_path / "pipe", threading.Event()
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    os.write(writer, b"some")
    with Source(name=str(path), kind=SourceKind.PIPE, place=PurePath("pipe")).opened_pipe() as descriptor:
        pieces = read_pipe(descriptor, is_left)
        assert next(pieces) == b"some"
        is_left.set()
        assert list(pieces) == []
    os.close(writer)
