"""The command `niyosha transcribe --remote`: let the server read recordings, and follow their progress."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path

from rich.console import Console

from stream.audio.containers.signatures import Handling
from stream.audio.containers.sniffing import kind_of_recording
from stream.client import LiveError, RecognitionError, RefusedError
from stream.client.http import Transcription, Utterance
from stream.client.recordings import recognize_file, recognize_uri
from stream.client.rest import Form, RestClient, rest_client
from stream.errors import Problem
from stream.protocols.farsava.messages import Done, Failure, WireResult
from stream.temporary import temporary_directory
from web.cli.console import report, standard_error
from web.cli.files.jobs import (
    ExitCode,
    Job,
    TranscribeOptions,
    UnusableServerError,
    is_for_all,
    run_jobs,
    write_result,
)
from web.cli.files.output import ChannelResult, Destination, Recognized
from web.cli.files.progress import RecordingProgress, drawn
from web.cli.files.sources import MediaError, Source, SourceKind, check_file, read_pipe
from web.cli.servers import StartServer, advised
from web.rest.response.formats import OutputFormat

_FORMS: dict[OutputFormat, Form] = {
    OutputFormat.TEXT: "txt",
    OutputFormat.JSON: "json",
    OutputFormat.SRT: "srt",
    OutputFormat.VTT: "vtt",
}
_ABOUT_THE_FILE = (Problem.INVALID_AUDIO, Problem.UNSUPPORTED_MEDIA, Problem.TOO_LARGE)
_DELETE_SECONDS = 2.0  # the user waits for this after Ctrl-C


def transcribe_remote(
    names: Sequence[Path | str], options: TranscribeOptions, start_server: StartServer, console: Console | None = None
) -> int:
    """Let the server transcribe files and addresses one after the other, write the results, return the exit code."""
    console = console or standard_error()

    def job(source: Source) -> Job:
        is_raw = options.rate_hertz is not None
        if source.kind is SourceKind.FILE:
            _check(source.path, source.name, is_raw=is_raw)

        async def transcribe(server: str, destination: Destination) -> ExitCode:
            try:
                async with _upload_of(source) as path:
                    if source.kind is SourceKind.PIPE and path is not None:
                        _check(path, source.name, is_raw=is_raw)
                    return await _Remote(source, path, server, options, console).transcribe(destination)
            except MediaError as unusable:
                report(console, str(unusable))
                return ExitCode.FILE

        return Job(name=source.name, transcribe=transcribe)

    return run_jobs(names, job, options, start_server, console)


def _check(path: Path, name: str, *, is_raw: bool) -> None:
    """Check that a file is of a known format: the server would take an unknown one for raw samples."""
    check_file(path)
    try:
        with path.open("rb") as file:
            kind = kind_of_recording(file)
    except OSError as failed:
        raise MediaError(f"{name} cannot be read ({failed.strerror}); check the name and its permissions") from failed
    if (kind is None and not is_raw) or (kind is not None and kind.handling is Handling.NONE):
        raise MediaError(f"{name} is of no known format; give a file with sound, such as WAV, FLAC, MP3 or MP4")


@asynccontextmanager
async def _upload_of(source: Source) -> AsyncIterator[Path | None]:
    """Give the file to upload while the context lasts, None for an address; what a pipe brings is stored first.

    Raises MediaError.
    """
    if source.kind is not SourceKind.PIPE:
        yield None if source.kind is SourceKind.ADDRESS else source.path
        return
    with ExitStack() as stack:
        is_left = threading.Event()
        try:
            path = stack.enter_context(temporary_directory()) / "recording"
            await asyncio.to_thread(_store, source, path, is_left)
        except OSError as failed:
            why = failed.strerror or failed
            raise MediaError(f"{source.name} cannot be kept until it is sent: {why}") from failed
        finally:
            is_left.set()
        yield path


def _store(source: Source, path: Path, is_left: threading.Event) -> None:
    with source.opened_pipe() as pipe, path.open("wb") as file:
        for data in read_pipe(pipe, is_left):
            file.write(data)


class _Remote:
    """One recording at one server."""

    def __init__(
        self, source: Source, path: Path | None, server: str, options: TranscribeOptions, console: Console
    ) -> None:
        self._source = source
        self._path = path
        self._size_bytes = None if path is None else path.stat().st_size
        self._server = server
        self._options = options
        self._console = console
        self._last: Transcription | None = None
        self._is_sent = path is None

    async def transcribe(self, destination: Destination) -> ExitCode:
        try:
            async with rest_client(self._server, token=self._options.token) as rest:
                return await self._printed(rest, destination)
        except LiveError as failed:  # the address or the token is wrong
            self._report(failed)
            raise UnusableServerError from failed

    def _report(self, failed: LiveError) -> None:
        report(self._console, f"{self._source.name} was not transcribed: {advised(failed, self._options)}")

    async def _printed(self, rest: RestClient, destination: Destination) -> ExitCode:
        try:
            transcription = await self._recognized(rest)
        except LiveError as failed:
            return self._failed(rest, failed)
        except OSError as unreadable:
            report(self._console, f"{self._source.name} cannot be read: {unreadable.strerror or unreadable}")
            await self._leave(rest)
            return ExitCode.FILE
        except asyncio.CancelledError:
            await self._leave(rest)
            raise
        recognized = Recognized(done=self._done(transcription))
        return write_result(self._source.name, recognized, self._options.format, destination, self._console)

    def _failed(self, rest: RestClient, failed: LiveError) -> ExitCode:
        is_about_file = self._is_about_the_file(failed)
        self._report(failed)
        self._report_address(rest, failed)
        if is_for_all(failed) and not is_about_file:
            raise UnusableServerError from failed
        return ExitCode.FILE if is_about_file else ExitCode.SERVER

    async def _recognized(self, rest: RestClient) -> Transcription:
        progress = RecordingProgress(self._source.name, self._size_bytes)
        with drawn(progress, self._console):
            async with aclosing(self._states(rest, progress)) as states:
                async for self._last in states:
                    progress.show(self._last)
        if self._last is None:
            raise AssertionError("states that end without a result raise")
        return self._last

    def _states(self, rest: RestClient, progress: RecordingProgress) -> AsyncGenerator[Transcription, None]:
        config = {"maxAlternatives": 1} | self._config() | self._options.config
        if self._path is None:
            return recognize_uri(rest, self._source.name, config)

        def sent(sent_bytes: int) -> None:
            self._is_sent = sent_bytes == self._size_bytes
            progress.sent(sent_bytes)

        return recognize_file(rest, self._path, config, sent)

    def _config(self) -> dict[str, object]:
        config: dict[str, object] = {}
        if self._options.channels > 1:
            config |= {"extended": True, "channels": self._options.channels}
        if self._options.rate_hertz is not None:
            config["sampleRateHertz"] = self._options.rate_hertz
        return config

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
                problems = (*_ABOUT_THE_FILE, Problem.FORBIDDEN) if self._path is None else _ABOUT_THE_FILE
                return kind in {problem.value.type for problem in problems}
            case _:
                return False

    def _done(self, transcription: Transcription) -> Done:
        """Return a transcription as the `done` of a live connection, which is written the same way."""
        results = [self._result(utterance) for utterance in transcription.results]
        return Done(
            transcription.transcription_id,
            transcription.duration,
            transcription.inference_time,
            transcription.status,
            results or [WireResult("", 0.0, [])],
        )

    def _result(self, utterance: Utterance) -> WireResult:
        if self._options.channels == 1:
            return WireResult(utterance.transcript, utterance.confidence, utterance.words)
        return ChannelResult(utterance.transcript, utterance.confidence, utterance.words, utterance.channel)
