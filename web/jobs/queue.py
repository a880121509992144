"""The queue of work on recordings: what routes and steps expect of one, and how owners share the downloads."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol

from web.store.recordings import SegmentKey

MOST_FETCHES = 8
"""Downloads at once in one process; each has a decoder."""
MOST_FETCHES_PER_OWNER = 4
"""Downloads of one owner at once: slow ones leave half of the room to others."""


class Queue(Protocol):
    """Carries out the steps of recordings, here or on other machines; a step that is announced twice is done once."""

    async def announce_recording(self, recording_id: str) -> None:
        """Announce a recording that waits to be downloaded."""
        ...

    async def announce_segments(self, keys: Sequence[SegmentKey]) -> None:
        """Announce segments that wait in the database to be recognized."""
        ...

    def wake(self) -> None:
        """Look for work that another worker of this server has announced."""
        ...

    async def run(self) -> None:
        """Work until cancelled, first on what an earlier process left."""
        ...


def next_fetches(waiting: Iterable[tuple[str, str]], owners: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the recordings whose download may begin now, in their order, as id and owner.

    Args:
        waiting: the id and the owner of each recording, oldest first.
        owners: the owner of each download in progress.
    """
    taken = Counter(owners)
    for recording_id, owner in waiting:
        if taken.total() >= MOST_FETCHES:
            return
        if taken[owner] < MOST_FETCHES_PER_OWNER:
            taken[owner] += 1
            yield recording_id, owner
