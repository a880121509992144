"""Progress displays on a terminal, for live recognition of a file and for a recording that the server reads itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TypeVar

from rich.console import Console, ConsoleRenderable, Group, RichCast
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from stream.client import Message
from stream.client.http import Transcription
from stream.protocols.farsava.messages import Done, DoneMessage, FinalMessage, Partial, PartialMessage, WireWord
from web.cli.console import printable
from web.cli.files.media import Clip

SETTLED_LINES = 6  # the whole display has to fit on a small terminal
REFRESHES_PER_SECOND = 10.0
_Display = TypeVar("_Display", bound=ConsoleRenderable | RichCast)


class LiveProgress:
    """The last settled lines, the unsettled one, and how much audio is sent and settled."""

    def __init__(self, clip: Clip) -> None:
        length = "" if clip.seconds is None else f", {clip.seconds:.1f} s"
        self._title = printable(f"{clip.name}{length}")
        self._settled_lines: tuple[str, ...] = ()
        self._unsettled = ""
        seconds = TextColumn("{task.completed:.1f} s")
        self._progress = Progress(TextColumn("{task.description:>7}"), BarColumn(), seconds)
        self._sent = self._progress.add_task("sent", total=clip.seconds)
        self._settled = self._progress.add_task("settled", total=clip.seconds)

    def sent(self, seconds: float) -> None:
        """Show how much audio was sent, in seconds from its start."""
        self._advance(self._sent, seconds)

    def show(self, message: Message) -> None:
        """Show a message of the server with the next refresh."""
        match message:
            case Done() | DoneMessage():
                self._unsettled = ""
                self._advance(self._settled, float(message.duration))
            case Partial(results=[best, *_]) if best.is_settled:
                self._settle(best.transcript, best.words)
            case FinalMessage(results=[best, *_]):
                self._settle(best.transcript, best.words)
            case Partial() | PartialMessage():
                self._unsettled = message.results[0].transcript if message.results else ""

    def _settle(self, line: str, words: Sequence[WireWord]) -> None:
        # Another thread draws: replace the tuple, never change it.
        self._settled_lines = (*self._settled_lines, line)[-SETTLED_LINES:]
        self._unsettled = ""
        if words:
            self._advance(self._settled, words[-1].end_time)

    def __rich__(self) -> Group:
        settled = [Text(printable(line)) for line in self._settled_lines]
        unsettled = Text(printable(self._unsettled), style="dim italic")
        return Group(Text(self._title, style="bold"), *settled, unsettled, self._progress)

    def _advance(self, task: TaskID, seconds: float) -> None:
        self._progress.update(task, completed=seconds)


class RecordingProgress:
    """How much of a recording is sent, and recognized; a recording without a size is downloaded by the server."""

    def __init__(self, name: str, size_bytes: int | None) -> None:
        size = "" if size_bytes is None else f", {size_bytes / 1e6:.1f} MB"
        self._title = printable(f"{name}{size}")
        self._progress = Progress(
            TextColumn("{task.description:>10}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
        )
        self._sent = None if size_bytes is None else self._progress.add_task("sent", total=size_bytes)
        self._recognized = self._progress.add_task("recognized", total=1.0)

    def sent(self, sent_bytes: int) -> None:
        """Show how many bytes were sent."""
        if self._sent is not None:
            self._progress.update(self._sent, completed=sent_bytes)

    def show(self, transcription: Transcription) -> None:
        """Show how much the server has recognized."""
        self._progress.update(self._recognized, completed=transcription.progress)

    def __rich__(self) -> Group:
        return Group(Text(self._title, style="bold"), self._progress)


@contextmanager
def drawn(display: _Display, console: Console) -> Iterator[_Display]:
    """Draw a display while the context lasts if `console` is a terminal; it is removed at the end."""
    live = Live(
        display,
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        refresh_per_second=REFRESHES_PER_SECOND,
    )
    with live if console.is_terminal else nullcontext():
        yield display
