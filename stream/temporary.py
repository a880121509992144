"""Temporary directories that are removed even after a process was killed, by the next process.

A process holds a lock in each of its directories, which the system releases with the process however it ends. A
directory with a free lock is therefore unused, even if its process's number is in use again.
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
# Another process may remove a directory as a leftover before it is locked.
_TRIES = 10


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """Make a directory for this user only, and remove it in the end; leftovers of ended processes are removed first."""
    remove_leftovers()
    path, lock = _locked()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        lock.release()


def remove_leftovers() -> None:
    """Remove this user's directories whose processes have ended, and nothing that may be somebody else's."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError, Timeout):
            if _is_ours(path):
                # A directory without a lock file is not ours, or not locked yet.
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
    """Whether it is a directory of this user with a lock file, and no link."""
    found, lock = path.lstat(), (path / _LOCK).lstat()
    is_mine = not hasattr(os, "geteuid") or found.st_uid == lock.st_uid == os.geteuid()
    return is_mine and stat.S_ISDIR(found.st_mode) and stat.S_ISREG(lock.st_mode)
