"""Rows 1, 2 and 3: frames that the standard allows, forbids, and leaves to common sense."""

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket

from tests.web.transport.raw import BINARY, CLOSE, CONT, PING, PONG, TEXT, close, frame, upgraded
from tests.web.transport.serving import echoing, serving
from web.settings.settings import Settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

MOST_BYTES = 100_000
GOODBYE = close(1000)
NOT_UTF8 = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80edited"
PERSIAN = "سلام دنیا".encode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port() -> AsyncIterator[int | str]:
    async with serving(echoing(), Settings(port=0, max_message_bytes=MOST_BYTES)) as (_, port):
        yield port


@pytest.mark.parametrize("piece", [0, 997], ids=["at once", "in pieces"])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 128, 65_535, 65_536, MOST_BYTES])
async def test_messages_of_every_length_form_come_through(port: int, length: int, piece: int) -> None:
    for opcode, payload in ((TEXT, b"*" * length), (BINARY, b"\xfe" * length)):
        async with upgraded(port) as client:
            await client.send(frame(opcode, payload), piece)
            await client.receive(messages=1)
            await client.send(GOODBYE)
            answer = await client.receive()
        assert (answer.messages, answer.code) == ([(opcode, payload)], 1000)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([frame(TEXT, b"a", fin=False), frame(CONT, b"b")], (TEXT, b"ab")),
        ([frame(TEXT, b"a", fin=False), frame(PING, b"p"), frame(CONT, b"b")], (TEXT, b"ab")),
        ([frame(BINARY, b"", fin=False), frame(CONT, b"", fin=False), frame(CONT)], (BINARY, b"")),
        ([frame(TEXT, PERSIAN[:3], fin=False), frame(CONT, PERSIAN[3:])], (TEXT, PERSIAN)),
        ([frame(TEXT, fin=False), *[frame(CONT, b"x", fin=False)] * 999, frame(CONT)], (TEXT, b"x" * 999)),
    ],
    ids=["two", "with a ping between", "empty ones", "within a letter", "a thousand"],
)
async def test_fragments_are_one_message(port: int, frames: list[bytes], message: tuple[int, bytes]) -> None:
    async with upgraded(port) as client:
        await client.send(b"".join(frames))
        await client.receive(messages=1)
        await client.send(GOODBYE)
        answer = await client.receive()
    assert (answer.messages, answer.code) == ([message], 1000)


@pytest.mark.parametrize("piece", [0, 1], ids=["at once", "byte by byte"])
async def test_pings_are_answered_in_order_and_pongs_need_no_answer(port: int, piece: int) -> None:
    payloads = [b"", b"\xfe" * 125, *(b"p%d" % number for number in range(10))]
    async with upgraded(port) as client:
        await client.send(b"".join(frame(PING, payload) for payload in payloads) + frame(PONG, b"?") + GOODBYE, piece)
        answer = await client.receive()
    assert (answer.pongs, answer.messages, answer.code) == (payloads, [], 1000)


BROKEN = {
    **{f"reserved bit {bit}": (frame(TEXT, b"x", reserved=bit), 1002) for bit in (1, 2, 4)},
    **{f"opcode {opcode}": (frame(opcode), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "a ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "a ping in fragments": (frame(PING, b"a", fin=False) + frame(CONT, b"b"), 1002),
    "a Close in fragments": (frame(CLOSE, b"\x03\xe8", fin=False) + frame(CONT), 1002),
    "a continuation of nothing": (frame(CONT, b"x"), 1002),
    "a new message within another": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "a frame without a mask": (frame(TEXT, b"hello", masked=False), 1002),
    "a length with its highest bit": (b"\x82\xff" + struct.pack(">Q", 1 << 63) + b"abcd", 1009),
    "text that is not UTF-8": (frame(TEXT, NOT_UTF8), 1007),
    "UTF-8 that breaks off": (frame(TEXT, PERSIAN[:3]), 1007),
    "fragments that are not UTF-8": (frame(TEXT, NOT_UTF8[:5], fin=False) + frame(CONT, NOT_UTF8[5:]), 1007),
    "a Close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "a Close whose reason is too long": (close(1000, b"*" * 124), 1002),
    "a Close whose reason is not UTF-8": (close(1000, NOT_UTF8), 1007),
    **{f"a Close with {code}": (close(code), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2999)},
    "a message of 2 GiB": (frame(BINARY, declared=2**31), 1009),
    "a message one byte too long": (frame(BINARY, bytes(MOST_BYTES + 1)), 1009),
    "fragments that are too much together": (
        frame(BINARY, bytes(MOST_BYTES), fin=False) + frame(CONT, b"x", fin=False),
        1009,
    ),
}


@pytest.mark.fault(1)
@pytest.mark.fault(2)
@pytest.mark.parametrize("piece", [0, 1013], ids=["at once", "in pieces"])
@pytest.mark.parametrize("name", BROKEN)
async def test_forbidden_frames_close_only_their_connection(port: int, name: str, piece: int) -> None:
    data, code = BROKEN[name]
    async with upgraded(port) as other, upgraded(port) as client:
        await other.send(frame(TEXT, b"one", fin=False))
        await client.send(data, piece)
        answer = await client.receive()
        assert (answer.code, answer.messages) == (code, [])
        assert await client.is_closed()
        await other.send(frame(CONT, b" two"))
        assert (await other.receive(messages=1)).messages == [(TEXT, b"one two")]


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999])
async def test_a_close_is_answered_with_its_code(port: int, code: int) -> None:
    async with upgraded(port) as client:
        await client.send(close(code, "به امید دیدار".encode()))
        assert (await client.receive()).code == code


async def test_frames_after_a_close_are_ignored(port: int) -> None:
    async with upgraded(port) as client:
        await client.send(frame(CLOSE) + frame(TEXT, b"late"))
        answer = await client.receive()
    assert (answer.code, answer.messages) == (1005, [])


@pytest.mark.fault(1)
async def test_what_came_whole_before_something_broken_counts() -> None:
    received: asyncio.Queue[Message] = asyncio.Queue()

    async def take(websocket: WebSocket) -> None:
        await websocket.accept()
        while (await received_by(websocket))["type"] != "websocket.disconnect":
            pass

    async def received_by(websocket: WebSocket) -> Message:
        message = await websocket.receive()
        await received.put(message)
        return message

    async with (
        serving(Starlette(routes=[WebSocketRoute("/echo", take)])) as (_, port),
        upgraded(port) as client,
    ):
        await client.send(frame(TEXT, b"good") + frame(3))
        assert (await client.receive()).code == 1002
        assert await received.get() == {"type": "websocket.receive", "text": "good"}
        assert (await received.get())["type"] == "websocket.disconnect"


async def test_a_refused_sender_can_still_read_the_answer(port: int) -> None:
    async with upgraded(port) as client:
        for _ in range(30):
            await client.send(frame(BINARY, bytes(MOST_BYTES + 1)))
            await asyncio.sleep(0.01)
        assert (await client.receive()).code == 1009


@pytest.mark.fault(3)
async def test_compression_is_not_agreed_on_though_a_client_offers_it(port: int) -> None:
    async with upgraded(port, headers="Sec-WebSocket-Extensions: permessage-deflate\r\n") as client:
        await client.send(frame(BINARY, b"\x01\x02", reserved=4))
        assert (await client.receive()).code == 1002
