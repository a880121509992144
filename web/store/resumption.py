"""Live transcriptions that go on over another connection, at this gateway or at another one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from stream.protocols.farsava.messages import WireResult, WireWord
from stream.session.events import Alternative, Hypothesis, Origin, Reason, Settled, Word
from vad import SAMPLE_RATE
from web.clock import Clock
from web.store.database.database import Database
from web.store.tables import OPEN, Kind, Status, transcriptions, utterances
from web.store.transcriptions import Hold, StoredUtterance, utterance_of

_IDS_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """A transcription that is resumed: where it goes on, what may store it, and where its channel has it."""

    origin: Origin
    hold: Hold
    channel: str | None = None
    channel_offset_ms: int | None = None


class Resumptions:
    """The live transcriptions that may go on. `clock` tells the time of day."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(
        self, transcription_id: str, owner: str, settled_samples: int | None, n_channels: int, *, takes: bool = True
    ) -> Resumption | None:
        """Return a live transcription of an owner as it goes on, None if there is none of this id.

        It goes on at `settled_samples`, which its client knows to be settled, or where the tables say if that is None.
        Whoever `takes` it is the only one who may store more of it from now on.
        """
        columns = transcriptions.c
        mine = columns.id == transcription_id, columns.owner == owner, columns.kind == Kind.LIVE
        taken = {
            "generation": columns.generation + 1,
            "status": Status.PARTIAL,
            "touched_at": self._clock(),
            "delivered_samples": None,
        }
        async with self._database.writing() as connection:
            # The row is locked, so that whoever had it stores nothing meanwhile.
            row = (await connection.execute(select(transcriptions).where(*mine).with_for_update())).one_or_none()
            if row is None or row.expires_at < self._clock():
                return None
            if takes:
                await connection.execute(update(transcriptions).where(*mine).values(taken))
            chosen = select(utterances).where(
                utterances.c.transcription_id == transcription_id, utterances.c.alternatives.is_not(None)
            )
            stored = [utterance_of(one) for one in await connection.execute(chosen.order_by(utterances.c.number))]
        if settled_samples is None:
            settled_samples = _settled_samples(row, stored, n_channels)
        kept = [one for one in stored if one.end <= settled_samples]
        origin = Origin(
            samples=settled_samples,
            utterances=max((one.number for one in kept), default=0),
            settled=[restored(one) for one in kept if not one.is_empty],
        )
        hold = Hold(generation=row.generation + 1, replaces_after=settled_samples if len(kept) < len(stored) else None)
        return Resumption(origin=origin, hold=hold, channel=row.channel, channel_offset_ms=row.channel_offset_ms)

    async def touch(self, ids: Iterable[str]) -> None:
        """Mark transcriptions as those of a gateway that works."""
        all_ids, columns = list(ids), transcriptions.c
        for first in range(0, len(all_ids), _IDS_AT_ONCE):
            some = all_ids[first : first + _IDS_AT_ONCE]
            async with self._database.writing() as connection:
                mine = columns.id.in_(some), columns.status.in_(OPEN)
                await connection.execute(update(transcriptions).where(*mine).values(touched_at=self._clock()))


def restored(stored: StoredUtterance) -> Settled:
    """Return the event of a stored utterance."""
    alternatives = tuple(_alternative(one) for one in stored.alternatives)
    return Settled(
        stored.number,
        Hypothesis(alternatives, is_final=True),
        Reason.ENDPOINT,
        stored.end,
        0.0,
        was_shown=True,
        start=stored.start,
        channel=stored.channel,
    )


def _settled_samples(row: Any, stored: Sequence[StoredUtterance], n_channels: int) -> int:
    """Return the sample before which all is stored, and as far as is known delivered."""
    if row.delivered_samples is not None:
        return int(row.delivered_samples)
    return min(max((one.end for one in stored if one.channel == number), default=0) for number in range(n_channels))


def _alternative(result: WireResult) -> Alternative:
    return Alternative(tuple(_word(word) for word in result.words), result.confidence)


def _word(word: WireWord) -> Word:
    start, end = round(word.start_time * SAMPLE_RATE), round(word.end_time * SAMPLE_RATE)
    return Word(word.word, start, end, word.confidence, word.speaker if isinstance(word.speaker, int) else 0)
