"""The command `niyosha engine`: the embedded engine alone, a server of Riva's protocol."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import typer

from stream.engine.model.devices import Device
from stream.engine.model.protocols import ModelError
from stream.engine.server.server import STOP_SECONDS, Beats, EngineOptions, run
from stream.engine.server.tls import TlsError, TlsOptions
from web.process import event_loop
from web.process.stopping import StopSignals
from web.supervision.heartbeat import BEAT_SECONDS
from web.supervision.parent_process import READY, beat
from web.supervision.restarts import CANNOT_START


def engine_options(
    *,
    listen: str,
    models: Sequence[str],
    workers: int | None,
    sessions: int | None,
    device: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
) -> EngineOptions:
    """Return the options of the command line; each of `models` may name several, separated by commas."""
    return EngineOptions(
        listen=listen,
        models=tuple(name.strip() for names in models for name in names.split(",") if name.strip()),
        workers=workers,
        sessions=sessions,
        device=Device(device),
        tls=TlsOptions(tls_cert, tls_key, tls_client_ca),
    )


def run_engine(options: EngineOptions, signals: StopSignals, *, beats: bool, exit_with_stdin: bool) -> None:
    """Run the engine until a signal; raises typer.Exit with a code of its own for one that can never start."""
    try:
        event_loop.run(_run(options, signals, beats=beats, exit_with_stdin=exit_with_stdin))
    except (ModelError, TlsError, RuntimeError) as error:
        typer.echo(f"niyosha engine: {error}", err=True)
        raise typer.Exit(CANNOT_START) from None


async def _run(options: EngineOptions, signals: StopSignals, *, beats: bool, exit_with_stdin: bool) -> None:
    ended = asyncio.Event()
    signals.listen(STOP_SECONDS, ended.set, ended.set)
    await run(
        options,
        exit_with_stdin=exit_with_stdin,
        ready=lambda address: typer.echo(f"{READY} {address}"),
        beats=Beats(BEAT_SECONDS, beat) if beats else None,
        ended=ended,
    )
