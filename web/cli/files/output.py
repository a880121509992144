"""Write the text of recordings in the chosen format, to standard output or to files of a directory."""

import errno
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

import msgspec

from stream.protocols.farsava.messages import Done, WireResult
from stream.recordings.subtitles import srt, vtt
from web.cli.console import printable
from web.cli.files.sources import Source
from web.rest.response.formats import OutputFormat

_SUFFIXES = {OutputFormat.TEXT: ".txt", OutputFormat.JSON: ".json", OutputFormat.SRT: ".srt", OutputFormat.VTT: ".vtt"}


class OutputError(Exception):
    """The text cannot be written; `str()` names the place and the reason."""


class ChannelResult(WireResult, frozen=True, rename="camel"):
    """The text of an utterance of a channel, 0 or 1."""

    channel: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognized:
    """The text of a recording; a long `done` lacks words that `settled` has.

    Where each channel was recognized on its own, the results are ChannelResults.
    """

    done: Done
    settled: Sequence[WireResult] = ()

    @property
    def has_speech(self) -> bool:
        return any(result.transcript for result in self.done.results)

    def written(self, form: OutputFormat) -> str:
        """Return the text in a format, without the last line break."""
        utterances = self._utterances()
        channels = [result.channel for result in utterances if isinstance(result, ChannelResult)]
        match form:
            case OutputFormat.TEXT:
                return "\n".join(lines_of(self.done.results))
            case OutputFormat.JSON:
                return msgspec.json.encode(self.done).decode()
            case OutputFormat.SRT:
                return srt(utterances, channels).removesuffix("\n")
            case OutputFormat.VTT:
                return vtt(utterances, channels).removesuffix("\n")

    def _utterances(self) -> Sequence[WireResult]:
        """Return the results with their words: a very long `done` omits the oldest ones, which the partials had."""
        if len(self.settled) != len(self.done.results):
            return self.done.results
        return [last if last.words else before for last, before in zip(self.done.results, self.settled, strict=True)]


def lines_of(results: Sequence[WireResult]) -> list[str]:
    """Return a line for each utterance with text, and the speaker where each channel was recognized on its own."""
    return [f"{_speaker(result)}{printable(result.transcript)}" for result in results if result.transcript]


def _speaker(result: WireResult) -> str:
    return f"Speaker {result.channel + 1}: " if isinstance(result, ChannelResult) else ""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the text of a recording goes: a file, or standard output."""

    path: Path | None = None

    def print(self, text: str) -> None:
        """Print a line on standard output at once; raises OutputError, and BrokenPipeError if nobody reads it."""
        with _write_errors("the text cannot be written to standard output"):
            print(text, flush=True)

    def write(self, text: str) -> None:
        """Write the text with a last line break; a file is replaced as a whole or not at all. Raises OutputError."""
        if self.path is None:
            self.print(text)
            return
        with _write_errors(f"{self.path} cannot be written"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self.path.with_name(f".{self.path.name}.part")
            try:
                unfinished.write_text(f"{text}\n", encoding="utf-8")
                unfinished.replace(self.path)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise


def destinations(sources: Sequence[Source], directory: Path | None, form: OutputFormat) -> list[Destination]:
    """Return where the text of each source goes, no two of them in the same file; raises OutputError."""
    if directory is None:
        return [Destination() for _ in sources]
    if directory.exists() and not directory.is_dir():
        raise OutputError(f"-o {directory} is a file; name a directory, which is made if there is none")
    with _write_errors(f"-o {directory} cannot be used"):
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return [Destination(directory / place) for place in _places([source.place for source in sources], _SUFFIXES[form])]


def _places(recordings: Sequence[PurePath], suffix: str) -> Iterator[PurePath]:
    counts = Counter(place.with_suffix(suffix) for place in recordings)
    taken: set[PurePath] = set()
    for recording in recordings:
        # `talk.mp3` beside `talk.wav`: both keep their whole name.
        is_alone = counts[recording.with_suffix(suffix)] == 1
        name = recording.stem if is_alone else recording.name
        place, number = recording.with_name(name + suffix), 1
        while place in taken:
            number += 1
            place = recording.with_name(f"{name}-{number}{suffix}")
        taken.add(place)
        yield place


@contextmanager
def _write_errors(problem: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as failed:
        raise OutputError(f"{problem}: {failed.strerror or failed}") from failed
