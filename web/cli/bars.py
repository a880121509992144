"""Owns what a person sees on a terminal while a server recognizes a recording by itself."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from stream.client.http import Transcription
from web.cli.progress import REFRESHES_PER_SECOND, printable


class Bars:
    """How much of the recording is sent, and recognized; one without a size is fetched by the server."""

    def __init__(self, name: str, size_bytes: int | None) -> None:
        size = "" if size_bytes is None else f", {size_bytes / 1e6:.1f} MB"
        self._title = printable(f"{name}{size}")
        self._progress = Progress(
            TextColumn("{task.description:>10}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
        )
        self._sent = None if size_bytes is None else self._progress.add_task("sent", total=size_bytes)
        self._recognized = self._progress.add_task("recognized", total=1.0)

    def sent(self, bytes_: int) -> None:
        """So many bytes have left for the server."""
        if self._sent is not None:
            self._progress.update(self._sent, completed=bytes_)

    def show(self, transcription: Transcription) -> None:
        """Take in how far the server is."""
        self._progress.update(self._recognized, completed=transcription.progress)

    def __rich__(self) -> Group:
        return Group(Text(self._title, style="bold"), self._progress)


@contextmanager
def drawn(name: str, size_bytes: int | None, console: Console) -> Iterator[Bars]:
    """Draw the bars if `console` is a terminal; they vanish at the end, the result stays."""
    bars = Bars(name, size_bytes)
    live = Live(
        bars,
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        refresh_per_second=REFRESHES_PER_SECOND,
    )
    with live if console.is_terminal else nullcontext():
        yield bars
