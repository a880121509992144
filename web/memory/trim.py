"""The memory of the process: what was freed is given back to the system, where the C library would keep it."""

import asyncio
import ctypes
from collections.abc import Callable

_LOOK_SECONDS = 10.0
# The heap keeps what was freed below something that is still in use: after a few large bodies, tens of megabytes.
_FREED_BYTES = 8 << 20
# The numbers of glibc's `struct mallinfo2`, and which of them is the bytes that are free.
_NUMBERS = 10
_FREE = 8


class _Heap(ctypes.Structure):
    _fields_ = (("numbers", ctypes.c_size_t * _NUMBERS),)


async def giving_back() -> None:
    """Give back what was freed since the last time, until cancelled; nothing where the C library is another one."""
    library = ctypes.CDLL(None)
    free_bytes, trim = _free_bytes_of(library), getattr(library, "malloc_trim", None)
    if free_bytes is None or trim is None:
        return
    given_back = free_bytes()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        # What is given back stays in the heap, and counts as free.
        now_free = free_bytes()
        given_back = min(given_back, now_free)
        if now_free > given_back + _FREED_BYTES:
            await asyncio.to_thread(trim, 0)
            given_back = free_bytes()


def _free_bytes_of(library: ctypes.CDLL) -> Callable[[], int] | None:
    """What tells how many bytes of the heap are free; None where nothing does."""
    look = getattr(library, "mallinfo2", None)
    if look is None:
        return None
    look.restype = _Heap
    return lambda: int(look().numbers[_FREE])
