"""The virtual clock holds under what our rooms use: task groups, timeouts, threads and sockets."""

import asyncio
import socket
import threading

import pytest

from tests.support.loops.virtual_time import StuckError, VirtualTimeLoop

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_waiting_takes_its_exact_time() -> None:
    began = now()
    await asyncio.sleep(86_400)
    assert now() - began == 86_400


async def test_timers_fire_in_order_each_at_its_own_time() -> None:
    began = now()
    fired: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        for seconds in (3.5, 0.25, 60):
            tasks.create_task(asyncio.sleep(seconds)).add_done_callback(lambda _: fired.append(now() - began))
    assert fired == [0.25, 3.5, 60]


async def test_a_timeout_ends_what_is_longer_only() -> None:
    began = now()
    async with asyncio.timeout(30):
        await asyncio.sleep(29.5)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await asyncio.Event().wait()
    assert now() - began == 59.5


async def test_a_rescheduled_timeout_counts() -> None:
    began = now()
    with pytest.raises(TimeoutError):  # noqa: PT012
        async with asyncio.timeout(30) as limit:
            limit.reschedule(now() + 5)
            await asyncio.sleep(10)
    assert now() - began == 5


async def test_a_failing_task_cancels_its_group_at_once() -> None:
    began = now()

    async def fail() -> None:
        await asyncio.sleep(1)
        raise ValueError

    with pytest.raises(ExceptionGroup):  # noqa: PT012
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(3600))
            tasks.create_task(fail())
    assert now() - began == 1


async def test_time_stands_still_while_a_thread_of_the_loop_works() -> None:
    began, gate = now(), threading.Event()
    timer = asyncio.get_running_loop().call_later(1, gate.set)
    asyncio.get_running_loop().call_soon(threading.Timer(0.05, gate.set).start)
    await asyncio.to_thread(gate.wait)
    assert now() == began
    timer.cancel()


async def test_time_stands_still_while_it_is_held_for_a_foreign_thread() -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    assert isinstance(loop, VirtualTimeLoop)
    began = now()
    with loop.hold():
        threading.Timer(0.05, loop.call_soon_threadsafe, [done.set]).start()
        async with asyncio.timeout(1):
            await done.wait()
    assert now() == began
    await asyncio.sleep(1)
    assert now() - began == 1


async def test_what_was_sent_over_a_unix_socket_comes_before_any_timer() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    far_reader, far_writer = await asyncio.open_connection(sock=theirs)
    for _ in range(100):
        async with asyncio.timeout(0.001):
            writer.write(b"ping")
            await far_reader.readexactly(4)
            far_writer.write(b"pong")
            await reader.readexactly(4)
    for one in (writer, far_writer):
        one.close()
        await one.wait_closed()


def test_waiting_for_nothing_is_an_error() -> None:
    loop = VirtualTimeLoop()
    with pytest.raises(StuckError, match="no timer is set"):
        loop.run_until_complete(loop.create_future())
    loop.close()


def test_a_clock_that_never_moves_on_is_an_error() -> None:
    loop = VirtualTimeLoop()

    async def go_round() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(StuckError, match="the clock has stood still for 100000 rounds"):
        loop.run_until_complete(go_round())
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
    loop.close()
