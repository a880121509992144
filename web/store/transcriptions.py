"""Stored transcriptions: filled utterance by utterance, and readable by their owner only."""

import asyncio
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stream.errors import ClientError, Problem
from stream.protocols.farsava.messages import WireResult
from stream.protocols.farsava.results import results
from stream.session.events import Settled
from web.clock import Clock
from web.store.database.database import Database
from web.store.tables import OPEN, Kind, Status, transcriptions, utterances

_MOST_SWEPT = 50
_PROBLEMS = {problem.value.type: problem for problem in Problem}
# A row of speech without a pause has some twenty words, and takes 30 us to decode.
_ROWS_AT_ONCE = 32
T = TypeVar("T")
_decoder = msgspec.json.Decoder(list[WireResult])


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator of a caption channel made of one line of an utterance; `recognized` is None if only hidden."""

    line: Annotated[int, Meta(description="the number of the line in its channel")]
    text: Annotated[str, Meta(description="what readers see")]
    recognized: Annotated[str | None, Meta(description="what they saw before; null if the line was only hidden")]
    hidden: Annotated[bool, Meta(description="whether readers see nothing of it")]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUtterance:
    """A settled utterance: its start and end in samples at 16 kHz, and its hypotheses, best first."""

    number: int
    channel: int
    start: int
    end: int
    alternatives: list[WireResult]
    corrections: tuple[Correction, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not any(alternative.words or alternative.transcript for alternative in self.alternatives[:1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A transcription without its text; `error` is set if it failed.

    Of a recording `received_bytes` of `total_bytes` (None: not known) have arrived.
    """

    id: str
    kind: Kind
    status: Status
    created_at: float
    received_samples: int = 0
    inference_seconds: float = 0.0
    whole_seconds: bool = False
    error: ClientError | None = None
    received_bytes: int = 0
    total_bytes: int | None = None
    is_received: bool = True


class SupersededError(Exception):
    """The transcription goes on over another connection, which alone may store more of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What a connection holds of a transcription: the right to store it, until another `generation` begins.

    Utterances that end after the sample `replaces_after` are replaced by the next ones that are stored, None for none.
    A client that vanished was delivered what was settled up to `delivered_samples`, None for one that did not.
    """

    generation: int = 0
    replaces_after: int | None = None
    delivered_samples: int | None = None


FIRST_HOLD = Hold()


@dataclass(frozen=True, slots=True)
class Transcription:
    """A transcription with its settled utterances; all audio before sample `settled_samples` is settled."""

    summary: Summary
    utterances: tuple[StoredUtterance, ...] = field(default=())
    settled_samples: int = 0


def stored(settled: Settled) -> StoredUtterance:
    """Return what is stored of a settled utterance."""
    alternatives = results(settled.hypothesis.alternatives, with_speakers=True)
    return StoredUtterance(
        number=settled.utterance_id,
        channel=settled.channel,
        start=settled.start,
        end=settled.processed,
        alternatives=alternatives,
    )


def new_id() -> str:
    """Make an id that cannot be guessed."""
    return str(uuid.uuid4())


class Transcriptions:
    """The transcriptions of all owners, each kept for `retention_seconds`. `clock` tells the time of day."""

    def __init__(self, database: Database, retention_seconds: float, *, clock: Clock) -> None:
        self._database = database
        self._retention_seconds = retention_seconds
        self._clock = clock

    async def open(
        self,
        transcription_id: str,
        owner: str,
        kind: Kind,
        *,
        whole_seconds: bool = False,
        published: tuple[str, int] | None = None,
    ) -> None:
        """Create an empty transcription; nothing happens if it exists.

        It is `published` to a caption channel, in which its first sample is at so many milliseconds.
        """
        now = self._clock()
        row = {
            "id": transcription_id,
            "owner": owner,
            "kind": kind,
            "status": Status.PROCESSING,
            "created_at": now,
            "touched_at": now,
            "expires_at": now + self._retention_seconds,
            "whole_seconds": whole_seconds,
            "is_received": True,
        }
        if published is not None:
            row["channel"], row["channel_offset_ms"] = published
        async with self._database.writing() as connection:
            await connection.execute(self._database.insert_missing(transcriptions).values(row))

    async def add(self, transcription_id: str, settled: Sequence[Settled], hold: Hold = FIRST_HOLD) -> None:
        """Store more utterances; those that are stored already stay as they are. Raises SupersededError."""
        touched = {"status": Status.PARTIAL, "touched_at": self._clock()}
        async with self._database.writing() as connection:
            await self._keep(connection, transcription_id, settled, touched, hold)

    async def finish(
        self,
        transcription_id: str,
        settled: Sequence[Settled],
        received_samples: int,
        inference_seconds: float,
        hold: Hold = FIRST_HOLD,
    ) -> None:
        """Store those of all utterances that are not stored yet, and mark the transcription as done.

        Raises SupersededError.
        """
        ended = {
            "status": Status.DONE,
            "touched_at": self._clock(),
            "received_samples": received_samples,
            "inference_seconds": inference_seconds,
            "delivered_samples": hold.delivered_samples,
        }
        async with self._database.writing() as connection:
            await self._keep(connection, transcription_id, settled, ended, hold)

    async def correct(self, transcription_id: str, owner: str, number: int, correction: Correction) -> None:
        """Keep a correction beside an utterance; nothing happens if the owner's transcription is not stored."""
        columns = utterances.c
        mine = transcriptions.c.id == transcription_id, transcriptions.c.owner == owner
        one = columns.transcription_id == transcription_id, columns.number == number
        async with self._database.writing() as connection:
            if await connection.scalar(select(transcriptions.c.id).where(*mine).with_for_update()) is None:
                return
            before = await connection.scalar(select(columns.corrections).where(*one)) or []
            others = [kept for kept in before if kept["line"] != correction.line]
            is_changed = correction.recognized is not None or correction.hidden
            kept = others + [msgspec.to_builtins(correction)] * is_changed
            await connection.execute(update(utterances).where(*one).values(corrections=kept or None))

    async def get(self, transcription_id: str, owner: str) -> Transcription | None:
        """Return a transcription, None if the owner has none of this id."""
        async with self._database.reading() as connection:
            mine = transcriptions.c.id == transcription_id, transcriptions.c.owner == owner
            row = (await connection.execute(select(transcriptions).where(*mine))).one_or_none()
            if row is None or row.expires_at < self._clock():
                return None
            columns = utterances.c
            chosen = select(
                *(columns.number, columns.channel, columns.start, columns.end),
                *(columns.alternatives, columns.corrections),
            )
            # Not by number: on two channels, an utterance may begin before one with a lower number.
            by_time = columns.start, columns.channel, columns.number
            rows = await connection.execute(
                chosen.where(columns.transcription_id == transcription_id).order_by(*by_time)
            )
            stored_rows = await _in_steps(rows.partitions(_ROWS_AT_ONCE))
        decoded = (
            tuple(utterance_of(one) for one in stored_rows[n : n + _ROWS_AT_ONCE] if one.alternatives is not None)
            for n in range(0, len(stored_rows), _ROWS_AT_ONCE)
        )
        return Transcription(_summary(row), tuple(await _in_steps(decoded)), _settled_samples(row, stored_rows))

    async def newest(self, owner: str, most: int, before: tuple[float, str] | None = None) -> Sequence[Summary]:
        """Return the newest transcriptions of an owner, at most `most`, newest first.

        `before` is the creation time and the id of the one after which to continue.
        """
        columns = transcriptions.c
        chosen = select(transcriptions).where(columns.owner == owner, columns.expires_at >= self._clock())
        if before is not None:
            created_at, last_id = before
            chosen = chosen.where(
                (columns.created_at < created_at) | ((columns.created_at == created_at) & (columns.id < last_id))
            )
        newest = chosen.order_by(columns.created_at.desc(), columns.id.desc()).limit(most)
        async with self._database.reading() as connection:
            return [_summary(row) for row in await connection.execute(newest)]

    async def delete(self, transcription_id: str, owner: str) -> bool:
        """Delete a transcription with its text and audio, whatever its state; return whether the owner had it."""
        mine = transcriptions.c.id == transcription_id, transcriptions.c.owner == owner
        async with self._database.erasing() as connection:
            deleted = await connection.execute(delete(transcriptions).where(*mine))
        return deleted.rowcount > 0

    async def sweep(self, abandoned_seconds: float, *, now: float | None = None) -> int:
        """Delete expired transcriptions, and return how many; mark abandoned ones as done.

        A gateway that was killed leaves live transcriptions open; one that works touches them more often than every
        `abandoned_seconds`. `now` is by default the clock's time.
        """
        now = self._clock() if now is None else now
        columns = transcriptions.c
        abandoned = columns.kind != Kind.LONG, columns.status.in_(OPEN), columns.touched_at < now - abandoned_seconds
        last = select(func.max(utterances.c.end)).where(utterances.c.transcription_id == columns.id)
        received = func.coalesce(last.scalar_subquery(), columns.received_samples)
        done = update(transcriptions).where(*abandoned).values(status=Status.DONE, received_samples=received)
        async with self._database.writing() as connection:
            await connection.execute(done)
        some = select(columns.id).where(columns.expires_at < now).limit(_MOST_SWEPT)
        count = 0
        while True:
            # In steps: other writers wait meanwhile, and the audio of recordings may be gigabytes.
            async with self._database.writing() as connection:
                swept = await connection.execute(delete(transcriptions).where(columns.id.in_(some)))
            count += swept.rowcount
            if swept.rowcount < _MOST_SWEPT:
                return count

    async def unfinished(self, owner: str) -> int:
        """Return how many long recordings of an owner are in progress."""
        async with self._database.reading() as connection:
            return await unfinished(connection, owner)

    async def _keep(
        self,
        connection: AsyncConnection,
        transcription_id: str,
        settled: Sequence[Settled],
        values: Mapping[str, object],
        hold: Hold,
    ) -> None:
        """Update a transcription and add utterances, unless its owner has deleted it; raises SupersededError."""
        columns, mine = transcriptions.c, transcriptions.c.id == transcription_id
        changed = update(transcriptions).where(mine, columns.generation == hold.generation).values(values)
        if not (await connection.execute(changed)).rowcount:
            if await connection.scalar(select(columns.generation).where(mine)) is not None:
                raise SupersededError
            return
        if settled and hold.replaces_after is not None:
            replaced = utterances.c.transcription_id == transcription_id, utterances.c.end > hold.replaces_after
            await connection.execute(delete(utterances).where(*replaced))
        for first in range(0, len(settled), _ROWS_AT_ONCE):
            rows = [
                {
                    "transcription_id": transcription_id,
                    "number": one.utterance_id,
                    "channel": one.channel,
                    "start": one.start,
                    "end": one.processed,
                    "alternatives": msgspec.json.encode(stored(one).alternatives),
                }
                for one in settled[first : first + _ROWS_AT_ONCE]
            ]
            await connection.execute(self._database.insert_missing(utterances), rows)


async def unfinished(connection: AsyncConnection, owner: str) -> int:
    """Return how many long recordings of an owner are in progress, within a transaction."""
    columns = transcriptions.c
    mine = columns.owner == owner, columns.kind == Kind.LONG, columns.status.in_(OPEN)
    return int(await connection.scalar(select(func.count()).select_from(transcriptions).where(*mine)) or 0)


async def _in_steps(parts: Iterable[Sequence[T]]) -> list[T]:
    """Join parts; other tasks run in between."""
    joined: list[T] = []
    for part in parts:
        joined += part
        await asyncio.sleep(0)
    return joined


def _settled_samples(row: Any, rows: Sequence[Any]) -> int:
    """Return the sample before which all is settled; audio after the last segment may belong to the next one."""
    unsettled = [one.start for one in rows if one.alternatives is None]
    if unsettled:
        return int(min(unsettled))
    if row.is_received:
        return int(row.received_samples)
    return int(max((one.end for one in rows), default=0))


def utterance_of(row: Any) -> StoredUtterance:
    """Return the settled utterance of a row."""
    return StoredUtterance(
        number=row.number,
        channel=row.channel,
        start=row.start,
        end=row.end,
        alternatives=_decoder.decode(row.alternatives),
        corrections=tuple(msgspec.convert(row.corrections or [], list[Correction])),
    )


def _summary(row: Any) -> Summary:
    error = None
    if row.error_type is not None:
        error = ClientError(_PROBLEMS.get(row.error_type, Problem.INTERNAL), row.error_detail)
    return Summary(
        id=row.id,
        kind=Kind(row.kind),
        status=Status(row.status),
        created_at=row.created_at,
        received_samples=row.received_samples,
        inference_seconds=row.inference_seconds,
        whole_seconds=row.whole_seconds,
        error=error,
        received_bytes=row.received_bytes,
        total_bytes=row.total_bytes,
        is_received=row.is_received,
    )
