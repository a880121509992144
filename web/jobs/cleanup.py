"""Clean the tables every minute: expired transcriptions, stalled uploads, sessions that a killed process left open."""

import asyncio

import structlog

from web.jobs.retention_clock import RetentionClock
from web.store.channels import Channels
from web.store.database.database import Database
from web.store.database.unavailable import DatabaseUnavailableError
from web.store.recordings import Recordings
from web.store.transcriptions import Transcriptions

_INTERVAL_SECONDS = 60.0
UPLOAD_SECONDS = 3600.0
"""How late an upload may begin, and how long it may pause."""
ABANDONED_SECONDS = 90.0
"""After so long without a touch a live transcription is finished: its gateway was killed."""
_log = structlog.get_logger()


class Cleanup:
    """Cleans the tables at the start and every minute; any number of processes may do so at once."""

    def __init__(
        self,
        transcriptions: Transcriptions,
        recordings: Recordings,
        abandoned_seconds: float,
        *,
        channels: Channels | None = None,
        database: Database | None = None,
        retention_clock: RetentionClock | None = None,
    ) -> None:
        """With a `database` the disk space of what was deleted is freed as well.

        A `retention_clock` gives the time at which things expire; without one it is the clock of the tables.
        """
        self._channels = channels
        self._database = database
        self._retention_clock = retention_clock
        self._transcriptions = transcriptions
        self._recordings = recordings
        self._abandoned_seconds = abandoned_seconds

    async def run(self) -> None:
        """Clean until cancelled."""
        while True:
            try:
                await self.clean()
            except DatabaseUnavailableError as error:  # the next minute tries again
                _log.warning("cleanup_failed", reason=error.reason.name.lower())
            except Exception:
                _log.exception("cleanup_failed")
            await asyncio.sleep(_INTERVAL_SECONDS)

    async def clean(self) -> None:
        """Clean once."""
        now = None if self._retention_clock is None else await self._retention_clock.now()
        expired = await self._transcriptions.sweep(self._abandoned_seconds, now=now)
        await self._recordings.sweep(UPLOAD_SECONDS, now=now)
        if self._channels is not None:
            await self._channels.sweep(now=now)
        if expired:
            _log.info("transcriptions_expired", count=expired)
        if self._database is not None:
            await self._database.shrink()
