"""What `niyosha caption` does: find its source, publish it, and show the captions in the terminal."""

import asyncio
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from pathlib import Path

from rich.console import Console

from stream.audio.resample import Resampler
from stream.client import Live, LiveError, Message, connect
from vad import SAMPLE_RATE
from web.cli.caption.publish import Publishing
from web.cli.caption.streams import PIPE, LiveStream, StreamError
from web.cli.console import report, standard_error
from web.cli.files.media import FileClip
from web.cli.files.output import OutputError
from web.cli.files.sources import MediaError
from web.cli.mic.captions import MICROPHONE_ADVICE, Captions
from web.cli.mic.listen import Screen
from web.cli.mic.microphone import MicrophoneError, find_device, opened
from web.cli.servers import ServerOptions, advised

MICROPHONE = "mic"
_FINISH_SECONDS = 10.0
_OK, _FAILED, _INTERRUPTED = 0, 1, 130


def caption(source: str, config: dict[str, object], options: ServerOptions, device: str | None) -> int:
    """Publish a source until it ends or Ctrl-C, and return the exit code; `config` names the channel."""
    console = standard_error()
    try:
        return asyncio.run(_caption(source, config, options, device, console))
    except (MicrophoneError, MediaError, StreamError, OutputError) as failed:
        report(console, str(failed))
        return _FAILED
    except LiveError as failed:
        report(console, advised(failed, options))
        return _FAILED
    except TimeoutError:
        report(console, "the server did not finish in time; the last words may be missing")
        return _INTERRUPTED
    except KeyboardInterrupt:
        return _INTERRUPTED


async def _caption(
    source: str, config: dict[str, object], options: ServerOptions, device: str | None, console: Console
) -> int:
    # Only what is stored can be gone on with over another connection.
    keys = {"extended": True, "store": True, "sampleRateHertz": SAMPLE_RATE} | config | options.config

    def open_live(further: Mapping[str, object]) -> AbstractAsyncContextManager[Live]:
        return connect(options.server or options.local_server, token=options.token, config={**keys, **further})

    async with _sound(source, device, console) as (name, chunks):
        captions = Captions(name, SAMPLE_RATE, advice=_advice(source))
        screen = Screen(captions, console)

        def receive(message: Message) -> None:
            line = captions.receive(message)
            if line is not None:
                screen.print(line)

        publishing = Publishing(
            open_live, _heard(chunks, captions), receive=receive, report=lambda sentence: report(console, sentence)
        )
        limit = asyncio.timeout(None)
        with _stopped_by_signals(publishing, limit), screen.shown():
            async with limit:
                await publishing.run()
    return _OK


@asynccontextmanager
async def _sound(
    source: str, device: str | None, console: Console
) -> AsyncIterator[tuple[str, AsyncGenerator[bytes, None]]]:
    """Open a source: its name for people, and `int16[n_samples]` of it at 16 kHz as it comes."""
    if source == MICROPHONE:
        async with opened(find_device(device)) as microphone:
            resampler = Resampler(microphone.device.rate_hertz)
            yield microphone.device.name, _resampled(microphone.chunks(), resampler)
    elif source == PIPE or "://" in source:
        stream = LiveStream(source, lambda sentence: report(console, sentence))
        yield stream.name, stream.chunks()
    else:
        yield source, FileClip(Path(source)).chunks()


async def _resampled(chunks: AsyncGenerator[bytes, None], resampler: Resampler) -> AsyncGenerator[bytes, None]:
    async with aclosing(chunks):
        async for chunk in chunks:
            (samples,) = resampler.push(chunk)
            if samples:
                yield samples


async def _heard(chunks: AsyncGenerator[bytes, None], captions: Captions) -> AsyncGenerator[bytes, None]:
    """Pass the sound on, and show its level."""
    async with aclosing(chunks):
        async for chunk in chunks:
            captions.hear(chunk)
            yield chunk


def _advice(source: str) -> str:
    """Return what to do about a source that is silent."""
    if source == MICROPHONE:
        return MICROPHONE_ADVICE
    return "is this the right stream?"


@contextmanager
def _stopped_by_signals(publishing: Publishing, limit: asyncio.Timeout) -> Iterator[None]:
    """On Ctrl-C finish what was said until then, and on the second one end at once, while the context lasts."""
    loop, signals, count = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM), 0

    def stop() -> None:
        nonlocal count
        limit.reschedule(loop.time() + (0.0 if count else _FINISH_SECONDS))
        count += 1
        publishing.stop()

    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
