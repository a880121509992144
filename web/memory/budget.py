"""Bytes that the process holds for callers: bounded for each owner, and for all of them together."""

import math
import shutil
import tempfile
from collections.abc import Callable

from stream.errors import ClientError, Problem

# When a request ends is not known; whoever was refused may ask again so soon.
_RETRY_SECONDS = 5
_MIB = 1 << 20
# Some forms of the routes for short recordings, with a copy of each where FFmpeg has to jump in it.
_LEAST_DISK_BYTES = 512 << 20
# What forms leave of a disk, for the database and the log.
_SPARED_DISK_BYTES = 128 << 20

Hold = Callable[[int], None]
"""Told how many bytes a body comes to, before they are read; raises FullError where there is no room for them."""


class FullError(ClientError):
    """There is no room for more bytes now; the same request may succeed later."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(problem, detail, retry_after_seconds=_RETRY_SECONDS)

    def lasting(self) -> ClientError:
        """Return what is told of a recording that was given up for this."""
        return ClientError(Problem.RECOGNIZER_FAILED, "there was no room on disk for the recording; try again later")


def held_nowhere(_: int) -> None:
    """The `Hold` of bytes that are passed on as they come."""


class Holdings:
    """How many bytes of one kind of store, such as memory, are held, and for whom.

    `free` tells how many more the store itself would take.
    """

    def __init__(self, *, name: str, of_owner: int, overall: int, free: Callable[[], float] = lambda: math.inf) -> None:
        self._free = free
        self._name = name
        self._of_owner = of_owner
        self._overall = overall
        self._by_owner: dict[str, int] = {}
        self.held_bytes = 0

    def open(self, owner: str) -> "Held":
        """Return what one request of an owner will hold, nothing so far."""
        return Held(self, owner)

    def take(self, owner: str, more_bytes: int) -> None:
        """Take room; raises FullError: 429 where the owner has had theirs, 503 where there is none at all."""
        of_owner = self._by_owner.get(owner, 0) + more_bytes
        if of_owner > self._of_owner:
            detail = f"your requests hold {self._name} up to {self._of_owner // _MIB} MiB; wait until one is answered"
            raise FullError(Problem.RATE_LIMITED, detail)
        if self.held_bytes + more_bytes > self._overall or more_bytes > self._free():
            detail = f"requests hold as much {self._name} as this server has for them; come again soon"
            raise FullError(Problem.OVERLOADED, detail)
        self._by_owner[owner] = of_owner
        self.held_bytes += more_bytes

    def give_back(self, owner: str, held_bytes: int) -> None:
        """Free what was taken."""
        self.held_bytes -= held_bytes
        self._by_owner[owner] -= held_bytes
        if not self._by_owner[owner]:
            del self._by_owner[owner]


class Held:
    """What one request holds, until the context ends."""

    def __init__(self, holdings: Holdings, owner: str) -> None:
        self._holdings = holdings
        self._owner = owner
        self._held_bytes = 0

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free it all."""
        if self._held_bytes:
            self._holdings.give_back(self._owner, self._held_bytes)
            self._held_bytes = 0

    def require(self, total_bytes: int) -> None:
        """Hold so many bytes in all, if not more already; raises FullError where there is no room."""
        if total_bytes > self._held_bytes:
            self._holdings.take(self._owner, total_bytes - self._held_bytes)
            self._held_bytes = total_bytes


class BodyStores:
    """What bodies of requests may hold: memory for what has to be there as a whole, disk for the files of forms.

    Of the disk an owner may have the largest recording that is taken, and all owners twice that.
    """

    # Three of the largest JSON bodies of an owner; parsed, each is there once more for a moment.
    _MEMORY_OF_OWNER_BYTES = 48 << 20
    _MEMORY_BYTES = 96 << 20

    def __init__(self, recording_bytes: int) -> None:
        self.memory = Holdings(name="memory", of_owner=self._MEMORY_OF_OWNER_BYTES, overall=self._MEMORY_BYTES)
        disk_bytes = max(recording_bytes, _LEAST_DISK_BYTES)
        self.disk = Holdings(name="disk space", of_owner=disk_bytes, overall=2 * disk_bytes, free=_free_disk_bytes)


def _free_disk_bytes() -> float:
    return shutil.disk_usage(tempfile.gettempdir()).free - _SPARED_DISK_BYTES
