"""Build what keeps transcriptions and works on long recordings, from the settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from stream.lazy_import import lazy_import
from stream.recognition.recognizer import Recognizer
from web.clock import Clock
from web.fetch.download import FetchOptions
from web.jobs.intake import MeterFor
from web.jobs.queue import Queue
from web.jobs.sqlite_queue import SqliteQueue
from web.jobs.steps import StepOptions, Steps
from web.memory.budget import Budget
from web.settings.settings import Settings
from web.settings.store import StoreSettings
from web.store.database.database import Database, libpq_url
from web.store.recordings import Recordings
from web.workers.seat import Seat

if TYPE_CHECKING:
    from web.jobs import postgres_queue
else:
    postgres_queue = lazy_import("web.jobs.postgres_queue")


@asynccontextmanager
async def opened_database(store: StoreSettings) -> AsyncIterator[Database]:
    """Connect to the database and make its tables, or migrate them; raises UnusableDatabaseError."""
    database = Database(store.database_url)
    try:
        await database.upgrade()
        yield database
    finally:
        await database.close()


def recordings_in(database: Database, settings: Settings, clock: Clock) -> Recordings:
    """Return the long recordings of every owner."""
    return Recordings(database, settings.store.retention_seconds, clock=clock)


def fetch_options(settings: Settings) -> FetchOptions:
    """Return how recordings are downloaded."""
    store = settings.store
    return FetchOptions(
        networks=store.fetch_networks, most_bytes=store.recording_limit_bytes, seconds=store.fetch_limit_seconds
    )


def recording_steps(
    settings: Settings,
    recordings: Recordings,
    recognizer: Recognizer,
    meter_for: MeterFor,
    *,
    disk: Budget | None = None,
) -> Steps:
    """Return the steps of recognizing a long recording."""
    most_seconds = settings.store.recording_limit_minutes * 60
    options = StepOptions(defaults=settings.session.config, most_seconds=most_seconds, fetch=fetch_options(settings))
    return Steps(recordings, recognizer, options, meter_for, disk=disk)


def recording_queue(
    settings: Settings, database: Database, steps: Steps, recordings: Recordings, seat: Seat | None = None
) -> Queue:
    """Return the queue of this process: PostgreSQL's, which others share, or its own on SQLite."""
    streams = settings.store.job_streams
    if database.path is not None:
        # One worker at a time works on a file, with all streams of the server.
        announce = None if seat is None else seat.link.announce
        return SqliteQueue(steps, recordings, streams, database.path.with_suffix(".lock"), announce=announce)
    streams = streams if seat is None else seat.share.of(streams)
    return postgres_queue.PostgresQueue(steps, recordings, streams, libpq_url(database.url))
