"""Long recordings in the database: their segments wait there with their audio until each is recognized, once."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import msgspec
from sqlalchemy import Update, func, insert, select, update

from stream.errors import ClientError, Problem
from stream.recordings.segmentation import Segment
from stream.session.events import RecognitionOptions, Settled
from web.clock import Clock
from web.store.database.database import Database
from web.store.tables import OPEN, Kind, Status, transcriptions, utterances
from web.store.transcriptions import stored, unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A long recording that is to be recognized.

    `uri` is where it is downloaded from, None for an upload. `config` has the keys that were set. `options` are made
    once, when the recording is accepted, so that a language model or a list of languages that changes later does not
    change some of its segments. `minutes` is how much audio its owner may have in a day, None for no limit;
    `counted_samples` at 16 kHz of this recording were counted towards that so far.
    """

    id: str
    owner: str
    uri: str | None
    config: Mapping[str, object]
    options: RecognitionOptions
    whole_seconds: bool = False
    is_received: bool = False
    minutes: float | None = None
    counted_samples: int = 0


SegmentKey = tuple[str, int]
"""The id of a recording and the number of a segment."""


class Recordings:
    """The recordings that are not done yet; every step can be repeated, and has its effect once."""

    def __init__(self, database: Database, retention_seconds: float, *, clock: Clock) -> None:
        self._database = database
        self._retention_seconds = retention_seconds
        self._clock = clock

    async def open(self, recording: Recording, *, most: int | None = None) -> None:
        """Queue a recording; raises ClientError if `most` of its owner's are in progress already.

        The check and the insert are one step for all processes.
        """
        now = self._clock()
        row = {
            "id": recording.id,
            "owner": recording.owner,
            "kind": Kind.LONG,
            "status": Status.QUEUED,
            "created_at": now,
            "touched_at": now,
            "expires_at": now + self._retention_seconds,
            "whole_seconds": recording.whole_seconds,
            "uri": recording.uri,
            "config": dict(recording.config),
            "options": asdict(recording.options),
            "minutes": recording.minutes,
        }
        async with self._database.writing() as connection:
            if most is not None:
                await self._database.lock(connection, "recordings", recording.owner)
                if await unfinished(connection, recording.owner) >= most:
                    raise too_many(most)
            await connection.execute(insert(transcriptions).values(row))

    async def get(self, recording_id: str) -> Recording | None:
        """Return a recording, None if it was deleted, or is done or failed."""
        columns = transcriptions.c
        mine = columns.id == recording_id, columns.kind == Kind.LONG, columns.status.in_(OPEN)
        async with self._database.reading() as connection:
            row = (await connection.execute(select(transcriptions).where(*mine))).one_or_none()
        if row is None:
            return None
        options = msgspec.convert(row.options, RecognitionOptions)
        return Recording(
            id=row.id,
            owner=row.owner,
            uri=row.uri,
            config=row.config,
            options=options,
            whole_seconds=row.whole_seconds,
            is_received=row.is_received,
            minutes=row.minutes,
            counted_samples=row.counted_samples,
        )

    async def received(self, recording_id: str, bytes_: int, total_bytes: int | None, samples: int) -> bool:
        """Store how much of a recording has arrived; return whether it is still wanted."""
        values = {"received_bytes": bytes_, "total_bytes": total_bytes, "received_samples": samples}
        async with self._database.writing() as connection:
            begun = await connection.execute(
                _open(recording_id).where(transcriptions.c.status == Status.QUEUED).values(status=Status.PROCESSING)
            )
            known = await connection.execute(_open(recording_id).values(values | {"touched_at": self._clock()}))
        return bool(begun.rowcount or known.rowcount)

    async def count(self, recording_id: str, samples: int) -> int | None:
        """Store that a recording was decoded up to `samples`; return how many of them were not counted before.

        None if the recording was deleted.
        """
        columns = transcriptions.c
        mine = columns.id == recording_id
        counted = select(columns.counted_samples).where(mine).with_for_update()
        async with self._database.writing() as connection:
            before: int | None = await connection.scalar(counted)
            if before is not None and before < samples:
                await connection.execute(update(transcriptions).where(mine).values(counted_samples=samples))
        return None if before is None else max(0, samples - before)

    async def add(self, recording_id: str, segments: Sequence[Segment]) -> list[int]:
        """Store segments with their audio; return the numbers of those that are still to be recognized.

        Segments that are stored already stay as they are: a recording that is read again brings the same ones. Raises
        ClientError if they differ, because the recording was changed meanwhile. Nothing is added to a recording that is
        done, failed or deleted.
        """
        if not segments:
            return []
        rows = [
            {
                "transcription_id": recording_id,
                "number": segment.number,
                "channel": segment.channel,
                "start": segment.start_samples,
                "end": segment.end_samples,
                "pcm": segment.pcm,
                "digest": _digest(segment),
            }
            for segment in segments
        ]
        columns = utterances.c
        there = select(columns.number, columns.digest, columns.alternatives.is_(None).label("is_open")).where(
            columns.transcription_id == recording_id, columns.number.in_([segment.number for segment in segments])
        )
        # Lock the row: if the recording were deleted or failed in between, its audio would stay for ever.
        mine = transcriptions.c.id == recording_id, transcriptions.c.status.in_(OPEN)
        held = select(transcriptions.c.id).where(*mine).with_for_update()
        async with self._database.writing() as connection:
            if await connection.scalar(held) is None:
                return []
            await connection.execute(self._database.insert_missing(utterances), rows)
            kept = {row.number: row for row in await connection.execute(there)}
        if any(kept[row["number"]].digest != row["digest"] for row in rows):
            raise ClientError(Problem.INVALID_AUDIO, "the audio was changed while it was being transcribed")
        return [number for number, row in kept.items() if row.is_open]

    async def complete(self, recording_id: str, bytes_: int, samples: int) -> None:
        """Store that all of a recording has arrived and is cut; without any speech it is done."""
        values = {
            "is_received": True,
            "received_bytes": bytes_,
            "total_bytes": bytes_,
            "received_samples": samples,
            "touched_at": self._clock(),
        }
        async with self._database.writing() as connection:
            await connection.execute(_open(recording_id).values(values))
            await connection.execute(_finished(recording_id))

    async def segment(self, key: SegmentKey) -> tuple[Segment, RecognitionOptions] | None:
        """Return a segment with its audio and options; None if it is settled, or its recording is over or deleted."""
        recording_id, number = key
        columns = utterances.c
        wanted = (
            select(columns.channel, columns.start, columns.end, columns.pcm, transcriptions.c.options)
            .join(transcriptions, transcriptions.c.id == columns.transcription_id)
            .where(columns.transcription_id == recording_id, columns.number == number)
            .where(columns.alternatives.is_(None), transcriptions.c.status.in_(OPEN))
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            return None
        segment = Segment(number=number, channel=row.channel, start_samples=row.start, end_samples=row.end, pcm=row.pcm)
        return segment, msgspec.convert(row.options, RecognitionOptions)

    async def settle(self, key: SegmentKey, settled: Settled) -> bool:
        """Store the text of a segment and delete its audio; return whether it was not settled before."""
        recording_id, number = key
        columns = utterances.c
        mine = columns.transcription_id == recording_id, columns.number == number, columns.alternatives.is_(None)
        text = msgspec.json.encode(stored(settled).alternatives)
        spent = transcriptions.c.inference_seconds + settled.inference_seconds
        async with self._database.writing() as connection:
            # The recording's row first: two last segments at once would each see the other as unsettled.
            is_wanted = await connection.execute(_open(recording_id).values(touched_at=self._clock()))
            kept = await connection.execute(update(utterances).where(*mine).values(alternatives=text, pcm=None))
            if not is_wanted.rowcount or not kept.rowcount:
                return False
            await connection.execute(_open(recording_id).values(status=Status.PARTIAL, inference_seconds=spent))
            await connection.execute(_finished(recording_id))
        return True

    async def failed_once_more(self, key: SegmentKey) -> int:
        """Count a failure of a segment; return how often it has failed."""
        recording_id, number = key
        columns = utterances.c
        mine = columns.transcription_id == recording_id, columns.number == number
        counted = update(utterances).where(*mine).values(failures=columns.failures + 1)
        async with self._database.writing() as connection:
            await connection.execute(counted)
            return int(await connection.scalar(select(columns.failures).where(*mine)) or 0)

    async def fail(self, recording_id: str, error: ClientError) -> None:
        """Fail a recording: its text is kept, its audio is deleted."""
        failed = {"status": Status.FAILED, "error_type": error.problem.value.type, "error_detail": error.detail}
        async with self._database.writing() as connection:
            await connection.execute(_open(recording_id).values(failed | {"touched_at": self._clock()}))
            sound = update(utterances).where(utterances.c.transcription_id == recording_id)
            await connection.execute(sound.values(pcm=None))

    async def unsettled(self, most: int, without: Sequence[SegmentKey] = ()) -> list[SegmentKey]:
        """Return segments to recognize: the first ones of all recordings, then the second ones, and so on."""
        columns = utterances.c
        waiting = (
            select(columns.transcription_id, columns.number)
            .join(transcriptions, transcriptions.c.id == columns.transcription_id)
            .where(columns.alternatives.is_(None), columns.pcm.is_not(None), transcriptions.c.status.in_(OPEN))
            .order_by(columns.number, transcriptions.c.created_at)
            .limit(most + len(without))
        )
        async with self._database.reading() as connection:
            keys = [(row.transcription_id, row.number) for row in await connection.execute(waiting)]
        return [key for key in keys if key not in without][:most]

    async def waiting(self) -> int:
        """Return how many segments are still to be recognized, of all owners."""
        columns = utterances.c
        count = (
            select(func.count())
            .select_from(utterances)
            .join(transcriptions, transcriptions.c.id == columns.transcription_id)
            .where(columns.alternatives.is_(None), columns.pcm.is_not(None), transcriptions.c.status.in_(OPEN))
        )
        async with self._database.reading() as connection:
            return int((await connection.execute(count)).scalar_one())

    async def unread(self) -> list[tuple[str, str]]:
        """Return the recordings that are still to be downloaded, oldest first, as id and owner."""
        columns = transcriptions.c
        waiting = select(columns.id, columns.owner).where(
            columns.kind == Kind.LONG,
            columns.status.in_(OPEN),
            columns.uri.is_not(None),
            columns.is_received.is_(False),
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(waiting.order_by(columns.created_at))
            return [(row.id, row.owner) for row in rows]

    async def sweep(self, upload_seconds: float, *, now: float | None = None) -> None:
        """Fail recordings whose upload has been missing or paused for so long at `now`, by default the clock's time."""
        now = self._clock() if now is None else now
        columns = transcriptions.c
        late = (
            columns.kind == Kind.LONG,
            columns.status.in_(OPEN),
            columns.uri.is_(None),
            columns.is_received.is_(False),
            columns.touched_at < now - upload_seconds,
        )
        async with self._database.reading() as connection:
            ids = [row.id for row in await connection.execute(select(columns.id).where(*late))]
        for recording_id in ids:
            await self.fail(recording_id, not_uploaded(upload_seconds))


def too_many(most: int) -> ClientError:
    """Return the error for a recording of an owner who has as many in work as allowed."""
    return ClientError(Problem.RATE_LIMITED, f"{most} recordings of yours are in work; wait for one to end")


def not_uploaded(upload_seconds: float) -> ClientError:
    """Return the error of a recording whose audio did not come in time."""
    return ClientError(Problem.IDLE_TIMEOUT, f"its audio was not uploaded within {upload_seconds:g} seconds")


def _open(recording_id: str) -> Update:
    return update(transcriptions).where(transcriptions.c.id == recording_id, transcriptions.c.status.in_(OPEN))


def _finished(recording_id: str) -> Update:
    """Mark a recording as done if all of it has arrived and no segment is left."""
    columns = utterances.c
    left = select(columns.number).where(columns.transcription_id == recording_id, columns.alternatives.is_(None))
    return _open(recording_id).where(transcriptions.c.is_received, ~left.exists()).values(status=Status.DONE)


def _digest(segment: Segment) -> bytes:
    return hashlib.blake2b(segment.pcm, digest_size=16).digest()
