"""Serve with several processes: the parent listens and runs the engine, workers accept and serve."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
from starlette.responses import Response

from stream.temporary import temporary_directory
from stream.waiting import Changes, is_first
from web.backends.backend import Host
from web.backends.registry import chosen_backend
from web.clock import Clock, wall_clock
from web.observability.logs import enabled_level
from web.observability.parent_metrics import ParentMetrics
from web.process import serve
from web.process.grpc_port import reserved_grpc_port
from web.process.listening import (
    StartError,
    base_url,
    check_keys,
    listen,
    listen_for_metrics,
    listen_for_wyoming,
    tls_of,
    usable_database,
)
from web.process.metrics_server import metrics_port
from web.process.serve import RunningServer
from web.process.workers.job import Files, Job, plain
from web.process.workers.pool import LostWorkerError, WorkerPool
from web.process.workers.reports import Reports
from web.rest.metrics import metrics_response
from web.settings.settings import Settings
from web.supervision.child_process import ChildProcess
from web.tasks import running_task
from web.transport.accepting import ConnectionCounts
from web.workers.hub import Hub

# Workers load their modules one beside the other; a machine with few cores takes longer.
_START_SECONDS = 60.0
# The parent outlives its workers, each of which ends within its own limit.
_OUTLIVES_SECONDS = 2.0


def stop_seconds(settings: Settings) -> float:
    """Return how long a stop takes at most, whatever is stuck."""
    return serve.stop_seconds(settings) + _OUTLIVES_SECONDS


@asynccontextmanager
async def running_workers(
    settings: Settings, overrides: Mapping[str, object], *, clock: Clock = wall_clock
) -> AsyncIterator[RunningServer]:
    """Run a server of several processes and wait for its recognizer; raises StartError. Leaving the context drains it.

    `overrides` are the settings of the command line, with which workers read the same settings as this process.
    """
    async with AsyncExitStack() as stack:
        tls = tls_of(settings, clock)
        listener = stack.enter_context(listen(settings))
        wyoming_listener = listen_for_wyoming(settings.wyoming)
        if wyoming_listener is not None:
            stack.enter_context(wyoming_listener)
        grpc_port = stack.enter_context(reserved_grpc_port(settings))
        # Made and migrated here, so that workers that start at once do not wait for each other.
        async with usable_database(settings):
            pass
        await check_keys(settings)
        files = Files(stack.enter_context(temporary_directory()))
        host = await stack.enter_async_context(chosen_backend(settings.backends).hosted())
        job = Job(
            number=0,
            count=settings.server.workers,
            listener=listener.fileno(),
            wyoming_listener=None if wyoming_listener is None else wyoming_listener.fileno(),
            grpc_port=grpc_port,
            directory=str(files.directory),
            engine=host.address,
            ready_seconds=host.ready_seconds,
            overrides=plain(overrides),
            log_level=enabled_level(),
        )
        server = _Parent(settings, job, host)
        await stack.enter_async_context(server.beside())
        serving = asyncio.create_task(server.pool.run())
        try:
            is_ready = await server.is_ready(serving)
            yield RunningServer(
                url=base_url(listener, tls),
                is_ready=is_ready,
                stopped=asyncio.create_task(_stopped(serving)),
                drain=server.pool.drain,
                force=server.force,
                tls=tls,
                grpc_port=grpc_port,
            )
        finally:
            server.pool.drain()
            await asyncio.wait([serving], timeout=stop_seconds(settings))
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


async def _stopped(serving: asyncio.Task[bool]) -> bool:
    """Wait for the end of all workers; raises StartError if one could not be kept."""
    try:
        return await serving
    except LostWorkerError as error:
        raise StartError(str(error)) from None


class _Parent:
    """The parts of a parent: its workers, the hub at which they meet, and their metrics."""

    def __init__(self, settings: Settings, job: Job, host: Host) -> None:
        """`job` is that of each worker, but for its number."""
        count, files = job.count, job.files
        self._settings, self._job, self._files, self._host = settings, job, files, host
        self._drain_seconds = serve.stop_seconds(settings)
        self._counts = ConnectionCounts.make(files.connections, count)
        self.pool = WorkerPool(self._start, count, on_end=self._on_end)
        self._metrics = ParentMetrics(lambda: self.pool.answering, lambda: self.pool.replaced)
        self._reports = Reports(files, count, self._metrics.families)
        self._hub = Hub(asyncio.get_running_loop().time, self._reports.text, count)
        self._has_started = False

    async def _start(self, number: int) -> ChildProcess:
        job = msgspec.structs.replace(self._job, number=number)
        return await ChildProcess.start(
            job.command(), name="worker", drain_seconds=self._drain_seconds, descriptors=job.descriptors
        )

    def _on_end(self, number: int) -> None:
        self._counts.close(number)
        self._reports.ended(number)

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """Run what the workers need while the context lasts; raises StartError."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._hub.listening(self._files.hub))
            port = self._settings.observability.metrics_port
            if port is not None:
                await stack.enter_async_context(metrics_port(self._metrics_response, listen_for_metrics(port)))
            for work in (
                self._reports.keep_reading(),
                self._follow(self.pool.changes),
                self._follow(self._host.changes),
            ):
                await stack.enter_async_context(running_task(work))
            yield

    async def _metrics_response(self) -> Response:
        return metrics_response(await self._reports.text())

    async def _follow(self, changes: Changes) -> None:
        """Tell the workers the state of the server, until cancelled."""
        while True:
            self._has_started = self._has_started or self.pool.is_complete
            self._hub.set_state(has_started=self._has_started, is_answering=self._host.is_answering())
            await changes.wait()

    async def is_ready(self, serving: asyncio.Task[bool]) -> bool:
        """Wait until all workers serve; return whether they would admit a session. Raises StartError."""
        complete = self.pool.changes.wait_until(lambda: self.pool.is_complete)
        limit_seconds = self._host.ready_seconds + _START_SECONDS
        is_complete = await is_first(
            complete, self._host.gave_up.wait(), asyncio.wait([serving]), seconds=limit_seconds
        )
        if self._host.gave_up.is_set():
            raise StartError(self._host.failure)
        if serving.done():
            await _stopped(serving)
        return is_complete and await self._is_recognizer_ready()

    async def _is_recognizer_ready(self) -> bool:
        metrics = await self._reports.families()
        return any(
            value for family in metrics for name, _, value in family.samples if name == "niyosha_recognizer_ready"
        )

    def force(self) -> None:
        """Let everything end at once."""
        self.pool.force()
        self._host.drop()
