"""Find the recordings that the user named: files, directories, pipes, standard input and addresses."""

import os
import select
import stat
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePath
from urllib.parse import urlsplit

from stream.audio.containers.signatures import Handling
from stream.audio.containers.sniffing import kind_of_recording

_STANDARD_INPUT = "-"
_READ_BYTES = 1 << 16
_POLL_SECONDS = 0.1


class MediaError(Exception):
    """A recording cannot be used; `str()` names it and the reason."""


class SourceKind(Enum):
    """Where the bytes of a recording come from."""

    FILE = "file"
    PIPE = "pipe"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A recording with the name that the user gave it; its text in a directory is at `place`, with another suffix."""

    name: str
    kind: SourceKind
    place: PurePath

    @property
    def path(self) -> Path:
        """The file or the pipe."""
        return Path(self.name)

    @contextmanager
    def opened_pipe(self) -> Iterator[int]:
        """Open the pipe for reading and give its descriptor while the context lasts."""
        is_input = self.name == _STANDARD_INPUT
        descriptor = sys.stdin.fileno() if is_input else os.open(self.name, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            if not is_input:
                os.close(descriptor)


def read_pipe(descriptor: int, is_left: threading.Event) -> Iterator[bytes]:
    """Yield what comes through a pipe up to its end, or until it is left: a plain read would wait for its writer."""
    while not is_left.is_set():
        if not select.select([descriptor], [], [], _POLL_SECONDS)[0]:
            continue
        data = os.read(descriptor, _READ_BYTES)
        if not data:
            return
        yield data


def sources_of(names: Sequence[Path | str]) -> Iterator[Source | MediaError]:
    """Yield the recordings that are named, and those in directories; errors stand for what has none."""
    has_read_input = False
    for given in names:
        name = str(given)
        if name == _STANDARD_INPUT:
            yield MediaError("- is given twice; standard input is read once") if has_read_input else _standard_input()
            has_read_input = True
        elif is_address(name):
            yield Source(name=name, kind=SourceKind.ADDRESS, place=_place(PurePath(urlsplit(name).path).name))
        elif stat.S_ISDIR(mode := _mode(name)):
            yield from _in_directory(Path(name))
        else:
            kind = SourceKind.PIPE if stat.S_ISFIFO(mode) else SourceKind.FILE
            yield Source(name=name, kind=kind, place=_place(PurePath(name).name))


def check_file(path: Path) -> None:
    """Raise MediaError unless a file is there that can be opened."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise MediaError(f"{path} does not exist; check the name") from None
    except OSError as failed:
        raise MediaError(f"{path} cannot be read ({failed.strerror}); check the name and its permissions") from failed
    if not stat.S_ISREG(mode):
        raise MediaError(f"{path} is not a file, a directory or a pipe; name one of these")


def is_address(name: str) -> bool:
    """Return whether the user named a web address."""
    return name.lower().startswith(("http://", "https://"))


def _mode(name: str) -> int:
    """Return what is there, 0 for nothing that can be used: `check_file` says why."""
    try:
        return Path(name).stat().st_mode
    except OSError:
        return 0


def _standard_input() -> Source | MediaError:
    if sys.stdin is None:
        return MediaError("standard input is closed; send a recording, as in `niyosha transcribe - < talk.wav`")
    if sys.stdin.isatty():
        return MediaError("standard input is a terminal; send a recording, as in `niyosha transcribe - < talk.wav`")
    return Source(name=_STANDARD_INPUT, kind=SourceKind.PIPE, place=PurePath("stdin"))


def _place(name: str) -> PurePath:
    return PurePath(name or "recording")


def _in_directory(directory: Path) -> Iterator[Source | MediaError]:
    """Yield the recordings in a directory and those below it, in order; hidden ones are left out."""
    errors: list[OSError] = []
    is_empty = True
    for folder, folders, files in os.walk(directory, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if not name.startswith(".") and _may_be_recording(path):
                is_empty = False
                yield Source(name=str(path), kind=SourceKind.FILE, place=path.relative_to(directory))
    for failed in errors:
        yield MediaError(f"{failed.filename} cannot be read ({failed.strerror}); check its permissions")
    if is_empty and not errors:
        yield MediaError(f"{directory} has no recordings; files count whose content is that of a sound or video file")


def _may_be_recording(path: Path) -> bool:
    """Whether the first bytes of a file are those of a format with sound; one that cannot be read may be."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            kind = kind_of_recording(file)
    except OSError:
        return True
    return kind is not None and kind.handling is not Handling.NONE
