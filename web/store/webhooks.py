"""Webhooks and their deliveries in the database, made of what other tables record.

Whoever publishes or recognizes knows nothing of webhooks: settled lines and ended recordings are collected from their
own tables, so that none is lost with a process.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stream.errors import ClientError, Problem
from stream.waiting import Changes
from web.clock import Clock
from web.store.database.database import Database
from web.store.tables import Kind, Status, channel_lines, channels, deliveries, transcriptions, webhooks
from web.store.transcriptions import new_id

KEPT_SECONDS = 86_400.0
"""How long a delivery is tried and listed."""
MOST_ATTEMPTS = 15
_MOST_COLLECTED = 500
_MOST_WAITING = 10_000
_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS = 900.0, 5.0
# Two processes may store changes in another order than that of their ids.
_OVERLAP_MS = 5000


class Event(StrEnum):
    """What is posted."""

    LINE = "line"
    RECORDING = "recording"


class State(StrEnum):
    """The progress of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address of an owner, the events that are posted there, and how the last post went.

    Lines are those of `channel`, of all channels of the owner if it is None.
    """

    id: str
    owner: str
    url: str
    secret: str
    events: tuple[Event, ...]
    channel: str | None
    created_at: float
    failures: int = 0
    last_status: int | None = None
    last_error: str | None = None
    last_attempt_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event that is posted; `body` is None once it is delivered or given up."""

    id: str
    event: Event
    created_at: float
    state: State
    attempts: int
    body: bytes | None
    last_status: int | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something that a webhook is to be told once: a row, and what identifies it."""

    event: Event
    subject: str
    position: int
    row: Any


WriteBody = Callable[[str, Found], bytes]
"""Returns the body of a delivery of this id."""


class Webhooks:
    """The webhooks of all owners. `clock` tells the time of day."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.made = Changes()
        """Signalled when this process has made a webhook."""

    async def create(self, webhook: Webhook, *, most: int) -> None:
        """Store a new webhook; raises ClientError if its owner has `most`, or no such channel."""
        row = {
            "id": webhook.id,
            "owner": webhook.owner,
            "url": webhook.url,
            "secret": webhook.secret,
            "events": list(webhook.events),
            "channel": webhook.channel,
            "created_at": webhook.created_at,
            "lines_until": int(webhook.created_at * 1000),
        }
        async with self._database.writing() as connection:
            await self._database.lock(connection, "webhooks", webhook.owner)
            mine = select(func.count()).select_from(webhooks).where(webhooks.c.owner == webhook.owner)
            if (await connection.scalar(mine) or 0) >= most:
                raise ClientError(Problem.RATE_LIMITED, f"you have {most} webhooks, and no more are kept; delete one")
            if webhook.channel is not None:
                own = channels.c.name == webhook.channel, channels.c.owner == webhook.owner
                if await connection.scalar(select(channels.c.name).where(*own)) is None:
                    raise ClientError(Problem.NOT_FOUND, f'there is no channel "{webhook.channel}"')
            await connection.execute(insert(webhooks), row)
        self.made.signal()

    async def all(self, owner: str) -> list[Webhook]:
        """Return the webhooks of an owner, newest first."""
        newest = webhooks.c.created_at.desc(), webhooks.c.id
        async with self._database.reading() as connection:
            rows = await connection.execute(select(webhooks).where(webhooks.c.owner == owner).order_by(*newest))
            return [_webhook(row) for row in rows]

    async def get(self, webhook_id: str, owner: str) -> Webhook | None:
        """Return a webhook, None if the owner has none of this id."""
        mine = webhooks.c.id == webhook_id, webhooks.c.owner == owner
        async with self._database.reading() as connection:
            row = (await connection.execute(select(webhooks).where(*mine))).one_or_none()
        return None if row is None else _webhook(row)

    async def delete(self, webhook_id: str, owner: str) -> bool:
        """Delete a webhook with what waits for it; return whether the owner had it."""
        mine = webhooks.c.id == webhook_id, webhooks.c.owner == owner
        async with self._database.erasing() as connection:
            return (await connection.execute(delete(webhooks).where(*mine))).rowcount > 0

    async def deliveries(self, webhook_id: str, most: int) -> list[Delivery]:
        """Return the newest deliveries of a webhook, newest first."""
        columns = deliveries.c
        newest = select(deliveries).where(columns.webhook_id == webhook_id)
        async with self._database.reading() as connection:
            rows = await connection.execute(newest.order_by(columns.position.desc(), columns.id).limit(most))
            return [_delivery(row) for row in rows]

    # --- posting ---

    async def collect(self, write: WriteBody) -> bool:
        """Make deliveries of what was settled or has ended since the last time; return whether there are webhooks."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(webhooks))).all()
            found = [(row, await self._new(connection, row)) for row in rows]
        for row, new in found:
            if new:
                await self._keep(row, new, write)
        return bool(found)

    async def _new(self, connection: AsyncConnection, row: Any) -> Sequence[Found]:
        found: list[Found] = []
        if Event.LINE in row.events:
            found += [_line(one) for one in await connection.execute(_lines_for(row))]
        if Event.RECORDING in row.events:
            since = max(row.created_at, self._clock() - KEPT_SECONDS / 2)
            found += [_recording(one) for one in await connection.execute(_recordings_for(row, since))]
        subjects = [one.subject for one in found]
        columns = deliveries.c
        known = select(columns.subject).where(columns.webhook_id == row.id, columns.subject.in_(subjects))
        seen = set(await connection.scalars(known)) if subjects else set()
        return [one for one in found if one.subject not in seen]

    async def _keep(self, row: Any, found: Iterable[Found], write: WriteBody) -> None:
        made = []
        for one in found:
            delivery_id = new_id()
            made.append(
                {
                    "id": delivery_id,
                    "webhook_id": row.id,
                    "subject": one.subject,
                    "event": one.event,
                    "channel": one.row.channel if one.event is Event.LINE else None,
                    "transcription_id": one.row.id if one.event is Event.RECORDING else None,
                    "position": one.position,
                    "created_at": self._clock(),
                    "state": State.WAITING,
                    "attempts": 0,
                    "body": write(delivery_id, one),
                }
            )
        until = max((one.position for one in found if one.event is Event.LINE), default=0)
        columns = webhooks.c
        async with self._database.writing() as connection:
            # The row is locked, so that the webhook cannot be deleted meanwhile.
            if await connection.scalar(select(columns.id).where(columns.id == row.id).with_for_update()) is None:
                return
            await connection.execute(self._database.insert_missing(deliveries), made)
            later = update(webhooks).where(columns.id == row.id, columns.lines_until < until)
            await connection.execute(later.values(lines_until=until))

    async def due(self, most: int) -> list[Webhook]:
        """Return webhooks that something waits for and that may be posted to now."""
        waiting = exists().where(deliveries.c.webhook_id == webhooks.c.id, deliveries.c.state == State.WAITING)
        now_due = select(webhooks).where(webhooks.c.due_at <= self._clock(), waiting)
        async with self._database.reading() as connection:
            rows = await connection.execute(now_due.order_by(webhooks.c.due_at).limit(most))
            return [_webhook(row) for row in rows]

    async def claim(self, webhook_id: str, seconds: float) -> bool:
        """Let this process alone post to a webhook for so long; return whether no other process does."""
        now, columns = self._clock(), webhooks.c
        free = update(webhooks).where(columns.id == webhook_id, columns.due_at <= now).values(due_at=now + seconds)
        async with self._database.writing() as connection:
            return (await connection.execute(free)).rowcount > 0

    async def next(self, webhook_id: str, seconds: float) -> Delivery | None:
        """Return what is to be posted next, and hold the claim for so long; give it up if there is nothing."""
        columns = deliveries.c
        first = select(deliveries).where(columns.webhook_id == webhook_id, columns.state == State.WAITING)
        async with self._database.writing() as connection:
            row = (await connection.execute(first.order_by(columns.position, columns.id).limit(1))).one_or_none()
            due_at = 0.0 if row is None else self._clock() + seconds
            await connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(due_at=due_at))
        return None if row is None else _delivery(row)

    async def delivered(self, webhook_id: str, delivery: Delivery, status: int) -> None:
        """Mark a delivery as delivered, and forget its body."""
        ended = {"state": State.DELIVERED, "attempts": delivery.attempts + 1, "body": None, "last_status": status}
        last = {"failures": 0, "last_status": status, "last_error": None, "last_attempt_at": self._clock()}
        await self._end(webhook_id, delivery, ended | {"last_error": None}, last)

    async def failed(self, webhook: Webhook, delivery: Delivery, reason: str, status: int | None) -> None:
        """Try again later, or give the delivery up after its last attempt."""
        now, attempts, failures = self._clock(), delivery.attempts + 1, webhook.failures + 1
        ended: dict[str, object] = {"attempts": attempts, "last_status": status, "last_error": reason}
        if attempts >= MOST_ATTEMPTS:
            ended |= {"state": State.FAILED, "body": None}
        pause_seconds = min(_FIRST_BACKOFF_SECONDS * 2 ** min(failures - 1, 20), _LONGEST_BACKOFF_SECONDS)
        last = {
            "failures": failures,
            "last_status": status,
            "last_error": reason,
            "last_attempt_at": now,
            "due_at": now + pause_seconds,
        }
        await self._end(webhook.id, delivery, ended, last)

    async def _end(
        self, webhook_id: str, delivery: Delivery, ended: Mapping[str, object], last: Mapping[str, object]
    ) -> None:
        async with self._database.writing() as connection:
            await connection.execute(update(deliveries).where(deliveries.c.id == delivery.id).values(ended))
            await connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(last))

    async def sweep(self) -> None:
        """Delete old deliveries, those whose text is kept no longer, and the oldest where too many wait."""
        now, columns = self._clock(), deliveries.c
        of_channel = channels.c.name == columns.channel
        is_kept_no_longer = exists().where(of_channel, columns.created_at < now - channels.c.retention_seconds)
        async with self._database.writing() as connection:
            await connection.execute(delete(deliveries).where(columns.created_at < now - KEPT_SECONDS))
            await connection.execute(delete(deliveries).where(columns.state == State.WAITING, is_kept_no_longer))
            counted = select(columns.webhook_id, func.count()).where(columns.state == State.WAITING)
            for webhook_id, count in (await connection.execute(counted.group_by(columns.webhook_id))).all():
                mine = and_(columns.webhook_id == webhook_id, columns.state == State.WAITING)
                oldest = select(columns.id).where(mine).order_by(columns.position).limit(max(0, count - _MOST_WAITING))
                if count > _MOST_WAITING:
                    await connection.execute(delete(deliveries).where(columns.id.in_(oldest)))


def _lines_for(row: Any) -> Any:
    columns = channel_lines.c
    own = channels.c.name == columns.channel, channels.c.owner == row.owner
    since = max(row.lines_until - _OVERLAP_MS, int(row.created_at * 1000))
    lines = select(channel_lines).join(channels, own[0]).where(own[1], columns.change_id >= since)
    if row.channel is not None:
        lines = lines.where(columns.channel == row.channel)
    return lines.order_by(columns.change_id).limit(_MOST_COLLECTED)


def _recordings_for(row: Any, since: float) -> Any:
    columns = transcriptions.c
    ended = columns.kind == Kind.LONG, columns.status.in_((Status.DONE, Status.FAILED)), columns.touched_at >= since
    known = exists().where(deliveries.c.webhook_id == row.id, deliveries.c.transcription_id == columns.id)
    of_owner = select(transcriptions).where(columns.owner == row.owner, *ended, ~known)
    return of_owner.order_by(columns.touched_at).limit(_MOST_COLLECTED)


def _line(row: Any) -> Found:
    subject = f"line:{row.channel}:{row.number}:{row.change_id}"
    return Found(event=Event.LINE, subject=subject, position=row.change_id, row=row)


def _recording(row: Any) -> Found:
    return Found(event=Event.RECORDING, subject=f"recording:{row.id}", position=int(row.touched_at * 1000), row=row)


def _webhook(row: Any) -> Webhook:
    return Webhook(
        id=row.id,
        owner=row.owner,
        url=row.url,
        secret=row.secret,
        events=tuple(Event(one) for one in row.events),
        channel=row.channel,
        created_at=row.created_at,
        failures=row.failures,
        last_status=row.last_status,
        last_error=row.last_error,
        last_attempt_at=row.last_attempt_at,
    )


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=row.id,
        event=Event(row.event),
        created_at=row.created_at,
        state=State(row.state),
        attempts=row.attempts,
        body=row.body,
        last_status=row.last_status,
        last_error=row.last_error,
    )
