"""Gateways in the test's process, with recognizers that each connection chooses for itself."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import aiosqlite
import anyio.to_thread
import pytest

from stream.recognition.recognizer import Recognizer
from stream.session.events import RecognitionOptions
from tests.support.loops.virtual_time import VirtualTimeLoop
from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.web.transport.serving import listening
from web.clock import Clock, wall_clock
from web.process.serve import running
from web.settings.settings import Settings
from web.transport.limits import WireLimits

Script = Callable[[RecognitionOptions], CountingStream]


@dataclass
class ScriptBook(ScriptedRecognizer):
    """A recognizer that many tests share: a connection names its script as a phrase, and has its own streams.

    A connection that names none gets `CountingStream`s.
    """

    scripts: dict[str, ScriptedRecognizer] = field(default_factory=dict)

    def add(self, *script: Script) -> "Scripted":
        """Write a script, for the connections whose query is the one of what is returned."""
        name = f"script-{len(self.scripts)}"
        self.scripts[name] = ScriptedRecognizer(script=list(script) or [CountingStream])
        return Scripted(name, self.scripts[name].streams)

    async def open(self, options: RecognitionOptions) -> CountingStream:
        named = next((phrase for phrase in options.phrases if phrase in self.scripts), None)
        return await (super().open(options) if named is None else self.scripts[named].open(options))


@dataclass(frozen=True, slots=True)
class Scripted:
    """A script: the phrase that chooses it, and the streams that were opened with it."""

    name: str
    streams: list[CountingStream]

    @property
    def query(self) -> str:
        """Chooses it in the query of a live connection."""
        return f"phrases={self.name}"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that many tests share: where it is, and what its recognizer says."""

    base: str
    book: ScriptBook


@asynccontextmanager
async def running_gateway(
    recognizer: Recognizer | None = None,
    settings: Settings | None = None,
    *,
    wire: WireLimits | None = None,
    clock: Clock = wall_clock,
    wyoming_listener: socket.socket | None = None,
) -> AsyncIterator[str]:
    """Run a gateway on the test's own loop; gives the base that `tests.web.support.sockets` takes.

    What lasts is timed on the clock of the loop, `clock` tells the time of day. `wyoming_listener` is a bound socket
    for Wyoming's port.
    """
    settings, recognizer = settings or Settings(port=0), recognizer or ScriptedRecognizer()
    async with AsyncExitStack() as stack:
        listener = None
        if isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
            stack.enter_context(held_while_sqlite_works())
            listener, _ = await stack.enter_async_context(listening())
        server = running(
            settings, recognizer, listener=listener, wyoming_listener=wyoming_listener, wire=wire, clock=clock
        )
        yield (await stack.enter_async_context(server)).url


def shared(test: Callable[..., Any]) -> Callable[..., Any]:
    """Run a test on the loop of the gateway of the module, and its clock."""
    marked: Callable[..., Any] = pytest.mark.virtual_time(pytest.mark.asyncio(loop_scope="module")(test))
    return marked


@contextmanager
def held_while_sqlite_works() -> Iterator[None]:
    """Keep the virtual clock still while a thread of aiosqlite or anyio, which no loop knows of, is at work."""
    with pytest.MonkeyPatch.context() as patch:
        # Forms and files that are served are written and read there.
        patch.setattr(anyio.to_thread, "run_sync", _held(anyio.to_thread.run_sync))
        for name in ("_connect", "_execute", "close"):
            patch.setattr(aiosqlite.Connection, name, _held(getattr(aiosqlite.Connection, name)))
        yield


def _held(work: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def held(*arguments: Any, **options: Any) -> Any:
        loop = asyncio.get_running_loop()
        with loop.hold() if isinstance(loop, VirtualTimeLoop) else nullcontext():
            return await work(*arguments, **options)

    return held
