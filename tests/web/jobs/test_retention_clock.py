"""Row 42: deletions do not follow a jump of the wall clock."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.loops.clock import MovableClock
from tests.support.tiers import examples
from tests.web.support.gateway import held_while_sqlite_works
from tests.web.support.utterances import said
from web.jobs.cleanup import Cleanup
from web.jobs.retention_clock import Observation, RetentionClock
from web.store.database.database import Database
from web.store.recordings import Recordings
from web.store.shared import Notes
from web.store.tables import Kind
from web.store.transcriptions import Transcriptions, new_id

pytestmark = [pytest.mark.virtual_time, pytest.mark.fault(42)]
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
NOW = 1_800_000_000.0


@dataclass
class Machine:
    """A gateway's cleanup on a machine whose clocks a test moves."""

    database: Database
    wall: MovableClock
    boot: MovableClock

    def __post_init__(self) -> None:
        self.transcriptions = Transcriptions(self.database, 7 * DAY, clock=self.wall)
        self.recordings = Recordings(self.database, 7 * DAY, clock=self.wall)
        self.start()

    def start(self) -> None:
        """Start the process, or start it again."""
        retention_clock = RetentionClock(Notes(self.database), clock=self.wall, boot_clock=self.boot)
        self.cleanup = Cleanup(self.transcriptions, self.recordings, HOUR, retention_clock=retention_clock)

    async def run(self, seconds: float, step: float = MINUTE) -> None:
        """Let time pass, with an cleanup every minute."""
        for _ in range(int(seconds // step)):
            self.wall.now += step
            self.boot.now += step
            await self.cleanup.clean()

    async def keep(self) -> str:
        transcription_id = new_id()
        await self.transcriptions.open(transcription_id, "ann", Kind.LIVE)
        await self.transcriptions.finish(transcription_id, said("words"), 1, 0.0)
        return transcription_id

    async def has(self, transcription_id: str) -> bool:
        """Whether it is there, whatever the clock hides."""
        wall, self.wall.now = self.wall.now, NOW
        found = await self.transcriptions.get(transcription_id, "ann")
        self.wall.now = wall
        return found is not None


@pytest.fixture
async def machine(sqlite_url: str) -> AsyncIterator[Machine]:
    database = Database(sqlite_url)
    with held_while_sqlite_works():
        yield Machine(database, MovableClock(NOW), MovableClock(500.0))
        await database.close()


async def test_a_clock_ahead_for_a_while_deletes_nothing(machine: Machine) -> None:
    kept = await machine.keep()
    await machine.run(3 * MINUTE)
    machine.wall.now += 8 * DAY
    await machine.run(5 * HOUR, step=10 * MINUTE)
    assert await machine.has(kept)
    machine.wall.now -= 8 * DAY
    await machine.run(7 * HOUR, step=10 * MINUTE)
    assert await machine.has(kept)


async def test_what_has_expired_is_deleted_when_its_time_has_passed(machine: Machine) -> None:
    kept = await machine.keep()
    await machine.run(6.9 * DAY, step=HOUR)
    assert await machine.has(kept)
    await machine.run(0.2 * DAY, step=HOUR)
    assert not await machine.has(kept)


async def test_a_jump_that_lasts_is_believed_after_six_hours(machine: Machine) -> None:
    kept = await machine.keep()
    await machine.run(MINUTE)
    machine.wall.now += 8 * DAY
    await machine.run(6 * HOUR - MINUTE)
    assert await machine.has(kept)
    await machine.run(3 * MINUTE)
    assert not await machine.has(kept)


async def test_a_laptop_that_slept_has_not_jumped(machine: Machine) -> None:
    kept = await machine.keep()
    await machine.run(MINUTE)
    machine.wall.now += 8 * DAY
    machine.boot.now += 8 * DAY
    await machine.cleanup.clean()
    assert not await machine.has(kept)


async def test_a_start_with_a_wrong_clock_deletes_nothing(machine: Machine) -> None:
    kept = await machine.keep()
    await machine.run(MINUTE)
    for _ in range(3):
        machine.wall.now += 8 * DAY
        machine.boot.now = 5.0
        machine.start()
        await machine.run(HOUR)
        assert await machine.has(kept)
        machine.wall.now -= 8 * DAY
        await machine.run(MINUTE)


async def test_a_first_start_goes_by_what_was_last_touched(machine: Machine) -> None:
    kept = await machine.keep()
    machine.wall.now += 8 * DAY
    await machine.run(HOUR)
    assert await machine.has(kept)


async def test_a_machine_that_runs_two_hours_a_day_deletes_too(machine: Machine) -> None:
    kept = await machine.keep()
    days = 0
    while await machine.has(kept):
        days += 1
        machine.wall.now += DAY - 2 * HOUR
        machine.boot.now = 5.0
        machine.start()
        await machine.run(2 * HOUR, step=10 * MINUTE)
        assert days < 20
    assert 7 <= days <= 11


async def test_an_upload_is_not_given_up_by_a_jump(machine: Machine) -> None:
    from stream.session.events import RecognitionOptions  # noqa: PLC0415
    from web.store.recordings import Recording  # noqa: PLC0415

    recording = Recording(id=new_id(), owner="ann", uri=None, config={}, options=RecognitionOptions("en-US"))
    await machine.recordings.open(recording)
    await machine.run(MINUTE)
    machine.wall.now += 8 * DAY
    await machine.run(MINUTE)
    assert await machine.recordings.get(recording.id) is not None


@settings(examples(100, 2000))
@given(moves=st.lists(st.tuples(st.floats(-1e7, 1e7), st.floats(0, 1e5), st.booleans()), max_size=60))
def test_it_is_never_ahead_of_both_clocks(moves: list[tuple[float, float, bool]]) -> None:
    seen, most = Observation(NOW), NOW
    for jump, passed, is_restart in moves:
        wall = seen.wall + passed + jump
        before = seen
        seen = before.next(wall, None if is_restart else passed)
        assert seen.now <= wall + 1e-3
        assert len(seen.jumps) <= 16
        believed = sum(one.seconds for one in before.jumps if one.left <= passed)
        allowed = (HOUR + passed if is_restart else passed + 30.0) + believed
        assert seen.now <= before.now + allowed + 1e-3
        most = max(most, seen.now)


def test_the_clock_of_the_boot_goes_on() -> None:
    from web.clock import boot_clock  # noqa: PLC0415

    times: list[Any] = [boot_clock() for _ in range(3)]
    assert times == sorted(times)
