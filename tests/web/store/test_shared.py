"""Row 43: tokens for one use, shared by several gateways."""

import asyncio

import pytest

from tests.support.loops.clock import MovableClock
from tests.web.limits.gateway import limited, refused, stream
from tests.web.support.tokens import token
from web.store.database.database import Database
from web.store.shared import TokenUses


async def test_concurrent_uses_of_a_token_have_one_winner(database: Database) -> None:
    clock = MovableClock()
    several = [TokenUses(database, clock=clock) for _ in range(3)]
    firsts = await asyncio.gather(*(several[n % 3].use("digest", 60) for n in range(9)))
    assert sum(firsts) == 1
    assert await several[0].use("another", 60)
    clock.now += 300
    assert await several[0].use("digest", 60)


@pytest.mark.fault(43)
async def test_gateways_with_one_postgresql_share_token_uses(postgres_url: str) -> None:
    async with limited(database_url=postgres_url) as one, limited(database_url=postgres_url) as other:
        claims = {"one_use": True, "jti": "once"}
        async with stream(one, **claims):
            assert (await refused(other, f"jwt={token(**claims)}"))[:2] == (401, "unauthenticated")
