"""See from outside whether a process does anything: it uses the processor, waits for one, or for memory or disk."""

from pathlib import Path

_STATE, _MINOR_FAULTS, _MAJOR_FAULTS, _USER_TICKS, _SYSTEM_TICKS = 0, 7, 9, 11, 12
"""Fields of /proc/PID/stat behind the name (proc(5))."""
_RUNS, _WAITS_FOR_DISK = "R", "D"


class ProcessActivity:
    """Compares what a process has done so far with what it had done at the look before."""

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}/stat")
        self._done: tuple[str, ...] = ()

    def is_working(self) -> bool:
        """Whether it did something since the last call; False where the system does not tell, as without /proc."""
        try:
            fields = self._path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return False
        done = tuple(fields[field] for field in (_MINOR_FAULTS, _MAJOR_FAULTS, _USER_TICKS, _SYSTEM_TICKS))
        has_done_something, self._done = done != self._done, done
        return has_done_something or fields[_STATE] in {_RUNS, _WAITS_FOR_DISK}
