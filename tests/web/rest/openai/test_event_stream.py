"""Answers that are sent while the work for them goes on."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from stream.errors import ClientError, Problem
from web.errors import PROBLEM_KEY
from web.rest.openai.event_stream import EventStreamResponse, SendPiece
from web.rest.request.connected import while_connected

pytestmark = pytest.mark.virtual_time

COMMENT = b":\n\n"


def _written(error: ClientError) -> bytes:
    return error.detail.encode()


class Client:
    """Receives an answer, and leaves after so many seconds."""

    def __init__(self, leaves_after_seconds: float = 1e6) -> None:
        self.scope: dict[str, Any] = {"type": "http", "path": "/v1/audio/transcriptions"}
        self.messages: list[tuple[float, Message]] = []
        self.is_closed = False
        self._leaves_after_seconds = leaves_after_seconds

    async def receive(self) -> Message:
        await asyncio.sleep(self._leaves_after_seconds)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.messages.append((asyncio.get_running_loop().time(), message))

    async def get(self, produce: Any) -> None:
        held = AsyncExitStack()
        held.callback(self._close)
        response = EventStreamResponse(
            produce, write_error=lambda error: error.detail.encode(), comment=COMMENT, held=held
        )
        await response(self.scope, self.receive, self.send)

    def _close(self) -> None:
        self.is_closed = True

    @property
    def status(self) -> int:
        (status,) = [message["status"] for _, message in self.messages if message["type"] == "http.response.start"]
        return int(status)

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for _, message in self.messages if message["type"] == "http.response.body"]


async def test_pieces_are_sent_as_they_come() -> None:
    async def produce(send: SendPiece) -> None:
        for piece in (b"one", b"", b"two"):
            await send(piece)
            await asyncio.sleep(0.25)

    client, began = Client(), asyncio.get_running_loop().time()
    await client.get(produce)
    assert (client.status, client.bodies) == (200, [b"one", b"two", b""])
    assert [at - began for at, _ in client.messages] == [0, 0, 0.5, 0.75]
    assert client.is_closed


async def test_a_quiet_answer_begins_after_a_second_and_has_a_comment_each_15() -> None:
    async def produce(send: SendPiece) -> None:
        await asyncio.sleep(40)
        await send(b"late")

    client, began = Client(), asyncio.get_running_loop().time()
    await client.get(produce)
    assert client.bodies == [COMMENT, COMMENT, COMMENT, b"late", b""]
    assert [at - began for at, _ in client.messages] == [1, 1, 16, 31, 40, 40]


async def test_an_error_is_a_refusal_until_something_was_sent() -> None:
    async def refuse(_: SendPiece) -> None:
        raise ClientError(Problem.TOO_LARGE, "too long")

    client = Client()
    await client.get(refuse)
    assert client.status == 413
    assert b'"message":"too long"' in client.bodies[0]
    assert client.scope[PROBLEM_KEY] == "too_large"

    async def fail(send: SendPiece) -> None:
        await send(b"one")
        raise ClientError(Problem.TOO_LARGE, "too long")

    client = Client()
    await client.get(fail)
    assert (client.status, client.bodies) == (200, [b"one", b"too long", b""])
    assert client.scope[PROBLEM_KEY] == "too_large"


async def test_another_exception_ends_the_answer_unfinished() -> None:
    async def produce(send: SendPiece) -> None:
        await send(b"one")
        raise RuntimeError("a fault")

    client = Client()
    with pytest.raises(RuntimeError, match="a fault"):
        await client.get(produce)
    assert client.bodies == [b"one"]
    assert client.is_closed


async def test_a_client_that_leaves_cancels_the_work() -> None:
    cancelled = asyncio.Event()

    async def produce(_: SendPiece) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    client = Client(leaves_after_seconds=5)
    with pytest.raises(ClientDisconnect):
        await client.get(produce)
    assert cancelled.is_set()
    assert client.is_closed


async def test_work_that_is_done_has_its_result_whenever_the_client_leaves() -> None:
    async def work() -> int:
        await asyncio.sleep(2)
        return 7

    assert await while_connected(Client(leaves_after_seconds=3).receive, work()) == 7
    with pytest.raises(ClientDisconnect):
        await while_connected(Client(leaves_after_seconds=1).receive, work())
    assert len(asyncio.all_tasks()) == 1
