"""Budgets for the bytes of request bodies, in memory and on disk: for each owner, and for all together."""

import math
import shutil
import tempfile
from collections.abc import Callable

from stream.errors import ClientError, Problem

# When a request will end is not known; suggest a short retry.
_RETRY_SECONDS = 5
_MIB = 1 << 20
LARGEST_BODY_BYTES = 16 << 20
"""The largest body that is held in memory: a minute of 48 kHz stereo as base64 in JSON."""
# Enough for some uploads of short recordings, with a copy of each whose format needs a file.
_LEAST_DISK_BYTES = 512 << 20
# The free disk space that uploads leave for the database and the log.
_RESERVED_DISK_BYTES = 128 << 20

Hold = Callable[[int], None]
"""Called with the size of a body before it is read; raises FullError if there is no room."""


class FullError(ClientError):
    """There is no room for more bytes now; the request may succeed later."""

    def __init__(self, problem: Problem, detail: str) -> None:
        super().__init__(problem, detail, retry_after_seconds=_RETRY_SECONDS)

    def lasting(self) -> ClientError:
        """Return the error of a recording that failed because of this."""
        return ClientError(Problem.RECOGNIZER_FAILED, "there was no room on disk for the recording; try again later")


def hold_nothing(_: int) -> None:
    """The `Hold` of a body that is processed as it arrives."""


class Budget:
    """The bytes that requests hold in one place, such as memory: in all, and for each owner.

    `free` returns how many more the place itself has room for.
    """

    def __init__(self, *, name: str, of_owner: int, overall: int, free: Callable[[], float] = lambda: math.inf) -> None:
        self._free = free
        self._name = name
        self._of_owner = of_owner
        self._overall = overall
        self._by_owner: dict[str, int] = {}
        self.held_bytes = 0

    def open(self, owner: str) -> "Held":
        """Return the share of one request of an owner, nothing so far."""
        return Held(self, owner)

    def take(self, owner: str, more_bytes: int) -> None:
        """Take room for more bytes; raises FullError: 429 if the owner has used theirs, 503 if there is none at all."""
        of_owner = self._by_owner.get(owner, 0) + more_bytes
        if of_owner > self._of_owner:
            detail = f"your requests hold {self._name} up to {self._of_owner // _MIB} MiB; wait until one is answered"
            raise FullError(Problem.RATE_LIMITED, detail)
        if self.held_bytes + more_bytes > self._overall or more_bytes > self._free():
            detail = f"requests hold as much {self._name} as this server has for them; come again soon"
            raise FullError(Problem.OVERLOADED, detail)
        self._by_owner[owner] = of_owner
        self.held_bytes += more_bytes

    def release(self, owner: str, held_bytes: int) -> None:
        """Free what was taken."""
        self.held_bytes -= held_bytes
        self._by_owner[owner] -= held_bytes
        if not self._by_owner[owner]:
            del self._by_owner[owner]


class Held:
    """The bytes that one request holds, until the context ends."""

    def __init__(self, budget: Budget, owner: str) -> None:
        self._budget = budget
        self._owner = owner
        self._held_bytes = 0

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free it all."""
        if self._held_bytes:
            self._budget.release(self._owner, self._held_bytes)
            self._held_bytes = 0

    def require(self, total_bytes: int) -> None:
        """Hold at least so many bytes in all; raises FullError if there is no room."""
        if total_bytes > self._held_bytes:
            self._budget.take(self._owner, total_bytes - self._held_bytes)
            self._held_bytes = total_bytes


class BodyBudgets:
    """The budgets for request bodies: memory for those that have to be complete, disk for uploaded files.

    On disk an owner may have one recording of the largest allowed size, and all owners together two of them. The
    workers of a server have equal shares, each with room for one body of the largest size.
    """

    # Three of the largest bodies; while one is parsed, it takes as much again for a moment.
    _MEMORY_OF_OWNER_BYTES = 48 << 20
    _MEMORY_BYTES = 96 << 20

    def __init__(self, recording_bytes: int, workers: int = 1) -> None:
        of_owner, overall = (
            max(LARGEST_BODY_BYTES, share_bytes // workers)
            for share_bytes in (self._MEMORY_OF_OWNER_BYTES, self._MEMORY_BYTES)
        )
        self.memory = Budget(name="memory", of_owner=of_owner, overall=overall)
        disk_bytes = max(recording_bytes, _LEAST_DISK_BYTES)
        self.disk = Budget(
            name="disk space",
            of_owner=disk_bytes,
            overall=max(disk_bytes, 2 * disk_bytes // workers),
            free=_free_disk_bytes,
        )


def _free_disk_bytes() -> float:
    return shutil.disk_usage(tempfile.gettempdir()).free - _RESERVED_DISK_BYTES
