import asyncio

import pytest

from stream.errors import ClientError, Problem
from web.auth.one_time_tokens import USED, SharedUsedTokens, UsedTokens


def test_a_token_is_used_once() -> None:
    uses = UsedTokens()
    uses.check("a")
    uses.use("a", 60, 0)
    with pytest.raises(ClientError, match=USED):
        uses.check("a")
    with pytest.raises(ClientError, match=USED) as refused:
        uses.use("a", 60, 1)
    assert refused.value.problem is Problem.UNAUTHENTICATED
    uses.use("b", 60, 1)


def test_uses_are_forgotten_when_the_token_expires() -> None:
    uses = UsedTokens()
    for number in range(1000):
        uses.use(str(number), number + 60, number)
    assert len(uses) == 60
    uses.use("the last", 5000, 2000)
    assert len(uses) == 1


def test_remembered_uses_are_bounded() -> None:
    uses = UsedTokens(most=2)
    uses.use("a", 60, 0)
    uses.use("b", 30, 0)
    with pytest.raises(ClientError) as refused:
        uses.use("c", 60, 1)
    assert refused.value.problem is Problem.OVERLOADED
    uses.use("c", 90, 30)
    with pytest.raises(ClientError, match=USED):
        uses.check("a")


class Store:
    """A store that gateways share, or that is away."""

    def __init__(self) -> None:
        self.digests: set[str] = set()
        self.asked = 0
        self.is_away = False
        self.hangs = False

    async def use(self, digest: str, _: float) -> bool:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.is_away:
            raise OSError
        is_first = digest not in self.digests
        self.digests.add(digest)
        return is_first


@pytest.mark.virtual_time
@pytest.mark.fault(43)
async def test_a_token_is_used_once_at_all_gateways() -> None:
    store, clock = Store(), asyncio.get_running_loop().time
    one, other = SharedUsedTokens(store.use, clock), SharedUsedTokens(store.use, clock)
    await one.use("a", 60)
    with pytest.raises(ClientError, match=USED) as refused:
        await other.use("a", 60)
    assert refused.value.problem is Problem.UNAUTHENTICATED
    assert store.digests.isdisjoint({"a"})


@pytest.mark.virtual_time
@pytest.mark.parametrize("how", ["is_away", "hangs"])
async def test_an_unavailable_store_is_left_alone_for_5_seconds(how: str) -> None:
    store, clock = Store(), asyncio.get_running_loop().time
    setattr(store, how, True)
    uses, began = SharedUsedTokens(store.use, clock), clock()
    for number in range(10):
        await uses.use(str(number), 60)
    assert (store.asked, clock() - began <= 2) == (1, True)
    setattr(store, how, False)
    await asyncio.sleep(5)
    await uses.use("a", 60)
    with pytest.raises(ClientError, match=USED):
        await uses.use("a", 60)
