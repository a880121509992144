"""Build the gateway from the settings: every object that its routes use, and the application around them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette

from stream.protocols.farsava.messages import SessionLimits
from stream.recognition.recognizer import Recognizer
from stream.runtime.fairness import FairShare
from web.app import Handlers, create_app
from web.auth.authenticator import Authenticator
from web.clock import Clock, boot_clock, steady_clock, wall_clock
from web.composition.access import authenticator, counted_limits, origin_rules, token_mint
from web.composition.recordings import fetch_options, recording_queue, recording_steps, recordings_in
from web.jobs.calendar import Calendar
from web.jobs.cleanup import Cleanup
from web.jobs.queue import Queue
from web.jobs.steps import Steps
from web.jobs.training import Trainer
from web.limits.limits import Limits
from web.live.admission import Admission
from web.live.endpoint import Live
from web.live.registry import Sessions
from web.memory.budget import BodyBudgets
from web.memory.trim import keep_trimming
from web.observability.instrumented_recognizer import CountedRecognizer
from web.observability.metrics import Metrics
from web.observability.tracing import Tracing
from web.rest.configuration import ConfigurationRoutes
from web.rest.health import HealthRoutes
from web.rest.languagemodels import LanguageModelRoutes
from web.rest.languages import LanguageRoutes
from web.rest.longrunning import LongRunningRoutes
from web.rest.metrics import MetricsRoutes
from web.rest.ovh import OvhRoutes
from web.rest.recognize import RecognizeRoutes
from web.rest.recordings import RecordingAdmission, Transcriber
from web.rest.tokens import TokenRoutes
from web.rest.transcriptions import TranscriptionRoutes
from web.settings.settings import Settings
from web.store.database.database import Database
from web.store.languagemodels import LanguageModels
from web.store.recordings import Recordings
from web.store.shared import Notes, TokenUses
from web.store.storing import Storing, storing
from web.store.transcriptions import Transcriptions
from web.tasks import running_task


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The application, and what the process that serves it needs of it."""

    app: Starlette
    handlers: Handlers
    sessions: Sessions
    recognizer: Recognizer
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What several routes share; each route gets only what it uses."""

    settings: Settings
    database: Database
    recognizer: Recognizer
    auth: Authenticator
    limits: Limits
    sessions: Sessions
    transcriptions: Transcriptions
    storing: Storing
    recordings: Recordings
    models: LanguageModels
    trainer: Trainer
    steps: Steps
    queue: Queue
    bodies: BodyBudgets
    metrics: Metrics
    fair_share: FairShare
    clock: Clock


@asynccontextmanager
async def running_gateway(
    settings: Settings, database: Database, recognizer: Recognizer, *, clock: Clock = wall_clock
) -> AsyncIterator[Gateway]:
    """Work on what waits in the database, and build the application, until the context ends.

    `database` is open and migrated, `recognizer` may not be ready yet, `clock` tells the time of day.
    """
    metrics, tracing = Metrics(), Tracing(settings.observability.tracing_endpoint)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(tracing.running())
        counted = CountedRecognizer(recognizer, metrics, tracing)
        parts = await stack.enter_async_context(_shared(settings, database, counted, metrics, clock))
        calendar = Calendar(Notes(database), clock=clock, boot_clock=boot_clock)
        cleanup = Cleanup(
            parts.transcriptions,
            parts.recordings,
            settings.session.runner_limits.stream_seconds,
            database=database,
            calendar=calendar,
        )
        works = parts.queue.run(), parts.trainer.run(), cleanup.run(), keep_trimming(), parts.fair_share.load.watch()
        for work in works:
            await stack.enter_async_context(running_task(work))
        handlers = _handlers(parts)
        app = create_app(
            handlers,
            metrics=metrics,
            tracing=tracing,
            rules=origin_rules(settings.access),
            asks_for_token=settings.access.is_keyed,
        )
        yield Gateway(app=app, handlers=handlers, sessions=parts.sessions, recognizer=counted, metrics=metrics)


@asynccontextmanager
async def _shared(
    settings: Settings, database: Database, recognizer: Recognizer, metrics: Metrics, clock: Clock
) -> AsyncIterator[_Parts]:
    """Build what routes share, for as long as the context lasts."""
    loop_clock = asyncio.get_running_loop().time
    async with counted_limits(settings, loop_clock) as limits, storing() as stores:
        use_shared = limits.use_shared or (TokenUses(database, clock=clock).use if database.is_postgres else None)
        transcriptions = Transcriptions(database, settings.store.retention_seconds, clock=clock)
        recordings = recordings_in(database, settings, clock)
        models = LanguageModels(database, clock=clock)
        bodies = BodyBudgets(settings.store.recording_limit_bytes)
        steps = recording_steps(settings, recordings, recognizer, limits.recording_meter, disk=bodies.disk)
        yield _Parts(
            settings=settings,
            database=database,
            recognizer=recognizer,
            auth=authenticator(settings.access, clock=clock, loop_clock=loop_clock, use_shared=use_shared),
            limits=limits,
            sessions=Sessions(),
            transcriptions=transcriptions,
            storing=stores,
            recordings=recordings,
            models=models,
            # A model leaves room for the phrases of a request.
            trainer=Trainer(models, transcriptions, recognizer.most_phrases * 4 // 5),
            steps=steps,
            queue=recording_queue(settings, database, steps, recordings),
            bodies=bodies,
            metrics=metrics,
            fair_share=FairShare(steady_clock),
            clock=clock,
        )


def _live(parts: _Parts) -> Live:
    session, server = parts.settings.session, parts.settings.server
    limits = session.runner_limits
    return Live(
        admission=Admission(
            auth=parts.auth,
            limits=parts.limits,
            sessions=parts.sessions,
            recognizer=parts.recognizer,
            models=parts.models,
            fair_share=parts.fair_share,
            config=session.config,
            runner_limits=limits,
        ),
        transcriptions=parts.transcriptions,
        storing=parts.storing,
        metrics=parts.metrics,
        clock=parts.clock,
        session_limits=SessionLimits(
            max_message_bytes=server.max_message_bytes,
            idle_ms=1000 * limits.pause_seconds,
            idle_limit_ms=1000 * limits.idle_seconds,
            stream_limit_ms=1000 * limits.stream_seconds,
        ),
        send_limit_seconds=server.send_limit_seconds,
    )


def _handlers(parts: _Parts) -> Handlers:
    settings = parts.settings
    admission = RecordingAdmission(
        sessions=parts.sessions,
        recognizer=parts.recognizer,
        models=parts.models,
        config=settings.session.config,
    )
    transcriber = Transcriber(
        recognizer=parts.recognizer,
        limits=parts.limits,
        bodies=parts.bodies,
        fair_share=parts.fair_share,
        metrics=parts.metrics,
        runner_limits=settings.session.runner_limits,
    )
    health = HealthRoutes(
        sessions=parts.sessions, recognizer=parts.recognizer, limits=parts.limits, database=parts.database
    )
    return Handlers(
        live=_live(parts),
        recognize=_recognize(parts, admission, transcriber),
        longrunning=_longrunning(parts, admission),
        transcriptions=TranscriptionRoutes(
            auth=parts.auth, transcriptions=parts.transcriptions, fair_share=parts.fair_share
        ),
        languagemodels=LanguageModelRoutes(
            auth=parts.auth,
            models=parts.models,
            trainer=parts.trainer,
            bodies=parts.bodies,
            fair_share=parts.fair_share,
            models_per_owner=settings.store.models_per_owner,
        ),
        configuration=ConfigurationRoutes(config=settings.session.config),
        languages=LanguageRoutes(auth=parts.auth, recognizer=parts.recognizer),
        tokens=TokenRoutes(
            auth=parts.auth, mint=token_mint(settings.access), fair_share=parts.fair_share, clock=parts.clock
        ),
        ovh=OvhRoutes(
            auth=parts.auth, limits=parts.limits, admission=admission, transcriber=transcriber, bodies=parts.bodies
        ),
        health=health,
        metrics=MetricsRoutes(
            auth=parts.auth,
            health=health,
            recognizer=parts.recognizer,
            recordings=parts.recordings,
            steps=parts.steps,
            numbers=parts.metrics,
        ),
    )


def _recognize(parts: _Parts, admission: RecordingAdmission, transcriber: Transcriber) -> RecognizeRoutes:
    return RecognizeRoutes(
        auth=parts.auth,
        limits=parts.limits,
        admission=admission,
        transcriber=transcriber,
        transcriptions=parts.transcriptions,
        storing=parts.storing,
        bodies=parts.bodies,
        fair_share=parts.fair_share,
        clock=parts.clock,
    )


def _longrunning(parts: _Parts, admission: RecordingAdmission) -> LongRunningRoutes:
    return LongRunningRoutes(
        auth=parts.auth,
        limits=parts.limits,
        admission=admission,
        recordings=parts.recordings,
        transcriptions=parts.transcriptions,
        queue=parts.queue,
        steps=parts.steps,
        fetch=fetch_options(parts.settings),
        bodies=parts.bodies,
        fair_share=parts.fair_share,
        jobs_per_owner=parts.settings.store.jobs_per_owner,
    )
