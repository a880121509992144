"""Owns what a person sees on a terminal while a file is transcribed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from stream.protocols.farsava.messages import Done, Partial
from web.cli.media import Clip

SETTLED_LINES = 6  # the screen below has to stay in view on a small terminal
REFRESHES_PER_SECOND = 10.0


class Screen:
    """The last settled lines, the growing unsettled one, and how far the sound is sent and settled."""

    def __init__(self, clip: Clip) -> None:
        length = "" if clip.seconds is None else f", {clip.seconds:.1f} s"
        self._title = printable(f"{clip.path}{length}")
        self._settled_lines: tuple[str, ...] = ()
        self._unsettled = ""
        seconds = TextColumn("{task.completed:.1f} s")
        self._progress = Progress(TextColumn("{task.description:>7}"), BarColumn(), seconds)
        self._sent = self._progress.add_task("sent", total=clip.seconds)
        self._settled = self._progress.add_task("settled", total=clip.seconds)

    def sent(self, seconds: float) -> None:
        """So much of the sound, in seconds from its start, has left for the server."""
        self._advance(self._sent, seconds)

    def show(self, message: Partial | Done) -> None:
        """Take in a message of the server; the next refresh shows it."""
        if isinstance(message, Done):
            self._unsettled = ""
            self._advance(self._settled, float(message.duration))
            return
        best = message.results[0] if message.results else None
        if best is not None and best.is_settled:
            # Drawn by another thread: a new tuple, never a list that changes under it.
            self._settled_lines = (*self._settled_lines, best.transcript)[-SETTLED_LINES:]
            self._unsettled = ""
            self._advance(self._settled, best.words[-1].end_time)
        else:
            self._unsettled = best.transcript if best is not None else ""

    def __rich__(self) -> Group:
        settled = [Text(printable(line)) for line in self._settled_lines]
        unsettled = Text(printable(self._unsettled), style="dim italic")
        return Group(Text(self._title, style="bold"), *settled, unsettled, self._progress)

    def _advance(self, task: TaskID, seconds: float) -> None:
        self._progress.update(task, completed=seconds)


@contextmanager
def shown(clip: Clip, console: Console) -> Iterator[Screen]:
    """Draw a screen for `clip` if `console` is a terminal; it vanishes at the end, the result stays."""
    screen = Screen(clip)
    live = Live(
        screen,
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        refresh_per_second=REFRESHES_PER_SECOND,
    )
    with live if console.is_terminal else nullcontext():
        yield screen


def printable(text: str) -> str:
    """Text from outside as a terminal may have it: without the control characters that command it."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text)
