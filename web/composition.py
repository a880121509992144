"""Owns what the routes work with: one of each for the life of the application."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from stream.lazy_import import lazy_import
from stream.recognition.recognizer import Recognizer
from stream.riva import RivaOptions, RivaRecognizer
from stream.runtime.fairness import FairShare
from web.auth.authenticator import Authenticator, Verification
from web.auth.claims import Expected
from web.auth.keys import PublicKeys, SecretKey, TokenKeys, loader
from web.auth.mint import Mint
from web.auth.origins import OriginRules
from web.auth.uses import SharedUses, UseShared
from web.clock import Clock, boot_clock, steady_clock, wall_clock
from web.fetch.download import FetchOptions
from web.jobs.calendar import Calendar
from web.jobs.cleanup import Cleanup
from web.jobs.queue import Queue
from web.jobs.sqlite_queue import SqliteQueue
from web.jobs.steps import StepOptions, Steps
from web.jobs.training import Trainer
from web.limits.limits import Amounts, Limits, limiting
from web.live.registry import Sessions
from web.memory.budget import BodyBudgets
from web.memory.trim import keep_trimming
from web.observability.instrumented_recognizer import CountedRecognizer
from web.observability.metrics import Metrics
from web.observability.tracing import Tracing
from web.settings.settings import Settings
from web.store.database.database import Database, libpq_url
from web.store.languagemodels import LanguageModels
from web.store.recordings import Recordings
from web.store.shared import Notes, TokenUses
from web.store.storing import Storing, storing
from web.store.transcriptions import Transcriptions

if TYPE_CHECKING:
    from web.jobs import postgres_queue
else:
    postgres_queue = lazy_import("web.jobs.postgres_queue")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Services:
    """The recognizer, the stores and the queue; `sessions` are those that are open now, `mint` makes tokens.

    `clock` tells the time of day.
    """

    settings: Settings
    sessions: Sessions
    auth: Authenticator
    mint: Mint | None
    limits: Limits
    recognizer: CountedRecognizer
    transcriptions: Transcriptions
    storing: Storing
    recordings: Recordings
    models: LanguageModels
    trainer: Trainer
    queue: Queue
    steps: Steps
    fetch: FetchOptions
    bodies: BodyBudgets
    database: Database
    metrics: Metrics
    turns: FairShare
    clock: Clock


@asynccontextmanager
async def serving(
    settings: Settings,
    sessions: Sessions,
    recognizer: Recognizer | RivaOptions,
    metrics: Metrics,
    tracing: Tracing,
    *,
    clock: Clock = wall_clock,
) -> AsyncIterator[Services]:
    """Connect to everything, and work on what waits until the context ends."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(tracing.running())
        database = await stack.enter_async_context(opened(settings.database_url))
        ready = CountedRecognizer(await stack.enter_async_context(recognizing(recognizer)), metrics, tracing)
        recordings = Recordings(database, settings.retention_seconds, clock=clock)
        transcriptions = Transcriptions(database, settings.retention_seconds, clock=clock)
        models = LanguageModels(database, clock=clock)
        options = step_options(settings)
        loop_clock = asyncio.get_running_loop().time
        limits = await stack.enter_async_context(limiting(amounts(settings), settings.limits_url, loop_clock))
        bodies = BodyBudgets(options.fetch.most_bytes)
        use_shared = limits.use_shared or (TokenUses(database, clock=clock).use if database.is_postgres else None)
        steps = Steps(recordings, ready, options, limits.recording_meter, disk=bodies.disk)
        queue = _queue(settings, database, steps, recordings)
        stores = await stack.enter_async_context(storing())
        # Leaves room for the phrases of a request.
        trainer = Trainer(models, transcriptions, ready.most_phrases * 4 // 5)
        calendar = Calendar(Notes(database), clock=clock, boot_clock=boot_clock)
        cleanup = Cleanup(
            transcriptions, recordings, settings.runner_limits.stream, database=database, calendar=calendar
        )
        for work in (queue.run(), trainer.run(), cleanup.run(), keep_trimming()):
            await stack.enter_async_context(_running(work))
        yield Services(
            settings,
            sessions,
            _authenticator(settings, clock=clock, loop_clock=loop_clock, use_shared=use_shared),
            _mint(settings),
            limits,
            ready,
            transcriptions,
            stores,
            recordings,
            models,
            trainer,
            queue,
            steps,
            options.fetch,
            bodies,
            database,
            metrics,
            FairShare(steady_clock),
            clock,
        )


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """The database, with all its tables."""
    database = Database(url)
    try:
        await database.upgrade()
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def recognizing(recognizer: Recognizer | RivaOptions) -> AsyncIterator[Recognizer]:
    """The recognizer; the channels to a Riva server live and end with the context."""
    if not isinstance(recognizer, RivaOptions):
        yield recognizer
        return
    riva = RivaRecognizer(recognizer)
    async with _running(riva.watch()):
        try:
            yield riva
        finally:
            await riva.close()


def step_options(settings: Settings) -> StepOptions:
    """How long recordings are read."""
    fetch = FetchOptions(
        networks=settings.fetch_networks,
        most_bytes=settings.recording_limit_bytes,
        seconds=settings.fetch_limit_seconds,
    )
    most_seconds = settings.recording_limit_minutes * 60
    return StepOptions(defaults=settings.session_config, most_seconds=most_seconds, fetch=fetch)


def amounts(settings: Settings) -> Amounts:
    """What is allowed; without a key there is one owner only, whom the limit of all streams bounds."""
    return Amounts(
        streams=settings.streams,
        streams_per_owner=settings.streams_per_owner if settings.is_keyed else None,
        handshakes_per_second=settings.handshakes_per_second,
        minutes_per_day=settings.minutes_per_day,
    )


def origin_rules(settings: Settings) -> OriginRules:
    """The pages that may connect."""
    return OriginRules.parsed(settings.allowed_origins, is_keyed=settings.is_keyed)


def _authenticator(
    settings: Settings, *, clock: Clock, loop_clock: Clock, use_shared: UseShared | None
) -> Authenticator:
    """Tokens expire by `clock`, the time of day; keys age by the event loop's."""
    keys: TokenKeys | None = None
    if settings.token_secret is not None:
        keys = SecretKey(settings.token_secret.get_secret_value())
    elif settings.token_jwks is not None:
        keys = PublicKeys(loader(settings.token_jwks), loop_clock)
    verification = None if keys is None else Verification(keys, _expected(settings))
    shared_uses = None if use_shared is None else SharedUses(use_shared, loop_clock)
    return Authenticator(origin_rules(settings), verification, clock=clock, shared_uses=shared_uses)


def _mint(settings: Settings) -> Mint | None:
    if settings.token_secret is None:
        return None
    return Mint(settings.token_secret.get_secret_value(), _expected(settings))


def _expected(settings: Settings) -> Expected:
    return Expected(settings.token_issuer, settings.token_audience)


def _queue(settings: Settings, database: Database, steps: Steps, recordings: Recordings) -> Queue:
    if database.path is not None:
        return SqliteQueue(steps, recordings, settings.job_streams, database.path.with_suffix(".lock"))

    return postgres_queue.PostgresQueue(steps, recordings, settings.job_streams, libpq_url(database.url))


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Keep something going beside the context; what ends it early is logged, and takes nothing else with it."""
    task = asyncio.create_task(work)
    task.add_done_callback(_note_end)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _note_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("service_ended", exc_info=error)
