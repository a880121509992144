"""Storage of a live transcription: what is settled is stored while the client still talks."""

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from stream.configuration.config import SessionConfig
from stream.session.events import Finished, Settled
from web.store.database.unavailable import DatabaseUnavailableError
from web.store.retried_writes import RetriedWrites
from web.store.tables import Kind
from web.store.transcriptions import Transcriptions

# A database that is this far behind gets the rest at the end, when the whole is stored once more.
_MOST_WAITING = 256
_log = structlog.get_logger()


class LiveRecord:
    """Stores one live transcription beside the connection, which never waits for it before its end."""

    def __init__(
        self, transcriptions: Transcriptions, writes: RetriedWrites, transcription_id: str, owner: str
    ) -> None:
        self._transcriptions = transcriptions
        self._writes = writes
        self._id = transcription_id
        self._owner = owner
        self._is_wanted = False
        self._is_open = False
        self._whole_seconds = False
        self._waiting: list[Settled] = []
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()

    def begin(self, config: SessionConfig) -> None:
        """Begin to store, if the client wants that: the first audio is here."""
        if config.store:
            self._is_wanted = True
            self._whole_seconds = config.whole_seconds
            self._wake.set()

    def add(self, settled: Settled) -> None:
        """Take another settled utterance, to be stored soon."""
        if self._is_wanted and len(self._waiting) < _MOST_WAITING:
            self._waiting.append(settled)
            self._wake.set()

    async def run(self) -> None:
        """Store what was added, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self._store(waiting)
            except DatabaseUnavailableError as error:  # all of it is stored at the end
                _log.warning("utterances_not_stored", reason=error.reason.name.lower())
            except Exception:  # whatever ails the database, the client goes on talking
                _log.exception("utterances_not_stored")

    async def finish(self, finished: Finished) -> None:
        """Store the whole before `done` is sent; where that takes long, storing goes on afterwards."""
        if self._is_wanted:
            await self._writes.finish(partial(self._store_all, finished))

    async def _store(self, settled: Sequence[Settled]) -> None:
        async with self._turn:
            await self._open()
            if settled:
                await self._transcriptions.add(self._id, settled)

    async def _store_all(self, finished: Finished) -> None:
        async with self._turn:
            await self._open()
            await self._transcriptions.finish(self._id, finished.settled, finished.received, finished.inference_seconds)

    async def _open(self) -> None:
        if not self._is_open:
            await self._transcriptions.open(self._id, self._owner, Kind.LIVE, whole_seconds=self._whole_seconds)
            self._is_open = True
