"""Temporary directories that do not outlive their process for long: the next one removes what a killed one left.

A process holds a lock in each of its directories while it lives, and the system lets go of that with the process,
however it ends. So a directory whose lock is free is nobody's, whatever has become of its process's number.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "niyosha-"
_LOCK = ".lock"
# Another process may take a directory for a leftover before it is locked.
_TRIES = 10


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Make a directory that only this user can enter, and remove it in the end; leftovers of others go first."""
    remove_leftovers()
    path, lock = _locked()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        lock.release()


def remove_leftovers() -> None:
    """Remove this user's directories whose processes have ended; what is not surely ours is left alone."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError, Timeout):
            if _is_ours(path):
                # Not where a lock was never made: it may be somebody else's, or be about to get one.
                with FileLock(path / _LOCK, blocking=False):
                    shutil.rmtree(path, ignore_errors=True)


def _locked() -> tuple[Path, FileLock]:
    for _ in range(_TRIES):
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = FileLock(path / _LOCK, blocking=False)
        with suppress(Timeout):
            lock.acquire()
            if (path / _LOCK).exists():
                return path, lock
            lock.release()
    raise OSError(f"no directory could be kept in {tempfile.gettempdir()}")


def _is_ours(path: Path) -> bool:
    """Whether it is a directory of this user's, no link, with a lock file."""
    found, lock = path.lstat(), (path / _LOCK).lstat()
    is_mine = not hasattr(os, "geteuid") or found.st_uid == lock.st_uid == os.geteuid()
    return is_mine and stat.S_ISDIR(found.st_mode) and stat.S_ISREG(lock.st_mode)
