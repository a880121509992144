"""What a parent gives a worker on its command line, and the files by which they meet."""

import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from web.workers.share import Share

Overrides = Mapping[str, bool | int | float | str]
"""Settings of the command line."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The work of one process: worker `number` (from 1) of `count`.

    It accepts connections on the file descriptors `listener` and `wyoming_listener`, which it inherits, listens at
    `grpc_port` with the others, and meets its parent in `directory`, which only this user can enter. `engine` is where
    the embedded engine listens, if the parent runs one, and `ready_seconds` is how long to wait for the recognizer.
    `overrides` are the settings of the command line; it reads the others from the environment, as its parent did.
    `log_level` is one of `logging`.
    """

    number: int
    count: int
    listener: int
    wyoming_listener: int | None
    grpc_port: int | None
    directory: str
    engine: str | None
    ready_seconds: float
    overrides: Overrides
    log_level: int

    @property
    def share(self) -> Share:
        return Share(self.number, self.count)

    @property
    def descriptors(self) -> list[int]:
        """The file descriptors that the process inherits."""
        return [self.listener] if self.wyoming_listener is None else [self.listener, self.wyoming_listener]

    @property
    def files(self) -> "Files":
        return Files(Path(self.directory))

    def command(self) -> list[str]:
        """Return the command that does it."""
        # `-m` alone would look for modules in the working directory first, and run whatever lies there.
        return [sys.executable, "-P", "-m", "web.cli.main", "serve-worker", msgspec.json.encode(self).decode()]

    @classmethod
    def read(cls, text: str) -> "Job":
        """Read a job from a command line; raises ValueError."""
        return msgspec.json.decode(text, type=cls)


class Files:
    """The paths of what the processes of a server share, in a directory of their own."""

    def __init__(self, directory: Path) -> None:
        self.hub = directory / "hub.sock"
        self.connections = directory / "connections"
        self.directory = directory

    def report(self, number: int) -> Path:
        """Return where a worker tells its metrics."""
        return self.directory / f"worker-{number}.sock"


def plain(overrides: Mapping[str, object]) -> Overrides:
    """Return settings of the command line as values of JSON."""
    return {
        name: value if isinstance(value, bool | int | float | str) else str(value) for name, value in overrides.items()
    }
