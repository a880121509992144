"""Where texts go: names of files, and what a full disk or a closed pipe does."""

import errno
import os
from pathlib import Path, PurePath
from typing import NoReturn

import pytest

from web.cli.files.output import Destination, OutputError, destinations
from web.cli.files.sources import Source, SourceKind
from web.rest.response.formats import OutputFormat


def sources(*places: str) -> list[Source]:
    return [Source(name=place, kind=SourceKind.FILE, place=PurePath(place)) for place in places]


def test_no_two_texts_have_the_same_name(tmp_path: Path) -> None:
    named = sources("a.wav", "a.mp3", "sub/a.wav", "b.tar.wav", "yes.wav", "yes.wav", "stdin")
    found = [one.path for one in destinations(named, tmp_path, OutputFormat.SRT)]
    names = ["a.wav.srt", "a.mp3.srt", "sub/a.srt", "b.tar.srt", "yes.wav.srt", "yes.wav-2.srt", "stdin.srt"]
    assert found == [tmp_path / name for name in names]


def test_without_a_directory_texts_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for destination in destinations(sources("a.wav", "b.wav"), None, OutputFormat.TEXT):
        destination.write("text")
    assert capsys.readouterr().out == "text\ntext\n"


@pytest.mark.parametrize(
    ("form", "suffix"),
    [
        (OutputFormat.TEXT, ".txt"),
        (OutputFormat.JSON, ".json"),
        (OutputFormat.SRT, ".srt"),
        (OutputFormat.VTT, ".vtt"),
    ],
)
def test_a_file_has_the_suffix_of_its_format(form: OutputFormat, suffix: str, tmp_path: Path) -> None:
    (destination,) = destinations(sources("deep/down/talk.mp3"), tmp_path / "made", form)
    destination.write("سلام")
    assert (tmp_path / "made" / "deep" / "down" / f"talk{suffix}").read_text(encoding="utf-8") == "سلام\n"


def test_a_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.touch()
    with pytest.raises(OutputError) as caught:
        destinations(sources("a.wav"), path, OutputFormat.TEXT)
    assert str(caught.value) == f"-o {path} is a file; name a directory, which is made if there is none"


def test_a_full_disk_leaves_the_text_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "texts" / "talk.txt"
    Destination(path).write("before")
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError) as caught:
        Destination(path).write("after")
    assert str(caught.value) == f"{path} cannot be written: No space left on device"
    assert {one.name: one.read_text() for one in path.parent.iterdir()} == {"talk.txt": "before\n"}


def test_a_full_standard_output_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(OutputError, match="standard output: No space left on device"):
            Destination().print("text")
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space"):
            full.close()
