"""Fixtures of the routes: one gateway for the tests of a module, and a caller of its own for each of them."""

import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.web.gateway import Gateway, ScriptBook, running_gateway
from tests.web.sockets import http_client
from tests.web.tokens import SECRET, bearer
from web.settings import Settings


@pytest.fixture(scope="module")
def book() -> ScriptBook:
    """The recognizer: says `w0 w1 ...`, a word for each quarter of a second, unless a script is named."""
    return ScriptBook()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(module_database: str, book: ScriptBook) -> AsyncIterator[Gateway]:
    """The gateway of the module, which wants tokens."""
    settings = Settings(
        port=0, database_url=module_database, token_secret=SecretStr(SECRET), handshakes_per_second=10_000
    )
    async with running_gateway(book, settings) as base:
        yield Gateway(base, book)


@pytest.fixture
def owner() -> str:
    """Somebody who has nothing yet."""
    return uuid.uuid4().hex


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, with a token of somebody else."""
    async with http_client(gateway.base, headers=bearer(sub=uuid.uuid4().hex)) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def client(gateway: Gateway, owner: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, with a token of the owner."""
    async with http_client(gateway.base, headers=bearer(sub=owner)) as client:
        yield client
