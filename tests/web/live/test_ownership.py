"""One connection of all processes serves a transcription."""

import asyncio
from typing import cast

import pytest

from tests.web.support.relays import Wires
from web.live.ownership import Ownership, keep_touched
from web.relay.relay import Relay
from web.store.resumption import Resumptions
from web.tasks import running_task

pytestmark = pytest.mark.virtual_time


async def test_a_connection_of_another_process_gives_way() -> None:
    wires = Wires()
    relays = [Relay(wires.end()) for _ in range(2)]
    one, other = (Ownership(relay) for relay in relays)
    ended: list[str] = []
    async with running_task(relays[0].run()), running_task(relays[1].run()):
        with one.holding("t", 0, lambda: ended.append("t")), one.holding("u", 3, lambda: ended.append("u")):
            await other.take("t", 1)
            await other.take("u", 3)
            await asyncio.sleep(1)
            assert (ended, one.ids) == (["t"], ["t", "u"])


async def test_a_connection_of_this_process_is_waited_for() -> None:
    owners, loop = Ownership(), asyncio.get_running_loop()
    began, leaves = loop.time(), asyncio.Event()

    async def serve() -> None:
        with owners.holding("t", 0, leaves.set):
            await leaves.wait()
            await asyncio.sleep(1)

    serving = asyncio.create_task(serve())
    await asyncio.sleep(0)
    await owners.take("t", 1)
    assert loop.time() - began == pytest.approx(1)
    await serving
    with owners.holding("t", 1, lambda: None):
        await owners.take("t", 2)
        assert loop.time() - began == pytest.approx(3)


async def test_what_is_served_is_touched() -> None:
    touched: list[list[str]] = []

    class Touched:
        async def touch(self, ids: list[str]) -> None:
            touched.append(ids)
            if len(touched) == 2:
                raise OSError("away")

    owners = Ownership()
    async with running_task(keep_touched(owners, cast(Resumptions, Touched()))):
        with owners.holding("t", 0, lambda: None):
            await asyncio.sleep(70)
    assert touched == [["t"]] * 3
