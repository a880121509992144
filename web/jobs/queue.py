"""Owns what the routes and the steps expect of a queue of work on recordings."""

from collections.abc import Sequence
from typing import Protocol

from web.store.recordings import SegmentKey


class Queue(Protocol):
    """Carries the steps out, here or on other machines, each until it is done; what is announced twice is done once."""

    async def announce_recording(self, recording_id: str) -> None:
        """A recording waits at its URI to be fetched."""
        ...

    async def announce_segments(self, keys: Sequence[SegmentKey]) -> None:
        """Segments wait in the database to be recognized."""
        ...

    async def run(self) -> None:
        """Work until cancelled, first on what an earlier process left."""
        ...
