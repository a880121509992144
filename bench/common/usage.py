"""Measure the CPU time of the server, the bench and all other processes between two moments."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from bench.common.server import Server

_BUSY_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_IDLE_FIELDS = frozenset({"idle", "iowait"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU seconds of the server, of this process and of the whole machine, at `at` or since then."""

    at: float
    server: float
    bench: float
    machine: float

    @classmethod
    def take(cls, server: Server) -> "Usage":
        return cls(
            at=time.perf_counter(),
            server=server.cpu_seconds(),
            bench=time.process_time(),
            machine=_machine_seconds(),
        )

    def since(self, earlier: "Usage") -> "Usage":
        return Usage(
            at=self.at - earlier.at,
            server=self.server - earlier.server,
            bench=self.bench - earlier.bench,
            machine=self.machine - earlier.machine,
        )

    @property
    def others(self) -> float:
        """CPU seconds of everybody else on this machine."""
        return max(0.0, self.machine - self.server - self.bench)


def _machine_seconds() -> float:
    ticks = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    busy = (int(tick) for name, tick in zip(_BUSY_FIELDS, ticks, strict=False) if name not in _IDLE_FIELDS)
    return sum(busy) / os.sysconf("SC_CLK_TCK")
