"""Owns stored transcriptions: made, filled utterance by utterance, read, listed and deleted by their owner only."""

import asyncio
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
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
# Of speech without a pause a row has some twenty words, and takes 30 us to read.
_ROWS_AT_ONCE = 32
T = TypeVar("T")
_decoder = msgspec.json.Decoder(list[WireResult])


@dataclass(frozen=True, slots=True)
class StoredUtterance:
    """A settled utterance: its span in samples and its hypotheses, best first; empty if nothing was said."""

    number: int
    channel: int
    start: int
    end: int
    alternatives: list[WireResult]

    @property
    def is_empty(self) -> bool:
        return not any(alternative.words or alternative.transcript for alternative in self.alternatives[:1])


@dataclass(frozen=True, slots=True)
class Summary:
    """What a transcription is, without its text; `error` where it failed.

    `received_samples` of sound have arrived, `received_bytes` of the `total_bytes` of a recording (None: not known).
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


@dataclass(frozen=True, slots=True)
class Transcription:
    """A transcription with all that is settled of it; everything before sample `settled_samples` is."""

    summary: Summary
    utterances: tuple[StoredUtterance, ...] = field(default=())
    settled_samples: int = 0


def stored(settled: Settled) -> StoredUtterance:
    """What is kept of a settled utterance; the words of a `Settled` have their times already."""
    alternatives = results(settled.hypothesis.alternatives, with_speakers=True)
    return StoredUtterance(settled.utterance_id, settled.channel, settled.start, settled.heard, alternatives)


def new_id() -> str:
    """An id that nobody guesses."""
    return str(uuid.uuid4())


class Transcriptions:
    """The transcriptions of every owner; what is older than `retention_seconds` goes."""

    def __init__(self, database: Database, retention_seconds: float, *, clock: Clock) -> None:
        self._database = database
        self._retention_seconds = retention_seconds
        self._clock = clock

    async def open(self, transcription_id: str, owner: str, kind: Kind, *, whole_seconds: bool = False) -> None:
        """Begin a transcription whose utterances are told by `add`; once it is there, again changes nothing."""
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
        async with self._database.writing() as connection:
            await connection.execute(self._database.insert_missing(transcriptions).values(row))

    async def add(self, transcription_id: str, settled: Sequence[Settled]) -> None:
        """Keep further utterances; those that are kept already stay as they are."""
        touched = {"status": Status.PARTIAL, "touched_at": self._clock()}
        async with self._database.writing() as connection:
            await self._keep(connection, transcription_id, settled, touched)

    async def finish(
        self, transcription_id: str, settled: Sequence[Settled], received_samples: int, inference_seconds: float
    ) -> None:
        """Keep what is not kept yet of the whole, and call it done."""
        ended = {
            "status": Status.DONE,
            "touched_at": self._clock(),
            "received_samples": received_samples,
            "inference_seconds": inference_seconds,
        }
        async with self._database.writing() as connection:
            await self._keep(connection, transcription_id, settled, ended)

    async def get(self, transcription_id: str, owner: str) -> Transcription | None:
        """The transcription, or None where this owner has no such one."""
        async with self._database.reading() as connection:
            mine = transcriptions.c.id == transcription_id, transcriptions.c.owner == owner
            row = (await connection.execute(select(transcriptions).where(*mine))).one_or_none()
            if row is None or row.expires_at < self._clock():
                return None
            columns = utterances.c
            chosen = select(columns.number, columns.channel, columns.start, columns.end, columns.alternatives)
            # Not by number: an utterance of one channel may begin before one of another that was numbered first.
            by_time = columns.start, columns.channel, columns.number
            rows = await connection.execute(
                chosen.where(columns.transcription_id == transcription_id).order_by(*by_time)
            )
            told = await _in_steps(rows.partitions(_ROWS_AT_ONCE))
        unread = (
            tuple(_utterance(one) for one in told[n : n + _ROWS_AT_ONCE] if one.alternatives is not None)
            for n in range(0, len(told), _ROWS_AT_ONCE)
        )
        return Transcription(_summary(row), tuple(await _in_steps(unread)), _settled_to(row, told))

    async def newest(self, owner: str, most: int, before: tuple[float, str] | None = None) -> Sequence[Summary]:
        """The newest of an owner's, at most so many; `before` is the creation and the id of the last one seen."""
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
        """Delete it with all its text and sound, whatever goes on with it; whether there was one."""
        mine = transcriptions.c.id == transcription_id, transcriptions.c.owner == owner
        async with self._database.erasing() as connection:
            deleted = await connection.execute(delete(transcriptions).where(*mine))
        return deleted.rowcount > 0

    async def sweep(self, abandoned_seconds: float, *, now: float | None = None) -> int:
        """Delete what has expired, return how many; what nobody fills any more is done.

        A gateway that was killed leaves live transcriptions open: no session lasts longer than `abandoned_seconds`.
        It is `now`, or what the clock says.
        """
        now = self._clock() if now is None else now
        columns = transcriptions.c
        abandoned = columns.kind != Kind.LONG, columns.status.in_(OPEN), columns.touched_at < now - abandoned_seconds
        async with self._database.writing() as connection:
            await connection.execute(update(transcriptions).where(*abandoned).values(status=Status.DONE))
        some = select(columns.id).where(columns.expires_at < now).limit(_MOST_SWEPT)
        count = 0
        while True:
            # Not all at once: writers wait meanwhile, and with the sound of recordings that may be gigabytes.
            async with self._database.writing() as connection:
                swept = await connection.execute(delete(transcriptions).where(columns.id.in_(some)))
            count += swept.rowcount
            if swept.rowcount < _MOST_SWEPT:
                return count

    async def unfinished(self, owner: str) -> int:
        """How many long recordings of an owner are still to be recognized."""
        async with self._database.reading() as connection:
            return await unfinished(connection, owner)

    async def _keep(
        self,
        connection: AsyncConnection,
        transcription_id: str,
        settled: Sequence[Settled],
        values: Mapping[str, object],
    ) -> None:
        """Change the transcription and add to it, unless its owner has deleted it."""
        changed = update(transcriptions).where(transcriptions.c.id == transcription_id).values(values)
        if not (await connection.execute(changed)).rowcount:
            return
        rows = [
            {
                "transcription_id": transcription_id,
                "number": one.utterance_id,
                "channel": one.channel,
                "start": one.start,
                "end": one.heard,
                "alternatives": msgspec.json.encode(stored(one).alternatives),
            }
            for one in settled
        ]
        if rows:
            await connection.execute(self._database.insert_missing(utterances), rows)


async def unfinished(connection: AsyncConnection, owner: str) -> int:
    """How many long recordings of an owner are still to be recognized, as a transaction sees them."""
    columns = transcriptions.c
    mine = columns.owner == owner, columns.kind == Kind.LONG, columns.status.in_(OPEN)
    return int(await connection.scalar(select(func.count()).select_from(transcriptions).where(*mine)) or 0)


async def _in_steps(parts: Iterable[Sequence[T]]) -> list[T]:
    """Join parts, with others in between."""
    joined: list[T] = []
    for part in parts:
        joined += part
        await asyncio.sleep(0)
    return joined


def _settled_to(row: Any, told: Sequence[Any]) -> int:
    """The sample before which all is settled; what has arrived since the last segment may be part of one."""
    unsettled = [one.start for one in told if one.alternatives is None]
    if unsettled:
        return int(min(unsettled))
    if row.is_received:
        return int(row.received_samples)
    return int(max((one.end for one in told), default=0))


def _utterance(row: Any) -> StoredUtterance:
    return StoredUtterance(row.number, row.channel, row.start, row.end, _decoder.decode(row.alternatives))


def _summary(row: Any) -> Summary:
    error = None
    if row.error_type is not None:
        error = ClientError(_PROBLEMS.get(row.error_type, Problem.INTERNAL), row.error_detail)
    return Summary(
        row.id,
        Kind(row.kind),
        Status(row.status),
        row.created_at,
        row.received_samples,
        row.inference_seconds,
        row.whole_seconds,
        error,
        row.received_bytes,
        row.total_bytes,
        row.is_received,
    )
