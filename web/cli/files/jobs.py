"""Do what `niyosha transcribe` was asked for, one recording after the other, with and without --remote."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from rich.console import Console

from stream.client import AddressError, LiveError, RefusedError, UnreachableError
from web.cli.console import printable, report
from web.cli.files.output import Destination, OutputError, Recognized, destinations
from web.cli.files.sources import MediaError, Source, sources_of
from web.cli.servers import ServerOptions, ServerStartError, StartServer, server_for
from web.rest.response.formats import OutputFormat

_SUBTITLES = frozenset({OutputFormat.SRT, OutputFormat.VTT})


class ExitCode(IntEnum):
    """The exit codes; of several files the smallest code other than 0 counts."""

    OK = 0
    SERVER = 1
    FILE = 2
    NO_SPEECH = 3
    OUTPUT = 4
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeOptions(ServerOptions):
    """The options of the command; `rate_hertz` is that of headerless samples, `output` the directory of the texts.

    With two `channels`, each is recognized on its own.
    """

    format: OutputFormat = OutputFormat.TEXT
    realtime: bool = False
    rate_hertz: int | None = None
    channels: int = 1
    output: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A recording to transcribe at the server of a base URL, with the name that the user gave it.

    `transcribe` raises UnusableServerError and OutputError.
    """

    name: str
    transcribe: Callable[[str, Destination], Awaitable[ExitCode]]


class UnusableServerError(Exception):
    """The server takes no recording at all, as was reported."""


def is_for_all(failed: LiveError) -> bool:
    """Whether the next recording would fail in the same way."""
    return isinstance(failed, AddressError | RefusedError | UnreachableError)


def run_jobs(
    names: Sequence[Path | str],
    make: Callable[[Source], Job],
    options: TranscribeOptions,
    start_server: StartServer,
    console: Console,
) -> int:
    """Transcribe everything that the user named and return the exit code.

    `make` raises MediaError for what cannot be transcribed; that is reported before a server is contacted, and the
    rest is transcribed.
    """
    try:
        sources, jobs, problems = _jobs(names, make)
        for problem in problems:
            report(console, problem)
        code = _refused(len(jobs), options, console)
        if code is None:
            places = destinations(sources, options.output, options.format)
            pairs = list(zip(jobs, places, strict=True))
            code = asyncio.run(_run(pairs, options, start_server, console)) if pairs else ExitCode.OK
    except (ServerStartError, OutputError) as failed:
        report(console, str(failed))
        return ExitCode.SERVER if isinstance(failed, ServerStartError) else ExitCode.OUTPUT
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return _worst([code, ExitCode.FILE if problems else ExitCode.OK])


def _jobs(names: Sequence[Path | str], make: Callable[[Source], Job]) -> tuple[list[Source], list[Job], list[str]]:
    """Return what can be transcribed, and the sentences about what cannot."""
    sources, jobs, problems = [], [], []
    for source in sources_of(names):
        try:
            if isinstance(source, MediaError):
                raise source
            jobs.append(make(source))
            sources.append(source)
        except MediaError as unusable:
            problems.append(str(unusable))
    return sources, jobs, problems


def _refused(count: int, options: TranscribeOptions, console: Console) -> ExitCode | None:
    if count < 2 or options.format not in _SUBTITLES or options.output is not None:
        return None
    several = f"{options.format} is for one file, not for {count}"
    report(console, f"{several}; run the command once for each, or name a directory with -o")
    return ExitCode.FILE


async def _run(
    jobs: Sequence[tuple[Job, Destination]], options: TranscribeOptions, start_server: StartServer, console: Console
) -> ExitCode:
    codes = []
    has_headings = len(jobs) > 1 and options.format == OutputFormat.TEXT and options.output is None
    async with server_for(options, start_server, console) as server:
        for left, (job, destination) in enumerate(jobs, start=1 - len(jobs)):
            if has_headings:
                destination.print(f"== {printable(job.name)} ==")
            try:
                codes.append(await job.transcribe(server, destination))
            except UnusableServerError:
                codes.append(ExitCode.SERVER)
            except OutputError as failed:
                report(console, str(failed))
                codes.append(ExitCode.OUTPUT)
            else:
                continue
            if left:
                report(console, f"{_files(-left)} not tried")
            break
    return _worst(codes)


def _files(count: int) -> str:
    return "1 more file was" if count == 1 else f"{count} more files were"


def _worst(codes: Sequence[ExitCode]) -> ExitCode:
    return min((code for code in codes if code is not ExitCode.OK), default=ExitCode.OK)


def write_result(
    name: str, recognized: Recognized, form: OutputFormat, destination: Destination, console: Console
) -> ExitCode:
    """Write the result, or report that there is none; raises OutputError."""
    if recognized.has_speech or form == OutputFormat.JSON:
        destination.write(recognized.written(form))
        if destination.path is not None:
            report(console, f"{name} is transcribed in {destination.path}")
    return ExitCode.OK if recognized.has_speech else no_speech(name, console)


def no_speech(name: str, console: Console) -> ExitCode:
    """Report that a recording has no speech."""
    report(console, f"no speech found in {name}")
    return ExitCode.NO_SPEECH
