"""What a process does is seen from outside."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.support.processes import STUCK_SECONDS
from web.supervision.process_activity import ProcessActivity


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for its input, works for a moment for each line of it, and then writes one."""
    program = "import sys\nfor _ in sys.stdin: sum(range(3_000_000)); print(flush=True)"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe) as process:
        yield process
        process.kill()


def work(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.stdout.readline()


def wait_until_idle(activity: ProcessActivity) -> None:
    deadline = time.monotonic() + STUCK_SECONDS
    while activity.is_working():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_process_that_worked_is_told_from_one_that_waits(sleeper: subprocess.Popen[bytes]) -> None:
    activity = ProcessActivity(sleeper.pid)
    work(sleeper)
    assert activity.is_working()
    wait_until_idle(activity)
    assert not activity.is_working()
    work(sleeper)
    assert activity.is_working()


def test_a_stopped_process_does_nothing(sleeper: subprocess.Popen[bytes]) -> None:
    work(sleeper)
    os.kill(sleeper.pid, signal.SIGSTOP)
    os.waitpid(sleeper.pid, os.WUNTRACED)
    activity = ProcessActivity(sleeper.pid)
    activity.is_working()
    assert not activity.is_working()


def test_a_process_that_runs_works() -> None:
    activity = ProcessActivity(os.getpid())
    assert [activity.is_working() for _ in range(3)] == [True] * 3


def test_a_process_that_is_gone_does_nothing(sleeper: subprocess.Popen[bytes]) -> None:
    activity = ProcessActivity(sleeper.pid)
    activity.is_working()
    sleeper.kill()
    sleeper.wait()
    assert not activity.is_working()
