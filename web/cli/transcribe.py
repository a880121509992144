"""The command `niyosha transcribe FILE...`: transcripts on stdout, everything else on stderr."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from rich.console import Console

from stream.client import LiveError, connect
from stream.client import transcribe as transcribe_live
from stream.protocols.farsava.messages import Done, Partial, WireResult
from vad import SAMPLE_RATE
from web.cli.media import SECOND_BYTES, Clip, MediaError, paced
from web.cli.progress import LiveProgress, drawn
from web.cli.transcription import (
    ExitCode,
    Job,
    ServerStartError,
    StartServer,
    TranscribeOptions,
    advised,
    is_address,
    print_result,
    report,
    run_jobs,
    standard_error,
)

__all__ = ["ServerStartError", "StartServer", "TranscribeOptions", "transcribe_files"]


def transcribe_files(
    files: Sequence[Path | str], options: TranscribeOptions, start_server: StartServer, console: Console | None = None
) -> int:
    """Transcribe files one after the other, print the results, and return an `ExitCode`.

    `console` is by default stderr. Files that cannot be used are reported before any server is contacted.
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
        with drawn(LiveProgress(clip), console) as progress:
            done, settled = await _recognize(clip, server, options, progress, interim=console.is_terminal)
    except MediaError as undecodable:
        report(console, str(undecodable))
        return ExitCode.FILE
    except LiveError as failed:
        report(console, f"{clip.path} was not transcribed: {advised(failed, options)}")
        return ExitCode.SERVER
    if clip.damaged_packets:
        report(console, f"{clip.path} is damaged: {clip.damaged_packets} packets of it were left out")
    return print_result(str(clip.path), done, settled, options.format, console)


async def _recognize(
    clip: Clip, server: str, options: TranscribeOptions, progress: LiveProgress, *, interim: bool
) -> tuple[Done, list[WireResult]]:
    """Return the `done` message, and the settled result of each utterance."""
    # A pipe shows no unsettled text, and a recognizer without a GPU is faster without it.
    config: dict[str, object] = {"sampleRateHertz": SAMPLE_RATE, "maxAlternatives": 1, "interimResults": interim}
    if options.language is not None:
        config["languageCode"] = options.language
    settled: list[WireResult] = []
    async with (
        connect(server, token=options.token, config=config) as live,
        aclosing(_outgoing(clip, progress, is_paced=options.realtime)) as chunks,
        aclosing(transcribe_live(live, chunks)) as messages,
    ):
        async for message in messages:
            match message:
                case Partial():
                    progress.show(message)
                    settled += [result for result in message.results[:1] if result.is_settled]
                case Done():
                    progress.show(message)
                    return message, settled
    raise AssertionError("messages that end without `done` raise")


async def _outgoing(clip: Clip, progress: LiveProgress, *, is_paced: bool) -> AsyncGenerator[bytes, None]:
    sent_bytes = 0
    async with aclosing(paced(clip.chunks()) if is_paced else clip.chunks()) as chunks:
        async for chunk in chunks:
            yield chunk
            sent_bytes += len(chunk)
            progress.sent(sent_bytes / SECOND_BYTES)
