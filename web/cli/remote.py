"""The command `niyosha transcribe --remote`: let the server read recordings, and follow their progress."""

import asyncio
import stat
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from rich.console import Console

from stream.audio.containers.signatures import Handling
from stream.audio.containers.sniffing import kind_of_recording
from stream.client import LiveError, RecognitionError, RefusedError
from stream.client.http import Transcription
from stream.client.recordings import recognize_file, recognize_uri
from stream.client.rest import Form, RestClient, rest_client
from stream.errors import Problem
from stream.protocols.farsava.messages import Done, Failure, WireResult
from web.cli.media import MediaError
from web.cli.progress import RecordingProgress, drawn
from web.cli.transcription import (
    ExitCode,
    Job,
    StartServer,
    TranscribeOptions,
    advised,
    is_address,
    print_result,
    report,
    run_jobs,
    standard_error,
)
from web.rest.response.formats import OutputFormat

_FORMS: dict[OutputFormat, Form] = {
    OutputFormat.TEXT: "txt",
    OutputFormat.JSON: "json",
    OutputFormat.SRT: "srt",
    OutputFormat.VTT: "vtt",
}
_ABOUT_THE_FILE = (Problem.INVALID_AUDIO, Problem.UNSUPPORTED_MEDIA, Problem.TOO_LARGE)
_DELETE_SECONDS = 2.0  # the user waits for this after Ctrl-C


@dataclass(frozen=True, slots=True)
class Source:
    """A recording as the user named it; `size_bytes` is None for a web address, which the server downloads."""

    name: str
    size_bytes: int | None

    @property
    def is_fetched(self) -> bool:
        return self.size_bytes is None


def transcribe_remote(
    names: Sequence[Path | str], options: TranscribeOptions, start_server: StartServer, console: Console | None = None
) -> int:
    """Let the server transcribe files and addresses one after the other, print the results, return the exit code."""
    console = console or standard_error()

    def job(name: Path | str) -> Job:
        source = _source(str(name))
        return Job(source.name, lambda server: _Remote(source, server, options, console).transcribe())

    return run_jobs(names, job, options, start_server, console)


def _source(name: str) -> Source:
    """Check that a file is of a known format: the server would take an unknown one for raw samples."""
    if is_address(name):
        return Source(name, None)
    try:
        status = Path(name).stat()
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(f"{name} is not a file; a directory or a pipe cannot be transcribed")
        with Path(name).open("rb") as file:
            kind = kind_of_recording(file)
    except FileNotFoundError:
        raise MediaError(f"{name} does not exist; check the name") from None
    except OSError as failed:
        raise MediaError(f"{name} cannot be read ({failed.strerror}); check the name and its permissions") from failed
    if kind is None or kind.handling is Handling.NONE:
        raise MediaError(f"{name} is of no known format; give a file with sound, such as WAV, FLAC, MP3 or MP4")
    return Source(name, status.st_size)


class _Remote:
    """One recording at one server."""

    def __init__(self, source: Source, server: str, options: TranscribeOptions, console: Console) -> None:
        self._source = source
        self._server = server
        self._options = options
        self._console = console
        self._last: Transcription | None = None
        self._is_sent = source.is_fetched

    async def transcribe(self) -> ExitCode:
        try:
            async with rest_client(self._server, token=self._options.token) as rest:
                return await self._printed(rest)
        except LiveError as failed:  # the address or the token is wrong
            report(self._console, f"{self._source.name} was not transcribed: {advised(failed, self._options)}")
            return ExitCode.SERVER

    async def _printed(self, rest: RestClient) -> ExitCode:
        try:
            transcription = await self._recognized(rest)
        except LiveError as failed:
            report(self._console, f"{self._source.name} was not transcribed: {advised(failed, self._options)}")
            self._report_address(rest, failed)
            return ExitCode.FILE if self._is_about_the_file(failed) else ExitCode.SERVER
        except OSError as unreadable:
            report(self._console, f"{self._source.name} cannot be read: {unreadable.strerror or unreadable}")
            await self._leave(rest)
            return ExitCode.FILE
        except asyncio.CancelledError:
            await self._leave(rest)
            raise
        return print_result(self._source.name, _done(transcription), (), self._options.format, self._console)

    async def _recognized(self, rest: RestClient) -> Transcription:
        progress = RecordingProgress(self._source.name, self._source.size_bytes)
        with drawn(progress, self._console):
            async with aclosing(self._states(rest, progress)) as states:
                async for self._last in states:
                    progress.show(self._last)
        if self._last is None:
            raise AssertionError("states that end without a result raise")
        return self._last

    def _states(self, rest: RestClient, progress: RecordingProgress) -> AsyncGenerator[Transcription, None]:
        config: dict[str, object] = {"maxAlternatives": 1}
        if self._options.language is not None:
            config["languageCode"] = self._options.language
        if self._source.is_fetched:
            return recognize_uri(rest, self._source.name, config)

        def sent(sent_bytes: int) -> None:
            self._is_sent = sent_bytes == self._source.size_bytes
            progress.sent(sent_bytes)

        return recognize_file(rest, Path(self._source.name), config, sent)

    async def _leave(self, rest: RestClient) -> None:
        """Report where the result will be; a recording that was not sent to its end is deleted instead."""
        if self._is_sent:
            self._report_address(rest)
        elif self._last is not None:
            report(self._console, f"{self._source.name} was not sent to its end; the server forgets it")
            with suppress(LiveError, TimeoutError):
                async with asyncio.timeout(_DELETE_SECONDS):
                    await rest.delete(self._last.transcription_id)

    def _report_address(self, rest: RestClient, failed: LiveError | None = None) -> None:
        is_gone = isinstance(failed, RefusedError) and failed.status == HTTPStatus.NOT_FOUND
        is_over = is_gone or isinstance(failed, RecognitionError)
        # A server that was started for this command ends with it, and its address with it.
        lasts = self._server in {self._options.server, self._options.local_server}
        if self._last is not None and self._is_sent and lasts and not is_over:
            address = rest.address(self._last.transcription_id, _FORMS[self._options.format])
            how = "goes on with" if failed is None else "may still finish"
            report(self._console, f"the server {how} {self._source.name}; its text will be at {address}")

    def _is_about_the_file(self, failed: LiveError) -> bool:
        match failed:
            case RecognitionError(failure=Failure(type=kind)) | RefusedError(failure=Failure(type=kind)):
                # For an address, "forbidden" is about the address itself.
                problems = (*_ABOUT_THE_FILE, Problem.FORBIDDEN) if self._source.is_fetched else _ABOUT_THE_FILE
                return kind in {problem.value.type for problem in problems}
            case _:
                return False


def _done(transcription: Transcription) -> Done:
    """Return a transcription as the `done` of a live connection, which is printed the same way."""
    results = [WireResult(one.transcript, one.confidence, one.words) for one in transcription.results]
    return Done(
        transcription.transcription_id,
        transcription.duration,
        transcription.inference_time,
        transcription.status,
        results or [WireResult("", 0.0, [])],
    )
