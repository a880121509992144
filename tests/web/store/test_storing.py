import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError
from structlog.testing import capture_logs
from structlog.typing import EventDict

from web.store.storing import Storing, storing

LOCKED = OperationalError("UPDATE", {}, Exception("database is locked"))


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.store.storing._FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("web.store.storing._WAIT_SECONDS", 0.2)


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
        self.tries = self.stored = 0

    async def store(self) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        await self.gate.wait()
        self.stored += 1

    async def until_stored(self) -> None:
        async with asyncio.timeout(10):
            while not self.stored:
                await asyncio.sleep(0.01)


async def test_it_is_stored_when_the_caller_goes_on() -> None:
    shelf = Shelf()
    async with storing() as held, asyncio.timeout(10):
        await held.finish(shelf.store)
        assert (shelf.stored, len(held)) == (1, 0)


async def test_a_slow_database_is_not_waited_for_but_gets_it(events: list[EventDict]) -> None:
    shelf = Shelf()
    shelf.gate.clear()
    async with storing() as held:
        await held.finish(shelf.store)
        assert (shelf.stored, len(held)) == (0, 1)
        shelf.gate.set()
        await shelf.until_stored()
    assert events == []


@pytest.mark.parametrize("failure", [LOCKED, OSError("no route to it"), TimeoutError()], ids=lambda f: type(f).__name__)
async def test_what_passes_is_tried_again_until_it_is_stored(failure: Exception, events: list[EventDict]) -> None:
    shelf = Shelf(failure, failure, failure)
    async with storing() as held:
        await held.finish(shelf.store)
        await shelf.until_stored()
    assert (shelf.tries, shelf.stored) == (4, 1)
    assert [(told["event"], told["delay_seconds"]) for told in events] == [
        ("storing_retried", 0.01),
        ("storing_retried", 0.02),
        ("storing_retried", 0.04),
    ]


async def test_a_try_that_hangs_makes_way_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.store.storing._TRY_SECONDS", 0.05)
    shelf = Shelf()
    shelf.gate.clear()
    async with storing() as held:
        await held.finish(shelf.store)
        async with asyncio.timeout(10):
            while shelf.tries < 2:
                await asyncio.sleep(0.01)
        shelf.gate.set()
        await shelf.until_stored()
    assert shelf.stored == 1


async def test_what_would_fail_again_is_told_and_not_tried_again(events: list[EventDict]) -> None:
    shelf = Shelf(ProgrammingError("UPDATE", {}, Exception("no such table")))
    async with storing() as held:
        await held.finish(shelf.store)
    assert (shelf.tries, [told["event"] for told in events]) == (1, ["transcription_not_stored"])


async def test_a_database_that_stays_away_is_given_up_at_last(
    monkeypatch: pytest.MonkeyPatch, events: list[EventDict]
) -> None:
    monkeypatch.setattr("web.store.storing._GIVE_UP_SECONDS", 0.05)
    shelf = Shelf(*[LOCKED] * 100)
    async with storing() as held:
        await held.finish(shelf.store)
        async with asyncio.timeout(10):
            while len(held):
                await asyncio.sleep(0.01)
    assert events[-1]["event"] == "transcription_not_stored"
    assert 1 < shelf.tries < 100


async def test_so_many_go_on_afterwards_and_no_more(monkeypatch: pytest.MonkeyPatch, events: list[EventDict]) -> None:
    monkeypatch.setattr("web.store.storing._MOST", 3)
    shelf, fourth = Shelf(), Shelf()
    shelf.gate.clear()
    fourth.gate.clear()
    async with storing() as held:
        await asyncio.gather(*(held.finish(shelf.store) for _ in range(3)))
        await held.finish(fourth.store)
        shelf.gate.set()
        fourth.gate.set()
    assert (shelf.stored, fourth.tries, fourth.stored) == (3, 1, 0)
    assert [told["error"] for told in events] == ["3 others wait for the database already"]


async def test_any_number_may_end_at_once_where_the_database_keeps_up(
    monkeypatch: pytest.MonkeyPatch, events: list[EventDict]
) -> None:
    monkeypatch.setattr("web.store.storing._MOST", 3)
    monkeypatch.setattr("web.store.storing._WAIT_SECONDS", 10.0)
    shelf = Shelf()
    shelf.gate.clear()
    async with storing() as held:
        asyncio.get_running_loop().call_later(0.05, shelf.gate.set)
        await asyncio.gather(*(held.finish(shelf.store) for _ in range(20)))
        assert shelf.stored == 20
    assert events == []


async def test_a_caller_that_is_cancelled_takes_nothing_with_it() -> None:
    shelf = Shelf()
    shelf.gate.clear()
    async with storing() as held:
        caller = asyncio.create_task(held.finish(shelf.store))
        await asyncio.sleep(0.05)
        caller.cancel()
        shelf.gate.set()
        await shelf.until_stored()


async def test_the_end_waits_for_what_is_still_stored() -> None:
    shelf = Shelf()
    shelf.gate.clear()
    async with storing() as held:
        await held.finish(shelf.store)
        asyncio.get_running_loop().call_later(0.1, shelf.gate.set)
    assert shelf.stored == 1


async def test_the_end_comes_though_the_database_does_not(
    monkeypatch: pytest.MonkeyPatch, events: list[EventDict]
) -> None:
    monkeypatch.setattr("web.store.storing._STOP_SECONDS", 0.1)
    shelf = Shelf()
    shelf.gate.clear()
    held = Storing()
    await held.finish(shelf.store)
    async with asyncio.timeout(10):
        await held.close()
    assert (shelf.stored, len(held)) == (0, 0)
    assert [(told["event"], told["error"]) for told in events] == [
        ("transcription_not_stored", "the server stopped first")
    ]
