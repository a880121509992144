"""The command `niyosha serve`, and the server that another command starts for itself."""

import asyncio
import gc
import logging
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import typer

from stream.temporary import temporary_directory
from web.cli.settings import settings_for
from web.cli.transcribe import ServerStartError
from web.observability.logs import configure_logs
from web.process.serve import RunningServer, StartError, running, stop_seconds
from web.process.stopping import StopSignals
from web.settings.settings import SettingsError

# A server for one command: on loopback, for everybody there, doing the work itself.
_ONE_COMMAND: dict[str, object] = {
    "host": "127.0.0.1",
    "port": 0,
    "token_secret": None,
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
}
# A checkout has it, which is where `make serve` is typed.
_SAMPLE = Path("tests/clips/quick.wav")


async def serve(overrides: Mapping[str, object], signals: StopSignals) -> None:
    """Serve until a signal; exit with 1 if not everything was delivered."""
    starting = asyncio.current_task()
    server: RunningServer | None = None

    def finish() -> None:
        # A server that has not started yet has nothing to finish.
        if server is not None:
            server.drain()
        elif starting is not None:
            starting.cancel()

    def drop() -> None:
        if server is not None:
            server.force()

    try:
        settings = settings_for(overrides)
        signals.listen(stop_seconds(settings), finish, drop)
        async with running(settings, watches_loop=True) as server:
            # What is loaded by now stays. A collection that looked through it would stop every stream for some 70 ms.
            gc.collect()
            gc.freeze()
            _announce(server, is_keyed=settings.access.is_keyed)
            is_delivered = await server.stopped
    except (SettingsError, StartError) as error:
        sys.exit(f"niyosha: {error}")
    except asyncio.CancelledError:
        if not signals.count:
            raise
        return
    if not is_delivered:
        sys.exit(1)


@asynccontextmanager
async def server_for_one_command() -> AsyncIterator[str]:
    """Run a server while the context lasts, and give its URL; raises ServerStartError."""
    configure_logs(logging.ERROR)
    # Not the user's database: what is transcribed for this command alone is not kept, nor is anything else worked on.
    with temporary_directory() as directory:
        database = f"sqlite:///{directory / 'niyosha.db'}"
        try:
            async with running(settings_for(_ONE_COMMAND | {"database_url": database})) as server:
                if not server.is_ready:
                    raise ServerStartError("the recognizer did not start; `niyosha serve` shows why")
                yield server.url
        except (SettingsError, StartError) as error:
            raise ServerStartError(str(error)) from error


def _announce(server: RunningServer, *, is_keyed: bool) -> None:
    if not server.is_ready:
        sentence = "The recognizer does not answer yet; clients are refused until it does."
        typer.echo(f"{sentence} `niyosha doctor` finds out why.", err=True)
    command = "niyosha" if shutil.which("niyosha") else sys.argv[0]
    tls = server.tls
    if tls is not None and tls.self_signed is not None:
        sentence = f"The certificate in {tls.self_signed} is self-signed, which browsers warn of once."
        typer.echo(f"{sentence} Its SHA-256 fingerprint is {tls.fingerprint}", err=True)
        command = f"SSL_CERT_FILE={shlex.quote(str(tls.self_signed))} {command}"
    sample = _SAMPLE if _SAMPLE.exists() else "FILE"
    audience = "" if is_keyed else " (without a key only this machine is served)"
    token_option = " --token TOKEN" if is_keyed else ""
    command += f" transcribe --server {server.url}{token_option} {sample}"
    typer.echo(f"Open {server.url} in a browser and talk{audience}, or try:  {command}")
