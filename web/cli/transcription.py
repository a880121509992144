"""What `niyosha transcribe` does with and without --remote: find a server, do the files in turn, print results."""

import asyncio
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from stream.client import LiveError, RefusedError, UnreachableError
from stream.paths import HEALTH_PATH
from stream.protocols.farsava.messages import Done, WireResult
from stream.recordings.subtitles import srt, vtt
from web.cli.media import MediaError
from web.cli.progress import printable
from web.rest.response.formats import OutputFormat

LOCAL_SERVER = "http://127.0.0.1:8000"
HEALTH_SECONDS = 1.0
HEALTH_BYTES = 64 * 1024

StartServer = Callable[[], AbstractAsyncContextManager[str]]
"""Runs a server while the context lasts, and gives its base URL; raises ServerStartError."""


class ExitCode(IntEnum):
    """The exit codes; of several files the smallest code other than 0 counts."""

    OK = 0
    SERVER = 1
    FILE = 2
    NO_SPEECH = 3
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeOptions:
    """The options of the command; without `server`, the one at `local_server` is used if it is running."""

    server: str | None = None
    language: str | None = None
    format: OutputFormat = OutputFormat.TEXT
    realtime: bool = False
    token: str | None = None
    local_server: str = LOCAL_SERVER


class ServerStartError(Exception):
    """A server could not be started for the command; `str()` is the reason and what to do."""


@dataclass(frozen=True, slots=True)
class Job:
    """A file or an address to transcribe, as the user named it; `transcribe` does so at the server of a base URL."""

    name: str
    transcribe: Callable[[str], Awaitable[ExitCode]]


def run_jobs(
    files: Sequence[Path | str],
    make: Callable[[Path | str], Job],
    options: TranscribeOptions,
    start_server: StartServer,
    console: Console,
) -> int:
    """Make a job of each file, and do all of them if no file raises MediaError; return the exit code."""
    try:
        jobs = _jobs(files, make, options.format, console)
        if len(jobs) < len(files):
            return ExitCode.FILE
        return asyncio.run(_run(jobs, options, start_server, console))
    except ServerStartError as failed:
        report(console, str(failed))
        return ExitCode.SERVER
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _jobs(
    files: Sequence[Path | str], make: Callable[[Path | str], Job], written: OutputFormat, console: Console
) -> list[Job]:
    if len(files) > 1 and written in {OutputFormat.SRT, OutputFormat.VTT}:
        report(console, f"{written} is for one file, not for {len(files)}; run the command once for each")
        return []
    jobs = []
    for file in files:
        try:
            jobs.append(make(file))
        except MediaError as unusable:
            report(console, str(unusable))
    return jobs


async def _run(
    jobs: Sequence[Job], options: TranscribeOptions, start_server: StartServer, console: Console
) -> ExitCode:
    codes = []
    async with _server(options, start_server, console) as server:
        for job in jobs:
            if len(jobs) > 1 and options.format == OutputFormat.TEXT:
                print(f"== {printable(job.name)} ==", flush=True)
            codes.append(await job.transcribe(server))
            if codes[-1] is ExitCode.SERVER:
                break
    return min((code for code in codes if code is not ExitCode.OK), default=ExitCode.OK)


@asynccontextmanager
async def _server(options: TranscribeOptions, start_server: StartServer, console: Console) -> AsyncIterator[str]:
    if options.server is not None:
        yield options.server
    elif await asyncio.to_thread(_is_running, options.local_server):
        yield options.local_server
    else:
        report(console, f"no server at {options.local_server}; starting one for this command")
        async with start_server() as started:
            yield started


def _is_running(server: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(server + HEALTH_PATH, timeout=HEALTH_SECONDS) as answer:
            health = msgspec.json.decode(answer.read(HEALTH_BYTES), type=_Health)
    except (OSError, HTTPException, msgspec.DecodeError, UnicodeDecodeError):
        return False
    return health.status == "Running"


class _Health(msgspec.Struct):
    status: str


def print_result(
    name: str, done: Done, settled: Sequence[WireResult], written: OutputFormat, console: Console
) -> ExitCode:
    """Print the result, or report that there is none; a long `done` lacks words that `settled` has."""
    has_speech = any(result.transcript for result in done.results)
    if has_speech or written == OutputFormat.JSON:
        print(_written(done, settled, written), flush=True)
    if has_speech:
        return ExitCode.OK
    report(console, f"no speech found in {name}")
    return ExitCode.NO_SPEECH


def _written(done: Done, settled: Sequence[WireResult], written: OutputFormat) -> str:
    match written:
        case OutputFormat.TEXT:
            return "\n".join(printable(result.transcript) for result in done.results if result.transcript)
        case OutputFormat.JSON:
            return msgspec.json.encode(done).decode()
        case OutputFormat.SRT:
            return srt(_utterances(done, settled)).removesuffix("\n")
        case OutputFormat.VTT:
            return vtt(_utterances(done, settled)).removesuffix("\n")


def _utterances(done: Done, settled: Sequence[WireResult]) -> Sequence[WireResult]:
    """Return the results with their words: a very long `done` omits the oldest ones, which the partials had."""
    if len(settled) != len(done.results):
        return done.results
    return [last if last.words else before for last, before in zip(done.results, settled, strict=True)]


def advised(failed: LiveError, options: TranscribeOptions) -> str:
    """Return the sentence of an error, with what the user of this command can do about it."""
    match failed:
        case UnreachableError(reason=reason) if "CERTIFICATE_VERIFY_FAILED" in reason:
            return f"{failed}; if the server made its certificate itself, set SSL_CERT_FILE to a copy of that file"
        case UnreachableError() if options.server is not None:
            return f"{failed}; start a server there with `niyosha serve`, or leave out --server to have one started"
        case RefusedError(status=HTTPStatus.UNAUTHORIZED):
            return f"{failed}; give a valid token with --token"
        case _:
            return str(failed)


def is_address(file: str) -> bool:
    """Return whether the user named a web address."""
    return file.lower().startswith(("http://", "https://"))


def standard_error() -> Console:
    """Return the console for everything but results."""
    # rich would animate its display in the log of a build where FORCE_COLOR is set.
    return Console(stderr=True, force_terminal=sys.stderr.isatty())


def report(console: Console, sentence: str) -> None:
    """Print a sentence, without control characters of file names or servers."""
    console.print(Text(printable(sentence)), soft_wrap=True)
