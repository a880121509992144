"""Owns what processes use of the machine between two moments: the server, the bench itself, and all others."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from bench.common.server import Server

_BUSY_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_IDLE_FIELDS = frozenset({"idle", "iowait"})


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of the server, of this process and of the whole machine, at `at` or since then."""

    at: float
    server: float
    bench: float
    machine: float

    @classmethod
    def take(cls, server: Server) -> "Usage":
        return cls(time.perf_counter(), server.cpu_seconds(), time.process_time(), _machine_seconds())

    def since(self, earlier: "Usage") -> "Usage":
        return Usage(
            self.at - earlier.at,
            self.server - earlier.server,
            self.bench - earlier.bench,
            self.machine - earlier.machine,
        )

    @property
    def others(self) -> float:
        """CPU seconds of everybody else on this machine."""
        return max(0.0, self.machine - self.server - self.bench)


def _machine_seconds() -> float:
    ticks = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    busy = (int(tick) for name, tick in zip(_BUSY_FIELDS, ticks, strict=False) if name not in _IDLE_FIELDS)
    return sum(busy) / os.sysconf("SC_CLK_TCK")
