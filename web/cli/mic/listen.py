"""The command `niyosha mic`: settled lines on standard output, the rest below them while it changes."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, nullcontext
from http import HTTPStatus

from rich.console import Console, Group
from rich.live import Live as Display
from rich.text import Text

from stream.backoff import Backoff
from stream.client import LiveError, LostError, RefusedError, UnreachableError, connect, transcribe
from web.cli.console import report, standard_error
from web.cli.files.output import Destination, OutputError
from web.cli.mic.captions import Captions
from web.cli.mic.microphone import Device, Microphone, MicrophoneError, devices, find_device, opened
from web.cli.servers import ServerOptions, ServerStartError, StartServer, advised, server_for

_REFRESHES_PER_SECOND = 10.0
# The finals of what was said before Ctrl-C; a server that hangs keeps nobody longer.
_FINISH_SECONDS = 10.0
# A server that ends a connection at its limit is asked again; one that ends each at once is not.
_SHORTEST_CONNECTION_SECONDS = 10.0
# The microphone keeps as much sound as that.
_PATIENCE_SECONDS = 30.0
_BACKOFF = Backoff(first_seconds=0.25, longest_seconds=4.0)
_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_OK, _FAILED, _INTERRUPTED = 0, 1, 130


def listen(options: ServerOptions, device: str | None, start_server: StartServer) -> int:
    """Show captions of a microphone until Ctrl-C, and return the exit code."""
    console = standard_error()
    try:
        return asyncio.run(_listen(options, find_device(device), start_server, console))
    except (MicrophoneError, OutputError, ServerStartError) as failed:
        report(console, str(failed))
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED


def list_devices() -> int:
    """Print the names of all microphones, and return the exit code."""
    try:
        for name in devices():
            Destination().print(name)
    except (MicrophoneError, OutputError) as failed:
        report(standard_error(), str(failed))
        return _FAILED
    return _OK


async def _listen(options: ServerOptions, device: Device, start_server: StartServer, console: Console) -> int:
    async with server_for(options, start_server, console) as server, opened(device) as microphone:
        return await Listening(options, server, microphone, console).run()


class Listening:
    """The captions of one microphone by one server."""

    def __init__(self, options: ServerOptions, server: str, microphone: Microphone, console: Console) -> None:
        self._options = options
        self._server = server
        self._microphone = microphone
        self._console = console
        self._captions = Captions(microphone.device.name, microphone.device.rate_hertz)
        self._limit = asyncio.timeout(None)
        self._screen = Screen(self._captions, console)
        self._was_open = False
        self._failures = 0
        self._lost_at = 0.0

    def stop(self) -> None:
        """Finish what was said until now; asked a second time, end at once."""
        now = asyncio.get_running_loop().time()
        self._limit.reschedule(now if self._microphone.is_stopped else now + _FINISH_SECONDS)
        self._microphone.stop()

    async def run(self) -> int:
        """Listen until it is stopped, and return the exit code; raises MicrophoneError and OutputError."""
        try:
            with _stopped_by_signals(self.stop), self._screen.shown():
                async with self._limit:
                    return await self._listen()
        except LiveError as failed:
            report(self._console, advised(failed, self._options))
            return _FAILED
        except TimeoutError:
            report(self._console, "the server did not finish in time; the last words may be missing")
            return _INTERRUPTED

    async def _listen(self) -> int:
        now = asyncio.get_running_loop().time
        while True:
            began = now()
            try:
                await self._connection()
            except LiveError as failed:
                await self._wait_after(failed)
                continue
            if self._microphone.is_stopped:
                return _OK
            if now() - began < _SHORTEST_CONNECTION_SECONDS:
                report(self._console, "the server ended the connection; it takes no more sound")
                return _FAILED

    async def _wait_after(self, failed: LiveError) -> None:
        """Wait before the next connection; raises the error again where another one would not help.

        Meanwhile the microphone keeps the sound.
        """
        now = asyncio.get_running_loop().time()
        if self._failures == 0:
            self._lost_at = now
        is_hopeless = not self._was_open or not _may_pass(failed) or self._microphone.is_stopped
        if is_hopeless or now - self._lost_at > _PATIENCE_SECONDS:
            raise failed
        if self._failures == 0:
            report(self._console, f"{failed}; connecting again")
        self._captions.forget()
        await asyncio.sleep(_BACKOFF.delay_seconds(self._failures))
        self._failures += 1

    async def _connection(self) -> None:
        """Listen over one connection to its end."""
        config = {"extended": True, "sampleRateHertz": self._microphone.device.rate_hertz} | self._options.config
        async with (
            connect(self._server, token=self._options.token, config=config) as live,
            aclosing(self._chunks()) as chunks,
            aclosing(transcribe(live, chunks)) as messages,
        ):
            async for message in messages:
                self._was_open, self._failures = True, 0
                line = self._captions.receive(message)
                if line is not None:
                    self._screen.print(line)

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        lost_seconds = 0.0
        async with aclosing(self._microphone.chunks()) as chunks:
            async for chunk in chunks:
                self._captions.hear(chunk)
                if self._microphone.lost_seconds > lost_seconds:
                    lost_seconds = self._microphone.lost_seconds
                    self._captions.lose(lost_seconds)
                yield chunk


def _may_pass(failed: LiveError) -> bool:
    """Whether another connection may succeed after this error."""
    return isinstance(failed, LostError | UnreachableError) or (
        isinstance(failed, RefusedError) and failed.status in _BUSY
    )


class Screen:
    """Draws captions on a terminal; settled lines are for standard output, whatever it is."""

    def __init__(self, captions: Captions, console: Console) -> None:
        self._captions = captions
        output = Console(highlight=False)
        self._is_on_terminal = output.is_terminal
        self._console = output if output.is_terminal else console

    def print(self, line: str) -> None:
        """Print a settled line above the unsettled text; raises OutputError."""
        if self._is_on_terminal:
            self._console.print(Text(line), soft_wrap=True)
        else:
            Destination().print(line)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw while the context lasts, where there is a terminal."""
        display = Display(
            self,
            console=self._console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            refresh_per_second=_REFRESHES_PER_SECOND,
            vertical_overflow="visible",
        )
        with display if self._console.is_terminal else nullcontext():
            yield

    def __rich__(self) -> Group:
        unsettled = Text(self._captions.unsettled, style="dim italic")
        return Group(unsettled, Text(self._captions.status, style="dim", overflow="ellipsis", no_wrap=True))


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on Ctrl-C and where the process is asked to end, while the context lasts."""
    loop, signals = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
