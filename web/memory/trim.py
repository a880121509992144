"""Return freed memory to the system where glibc would keep it."""

import asyncio
import ctypes
from collections.abc import Callable

_INTERVAL_SECONDS = 10.0
# glibc keeps freed memory below a block that is still in use: tens of megabytes after a few large bodies.
_LEAST_FREED_BYTES = 8 << 20
# The number of fields of glibc's `struct mallinfo2`, and the index of `fordblks`, the free bytes (mallinfo(3)).
_FIELDS = 10
_FREE_FIELD = 8


class _Heap(ctypes.Structure):
    _fields_ = (("numbers", ctypes.c_size_t * _FIELDS),)


async def keep_trimming() -> None:
    """Return memory that was freed, until cancelled; with another C library return at once."""
    library = ctypes.CDLL(None)
    free_bytes, trim = _free_bytes_of(library), getattr(library, "malloc_trim", None)
    if free_bytes is None or trim is None:
        return
    trimmed = free_bytes()
    while True:
        await asyncio.sleep(_INTERVAL_SECONDS)
        # Returned memory still counts as free.
        now_free = free_bytes()
        trimmed = min(trimmed, now_free)
        if now_free > trimmed + _LEAST_FREED_BYTES:
            await asyncio.to_thread(trim, 0)
            trimmed = free_bytes()


def _free_bytes_of(library: ctypes.CDLL) -> Callable[[], int] | None:
    """Return a function for the free bytes of the heap, None if the library has none."""
    mallinfo = getattr(library, "mallinfo2", None)
    if mallinfo is None:
        return None
    mallinfo.restype = _Heap
    return lambda: int(mallinfo().numbers[_FREE_FIELD])
