"""A gateway with limits, and clients that are admitted or refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.recognizers import ScriptedRecognizer
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import LIVE, Conversation, converse, http_client, received, talking
from tests.web.support.tokens import SECRET, token
from web.limits.limits import Amounts
from web.settings.settings import read_settings

SECOND = bytes(32_000)
OWNER_FULL = (429, "rate_limited", 5)
SERVER_FULL = (503, "overloaded", 5)


def amounts(**changed: Any) -> Amounts:
    """Limits that only the changed ones reach."""
    usual = {"streams": 1000, "streams_per_owner": 100, "handshakes_per_second": 50, "minutes_per_day": None}
    return Amounts(**(usual | changed))


@asynccontextmanager
async def limited(recognizer: ScriptedRecognizer | None = None, **overrides: object) -> AsyncIterator[str]:
    """A gateway with a key and these settings; gives its base."""
    async with running_gateway(recognizer, read_settings({"port": 0, "token_secret": SECRET} | overrides)) as base:
        yield base


def stream(base: str, **claims: Any) -> connect:
    return talking(base, f"jwt={token(**claims)}", compression=None)


async def refused(base: str, query: str = "") -> tuple[int, str, int]:
    """Status, kind and Retry-After of a refused handshake."""
    with pytest.raises(InvalidStatus) as caught:
        async with talking(base, query):
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"")["type"], int(response.headers.get("Retry-After", 0))


async def explained(base: str, query: str = "") -> tuple[int, str, int]:
    """The same of a plain GET, which tells a browser why."""
    async with http_client(base) as client:
        response = await client.get(f"{LIVE}?{query}")
    return response.status_code, response.json()["type"], int(response.headers.get("Retry-After", 0))


async def admitted(base: str, **claims: Any) -> None:
    """A stream is admitted once the server has seen that others have ended: a second later on its clock."""
    await asyncio.sleep(1)
    async with stream(base, **claims) as socket:
        await socket.send("close")
        _ = [message async for message in received(socket)]
    assert socket.close_code == 1000


async def speak(base: str, seconds: int, **claims: Any) -> Conversation:
    return await converse(base, *[SECOND] * seconds, "close", query=f"jwt={token(**claims)}")
