"""Storage of a live transcription: what is settled is stored while the client still talks."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import structlog

from stream.configuration.config import SessionConfig
from stream.session.events import ClientEvent, Finished, Progress, Ready, Settled, Unsettled
from stream.waiting import Changes
from web.store.database.unavailable import DatabaseUnavailableError
from web.store.retried_writes import RetriedWrites
from web.store.tables import Kind
from web.store.transcriptions import FIRST_HOLD, Hold, SupersededError, Transcriptions

# A database that is this far behind gets the rest at the end, when the whole is stored once more.
_MOST_WAITING = 256
_RETRY_SECONDS = 1.0
# A client waits for so long at most until its settled text is stored, and not at all while that took too long before.
_STORE_SECONDS = 1.0
_log = structlog.get_logger()

_Event = TypeVar("_Event", bound=ClientEvent)


class LiveRecord:
    """Stores one live transcription beside the connection."""

    def __init__(
        self,
        transcriptions: Transcriptions,
        writes: RetriedWrites,
        transcription_id: str,
        owner: str,
        *,
        hold: Hold = FIRST_HOLD,
        on_superseded: Callable[[], None] = lambda: None,
    ) -> None:
        """With a later `hold` the transcription goes on; `on_superseded` is called when another connection has it."""
        self._transcriptions = transcriptions
        self._writes = writes
        self._id = transcription_id
        self._owner = owner
        self._hold = hold
        self._on_superseded = on_superseded
        self._is_wanted = self._is_open = hold is not FIRST_HOLD
        self._is_superseded = False
        self._whole_seconds = False
        self._published: tuple[str, int] | None = None
        self._waiting: list[Settled] = []
        # The starts of settled utterances that are not stored, by their numbers.
        self._unstored: dict[int, int] = {}
        self._is_in_time = True
        self._wake = asyncio.Event()
        self._stored = Changes()
        self._turn = asyncio.Lock()

    def begin(self, config: SessionConfig, published: tuple[str, int] | None = None) -> None:
        """Begin to store, if the client wants that: the first audio is here, at a place of a caption channel."""
        if config.store:
            self._is_wanted = True
            self._whole_seconds = config.whole_seconds
            self._published = published
            self._wake.set()

    def supersede(self) -> None:
        """Store nothing more: another connection does."""
        self._is_superseded = True
        self._waiting = []
        self._unstored = {}
        self._stored.signal()

    def add(self, settled: Settled) -> None:
        """Take another settled utterance, to be stored soon."""
        if self._is_wanted and not self._is_superseded:
            self._unstored[settled.utterance_id] = settled.start
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(settled)
            self._wake.set()

    async def settle(self, settled: Settled) -> None:
        """Store another settled utterance; wait for that a second at most, and not while it took too long before."""
        self.add(settled)
        if not self._is_in_time:
            return
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await self._stored.wait_until(lambda: settled.utterance_id not in self._unstored)
        except TimeoutError:
            self._is_in_time = False

    def bounded(self, event: _Event) -> _Event:
        """Return an event whose progress ends before settled text that is not stored: its client keeps that audio."""
        if not self._unstored or not isinstance(event, Ready | Settled | Unsettled):
            return event
        settled = min(event.progress.settled, *self._unstored.values())
        return replace(event, progress=Progress(event.progress.received, settled))

    async def run(self) -> None:
        """Store what was added, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self._store(waiting)
            except DatabaseUnavailableError as error:  # the next try stores it, or the end all of it
                _log.warning("utterances_not_stored", reason=error.reason.name.lower())
            except Exception:  # whatever ails the database, the client goes on talking
                _log.exception("utterances_not_stored")
            else:
                continue
            self._waiting = (waiting + self._waiting)[:_MOST_WAITING]
            await asyncio.sleep(_RETRY_SECONDS)
            self._wake.set()

    async def finish(self, finished: Finished, delivered_samples: int | None = None) -> None:
        """Store the whole before `done` is sent; where that takes long, storing goes on afterwards.

        A client that has vanished was delivered what was settled up to `delivered_samples`.
        """
        if self._is_wanted and not self._is_superseded:
            await self._writes.finish(partial(self._store_all, finished, delivered_samples))

    async def _store(self, settled: Sequence[Settled]) -> None:
        async with self._turn:
            await self._open()
            if not settled or self._is_superseded:
                return
            try:
                await self._transcriptions.add(self._id, settled, self._hold)
            except SupersededError:
                self.supersede()
                self._on_superseded()
                return
            self._hold = replace(self._hold, replaces_after=None)
            for one in settled:
                self._unstored.pop(one.utterance_id, None)
            self._is_in_time = True
            self._stored.signal()

    async def _store_all(self, finished: Finished, delivered_samples: int | None) -> None:
        async with self._turn:
            await self._open()
            try:
                await self._transcriptions.finish(
                    self._id,
                    finished.settled,
                    finished.received,
                    finished.inference_seconds,
                    replace(self._hold, delivered_samples=delivered_samples),
                )
            except SupersededError:
                self.supersede()

    async def _open(self) -> None:
        if not self._is_open:
            await self._transcriptions.open(
                self._id, self._owner, Kind.LIVE, whole_seconds=self._whole_seconds, published=self._published
            )
            self._is_open = True
