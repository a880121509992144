"""Serve as one of several workers, with the socket, the engine and the counters of the parent."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial

from web.backends.backend import Host
from web.composition.gateway import Gateway
from web.limits.store import StoreUnavailableError
from web.process.listening import StartError
from web.process.serve import RunningServer, WorkerParts, running
from web.process.workers.job import Job
from web.process.workers.reports import reporting
from web.settings.settings import Settings
from web.supervision.heartbeat import BEAT_SECONDS
from web.supervision.parent_process import beat
from web.tasks import running_task
from web.transport.accepting import ConnectionCounts
from web.workers.link import WorkerLink, linked
from web.workers.seat import Seat

_STDIN = 0


@asynccontextmanager
async def running_worker(settings: Settings, job: Job) -> AsyncIterator[RunningServer]:
    """Run one of several workers, and wait for its recognizer; raises StartError. Leaving the context drains it."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running_task(_keep_beating()))
        try:
            link = await stack.enter_async_context(linked(job.files.hub))
        except StoreUnavailableError as error:
            raise StartError(str(error)) from None
        parts = WorkerParts(
            seat=Seat(job.share, link),
            host=_host(job, link),
            counts=ConnectionCounts(job.files.connections, job.number),
            grpc_port=job.grpc_port,
            watch=partial(_reporting, job),
        )
        server = running(
            settings,
            listener=socket.socket(fileno=job.listener),
            wyoming_listener=None if job.wyoming_listener is None else socket.socket(fileno=job.wyoming_listener),
            watches_loop=True,
            worker=parts,
        )
        yield await stack.enter_async_context(server)


def when_parent_ends(end: Callable[[], None]) -> None:
    """Call `end` when the parent has ended: the standard input is a pipe from it."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(_STDIN, 4096):
            loop.remove_reader(_STDIN)
            end()

    loop.add_reader(_STDIN, read)


def _host(job: Job, link: WorkerLink) -> Host:
    """Return what the parent runs, as it tells of it."""
    return Host(
        address=job.engine,
        is_answering=lambda: link.state.is_answering,
        changes=link.changes,
        ready_seconds=job.ready_seconds,
    )


def _reporting(job: Job, gateway: Gateway) -> AbstractAsyncContextManager[None]:
    return reporting(job.files.report(job.number), gateway.own_metrics.look, gateway.metrics.families)


async def _keep_beating() -> None:
    while True:
        beat()
        await asyncio.sleep(BEAT_SECONDS)
