"""What processes on this machine use: processor time and memory, of each with its children (Linux)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024


@dataclass(frozen=True, slots=True)
class Use:
    """Processor seconds so far, and resident memory now."""

    cpu_seconds: float
    memory_kib: float


def uses(pids: Mapping[str, int]) -> dict[str, Use]:
    """Return what processes use, by their names; a process that has ended is left out."""
    found: dict[str, Use] = {}
    for name, pid in pids.items():
        for place, member in enumerate(_family(pid)):
            try:
                found[name if place == 0 else f"{name}, child {place}"] = _use(member)
            except OSError:
                continue
    return found


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *map(int, children)]


def _use(pid: int) -> Use:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    # Of proc(5): utime and stime are the fields 14 and 15, rss is 24; the name that is cut off was the second one.
    return Use((int(fields[11]) + int(fields[12])) * _TICK_SECONDS, int(fields[21]) * _PAGE_KIB)
