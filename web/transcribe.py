"""Owns the command `shenava transcribe FILE...`: files in, transcripts on stdout, everything else on stderr."""

import asyncio
import sys
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from stream import client
from stream.addresses import HEALTH_PATH
from stream.client import LiveError, RefusedError, UnreachableError, connect
from stream.subtitles import srt, vtt
from stream.wire import Done, Partial, WireResult
from vad import SAMPLE_RATE
from web.formats import OutputFormat
from web.media import SECOND_BYTES, Clip, MediaError, paced
from web.screen import Screen, printable, shown

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


def transcribe_files(
    files: Sequence[Path], options: TranscribeOptions, start_server: StartServer, console: Console | None = None
) -> int:
    """Transcribe the files in turn, print the results on stdout, and return the exit code (`ExitCode`).

    `console` is stderr unless given. Files that cannot be used are told before any server is asked.
    """
    if console is None:
        # Not rich's own guess, which FORCE_COLOR turns: the log of a build is no place for a moving screen.
        console = Console(stderr=True, force_terminal=sys.stderr.isatty())
    try:
        clips = _clips(files, options.format, console)
        if len(clips) < len(files):
            return ExitCode.FILE
        return asyncio.run(_transcribe(clips, options, start_server, console))
    except ServerStartError as failed:
        _say(console, str(failed))
        return ExitCode.SERVER
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _clips(files: Sequence[Path], written: OutputFormat, console: Console) -> list[Clip]:
    if len(files) > 1 and written in {OutputFormat.SRT, OutputFormat.VTT}:
        _say(console, f"{written} is for one file, not for {len(files)}; run the command once for each")
        return []
    clips = []
    for path in files:
        try:
            clips.append(Clip(path))
        except MediaError as unusable:
            _say(console, str(unusable))
    return clips


async def _transcribe(
    clips: Sequence[Clip], options: TranscribeOptions, start_server: StartServer, console: Console
) -> ExitCode:
    codes = []
    async with _server(options, start_server, console) as server:
        for clip in clips:
            if len(clips) > 1 and options.format == OutputFormat.TEXT:
                print(f"== {printable(str(clip.path))} ==", flush=True)
            codes.append(await _transcribe_one(clip, server, options, console))
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
        _say(console, f"no server at {options.local_server}; starting one for this command")
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


async def _transcribe_one(clip: Clip, server: str, options: TranscribeOptions, console: Console) -> ExitCode:
    try:
        with shown(clip, console) as screen:
            done, settled = await _recognise(clip, server, options, screen, interim=console.is_terminal)
    except MediaError as undecodable:
        _say(console, str(undecodable))
        return ExitCode.FILE
    except LiveError as failed:
        _say(console, f"{clip.path} was not transcribed: {_advised(failed, options)}")
        return ExitCode.SERVER
    if clip.damaged_packets:
        _say(console, f"{clip.path} is damaged: {clip.damaged_packets} packets of it were left out")
    if any(result.transcript for result in done.results):
        print(_written(done, settled, options.format), flush=True)
        return ExitCode.OK
    if options.format == OutputFormat.JSON:
        print(_written(done, settled, options.format), flush=True)
    _say(console, f"no speech found in {clip.path}")
    return ExitCode.NO_SPEECH


async def _recognise(
    clip: Clip, server: str, options: TranscribeOptions, screen: Screen, *, interim: bool
) -> tuple[Done, list[WireResult]]:
    """Return the end of it, and the settled result of each utterance."""
    # Nobody sees interim results in a pipe, and a recognizer without a GPU is faster without them.
    config: dict[str, object] = {"sampleRateHertz": SAMPLE_RATE, "maxAlternatives": 1, "interimResults": interim}
    if options.language is not None:
        config["languageCode"] = options.language
    settled: list[WireResult] = []
    async with (
        connect(server, token=options.token, config=config) as live,
        aclosing(_outgoing(clip, screen, is_paced=options.realtime)) as chunks,
        aclosing(client.transcribe(live, chunks)) as messages,
    ):
        async for message in messages:
            match message:
                case Partial():
                    screen.show(message)
                    settled += [result for result in message.results[:1] if result.is_settled]
                case Done():
                    screen.show(message)
                    return message, settled
    raise AssertionError("messages that end without `done` raise")


async def _outgoing(clip: Clip, screen: Screen, *, is_paced: bool) -> AsyncGenerator[bytes, None]:
    sent_bytes = 0
    async with aclosing(paced(clip.chunks()) if is_paced else clip.chunks()) as chunks:
        async for chunk in chunks:
            yield chunk
            sent_bytes += len(chunk)
            screen.sent(sent_bytes / SECOND_BYTES)


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


def _advised(failed: LiveError, options: TranscribeOptions) -> str:
    match failed:
        case UnreachableError() if options.server is not None:
            return f"{failed}; start a server there with `shenava serve`, or leave out --server to have one started"
        case RefusedError(status=HTTPStatus.UNAUTHORIZED):
            return f"{failed}; give a valid token with --token"
        case _:
            return str(failed)


def _say(console: Console, sentence: str) -> None:
    console.print(Text(printable(sentence)), soft_wrap=True)
