"""Owns the command `niyosha transcribe FILE...`: files in, transcripts on stdout, everything else on stderr."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from rich.console import Console

from stream.client import LiveError, connect
from stream.client import transcribe as transcribe_live
from stream.protocols.farsava.messages import Done, Partial, WireResult
from vad import SAMPLE_RATE
from web.cli.media import SECOND_BYTES, Clip, MediaError, paced
from web.cli.progress import Screen, shown
from web.cli.transcription import (
    ExitCode,
    Job,
    ServerStartError,
    StartServer,
    TranscribeOptions,
    advised,
    is_address,
    run_jobs,
    say,
    standard_error,
    tell,
)

__all__ = ["ServerStartError", "StartServer", "TranscribeOptions", "transcribe_files"]


def transcribe_files(
    files: Sequence[Path | str], options: TranscribeOptions, start_server: StartServer, console: Console | None = None
) -> int:
    """Transcribe the files in turn, print the results on stdout, and return the exit code (`ExitCode`).

    `console` is stderr unless given. Files that cannot be used are told before any server is asked.
    """
    console = console or standard_error()

    def job(file: Path | str) -> Job:
        if is_address(str(file)):
            raise MediaError(f"{file} is an address; give --remote to let the server fetch it")
        clip = Clip(Path(file))
        return Job(str(clip.path), lambda server: _transcribe_one(clip, server, options, console))

    return run_jobs(files, job, options, start_server, console)


async def _transcribe_one(clip: Clip, server: str, options: TranscribeOptions, console: Console) -> ExitCode:
    try:
        with shown(clip, console) as screen:
            done, settled = await _recognize(clip, server, options, screen, interim=console.is_terminal)
    except MediaError as undecodable:
        say(console, str(undecodable))
        return ExitCode.FILE
    except LiveError as failed:
        say(console, f"{clip.path} was not transcribed: {advised(failed, options)}")
        return ExitCode.SERVER
    if clip.damaged_packets:
        say(console, f"{clip.path} is damaged: {clip.damaged_packets} packets of it were left out")
    return tell(str(clip.path), done, settled, options.format, console)


async def _recognize(
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
        aclosing(transcribe_live(live, chunks)) as messages,
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
