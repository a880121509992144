"""Which recordings are downloaded next: oldest first, and no owner's keep another's waiting."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

MOST_FETCHES = 8
"""Downloads at once; each has a decoder."""
MOST_OF_OWNER = 4
"""Of one owner: where they are slow, half of the downloads are left to others."""


def next_fetches(
    waiting: Iterable[tuple[str, str]], owners: Collection[str], most: int = MOST_FETCHES, of_owner: int = MOST_OF_OWNER
) -> Iterator[tuple[str, str]]:
    """Yield the recordings that may begin now, of those that are `waiting`: each an id and its owner.

    `owners` has the owner of each download that goes on.
    """
    taken = Counter(owners)
    for recording_id, owner in waiting:
        if taken.total() >= most:
            return
        if taken[owner] < of_owner:
            taken[owner] += 1
            yield recording_id, owner
