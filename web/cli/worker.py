"""The command `niyosha worker`: long recordings of servers with the same PostgreSQL."""

import sys
from collections.abc import Mapping

import typer

from web.cli.settings import settings_for
from web.process.serve import stop_seconds
from web.process.stopping import StopSignals
from web.process.worker import Stop, WorkerError
from web.process.worker import work as run_worker
from web.settings.settings import SettingsError


async def work(overrides: Mapping[str, object], signals: StopSignals) -> None:
    """Work until a signal; exit with 1 if what was begun was not finished."""
    try:
        settings, stop = settings_for(overrides), Stop()
        signals.listen(stop_seconds(settings), stop.finish.set, stop.drop.set)
        is_finished = await run_worker(settings, typer.echo, lambda sentence: typer.echo(sentence, err=True), stop)
    except (SettingsError, WorkerError) as error:
        sys.exit(f"niyosha worker: {error}")
    if not is_finished:
        sys.exit(1)
