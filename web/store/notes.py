"""Notes of a few words that processes leave for those after them."""

from sqlalchemy import func, select, update

from web.store.database.database import Database
from web.store.tables import notes, transcriptions


class Notes:
    """The notes in the database, by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> str | None:
        """The note of this name, None where there is none."""
        async with self._database.reading() as connection:
            value: str | None = await connection.scalar(select(notes.c.value).where(notes.c.name == name))
        return value

    async def put(self, name: str, value: str) -> None:
        """Write a note, in the place of an earlier one."""
        async with self._database.writing() as connection:
            await connection.execute(self._database.insert_missing(notes).values(name=name, value=value))
            await connection.execute(update(notes).where(notes.c.name == name).values(value=value))

    async def last_touched_at(self) -> float | None:
        """When a transcription was last changed, by the clock of whoever did it; None where there are none."""
        async with self._database.reading() as connection:
            at: float | None = await connection.scalar(select(func.max(transcriptions.c.touched_at)))
        return at
