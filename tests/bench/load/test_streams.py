import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.streams import LiveStream, RefusedStreamError, Watch
from stream.client.errors import AddressError
from tests.support.tiers import examples


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.is_aborted = True


def frame(kind: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes([0x80 | kind, length]) + payload
    return bytes([0x80 | kind, 126]) + length.to_bytes(2, "big") + payload


def message(duration: float, text: str = "word", *, end: float = 0.0) -> bytes:
    words = f'[{{"word":"{text}","endTime":{end}}}]'
    results = f'[{{"transcript":"{text}","words":{words}}}]'
    return frame(0x1, f'{{"status":"partial","duration":{duration},"results":{results}}}'.encode())


ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


async def opened(url: str = "http://127.0.0.1:8000", token: str | None = None) -> tuple[LiveStream, Wire]:
    stream, wire = LiveStream(url, token), Wire()
    stream.connection_made(wire)
    return stream, wire


async def test_the_upgrade_asks_for_raw_samples_with_the_token() -> None:
    _, wire = await opened("http://127.0.0.1:8000/base", "header.claims.mac")
    assert wire.written.startswith(
        b"GET /base/v1/speech/asrlive?audioTransfer=raw HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"
    )
    assert b"\r\nAuthorization: Bearer header.claims.mac\r\n" in wire.written


@given(data=st.data())
@examples(20)
def test_messages_are_read_however_the_bytes_are_cut(data: st.DataObject) -> None:
    long = "word " * 40
    sent = ACCEPTED + message(0.1) + message(0.2, long) + frame(0x9, b"ping") + message(0.3, "the end", end=0.3)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))

    async def received() -> tuple[Watch, bytes]:
        stream, wire = await opened()
        stream.watch.is_counted = True
        wire.written = b""
        for number in range(3):
            stream.send(b"", number / 10)
        wire.written = b""
        for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
            stream.data_received(sent[start:end])
        return stream.watch, wire.written

    watch, written = asyncio.run(received())
    assert (watch.chunks, len(watch.latencies), watch.texts) == (3, 3, ["the end"])
    assert written == b"\x8a\x84\0\0\0\0ping"


async def test_a_refusal_is_an_error_with_its_status() -> None:
    stream, wire = await opened()
    opening = stream._opened
    stream.data_received(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\r\n{}")
    with pytest.raises(RefusedStreamError, match="503 Service Unavailable"):
        await opening
    assert wire.is_aborted


async def test_a_connection_that_breaks_off_is_lost_and_one_that_is_closed_is_not() -> None:
    broken, _ = await opened()
    broken.data_received(ACCEPTED)
    broken.connection_lost(None)
    closed, wire = await opened()
    closed.data_received(ACCEPTED + frame(0x8, b"\x03\xe8"))
    closed.connection_lost(None)
    assert (broken.watch.is_lost, closed.watch.is_lost) == (True, False)
    assert wire.written.endswith(b"\x88\x82\0\0\0\0\x03\xe8")


async def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(AddressError):
        LiveStream("ftp://host")


def test_a_chunk_is_answered_once_by_the_first_message_about_its_end() -> None:
    watch = Watch(is_counted=True)
    for number in range(4):
        watch.send(number / 10)
    for seconds in (0.05, 0.1, 0.1, 0.25, 0.2, 9.0):
        watch.answer(seconds)
    # 0.05 is within the first chunk, 0.25 within the third, and 9.0 is more than was sent.
    assert len(watch.latencies) == 3
