"""Bare clients for tests: what was sent, what came back, how it closed.

The base of a server is `http://host:port`, or `unix:/path` for one that shares the virtual clock of its client: what
is sent over a Unix socket is there at once, so that no timer can overtake it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

LIVE = "/v1/speech/asrlive"  # spelled out: published clients have it so
_UNIX = "unix:"
# Behind a Unix socket there is no name to resolve; this one is what pages of this machine use.
_UNIX_HOST = "http://127.0.0.1"


@dataclass
class Conversation:
    """Everything that a server said on one connection."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    close_code: int | None = None
    close_reason: str | None = None

    @property
    def partials(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["status"] == "partial"]

    @property
    def settled(self) -> list[str]:
        return [m["results"][0]["transcript"] for m in self.partials if is_settled(m)]

    @property
    def transcript(self) -> str:
        assert self.messages[-1]["status"] == "done"
        return " ".join(result["transcript"] for result in self.messages[-1]["results"])


def is_settled(message: dict[str, Any]) -> bool:
    words = message["results"][0]["words"]
    return bool(words) and words[-1]["endTime"] > 0


def address(base: str, query: str = "", path: str = LIVE) -> str:
    return base.replace("http", "ws", 1) + path + (f"?{query}" if query else "")


def talking(base: str, query: str = "", *, path: str = LIVE, **options: Any) -> connect:
    """Connect to a live endpoint, over TCP or a Unix socket; `options` are those of websockets."""
    if base.startswith(_UNIX):
        return unix_connect(base.removeprefix(_UNIX), address(_UNIX_HOST, query, path), **options)
    return connect(address(base, query, path), proxy=None, **options)


def http_client(base: str, **options: Any) -> httpx.AsyncClient:
    """A client of the REST side, over TCP or a Unix socket; `options` are those of httpx."""
    # Nothing is encrypted here, and reading the authorities would cost each client 0.1 s.
    options.setdefault("verify", False)
    if base.startswith(_UNIX):
        transport = httpx.AsyncHTTPTransport(uds=base.removeprefix(_UNIX), verify=False)
        return httpx.AsyncClient(base_url=_UNIX_HOST, transport=transport, timeout=60, **options)
    return httpx.AsyncClient(base_url=base, trust_env=False, timeout=60, **options)


async def converse(
    base: str, *sent: bytes | str | float, query: str = "", headers: Iterable[tuple[str, str]] = ()
) -> Conversation:
    """Send everything, with pauses of so many seconds, then listen until the server closes."""
    conversation = Conversation()
    async with (
        asyncio.timeout(60),
        talking(base, query, compression=None, additional_headers=list(headers)) as socket,
    ):
        sending = asyncio.create_task(_send(socket, sent))
        conversation.messages += [json.loads(message) async for message in received(socket)]
        await sending
        conversation.close_code, conversation.close_reason = socket.close_code, socket.close_reason
    return conversation


async def received(socket: ClientConnection) -> AsyncIterator[str]:
    """Every message until the server closes, with whatever code."""
    with suppress(ConnectionClosedError):
        async for message in socket:
            assert isinstance(message, str)
            yield message


async def _send(socket: ClientConnection, sent: Iterable[bytes | str | float]) -> None:
    # Nobody listens any more when the server has closed in the middle.
    with suppress(ConnectionClosed):
        for message in sent:
            if isinstance(message, float):
                await asyncio.sleep(message)
            else:
                await socket.send(message)


async def refusal(base: str, query: str = "", headers: Iterable[tuple[str, str]] = ()) -> tuple[int, dict[str, Any]]:
    """Status and body with which the handshake is refused."""
    try:
        async with talking(base, query, additional_headers=list(headers)):
            raise AssertionError("the handshake was accepted")
    except InvalidStatus as refused:
        return refused.response.status_code, json.loads(refused.response.body or b"")


async def keep_sending(socket: ClientConnection, sound: bytes) -> None:
    """Speak until the connection ends."""
    with suppress(ConnectionClosed):
        while True:
            await socket.send(sound)
