"""Connections to PostgreSQL that can be abandoned at any moment, and whose statements have time limits."""

import asyncio
from typing import Any, TypeVar

from psycopg import AsyncConnection
from psycopg.abc import PQGen
from psycopg.waiting import wait_async

# A connection ends when the peer confirms nothing that was sent for 10 s, or is silent for 25 s.
_TCP: dict[str, Any] = {
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_INTERVAL_SECONDS = 0.1

T = TypeVar("T")


class AbandonableConnection(AsyncConnection[Any]):
    """A connection that is closed as soon as a task that waits for an answer is cancelled.

    psycopg would ask the server to cancel the statement, and wait up to 10 s for both answers. A server that hangs
    gives neither, and the caller would exceed its own time limit by as much.
    """

    async def wait(self, gen: PQGen[T], interval: float = _INTERVAL_SECONDS, timeout: float | None = None) -> T:  # noqa: ASYNC109 - psycopg's
        """Consume a generator of the connection's."""
        try:
            return await wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise


async def connected(
    url: str, connect_seconds: int, *, statement_ms: int, lock_ms: int, idle_ms: int
) -> AbandonableConnection:
    """Connect, and set time limits for statements, waits for locks and idle transactions.

    The limits are set by a statement: connection poolers refuse them as startup parameters.
    """
    connection = await AbandonableConnection.connect(url, connect_timeout=connect_seconds, **_TCP)
    await connection.execute(
        "SELECT set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false),"
        " set_config('idle_in_transaction_session_timeout', %s, false)",
        [str(statement_ms), str(lock_ms), str(idle_ms)],
    )
    await connection.commit()
    return connection
