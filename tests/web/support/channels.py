"""Caption channels for tests: make one, publish to it, read it."""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm
from tests.web.support.sockets import received, talking
from tests.web.support.tokens import token

PATH = "/v1/channels"
PAUSE = bytes(2 * 16_000)
_PIECE_BYTES = 6400


@dataclass
class Event:
    """A server-sent event."""

    name: str
    body: dict[str, Any] = field(default_factory=dict)
    id: int = 0


async def made(client: httpx.AsyncClient, **wanted: object) -> str:
    """Make a channel that anybody may read, unless it is wanted otherwise; return its name."""
    name = f"c-{uuid.uuid4().hex}"
    answer = await client.post(PATH, json={"name": name, "public": True} | wanted)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["name"])


async def events(
    client: httpx.AsyncClient, name: str, after: int | None = None, headers: dict[str, str] | None = None
) -> AsyncGenerator[Event, None]:
    """The events of a channel until the server closes."""
    sent = (headers or {}) | ({} if after is None else {"Last-Event-ID": str(after)})
    async with client.stream("GET", f"{PATH}/{name}/events", headers=sent) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for row in answer.aiter_lines():
            key, _, value = row.partition(": ")
            if key:
                fields[key] = value
            elif "event" in fields:
                yield Event(fields["event"], json.loads(fields["data"]), int(fields.get("id", 0)))
                fields = {}


async def until(source: AsyncIterator[Event], name: str) -> list[Event]:
    """All events up to the first of a kind."""
    seen = []
    async with asyncio.timeout(STUCK_SECONDS):
        async for event in source:
            seen.append(event)
            if event.name == name:
                return seen
    raise AssertionError(f"no {name} came, but {seen}")


async def publish(base: str, owner: str, name: str, *clips: str, query: str = "", scope: str = "publish") -> str:
    """Send clips of speech to a channel as fast as they are spoken; return the transcript that the publisher got."""
    jwt = token(sub=owner, scope=scope)
    async with talking(base, f"channel={name}&jwt={jwt}" + (f"&{query}" if query else "")) as socket:
        for clip in clips or ("quick.wav",):
            sound = clip_pcm(clip) + PAUSE
            for start in range(0, len(sound), _PIECE_BYTES):
                await socket.send(sound[start : start + _PIECE_BYTES])
                await asyncio.sleep(_PIECE_BYTES / 32_000)
        await socket.send("close")
        messages = [json.loads(message) async for message in received(socket)]
    assert messages[-1]["status"] == "done"
    return " ".join(result["transcript"] for result in messages[-1]["results"])
