"""The child's side of the link to its parent process: heartbeats, and an end with the parent."""

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_BEAT = b"."
READY = "listening on"
"""How the line begins that a child writes when it serves, before its address."""


def die_with_parent() -> None:
    """Let the system kill this process when the thread that started it is gone, even one that hangs or is stopped.

    Does nothing on systems other than Linux. A parent that is gone already is seen by the end of the standard input.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def beat() -> None:
    """Write a beat to the standard output; one that does not fit, because nobody reads, is left out."""
    # The pipe is this process's own end: a parent that is stopped for hours must not stop the child.
    os.set_blocking(sys.stdout.fileno(), False)
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        os.write(sys.stdout.fileno(), _BEAT)
