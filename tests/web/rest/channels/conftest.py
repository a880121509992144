import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.web.support.gateway import Gateway, ScriptBook, running_gateway
from tests.web.support.tokens import SECRET, bearer
from web.settings.settings import Settings


@pytest.fixture
def headers(owner: str) -> dict[str, str]:
    return bearer(sub=owner, scope="channels publish watch")


@pytest_asyncio.fixture(loop_scope="module")
async def operator(client: httpx.AsyncClient, headers: dict[str, str]) -> httpx.AsyncClient:
    """A client with the token of who runs channels."""
    client.headers.update(headers)
    return client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(module_database: str, book: ScriptBook) -> AsyncIterator[Gateway]:
    """The gateway of the module, whose time of day is as virtual as its waits: channels have clocks."""
    loop = asyncio.get_running_loop()
    # Ahead of the real time of tokens, which passes meanwhile.
    began_at = time.time() - loop.time() + 3600
    settings = Settings(
        port=0, database_url=module_database, token_secret=SecretStr(SECRET), handshakes_per_second=10_000
    )
    async with running_gateway(book, settings, clock=lambda: began_at + loop.time()) as base:
        yield Gateway(base, book)
