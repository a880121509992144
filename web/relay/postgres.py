"""Carry messages by PostgreSQL's LISTEN and NOTIFY."""

import asyncio
import base64
import binascii
from collections import deque
from collections.abc import AsyncIterator

import structlog
from psycopg import Error
from sqlalchemy import func, select

from stream.backoff import Backoff
from web.store.database.database import Database, libpq_url
from web.store.database.postgres import connected
from web.store.database.unavailable import DatabaseUnavailableError

_CHANNEL = "niyosha"
_MOST_WAITING = 1000
_AT_ONCE = 32
_BACKOFF = Backoff(0.25, 4.0)
_CONNECT_SECONDS = 5
# A connection that only listens has no statement that could take long.
_STATEMENT_MS, _LOCK_MS, _IDLE_MS = 8000, 5000, 0
_log = structlog.get_logger()


class PostgresTransport:
    """Notifies all processes with the same database; of messages that wait for it, the oldest are dropped."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._wake = asyncio.Event()

    def send(self, message: bytes) -> None:
        """Send a message soon."""
        self._waiting.append(message)
        self._wake.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield the messages of all processes; while there is no connection, those that are sent are lost."""
        sending = asyncio.create_task(self._send_all())
        failures = 0
        try:
            while True:
                try:
                    async for message in self._listen():
                        failures = 0
                        yield message
                except (Error, OSError) as error:
                    _log.warning("relay_lost", error=type(error).__name__)
                await asyncio.sleep(_BACKOFF.delay_seconds(failures))
                failures += 1
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _listen(self) -> AsyncIterator[bytes]:
        connection = await connected(
            libpq_url(self._database.url),
            _CONNECT_SECONDS,
            statement_ms=_STATEMENT_MS,
            lock_ms=_LOCK_MS,
            idle_ms=_IDLE_MS,
        )
        try:
            await connection.set_autocommit(True)
            await connection.execute(f"LISTEN {_CHANNEL}")
            async for notification in connection.notifies():
                try:
                    message = base64.b64decode(notification.payload, validate=True)
                except binascii.Error:  # anybody who uses the database may notify
                    continue
                yield message
        finally:
            await connection.close()

    async def _send_all(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
                try:
                    await self._notify(some)
                except DatabaseUnavailableError as error:
                    _log.warning("relay_not_sent", count=len(some), reason=error.reason.name.lower())
                    await asyncio.sleep(_BACKOFF.first_seconds)

    async def _notify(self, messages: list[bytes]) -> None:
        texts = [base64.b64encode(message).decode() for message in messages]
        async with self._database.writing() as connection:
            for text in texts:
                await connection.execute(select(func.pg_notify(_CHANNEL, text)))
