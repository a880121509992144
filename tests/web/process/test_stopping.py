"""A process ends within its limit and at the second signal, whatever its loop and its threads are doing."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import NIYOSHA, STUCK_SECONDS, child_of, url_in
from web.process.stopping import Step, StopPlan, StopSignals

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Nothing here ends by itself within the time of a test.
FOREVER = 1000
_WAITING = re.compile(r"^(?:Sig|Shd)Pnd:\s*(\w+)", re.MULTILINE)

# Ways to be stuck, in the event loop or beside it; `at` says whether from the start or when it is asked to finish.
PROGRAM = f"""
import asyncio, ctypes, threading, time
import web.process.stopping
from web.process.stopping import StopSignals, end_within_limit

web.process.stopping._CLOSE_SECONDS = 0.5

def sleep(): time.sleep({FOREVER})
def spin():
    while True: pass
def native(): ctypes.CDLL(None).sleep({FOREVER})
def locked(): ctypes.PyDLL(None).sleep({FOREVER})  # holds the lock of the interpreter

async def blocked(way): say(); way()
async def pooled(way): await asyncio.gather(asyncio.to_thread(way), asyncio.to_thread(say))
async def stubborn(way):
    say()
    while True:
        try: await asyncio.sleep({FOREVER})
        except asyncio.CancelledError: pass

def say(): print("stuck", flush=True)
def nothing(): pass

async def main(signals, at, where, way, limit):
    asked = asyncio.Event()
    signals.listen(limit, asked.set, nothing)
    if at == "finish":
        say()
        await asked.wait()
    await where(way)

with StopSignals.taken() as signals:
    asyncio.run(main(signals, ARGUMENTS))
"""


@contextmanager
def program(text: str) -> Iterator[subprocess.Popen[str]]:
    """A program that has said its first line."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", text], stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "stuck\n"
            yield process
        finally:
            process.kill()


def stuck(at: str, where: str, way: str, limit_seconds: float) -> str:
    return PROGRAM.replace("ARGUMENTS", f"{at!r}, {where}, {way}, {limit_seconds}")


def send(process: subprocess.Popen[str], number: int) -> None:
    """Send a signal and wait until the process has taken it: two that wait together would be one."""
    process.send_signal(number)
    deadline = time.monotonic() + STUCK_SECONDS
    while any(int(waiting, 16) for waiting in _WAITING.findall(Path(f"/proc/{process.pid}/status").read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


WAYS = [
    pytest.param("blocked", "sleep", id="loop-sleeps"),
    pytest.param("blocked", "spin", id="loop-spins"),
    pytest.param("blocked", "native", id="loop-in-a-library"),
    pytest.param("pooled", "sleep", id="thread-sleeps"),
    pytest.param("pooled", "spin", id="thread-spins"),
    pytest.param("stubborn", "sleep", id="task-is-not-cancelled"),
]


@pytest.mark.fault(40)
@pytest.mark.parametrize(("where", "way"), WAYS)
def test_a_second_signal_ends_what_is_stuck(where: str, way: str) -> None:
    with program(stuck("start", where, way, FOREVER)) as process:
        send(process, signal.SIGTERM)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(STUCK_SECONDS) == 1


@pytest.mark.fault(40)
@pytest.mark.parametrize(("where", "way"), WAYS)
def test_a_stop_ends_what_is_stuck_when_its_limit_has_passed(where: str, way: str) -> None:
    with program(stuck("start", where, way, 0.2)) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(STUCK_SECONDS) == 1
        assert process.stdout is not None
        assert "stop_cut_off" in process.stdout.read()


@pytest.mark.fault(40)
def test_a_stop_ends_a_library_that_keeps_the_lock_of_the_interpreter() -> None:
    with program(stuck("finish", "blocked", "locked", 0.2)) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(STUCK_SECONDS) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_before_anybody_listens_a_signal_ends_the_process(number: int, code: int) -> None:
    text = f"""
import time
from web.process.stopping import StopSignals
with StopSignals.taken():
    print("stuck", flush=True)
    time.sleep({FOREVER})
"""
    with program(text) as process:
        process.send_signal(number)
        assert process.wait(STUCK_SECONDS) == code


@pytest.mark.parametrize("code", [0, 2])
def test_a_thread_that_does_not_end_keeps_no_process_alive(code: int) -> None:
    text = f"""
import sys, threading, time
from web.process.stopping import end_within_limit
threading.Thread(target=time.sleep, args=({FOREVER},)).start()
print("stuck", flush=True)
end_within_limit({code}, 0.1)
"""
    with program(text) as process:
        assert process.wait(STUCK_SECONDS) == code


STUCK_SERVER = f"""
import sys, time
import web.rest.health, web.cli.main

def stuck(_):
    print("stuck", flush=True)
    time.sleep({FOREVER})

web.rest.health._json = stuck
sys.argv[1:] = ["serve", "--port", "0", "--quiet"]
web.cli.main.main()
"""


@pytest.mark.fault(40)
def test_a_server_whose_loop_is_stuck_ends_with_its_engine_at_the_second_signal() -> None:
    environment = os.environ | {"NIYOSHA_FINAL_LIMIT_SECONDS": "600"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", STUCK_SERVER], stdout=pipe, stderr=pipe, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            url = url_in(process.stdout.readline())
            engine = os.pidfd_open(child_of(process.pid))
            host, _, port = url.removeprefix("http://").rpartition(":")
            with socket.create_connection((host, int(port))) as client:
                client.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert process.stdout.readline() == "stuck\n"
                for number in SIGNALS:
                    send(process, number)
                assert process.wait(STUCK_SECONDS) == 1
            assert select.select([engine], [], [], STUCK_SECONDS)[0] == [engine]
            os.close(engine)
        finally:
            process.kill()


def test_a_stop_before_the_server_listens_ends_its_start_and_its_engine() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([*NIYOSHA, "serve", "--port", "0"], stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stderr is not None
            started = json.loads(process.stderr.readline())
            assert started["event"] == "engine_started"
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=STUCK_SECONDS)
        finally:
            process.kill()
    assert (process.returncode, output, errors) == (0, "", "")
    assert not Path(f"/proc/{started['pid']}").exists()


def test_a_command_that_was_not_asked_to_end_leaves_the_signals_as_they_were() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with StopSignals.taken() as signals:
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before | set(SIGNALS)
    assert signals.count == 0
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


class TestPlan:
    """What each signal asks for, and by when."""

    def test_the_first_signal_asks_to_finish_within_the_limit(self) -> None:
        plan = StopPlan(30)
        assert plan.due is None
        assert (plan.signal(100), plan.due) == (Step.FINISH, 130)

    def test_the_second_one_asks_to_drop_everything_and_waits_for_whoever_does(self) -> None:
        plan = StopPlan(30)
        plan.signal(100)
        assert (plan.signal(101), plan.due) == (Step.DROP, 102)
        plan.dropping()
        assert plan.due == 106

    @pytest.mark.parametrize(("limit_seconds", "due"), [(30, 130), (0, 100)])
    def test_the_second_one_gives_no_more_time_than_there_was(self, limit_seconds: float, due: float) -> None:
        plan = StopPlan(limit_seconds)
        plan.signal(100)
        plan.signal(129.5)
        plan.dropping()
        assert plan.due == due

    def test_the_third_one_ends_it(self) -> None:
        plan = StopPlan(30)
        for now in (100, 101):
            plan.signal(now)
        plan.dropping()
        assert [plan.signal(101.5) for _ in range(3)] == [Step.END] * 3
        assert plan.due == 101.5
