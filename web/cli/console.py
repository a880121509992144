"""Print sentences for people on standard error, and keep control characters away from the terminal."""

import re
import sys

from rich.console import Console
from rich.text import Text


def standard_error() -> Console:
    """Return the console for everything but results."""
    # rich would animate its display in the log of a build where FORCE_COLOR is set.
    return Console(stderr=True, force_terminal=sys.stderr.isatty())


def report(console: Console, sentence: str) -> None:
    """Print a sentence, without control characters of file names or servers."""
    console.print(Text(printable(sentence)), soft_wrap=True)


def printable(text: str) -> str:
    """Replace control characters, which could command the terminal, by spaces."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text)
