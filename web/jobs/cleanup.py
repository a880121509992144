"""Owns the regular clearing: what has expired, what nobody uploads any more, what a killed process left open."""

import asyncio

import structlog

from web.jobs.calendar import Calendar
from web.store.database.away import DatabaseAwayError
from web.store.database.database import Database
from web.store.recordings import Recordings
from web.store.transcriptions import Transcriptions

_EVERY_SECONDS = 60.0
UPLOAD_SECONDS = 3600.0
"""An upload may begin so late, and pause so long."""
_log = structlog.get_logger()


class Upkeep:
    """Clears the tables at the start and every minute; any number of processes may do so."""

    def __init__(
        self,
        transcriptions: Transcriptions,
        recordings: Recordings,
        longest_session_seconds: float,
        *,
        database: Database | None = None,
        calendar: Calendar | None = None,
    ) -> None:
        """With a `database` the room of what was deleted is given back, too.

        A `calendar` says what has expired; without one the clock of the tables does.
        """
        self._database = database
        self._calendar = calendar
        self._transcriptions = transcriptions
        self._recordings = recordings
        self._longest_session_seconds = longest_session_seconds

    async def run(self) -> None:
        """Clear until cancelled."""
        while True:
            try:
                await self.clear()
            except DatabaseAwayError as away:  # it is there again in a while
                _log.warning("upkeep_failed", reason=away.absence.name.lower())
            except Exception:
                _log.exception("upkeep_failed")
            await asyncio.sleep(_EVERY_SECONDS)

    async def clear(self) -> None:
        """Clear once."""
        now = None if self._calendar is None else await self._calendar.look()
        expired = await self._transcriptions.sweep(self._longest_session_seconds, now=now)
        await self._recordings.sweep(UPLOAD_SECONDS, now=now)
        if expired:
            _log.info("transcriptions_expired", count=expired)
        if self._database is not None:
            await self._database.shrink()
