"""The memory of the process: what was freed is given back to the system, where the C library would keep it."""

import asyncio
import ctypes
import resource
from pathlib import Path

_LOOK_SECONDS = 10.0
# The heap keeps what was freed below something that is still in use: after a few large bodies, tens of megabytes.
_GROWN_BYTES = 8 << 20
_STATM = Path("/proc/self/statm")
_IS_KNOWN = _STATM.exists()


async def giving_back() -> None:
    """Give back what was freed, whenever the process has grown, until cancelled; nothing where that is unknown."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if _IS_KNOWN else None
    if trim is None:
        return
    least_bytes = resident_bytes()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        now_bytes = resident_bytes()
        if now_bytes > least_bytes + _GROWN_BYTES:
            await asyncio.to_thread(trim, 0)
            now_bytes = least_bytes = resident_bytes()
        least_bytes = min(least_bytes, now_bytes)


def resident_bytes() -> int:
    """How much memory of the machine the process has."""
    return int(_STATM.read_text().split()[1]) * resource.getpagesize()
