"""Run the processes of a bench: `niyosha serve`, or any other that prints its address."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

_STOP_SECONDS = 40


@dataclass(slots=True, kw_only=True)
class Server:
    """A process of this bench's own that listens at `url`."""

    process: subprocess.Popen[str]
    url: str
    ready_seconds: float
    children: list[int] = field(default_factory=list)
    folder: TemporaryDirectory[str] | None = None

    @classmethod
    def start(cls, *options: str, environment: Mapping[str, str] | None = None) -> "Server":
        """Start `niyosha serve` and wait until it is ready; its database is its own unless one is given."""
        folder = TemporaryDirectory(prefix="niyosha-bench-", ignore_cleanup_errors=True)
        own = {"NIYOSHA_DATABASE_URL": _database_url(folder.name), **(environment or {})}
        server = cls.run("web.cli.main", "serve", "--port", "0", "--quiet", *options, environment=own)
        server.folder = folder
        return server

    @classmethod
    def run(cls, module: str, *options: str, environment: Mapping[str, str] | None = None) -> "Server":
        """Start a module that prints a line in which its address is the last word that has a port."""
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", module, *options],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        ready_seconds = time.perf_counter() - began
        url = next((word for word in line.split() if word.startswith("http") or "127.0.0.1:" in word), "")
        if not url:
            process.kill()
            raise SystemExit(f"{module} {' '.join(options)} did not start: {line!r}")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        pids = [int(child) for child in children]
        return cls(process=process, url=url, ready_seconds=ready_seconds, children=pids)

    @property
    def database_url(self) -> str:
        """Where a `niyosha serve` of this bench has its tables."""
        assert self.folder is not None
        return _database_url(self.folder.name)

    def stop(self) -> None:
        self.terminate()
        self.discard()

    def terminate(self) -> None:
        """Stop the process as a service manager does, and kill it where that takes too long."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def discard(self) -> None:
        """Remove what the process left on disk."""
        if self.folder is not None:
            self.folder.cleanup()

    def resident_mb(self) -> float:
        """Resident memory of the process now."""
        return _memory_mb(self.process.pid, "VmRSS")

    def memory_mb(self) -> tuple[float, float]:
        """Largest resident memory so far of the process and of its children."""
        return _memory_mb(self.process.pid, "VmHWM"), sum(_memory_mb(child, "VmHWM") for child in self.children)

    def cpu_seconds(self) -> float:
        """Processor time that the process itself has used so far."""
        return _cpu_seconds(self.process.pid)

    def family_cpu_seconds(self) -> float:
        """Processor time of the process and of its children so far."""
        return self.cpu_seconds() + sum(map(_cpu_seconds, self.children))


def _memory_mb(pid: int, field_name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field_name)) / 1024


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _database_url(folder: str) -> str:
    return f"sqlite:///{folder}/niyosha.db"
