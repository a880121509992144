"""Row 10: the counters of a single process, in its memory."""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stream.errors import ClientError, Problem
from tests.support.loops.clock import MovableClock
from tests.support.tiers import examples
from tests.web.limits.gateway import amounts
from web.auth.caller import Caller
from web.limits.limits import Limits
from web.limits.store import Full, MemoryStore, SlotLimits, StoreUnavailableError, Window


class Slots(RuleBasedStateMachine):
    """Streams of three owners come and go in every way, in any order; the model is a list of who is there."""

    slots = SlotLimits(2, 4)

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits(amounts(streams=self.slots.overall, streams_per_owner=self.slots.per_owner), lambda: 0.0)
        self.runner = asyncio.Runner()
        self.open: list[tuple[Caller, asyncio.Task[None], asyncio.Future[None]]] = []

    @rule(owner=st.sampled_from("abc"))
    def comes(self, owner: str) -> None:
        caller = Caller(owner=owner)
        if (expected := self.expected(caller)) is None:
            self.open.append((caller, *self.runner.run(self.begun(caller))))
        else:
            assert self.runner.run(self.refusal(caller)) is expected

    @precondition(lambda self: self.open)
    @rule(data=st.data(), how=st.sampled_from(["ends", "fails", "is cancelled"]))
    def goes(self, data: st.DataObject, how: str) -> None:
        _, task, leave = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.runner.run(self.ended(task, leave, how))

    @invariant()
    def the_question_agrees(self) -> None:
        expected = [self.expected(Caller(owner=owner)) for owner in "abc"]
        assert self.runner.run(self.answers("abc")) == expected

    async def answers(self, owners: str) -> list[Problem | None]:
        return [await self.refusal(Caller(owner=owner), asks=True) for owner in owners]

    def expected(self, caller: Caller) -> Problem | None:
        if sum(one.owner == caller.owner for one, *_ in self.open) >= (self.slots.per_owner or 0):
            return Problem.RATE_LIMITED
        return Problem.OVERLOADED if len(self.open) >= self.slots.overall else None

    async def begun(self, caller: Caller) -> tuple[asyncio.Task[None], asyncio.Future[None]]:
        entered = asyncio.Event()
        leave: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def hold() -> None:
            async with self.limits.stream(caller):
                entered.set()
                await leave

        task = asyncio.create_task(hold())
        await entered.wait()
        return task, leave

    async def ended(self, task: asyncio.Task[None], leave: asyncio.Future[None], how: str) -> None:
        match how:
            case "is cancelled":
                task.cancel()
            case "fails":
                leave.set_exception(ZeroDivisionError())
            case _:
                leave.set_result(None)
        await asyncio.gather(task, return_exceptions=True)

    async def refusal(self, caller: Caller, *, asks: bool = False) -> Problem | None:
        try:
            if asks:
                await self.limits.check_stream(caller)
            else:
                async with self.limits.stream(caller):
                    pass
        except ClientError as error:
            return error.problem
        return None

    def teardown(self) -> None:
        for _, task, leave in self.open:
            self.runner.run(self.ended(task, leave, "ends"))
        self.open = []
        self.the_question_agrees()
        self.runner.close()


TestSlots = pytest.mark.fault(10)(Slots.TestCase)
TestSlots.settings = settings(examples(15, 200), stateful_step_count=25)


async def test_an_ended_window_is_deleted() -> None:
    clock = MovableClock(50.0)
    store = MemoryStore(clock)
    assert await store.add("day", 3, 86_400) == Window(3, 86_400.0)
    for number in range(1000):
        assert await store.add(f"second {number}", 1, 1) == Window(1, 1.0)
    clock.now += 0.75
    assert await store.add("second 7", 1, 1) == await store.window("second 7") == Window(2, 0.25)
    clock.now += 0.25
    assert await store.window("second 7") == Window(0, 0.0)
    assert await store.add("second 7", 1, 1) == Window(1, 1.0)
    assert await store.add("day", 2, 86_400) == Window(5, 86_399.0)
    # Nothing is kept of what is over.
    assert (len(store._counts), len(store._by_end)) == (2, 2)


class AbsentStore(MemoryStore):
    """A shared store that is away; notes when it was asked."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop().time)
        self.times: list[float] = []

    async def take(self, slot: str, owner: str, limits: SlotLimits) -> Full | None:
        self.times.append(asyncio.get_running_loop().time())
        raise StoreUnavailableError("away")


@pytest.mark.virtual_time
async def test_a_failed_store_is_left_alone_for_5_seconds() -> None:
    shared = AbsentStore()
    limits = Limits(amounts(streams=1), asyncio.get_running_loop().time, shared)
    for _ in range(12):
        async with limits.stream(Caller(owner="ann")):
            with pytest.raises(ClientError):
                await limits.check_stream(Caller(owner="ann"))
        await asyncio.sleep(1)
    assert [at - shared.times[0] for at in shared.times] == [0, 5, 10]
