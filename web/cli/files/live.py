"""The command `niyosha transcribe`: transcripts on stdout, everything else on stderr."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from rich.console import Console

from stream.client import LiveError, connect
from stream.client import transcribe as transcribe_live
from stream.protocols.farsava.messages import Done, DoneMessage, FinalMessage, Partial, WireResult
from vad import SAMPLE_RATE
from web.cli.console import report, standard_error
from web.cli.files.jobs import (
    ExitCode,
    Job,
    TranscribeOptions,
    UnusableServerError,
    is_for_all,
    no_speech,
    run_jobs,
    write_result,
)
from web.cli.files.media import Clip, PipedClip, SoundOptions, clip_of, paced
from web.cli.files.output import ChannelResult, Destination, Recognized, lines_of
from web.cli.files.progress import LiveProgress, drawn
from web.cli.files.sources import MediaError, Source, SourceKind
from web.cli.servers import StartServer, advised
from web.rest.response.formats import OutputFormat


def transcribe_files(
    files: Sequence[Path | str], options: TranscribeOptions, start_server: StartServer, console: Console | None = None
) -> int:
    """Transcribe recordings one after the other, write the results, and return an `ExitCode`.

    `console` is by default stderr. Files that cannot be used are reported before any server is contacted.
    """
    console = console or standard_error()
    sound = SoundOptions(rate_hertz=options.rate_hertz, channels=options.channels)

    def job(source: Source) -> Job:
        if source.kind is SourceKind.ADDRESS:
            raise MediaError(f"{source.name} is an address; give --remote to let the server fetch it")
        clip = clip_of(source, sound)
        return Job(name=clip.name, transcribe=_LiveJob(clip, options, console).transcribe)

    return run_jobs(files, job, options, start_server, console)


class _LiveJob:
    """The live recognition of one recording."""

    def __init__(self, clip: Clip, options: TranscribeOptions, console: Console) -> None:
        self._clip = clip
        self._options = options
        self._console = console
        self._settled: list[WireResult] = []
        # Who sends through a pipe may not end for hours: the text is printed as it settles.
        self._prints_lines = (
            isinstance(clip, PipedClip) and options.format is OutputFormat.TEXT and not console.is_terminal
        )

    async def transcribe(self, server: str, destination: Destination) -> ExitCode:
        self._prints_lines = self._prints_lines and destination.path is None
        try:
            with drawn(LiveProgress(self._clip), self._console) as progress:
                done = await self._done(server, progress, destination)
        except MediaError as undecodable:
            report(self._console, str(undecodable))
            return ExitCode.FILE
        except LiveError as failed:
            report(self._console, f"{self._clip.name} was not transcribed: {advised(failed, self._options)}")
            if is_for_all(failed):
                raise UnusableServerError from failed
            return ExitCode.SERVER
        if self._clip.damaged_packets:
            damage = f"{self._clip.damaged_packets} packets of it were left out"
            report(self._console, f"{self._clip.name} is damaged: {damage}")
        return self._write(done, destination)

    def _write(self, done: Done, destination: Destination) -> ExitCode:
        recognized = Recognized(done=done, settled=self._settled)
        if not self._prints_lines:
            return write_result(self._clip.name, recognized, self._options.format, destination, self._console)
        for line in lines_of(done.results)[len(lines_of(self._settled)) :]:
            destination.print(line)
        return ExitCode.OK if recognized.has_speech else no_speech(self._clip.name, self._console)

    async def _done(self, server: str, progress: LiveProgress, destination: Destination) -> Done:
        """Return the `done` message; the settled result of each utterance is kept as it comes."""
        options = self._options
        async with (
            connect(server, token=options.token, config=self._config()) as live,
            aclosing(_outgoing(self._clip, progress, is_paced=options.realtime)) as chunks,
            aclosing(transcribe_live(live, chunks)) as messages,
        ):
            async for message in messages:
                progress.show(message)
                match message:
                    case Partial(results=[WireResult() as best, *_]) if best.is_settled:
                        self._settle(best, destination)
                    case FinalMessage(results=[best, *_]):
                        channel = message.channel if isinstance(message.channel, int) else 0
                        result = ChannelResult(best.transcript, best.confidence, best.words, channel)
                        self._settle(result, destination)
                    case Done():
                        return message
                    case DoneMessage():
                        return self._done_of_channels(message)
        raise AssertionError("messages that end without `done` raise")

    def _settle(self, result: WireResult, destination: Destination) -> None:
        self._settled.append(result)
        for line in lines_of([result]) if self._prints_lines else ():
            destination.print(line)

    def _config(self) -> dict[str, object]:
        # A pipe shows no unsettled text, and a recognizer without a GPU is faster without it.
        config: dict[str, object] = {
            "sampleRateHertz": SAMPLE_RATE,
            "maxAlternatives": 1,
            "interimResults": self._console.is_terminal,
        }
        separate = {"extended": True, "channels": self._options.channels} if self._options.channels > 1 else {}
        return config | separate | self._options.config

    def _done_of_channels(self, done: DoneMessage) -> Done:
        """Return the finals in the order of their times: the `done` of extended mode does not name their channels."""
        spoken = [result for result in self._settled if result.transcript]
        results = sorted(spoken, key=lambda result: result.words[0].start_time if result.words else 0.0)
        self._settled = results
        return Done(done.transcription_id, done.duration, done.inference_time, done.status, results)


async def _outgoing(clip: Clip, progress: LiveProgress, *, is_paced: bool) -> AsyncGenerator[bytes, None]:
    sent_bytes = 0
    async with aclosing(paced(clip.chunks(), clip.second_bytes) if is_paced else clip.chunks()) as chunks:
        async for chunk in chunks:
            yield chunk
            sent_bytes += len(chunk)
            progress.sent(sent_bytes / clip.second_bytes)
