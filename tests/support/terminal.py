"""Run the command on a terminal: a pseudo-terminal whose screen a test reads and whose keys it presses."""

import errno
import os
import pty
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.processes import NIYOSHA, STUCK_SECONDS

CTRL_C = b"\x03"


class Terminal:
    """A command on a terminal; `shown` is what it has written so far."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.shown = ""
        self._descriptor = descriptor

    def wait_for(self, text: str) -> None:
        """Read until a text is there."""
        while text not in self.shown:
            assert self._read(), f"it ended without {text!r}: {self.shown}"

    def press(self, keys: bytes) -> None:
        os.write(self._descriptor, keys)

    def wait(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            pass
        return self.process.wait(STUCK_SECONDS)

    def _read(self) -> bool:
        """Read what comes next; return whether anything can come after it."""
        ready, _, _ = select.select([self._descriptor], [], [], STUCK_SECONDS)
        assert ready, f"nothing came after: {self.shown}"
        try:
            data = os.read(self._descriptor, 1 << 16)
        except OSError as ended:
            # Linux' way of saying that no process has the terminal open.
            assert ended.errno == errno.EIO
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)


@contextmanager
def on_terminal(*arguments: str, **settings: str) -> Iterator[Terminal]:
    """Run a command on a terminal of its own while the context lasts."""
    primary, secondary = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "30"} | settings
    with subprocess.Popen(
        # Ctrl-C on the terminal is a signal for the command only if it is the command's own.
        ["setsid", "--ctty", *NIYOSHA, *arguments],
        stdin=secondary,
        stdout=secondary,
        stderr=secondary,
        env=environment,
    ) as process:
        os.close(secondary)
        try:
            yield Terminal(process, primary)
        finally:
            process.kill()
            os.close(primary)
