"""Caption channels and their settled lines in the database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, and_, cast, delete, exists, func, insert, or_, select, update

from stream.channels.lines import MOST_LINES, Line
from stream.errors import ClientError, Problem, quoted
from web.clock import Clock
from web.store.database.database import Database
from web.store.tables import channel_lines, channels

NUMBERS_AT_ONCE = 10_000_000
"""Line numbers that a process reserves: more than a publisher needs before the process ends."""
_ROWS_AT_ONCE = 100
_CHANNELS_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A caption channel as its owner made it.

    Anybody may read one that `is_public`, else its owner's tokens. Text is deleted `retention_seconds` after it was
    settled or corrected. Its clock began at `began_at`, None if nobody has published yet. Nothing is published
    while it `is_paused`, nor since it was ended at `ended_at`, None if it was not.
    """

    name: str
    owner: str
    title: str
    languages: tuple[str, ...]
    is_public: bool
    retention_seconds: float
    glossary: tuple[str, ...]
    created_at: float
    began_at: float | None = None
    is_paused: bool = False
    ended_at: float | None = None


class Channels:
    """The channels of all owners, whose names are unique on the server. `clock` tells the time of day."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, channel: Channel, *, most: int) -> None:
        """Store a new channel; raises ClientError for a name that is taken, or if its owner has `most` already."""
        row = {
            "name": channel.name,
            "owner": channel.owner,
            "title": channel.title,
            "languages": list(channel.languages),
            "is_public": channel.is_public,
            "retention_seconds": channel.retention_seconds,
            "glossary": list(channel.glossary),
            "created_at": channel.created_at,
            "next_number": 1,
        }
        async with self._database.writing() as connection:
            await self._database.lock(connection, "channels", channel.owner)
            mine = select(func.count()).select_from(channels).where(channels.c.owner == channel.owner)
            if (await connection.scalar(mine) or 0) >= most:
                raise ClientError(Problem.RATE_LIMITED, f"you have {most} channels, and no more are kept; delete one")
            inserted = self._database.insert_missing(channels).values(row).returning(channels.c.name)
            if await connection.scalar(inserted) is None:
                raise name_taken(channel.name)

    async def get(self, name: str) -> Channel | None:
        """Return a channel of any owner, None if there is none of this name."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(channels).where(channels.c.name == name))).one_or_none()
        return None if row is None else _channel(row)

    async def all(self, owner: str) -> list[Channel]:
        """Return all channels of an owner, newest first."""
        mine = select(channels).where(channels.c.owner == owner)
        async with self._database.reading() as connection:
            rows = await connection.execute(mine.order_by(channels.c.created_at.desc(), channels.c.name))
            return [_channel(row) for row in rows]

    async def change(self, name: str, owner: str, values: Mapping[str, object]) -> Channel | None:
        """Change columns of a channel; return it as it is then, None if the owner has none of this name."""
        mine = channels.c.name == name, channels.c.owner == owner
        async with self._database.writing() as connection:
            if values:
                await connection.execute(update(channels).where(*mine).values(**values))
            row = (await connection.execute(select(channels).where(*mine))).one_or_none()
        return None if row is None else _channel(row)

    async def delete(self, name: str, owner: str) -> bool:
        """Delete a channel with its text; return whether the owner had it."""
        mine = channels.c.name == name, channels.c.owner == owner
        async with self._database.erasing() as connection:
            deleted = await connection.execute(delete(channels).where(*mine))
        return deleted.rowcount > 0

    async def reserve(self, name: str) -> int | None:
        """Reserve line numbers for this process; return the first, None if the channel is gone."""
        columns = channels.c
        taken = update(channels).where(columns.name == name).values(next_number=columns.next_number + NUMBERS_AT_ONCE)
        async with self._database.writing() as connection:
            after = await connection.scalar(taken.returning(columns.next_number))
        return None if after is None else int(after) - NUMBERS_AT_ONCE

    async def begin(self, name: str, at: float) -> float:
        """Let the clock of a channel begin, unless it has; return when it began."""
        columns = channels.c
        unset = update(channels).where(columns.name == name, columns.began_at.is_(None)).values(began_at=at)
        async with self._database.writing() as connection:
            await connection.execute(unset)
            began_at = await connection.scalar(select(columns.began_at).where(columns.name == name))
        return at if began_at is None else float(began_at)

    async def lines(self, channel: Channel, changed_after: int = 0) -> list[Line]:
        """Return the newest lines of a channel whose change ids are higher, as many as one holds, in any order."""
        columns = channel_lines.c
        oldest_ms = max(int((self._clock() - channel.retention_seconds) * 1000), changed_after + 1)
        newest = select(channel_lines).where(columns.channel == channel.name, columns.change_id >= oldest_ms)
        async with self._database.reading() as connection:
            rows = await connection.execute(newest.order_by(columns.number.desc()).limit(MOST_LINES))
            return [_line(row) for row in rows]

    async def changes(self, after: Mapping[str, int]) -> tuple[dict[str, Channel], dict[str, list[Line]]]:
        """Return those of some channels that there are, and their lines with change ids above that of each channel."""
        columns = channel_lines.c
        found: dict[str, Channel] = {}
        changed: dict[str, list[Line]] = {}
        async with self._database.reading() as connection:
            for first in range(0, len(after), _CHANNELS_AT_ONCE):
                names = list(after)[first : first + _CHANNELS_AT_ONCE]
                rows = await connection.execute(select(channels).where(channels.c.name.in_(names)))
                found |= {row.name: _channel(row) for row in rows}
                newer = or_(*(and_(columns.channel == name, columns.change_id > after[name]) for name in names))
                earliest = select(channel_lines).where(newer).order_by(columns.change_id).limit(MOST_LINES)
                for row in await connection.execute(earliest):
                    changed.setdefault(row.channel, []).append(_line(row))
        return found, changed

    async def keep(self, name: str, lines: Sequence[Line]) -> None:
        """Store lines as they are now; nothing happens if the channel is gone."""
        columns = channel_lines.c
        async with self._database.writing() as connection:
            # The row is locked, so that the channel cannot be deleted meanwhile.
            if not (await connection.scalar(select(channels.c.name).where(channels.c.name == name).with_for_update())):
                return
            for first in range(0, len(lines), _ROWS_AT_ONCE):
                some = lines[first : first + _ROWS_AT_ONCE]
                numbers = [line.number for line in some]
                await connection.execute(
                    delete(channel_lines).where(columns.channel == name, columns.number.in_(numbers))
                )
                await connection.execute(insert(channel_lines), list(_rows(name, some)))

    async def sweep(self, *, now: float | None = None) -> int:
        """Delete lines that are kept no longer, and return how many; `now` is by default the clock's time."""
        now = self._clock() if now is None else now
        of_channel = channels.c.name == channel_lines.c.channel
        oldest_ms = (now - channels.c.retention_seconds) * 1000
        is_old = and_(of_channel, cast(channel_lines.c.change_id, Float(53)) < oldest_ms)
        async with self._database.writing() as connection:
            return (await connection.execute(delete(channel_lines).where(exists().where(is_old)))).rowcount


def name_taken(name: str) -> ClientError:
    """Return the error for a new channel with the name of another one."""
    return ClientError(Problem.CONFLICT, f"there is a channel {quoted(name)} already")


def _rows(name: str, lines: Iterable[Line]) -> Iterable[dict[str, object]]:
    for line in lines:
        transcription_id, utterance = line.utterance
        yield {
            "channel": name,
            "number": line.number,
            "change_id": line.change_id,
            "start_ms": line.start_ms,
            "end_ms": line.end_ms,
            "speaker": line.speaker,
            # PostgreSQL keeps no NUL in a text.
            "text": line.text.replace("\0", ""),
            "recognized": line.recognized,
            "is_hidden": line.is_hidden,
            "transcription_id": transcription_id,
            "utterance": utterance,
        }


def _line(row: Any) -> Line:
    return Line(
        text=row.text,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        speaker=row.speaker,
        is_settled=True,
        is_hidden=row.is_hidden,
        recognized=row.recognized,
        utterance=(row.transcription_id, row.utterance),
        number=row.number,
        change_id=row.change_id,
    )


def _channel(row: Any) -> Channel:
    return Channel(
        name=row.name,
        owner=row.owner,
        title=row.title,
        languages=tuple(row.languages),
        is_public=row.is_public,
        retention_seconds=row.retention_seconds,
        glossary=tuple(row.glossary),
        created_at=row.created_at,
        began_at=row.began_at,
        is_paused=row.is_paused,
        ended_at=row.ended_at,
    )
