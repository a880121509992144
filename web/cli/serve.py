"""The command `niyosha serve`, and the server that another command starts for itself."""

import asyncio
import gc
import logging
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import typer

from stream.lazy_import import lazy_import
from stream.paths import LOCAL_URL
from stream.temporary import temporary_directory
from web.cli.greeting import Greeting, outer_address
from web.cli.settings import settings_for
from web.observability import logs
from web.process.listening import ALL_ADDRESSES, StartError
from web.process.serve import RunningServer, running, stop_seconds
from web.process.stopping import StopSignals
from web.settings.settings import Settings, SettingsError
from web.supervision.parent_process import READY
from web.supervision.restarts import CANNOT_START

if TYPE_CHECKING:
    from web.cli import servers
    from web.process.workers import child, parent
    from web.process.workers.job import Job
else:
    # The server needs neither a console nor a decoder of files.
    servers = lazy_import("web.cli.servers")
    child = lazy_import("web.process.workers.child")
    parent = lazy_import("web.process.workers.parent")

# A server for one command: on loopback, for everybody there, doing the work itself.
_ONE_COMMAND: dict[str, object] = {
    "host": "127.0.0.1",
    "port": 0,
    "token_secret": None,
    "token_old_secrets": (),
    "token_jwks": None,
    "tls_cert": None,
    "tls_key": None,
    "tls_self_signed": False,
    "job_streams": 2,
    "metrics_port": None,
    "grpc_port": None,
    "wyoming_port": None,
    "wyoming_host": "127.0.0.1",
    "wyoming_owner": None,
    "workers": 1,
}
# A checkout has it, which is where `make serve` is typed.
_SAMPLE = Path("tests/clips/quick.wav")


async def serve(overrides: Mapping[str, object], signals: StopSignals) -> None:
    """Serve until a signal, with one process or several; exit with 1 if not everything was delivered."""
    try:
        settings = settings_for(overrides)
    except SettingsError as error:
        sys.exit(f"niyosha: {error}")
    if settings.server.workers == 1:
        server, limit_seconds = running(settings, watches_loop=True), stop_seconds(settings)
    else:
        server, limit_seconds = parent.running_workers(settings, overrides), parent.stop_seconds(settings)
    stopping = _Stopping(signals, limit_seconds)
    try:
        await stopping.serve(server, lambda running: _announce(running, settings))
    except (SettingsError, StartError) as error:
        sys.exit(f"niyosha: {error}")


async def serve_worker(job: "Job", signals: StopSignals) -> None:
    """Serve as one of several workers until a signal, or until the parent ends.

    Exit with 1 if not everything was delivered, with `CANNOT_START` if to start again would change nothing.
    """
    try:
        settings = settings_for(job.overrides)
        stopping = _Stopping(signals, stop_seconds(settings))
        child.when_parent_ends(stopping.finish)
        await stopping.serve(child.running_worker(settings, job), lambda _: typer.echo(f"{READY} its part"))
    except (SettingsError, StartError) as error:
        typer.echo(f"niyosha: {error}", err=True)
        sys.exit(CANNOT_START)


class _Stopping:
    """Lets a server end when it is asked to, whether it has started or not."""

    def __init__(self, signals: StopSignals, limit_seconds: float) -> None:
        self._signals = signals
        self._starting = asyncio.current_task()
        self._server: RunningServer | None = None
        self._is_asked = False
        signals.listen(limit_seconds, self.finish, self._drop)

    def finish(self) -> None:
        """Let the server finish; one that has not started yet has nothing to finish."""
        self._is_asked = True
        if self._server is not None:
            if sys.stdout.isatty():
                typer.echo("Stopping when everything is delivered; Ctrl-C again stops at once.")
            self._server.drain()
        elif self._starting is not None:
            self._starting.cancel()

    def _drop(self) -> None:
        if self._server is not None:
            self._server.force()

    async def serve(
        self, running: AbstractAsyncContextManager[RunningServer], announce: Callable[[RunningServer], None]
    ) -> None:
        """Run a server until it has ended; exit with 1 if not everything was delivered."""
        try:
            async with running as self._server:
                # What is loaded by now stays. A collection that looked through it would stop every stream for 70 ms.
                gc.collect()
                gc.freeze()
                announce(self._server)
                is_delivered = await self._server.stopped
        except asyncio.CancelledError:
            if not self._is_asked:
                raise
            return
        if not is_delivered:
            sys.exit(1)


@asynccontextmanager
async def server_for_one_command(overrides: Mapping[str, object] = MappingProxyType({})) -> AsyncIterator[str]:
    """Run a server while the context lasts, and give its URL; raises ServerStartError."""
    logs.configure_logs(logging.ERROR)
    # Not the user's database: what is transcribed for this command alone is not kept, nor is anything else worked on.
    with temporary_directory() as directory:
        database = f"sqlite:///{directory / 'niyosha.db'}"
        try:
            async with running(settings_for({**overrides, **_ONE_COMMAND, "database_url": database})) as server:
                if not server.is_ready:
                    raise servers.ServerStartError("the recognizer did not start; `niyosha serve` shows why")
                yield server.url
        except (SettingsError, StartError) as error:
            raise servers.ServerStartError(str(error)) from error


def _announce(server: RunningServer, settings: Settings) -> None:
    if not server.is_ready:
        sentence = "The recognizer does not answer yet; clients are refused until it does."
        typer.echo(f"{sentence} `niyosha doctor` finds out why.", err=True)
    command = "niyosha" if shutil.which("niyosha") else sys.argv[0]
    tls = server.tls
    if tls is not None and tls.self_signed is not None:
        sentence = f"The certificate in {tls.self_signed} is self-signed, which browsers warn of once."
        typer.echo(f"{sentence} Its SHA-256 fingerprint is {tls.fingerprint}", err=True)
        command = f"SSL_CERT_FILE={shlex.quote(str(tls.self_signed))} {command}"
    if sys.stdout.isatty():
        greeting = Greeting(
            version=metadata.version("niyosha"),
            url=server.url,
            outer_url=_outer_url(server.url, settings.server.host),
            command=command,
            is_usual=server.url == LOCAL_URL,
            is_keyed=settings.access.is_keyed,
            is_encrypted=tls is not None,
        )
        typer.echo("\n".join(greeting.lines()))
    else:
        typer.echo(_line(server.url, command, is_keyed=settings.access.is_keyed))


def _outer_url(url: str, host: str) -> str | None:
    """Return where other machines reach a server that listens on all addresses; None for others."""
    address = outer_address() if host in ALL_ADDRESSES else None
    return None if address is None else urlunsplit(urlsplit(url)._replace(netloc=f"{address}:{urlsplit(url).port}"))


def _line(url: str, command: str, *, is_keyed: bool) -> str:
    """Return the line that other programs wait for."""
    sample = _SAMPLE if _SAMPLE.exists() else "FILE"
    audience = "" if is_keyed else " (without a key only this machine is served)"
    token_option = " --token TOKEN" if is_keyed else ""
    command += f" transcribe --server {url}{token_option} {sample}"
    return f"Open {url} in a browser and talk{audience}, or try:  {command}"
