import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError
from structlog.testing import capture_logs
from structlog.typing import EventDict

from web.store.retried_writes import RetriedWrites, retried_writes

LOCKED = OperationalError("UPDATE", {}, Exception("database is locked"))


pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
def events() -> Iterator[list[EventDict]]:
    with capture_logs() as events:
        yield events


class Shelf:
    """Something to store to: fails as the script says, then takes what it is given once its gate is open."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.gate = asyncio.Event()
        self.gate.set()
        self.times: list[float] = []
        self.stored = 0

    @property
    def tries(self) -> int:
        return len(self.times)

    async def store(self) -> None:
        self.times.append(now())
        if self.failures:
            raise self.failures.pop(0)
        await self.gate.wait()
        self.stored += 1

    def closed(self) -> "Shelf":
        self.gate.clear()
        return self


async def drained(held: RetriedWrites) -> None:
    """Wait until nothing is being stored any more."""
    while len(held):
        await asyncio.sleep(0.25)


async def test_it_is_stored_when_the_caller_goes_on() -> None:
    shelf, began = Shelf(), now()
    async with retried_writes() as held:
        await held.finish(shelf.store)
        assert (shelf.stored, len(held), now() - began) == (1, 0, 0)


async def test_a_slow_database_is_awaited_for_5_seconds(events: list[EventDict]) -> None:
    shelf, began = Shelf().closed(), now()
    async with retried_writes() as held:
        await held.finish(shelf.store)
        assert (shelf.stored, len(held), now() - began) == (0, 1, 5)
        shelf.gate.set()
        await drained(held)
    assert shelf.stored == 1
    assert events == []


@pytest.mark.parametrize("failure", [LOCKED, OSError("no route to it"), TimeoutError()], ids=lambda f: type(f).__name__)
async def test_what_passes_is_tried_again_until_it_is_stored(failure: Exception, events: list[EventDict]) -> None:
    shelf = Shelf(*[failure] * 7)
    async with retried_writes() as held:
        await held.finish(shelf.store)
        await drained(held)
    assert (shelf.tries, shelf.stored) == (8, 1)
    assert [event["event"] for event in events] == ["storing_retried"] * 7
    assert [event["delay_seconds"] for event in events] == [0.25, 0.5, 1, 2, 4, 8, 8]
    assert [later - sooner for sooner, later in pairwise(shelf.times)] == [0.25, 0.5, 1, 2, 4, 8, 8]


async def test_a_try_that_hangs_makes_way_for_another() -> None:
    shelf = Shelf().closed()
    async with retried_writes() as held:
        await held.finish(shelf.store)
        await asyncio.sleep(20)
        shelf.gate.set()
        await drained(held)
    assert shelf.stored == 1
    assert [at - shelf.times[0] for at in shelf.times] == [0, 20.25]


async def test_what_would_fail_again_is_told_and_not_tried_again(events: list[EventDict]) -> None:
    shelf, began = Shelf(ProgrammingError("UPDATE", {}, Exception("no such table"))), now()
    async with retried_writes() as held:
        await held.finish(shelf.store)
    assert (shelf.tries, now() - began) == (1, 0)
    assert [event["event"] for event in events] == ["transcription_not_stored"]


async def test_storing_is_given_up_after_two_minutes(events: list[EventDict]) -> None:
    shelf = Shelf(*[LOCKED] * 100)
    async with retried_writes() as held:
        await held.finish(shelf.store)
        await drained(held)
    assert events[-1]["event"] == "transcription_not_stored"
    # The last pause of 8 s begins before the two minutes are over.
    assert 120 <= shelf.times[-1] - shelf.times[0] < 128


async def test_256_go_on_afterwards_and_no_more(events: list[EventDict]) -> None:
    shelf, late = Shelf().closed(), Shelf().closed()
    async with retried_writes() as held:
        await asyncio.gather(*(held.finish(shelf.store) for _ in range(256)))
        await held.finish(late.store)
        shelf.gate.set()
        late.gate.set()
    assert (shelf.stored, late.tries, late.stored) == (256, 1, 0)
    assert [event["error"] for event in events] == ["256 others wait for the database already"]


async def test_many_sessions_can_end_at_once(events: list[EventDict]) -> None:
    shelf = Shelf().closed()
    async with retried_writes() as held:
        asyncio.get_running_loop().call_later(4.9, shelf.gate.set)
        await asyncio.gather(*(held.finish(shelf.store) for _ in range(300)))
        assert shelf.stored == 300
    assert events == []


async def test_a_caller_that_is_cancelled_takes_nothing_with_it() -> None:
    shelf = Shelf().closed()
    async with retried_writes() as held:
        caller = asyncio.create_task(held.finish(shelf.store))
        await asyncio.sleep(1)
        caller.cancel()
        await asyncio.sleep(1)
        shelf.gate.set()
        await drained(held)
    assert shelf.stored == 1


async def test_the_end_waits_for_what_is_still_stored() -> None:
    shelf = Shelf().closed()
    async with retried_writes() as held:
        await held.finish(shelf.store)
        asyncio.get_running_loop().call_later(4.9, shelf.gate.set)
    assert shelf.stored == 1


async def test_storing_is_awaited_for_5_seconds(events: list[EventDict]) -> None:
    shelf, held = Shelf().closed(), RetriedWrites()
    await held.finish(shelf.store)
    began = now()
    await held.close()
    assert (shelf.stored, len(held), now() - began) == (0, 0, 5)
    assert [(event["event"], event["error"]) for event in events] == [
        ("transcription_not_stored", "the server stopped first")
    ]
