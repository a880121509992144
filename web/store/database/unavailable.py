"""The error of a database that cannot be used now, whichever driver reports it."""

import sqlite3
from enum import Enum

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from stream.errors import ClientError, Problem

_RETRY_SECONDS = 5


class UnavailableReason(Enum):
    """The reason why the database cannot be used now."""

    SILENT = "the database does not answer"
    LOCKED = "the database is locked by others"
    READ_ONLY = "the database cannot be written to"
    FULL = "the database has no room left"


class UnusableDatabaseError(Exception):
    """The database cannot be used; the text names its setting and the reason."""


class DatabaseUnavailableError(ClientError, UnusableDatabaseError):
    """The database cannot be used now, but may be later; requests are answered 503."""

    def __init__(self, reason: UnavailableReason) -> None:
        detail = f"{reason.value}; come again in a few seconds"
        super().__init__(Problem.OVERLOADED, detail, retry_after_seconds=_RETRY_SECONDS)
        self.reason = reason


# By SQLite's primary result codes, https://www.sqlite.org/rescode.html
_BY_RESULT = {
    sqlite3.SQLITE_BUSY: UnavailableReason.LOCKED,
    sqlite3.SQLITE_LOCKED: UnavailableReason.LOCKED,
    sqlite3.SQLITE_READONLY: UnavailableReason.READ_ONLY,
    sqlite3.SQLITE_FULL: UnavailableReason.FULL,
    sqlite3.SQLITE_CORRUPT: UnavailableReason.SILENT,
    sqlite3.SQLITE_NOTADB: UnavailableReason.SILENT,
}
# By PostgreSQL's states, https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_STATE = {
    "25006": UnavailableReason.READ_ONLY,
    "53100": UnavailableReason.FULL,
    "55P03": UnavailableReason.LOCKED,  # lock_timeout
    "57014": UnavailableReason.LOCKED,  # statement_timeout
    "40P01": UnavailableReason.LOCKED,  # deadlock_detected
    "42P01": UnavailableReason.SILENT,  # the tables are gone, as after a restore that went wrong
}


def unavailable_reason(error: BaseException) -> UnavailableReason | None:
    """Return why the database cannot be used, None for an error that is a fault of ours."""
    match error:
        case PoolTimeoutError() | OSError():  # the built-in TimeoutError is one
            return UnavailableReason.SILENT
        case DBAPIError(orig=orig):
            result: int | None = getattr(orig, "sqlite_errorcode", None)
            state: str | None = getattr(orig, "sqlstate", None)
            found = _BY_STATE.get(state or "") if result is None else _BY_RESULT.get(result & 0xFF)
            is_away = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
            return found or (UnavailableReason.SILENT if is_away else None)
        case _:
            return None
