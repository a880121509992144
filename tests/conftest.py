"""Fixtures that several rooms share: the real server as a user starts it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Base URL of a `shenava serve` with the embedded engine, one for the whole run."""
    command = [sys.executable, "-m", "web.cli", "serve", "--port", "0", "--quiet"]
    settings = {"SHENAVA_IDLE_MS": "300", "SHENAVA_IDLE_LIMIT_SECONDS": "2"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | settings) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            yield next(word for word in words if word.startswith("http"))
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) == 0
