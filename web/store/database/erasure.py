"""Erase deleted data from SQLite's files, and give its disk space back.

`secure_delete` overwrites deleted data with zeros. Earlier versions of a page stay in the write-ahead log until that is
truncated, and free pages stay in the file until a vacuum moves other pages into their place.
"""

import asyncio
import shutil
from pathlib import Path

import aiosqlite
import structlog

_INCREMENTAL = 2
# Other writers wait while the log is truncated, so keep the wait for readers short; it is tried again.
_TRUNCATE_BUSY_MS = 100
# About 1 MB, which takes 5 ms; other writers have their turn in between.
_PAGES_AT_ONCE = 256
# Free disk space for a rewrite, as a multiple of the file: the new file is in the log as well before it is in place.
_ROOM_FACTOR = 2.2
_log = structlog.get_logger()


async def convert(connection: aiosqlite.Connection, path: Path) -> None:
    """Rewrite a file that was made without `auto_vacuum`, which also erases what was deleted in it.

    This takes some 10 s for a gigabyte, and happens once. Without disk space for it, or while others have the file
    open, it is left for a later start.
    """
    if await _number(connection, "auto_vacuum") == _INCREMENTAL:
        return
    size_bytes, free_bytes = await asyncio.to_thread(_room, path)
    if free_bytes < _ROOM_FACTOR * size_bytes:
        _log.warning("database_not_rewritten", reason="no room", needed_bytes=round(_ROOM_FACTOR * size_bytes))
        return
    _log.info("database_rewritten", bytes=size_bytes)
    try:
        for statement in ("PRAGMA auto_vacuum=INCREMENTAL", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            await (await connection.execute(statement)).fetchall()
    except aiosqlite.OperationalError as error:
        _log.warning("database_not_rewritten", reason=error.sqlite_errorname)


async def truncate_log(connection: aiosqlite.Connection, busy_seconds: float) -> bool:
    """Empty the write-ahead log; return False if a reader of an earlier state prevented it."""
    await connection.execute(f"PRAGMA busy_timeout={_TRUNCATE_BUSY_MS}")
    try:
        return not await _number(connection, "wal_checkpoint(TRUNCATE)")
    finally:
        await connection.execute(f"PRAGMA busy_timeout={round(1000 * busy_seconds)}")


async def shrink(connection: aiosqlite.Connection) -> bool:
    """Give some free pages back to the disk; return whether there are more."""
    before = await _number(connection, "freelist_count")
    if not before:
        return False
    await (await connection.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")).fetchall()
    return 0 < await _number(connection, "freelist_count") < before


def _room(path: Path) -> tuple[int, int]:
    """Return the size of a file, and the free bytes of its disk."""
    return path.stat().st_size, shutil.disk_usage(path.parent).free


async def _number(connection: aiosqlite.Connection, pragma: str) -> int:
    row = await (await connection.execute(f"PRAGMA {pragma}")).fetchone()
    return 0 if row is None else int(row[0])
