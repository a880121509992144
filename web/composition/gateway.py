"""Build the gateway from the settings: what its resources share, its work in the background, its application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from stream.lazy_import import lazy_import
from stream.recognition.recognizer import Recognizer
from stream.runtime.fairness import FairShare
from web.app import create_app
from web.channels.hub import ChannelHub
from web.clock import Clock, boot_clock, steady_clock, wall_clock
from web.composition.access import authenticator, counted_limits, origin_rules
from web.composition.recordings import fetch_options, recording_queue, recording_steps, recordings_in
from web.composition.resources import Parts, built, one_of
from web.jobs.cleanup import ABANDONED_SECONDS, Cleanup
from web.jobs.queue import Queue
from web.jobs.retention_clock import RetentionClock
from web.jobs.training import Trainer
from web.jobs.webhooks import WebhookSender
from web.live.endpoint import Live
from web.live.ownership import Ownership, keep_touched
from web.live.registry import Sessions
from web.memory.budget import BodyBudgets
from web.memory.trim import keep_trimming
from web.observability.instrumented_recognizer import CountedRecognizer
from web.observability.metrics import Metrics
from web.observability.tracing import Tracing
from web.relay.relay import Relay
from web.rest.metrics import MetricsRoutes
from web.settings.settings import Settings
from web.store.channels import Channels
from web.store.database.database import Database
from web.store.languagemodels import LanguageModels
from web.store.resumption import Resumptions
from web.store.retried_writes import retried_writes
from web.store.shared import Notes, TokenUses
from web.store.transcriptions import Transcriptions
from web.store.webhooks import Webhooks
from web.tasks import running_task
from web.workers.link import WorkerLink
from web.workers.seat import Seat
from web.workers.share import WHOLE

if TYPE_CHECKING:
    from web.relay import postgres
else:
    postgres = lazy_import("web.relay.postgres")


_RESUME_KEY = "resume_key"  # of the note in the database


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The application, and what the process that serves it needs of it."""

    app: Starlette
    live: Live
    bodies: BodyBudgets
    own_metrics: MetricsRoutes
    sessions: Sessions
    recognizer: Recognizer
    metrics: Metrics


@asynccontextmanager
async def running_gateway(
    settings: Settings,
    database: Database,
    recognizer: Recognizer,
    *,
    clock: Clock = wall_clock,
    seat: Seat | None = None,
) -> AsyncIterator[Gateway]:
    """Work on what waits in the database, and build the application, until the context ends.

    `database` is open and migrated, `recognizer` may not be ready yet, `clock` tells the time of day. One of several
    workers has a `seat`.
    """
    metrics, tracing = Metrics(), Tracing(settings.observability.tracing_endpoint)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(tracing.running())
        counted = CountedRecognizer(recognizer, metrics, tracing)
        shared = _shared(settings, database, counted, metrics=metrics, clock=clock, seat=seat)
        parts = await stack.enter_async_context(shared)
        retention_clock = RetentionClock(Notes(database), clock=clock, boot_clock=boot_clock)
        cleanup = Cleanup(
            parts.transcriptions,
            parts.recordings,
            ABANDONED_SECONDS,
            channels=parts.channel_store,
            database=database,
            retention_clock=retention_clock,
        )
        works = [parts.queue.run(), parts.trainer.run(), cleanup.run(), keep_trimming(), parts.fair_share.load.watch()]
        works.append(WebhookSender(parts.webhooks, fetch_options(settings), clock=clock).run())
        works.append(keep_touched(parts.ownership, parts.resumptions))
        if seat is not None:
            works.append(_wake_when_announced(parts.queue, seat.link))
        for work in works:
            await stack.enter_async_context(running_task(work))
        resources = built(parts)
        app = create_app(resources, metrics=metrics, tracing=tracing, rules=origin_rules(settings.access))
        yield Gateway(
            app=app,
            live=one_of(Live, resources),
            bodies=parts.bodies,
            own_metrics=one_of(MetricsRoutes, resources),
            sessions=parts.sessions,
            recognizer=counted,
            metrics=metrics,
        )


@asynccontextmanager
async def _shared(
    settings: Settings,
    database: Database,
    recognizer: Recognizer,
    *,
    metrics: Metrics,
    clock: Clock,
    seat: Seat | None,
) -> AsyncIterator[Parts]:
    """Build what routes share, for as long as the context lasts."""
    loop_clock = asyncio.get_running_loop().time
    of_workers = None if seat is None else seat.link.store
    async with AsyncExitStack() as stack:
        limits = await stack.enter_async_context(counted_limits(settings, loop_clock, of_workers))
        writes = await stack.enter_async_context(retried_writes())
        # A store that other servers use, too, comes before the one of the workers of this server.
        use_shared = limits.use_shared or (TokenUses(database, clock=clock).use if database.is_postgres else None)
        if use_shared is None and of_workers is not None:
            use_shared = of_workers.use
        transcriptions = Transcriptions(database, settings.store.retention_seconds, clock=clock)
        recordings = recordings_in(database, settings, clock)
        models = LanguageModels(database, clock=clock)
        channel_store = Channels(database, clock=clock)
        relay = _relay(database, seat)
        if relay is not None:
            await stack.enter_async_context(running_task(relay.run()))
        channels = ChannelHub(channel_store, clock=clock, relay=relay)
        await stack.enter_async_context(channels.running())
        bodies = BodyBudgets(settings.store.recording_limit_bytes, WHOLE.count if seat is None else seat.share.count)
        steps = recording_steps(settings, recordings, recognizer, limits.recording_meter, disk=bodies.disk)
        yield Parts(
            settings=settings,
            database=database,
            recognizer=recognizer,
            auth=authenticator(settings.access, clock=clock, loop_clock=loop_clock, use_shared=use_shared),
            limits=limits,
            sessions=Sessions(on_drain=channels.close_readers),
            channels=channels,
            channel_store=channel_store,
            transcriptions=transcriptions,
            retried_writes=writes,
            resumptions=Resumptions(database, clock=clock),
            webhooks=Webhooks(database, clock=clock),
            ownership=Ownership(relay),
            resume_key=await Notes(database).secret(_RESUME_KEY),
            recordings=recordings,
            models=models,
            # A model leaves room for the phrases of a request.
            trainer=Trainer(models, transcriptions, recognizer.most_phrases * 4 // 5),
            steps=steps,
            queue=recording_queue(settings, database, steps, recordings, seat),
            bodies=bodies,
            metrics=metrics,
            fair_share=FairShare(steady_clock),
            clock=clock,
            seat=seat,
        )


def _relay(database: Database, seat: Seat | None) -> Relay | None:
    """Return what reaches the other processes that use the database; None where there can be none."""
    if database.is_postgres:
        return Relay(postgres.PostgresTransport(database))
    return None if seat is None else Relay(seat.link)


async def _wake_when_announced(queue: Queue, link: WorkerLink) -> None:
    """Wake the queue whenever a worker announces work, until cancelled."""
    while True:
        await link.announced()
        queue.wake()
