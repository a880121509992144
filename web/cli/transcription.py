"""Owns what both ways of `niyosha transcribe` share: the server, one file after the other, what is told in the end."""

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
"""Starts a server for as long as the context lasts, gives its base URL; raises ServerStartError."""


class ExitCode(IntEnum):
    """What the shell learns; of several files' codes the smallest but 0 is told."""

    OK = 0
    SERVER = 1
    FILE = 2
    NO_SPEECH = 3
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    """The options of the command; without `server`, the one at `local_server` is used if it runs."""

    server: str | None = None
    language: str | None = None
    format: OutputFormat = OutputFormat.TEXT
    realtime: bool = False
    token: str | None = None
    local_server: str = LOCAL_SERVER


class ServerStartError(Exception):
    """A server could not be started for the command; `str()` says why and what to do."""


@dataclass(frozen=True, slots=True)
class Job:
    """One of the things to transcribe, as the user named it; `transcribe` does it at the server with that address."""

    name: str
    transcribe: Callable[[str], Awaitable[ExitCode]]


def run_jobs(
    files: Sequence[Path | str],
    make: Callable[[Path | str], Job],
    options: TranscribeOptions,
    start_server: StartServer,
    console: Console,
) -> int:
    """Make a job of each file, which may raise MediaError, and if all are usable do them; return the exit code."""
    try:
        jobs = _jobs(files, make, options.format, console)
        if len(jobs) < len(files):
            return ExitCode.FILE
        return asyncio.run(_run(jobs, options, start_server, console))
    except ServerStartError as failed:
        say(console, str(failed))
        return ExitCode.SERVER
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _jobs(
    files: Sequence[Path | str], make: Callable[[Path | str], Job], written: OutputFormat, console: Console
) -> list[Job]:
    if len(files) > 1 and written in {OutputFormat.SRT, OutputFormat.VTT}:
        say(console, f"{written} is for one file, not for {len(files)}; run the command once for each")
        return []
    jobs = []
    for file in files:
        try:
            jobs.append(make(file))
        except MediaError as unusable:
            say(console, str(unusable))
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
        say(console, f"no server at {options.local_server}; starting one for this command")
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


def tell(name: str, done: Done, settled: Sequence[WireResult], written: OutputFormat, console: Console) -> ExitCode:
    """Print the result, or that there is none; `settled` are its utterances where `done` may lack their words."""
    has_speech = any(result.transcript for result in done.results)
    if has_speech or written == OutputFormat.JSON:
        print(_written(done, settled, written), flush=True)
    if has_speech:
        return ExitCode.OK
    say(console, f"no speech found in {name}")
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
    """The results with their words: a very long `done` leaves the oldest ones out, the partials had them."""
    if len(settled) != len(done.results):
        return done.results
    return [last if last.words else before for last, before in zip(done.results, settled, strict=True)]


def advised(failed: LiveError, options: TranscribeOptions) -> str:
    """The sentence of an error, with what this command can do about it."""
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
    """Whether what the user named is on the web."""
    return file.lower().startswith(("http://", "https://"))


def standard_error() -> Console:
    """The console for everything but results."""
    # Not rich's own guess, which FORCE_COLOR turns: the log of a build is no place for a moving screen.
    return Console(stderr=True, force_terminal=sys.stderr.isatty())


def say(console: Console, sentence: str) -> None:
    """Tell the user something, whatever is in the words of others."""
    console.print(Text(printable(sentence)), soft_wrap=True)
