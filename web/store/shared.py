"""Small tables that processes share: notes by name, and tokens for one use that were used."""

import secrets

from sqlalchemy import delete, func, select, update

from web.clock import Clock
from web.store.database.database import Database
from web.store.tables import notes, token_uses, transcriptions


class Notes:
    """Short texts by name, for the other processes and the next start."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> str | None:
        """Return a note, None if there is none."""
        async with self._database.reading() as connection:
            value: str | None = await connection.scalar(select(notes.c.value).where(notes.c.name == name))
        return value

    async def put(self, name: str, value: str) -> None:
        """Write a note, and replace an earlier one."""
        async with self._database.writing() as connection:
            await connection.execute(self._database.insert_missing(notes).values(name=name, value=value))
            await connection.execute(update(notes).where(notes.c.name == name).values(value=value))

    async def secret(self, name: str) -> bytes:
        """Return a random key of 32 bytes that all processes with this database have; the first one makes it."""
        made = secrets.token_hex(32)
        async with self._database.writing() as connection:
            await connection.execute(self._database.insert_missing(notes).values(name=name, value=made))
            kept: str | None = await connection.scalar(select(notes.c.value).where(notes.c.name == name))
        return bytes.fromhex(kept or made)

    async def last_touched_at(self) -> float | None:
        """Return when a transcription was last changed, by the clock of its process; None if there are none."""
        async with self._database.reading() as connection:
            at: float | None = await connection.scalar(select(func.max(transcriptions.c.touched_at)))
        return at


class TokenUses:
    """The used tokens of all gateways with the same PostgreSQL, each until it expires."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def use(self, digest: str, seconds: float) -> bool:
        """Mark a token as used for so long; return whether it was not marked before."""
        now = self._clock()
        row = {"digest": digest, "expires_at": now + seconds}
        async with self._database.writing() as connection:
            # Expired rows are kept for a minute more, because the clocks of gateways differ.
            await connection.execute(delete(token_uses).where(token_uses.c.expires_at < now - 60))
            added = self._database.insert_missing(token_uses).values(row).returning(token_uses.c.digest)
            return await connection.scalar(added) is not None
