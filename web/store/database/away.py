"""One error for a database that cannot be used now, whichever driver reports it."""

import sqlite3
from enum import Enum

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from stream.errors import ClientError, Problem

_RETRY_SECONDS = 5


class Absence(Enum):
    """The reason why the database cannot be used now."""

    SILENT = "the database does not answer"
    LOCKED = "the database is locked by others"
    READ_ONLY = "the database cannot be written to"
    FULL = "the database has no room left"


class UnusableDatabaseError(Exception):
    """The database cannot be used; the text names its setting and the reason."""


class DatabaseAwayError(ClientError, UnusableDatabaseError):
    """The database cannot be used now, but may be later; requests are answered 503."""

    def __init__(self, absence: Absence) -> None:
        detail = f"{absence.value}; come again in a few seconds"
        super().__init__(Problem.OVERLOADED, detail, retry_after_seconds=_RETRY_SECONDS)
        self.absence = absence


# By SQLite's primary result codes, https://www.sqlite.org/rescode.html
_BY_RESULT = {
    sqlite3.SQLITE_BUSY: Absence.LOCKED,
    sqlite3.SQLITE_LOCKED: Absence.LOCKED,
    sqlite3.SQLITE_READONLY: Absence.READ_ONLY,
    sqlite3.SQLITE_FULL: Absence.FULL,
    sqlite3.SQLITE_CORRUPT: Absence.SILENT,
    sqlite3.SQLITE_NOTADB: Absence.SILENT,
}
# By PostgreSQL's states, https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_STATE = {
    "25006": Absence.READ_ONLY,
    "53100": Absence.FULL,
    "55P03": Absence.LOCKED,  # lock_timeout
    "57014": Absence.LOCKED,  # statement_timeout
    "40P01": Absence.LOCKED,  # deadlock_detected
    "42P01": Absence.SILENT,  # the tables are gone, as after a restore that went wrong
}


def absence_of(error: BaseException) -> Absence | None:
    """Return why the database cannot be used, None for an error that is a fault of ours."""
    match error:
        case PoolTimeoutError() | OSError():  # the built-in TimeoutError is one
            return Absence.SILENT
        case DBAPIError(orig=orig):
            result: int | None = getattr(orig, "sqlite_errorcode", None)
            state: str | None = getattr(orig, "sqlstate", None)
            found = _BY_STATE.get(state or "") if result is None else _BY_RESULT.get(result & 0xFF)
            is_away = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
            return found or (Absence.SILENT if is_away else None)
        case _:
            return None
