"""Row 36: what a client sends takes work in proportion to its size, whatever it is."""

import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser
from websockets.server import ServerProtocol

from stream.audio.base64 import Base64Decoder
from stream.audio.containers.wav import WavReader
from stream.audio.decoder import AudioDecoder
from stream.audio.format import AudioFormat, AudioTransfer, Encoding
from stream.configuration.config import SessionConfig
from stream.errors import ClientError
from stream.protocols.farsava.commands import parse_command
from tests.support.tiers import examples
from tests.support.work import work_of
from tests.web.transport.raw import BINARY, CONT, PING, PONG, TEXT, frame
from web.rest.request.json_text import STEP_BYTES, JsonText

SIZE = 1024
TIMES = 4
# Work in proportion is four times as much; what has a constant part is less.
MOST_TIMES = 6


@dataclass(frozen=True)
class Parser:
    """What is fed to a parser: a beginning, then fragments in any order."""

    read: Callable[[bytes], object]
    fragments: tuple[bytes, ...]
    beginning: bytes = b""
    most_times: int = MOST_TIMES


def decode(encoding: Encoding = Encoding.LINEAR16) -> Callable[[bytes], object]:
    def read(data: bytes) -> None:
        is_explicit = encoding is not Encoding.LINEAR16
        audio_format = AudioFormat(encoding=encoding, transfer=AudioTransfer.RAW, encoding_is_explicit=is_explicit)
        decoder = AudioDecoder(audio_format)
        with suppress(ClientError):
            for _ in decoder.push(data):
                pass
            for _ in decoder.flush():
                pass
        decoder.close()

    return read


def read_base64(data: bytes) -> None:
    with suppress(ClientError):
        for _ in Base64Decoder().push(data):
            pass


def read_wav(data: bytes) -> None:
    with suppress(ClientError):
        for _ in WavReader().push(data):
            pass


def take_json(data: bytes) -> None:
    text = JsonText(lambda _: None)
    with suppress(ClientError, ValueError):
        for start in range(0, len(data), STEP_BYTES):
            text.push(data[start : start + STEP_BYTES])
    text.end()


def take_command(data: bytes) -> None:
    with suppress(ClientError):
        parse_command(data.decode())


def configure(data: bytes) -> None:
    count = len(data) // 8
    with suppress(ClientError):
        SessionConfig().with_query([("phrases", f"p{n}") for n in range(count)])


def take_form(data: bytes) -> None:
    parser = MultipartParser(b"b")
    with suppress(Exception):
        parser.write(data)


def take_frames(data: bytes) -> None:
    connection = ServerProtocol()
    connection.state = connection.state.OPEN
    connection.receive_data(data)
    connection.events_received()
    connection.data_to_send()


_WAV = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
PARSERS = {
    "base64": Parser(read_base64, (b"QQ==", b"QUE=", b"QUFB", b"Q", b"=", b"\r\n", b" ", b"\0", b"-_")),
    "wav": Parser(
        read_wav,
        (
            b"JUNK\0\0\0\0",
            b"abcd\1\0\0\0x",
            b"data\2\0\0\0ab",
            b"data\0\0\0\0",
            _WAV,
            _WAV[12:],
            b"R",
            b"RIFF",
            b"WAVE",
            b"\0",
        ),
        _WAV,
    ),
    "sniffing": Parser(
        decode(),
        (
            b"ID3\4\0\0\0\0\0\0",
            b"\xff\xfb\x90\0",
            b"\xff\xf1\x50\x80",
            b"OggS",
            b"\x0b\x77",
            b"\0",
            b"GSM",
            b"\x47",
            b"<",
            b"a",
        ),
        # It looks anew after each doubling, so that it looks at twice as much.
        most_times=2 * MOST_TIMES,
    ),
    "tags": Parser(decode(Encoding.MP3), (b"ID3\4\0\0\0\0\0\0", b"APETAGEX\xd0\7\0\0", b"\0", b"ID3", b"UUUU")),
    "JSON": Parser(take_json, (b"[", b"]", b"{", b"}", b'"', b"\\", b'"a":', b",", b"1", b"\\u0041", b"\xff")),
    "commands": Parser(take_command, (b"[", b"{", b'"a":', b'"', b"\\", b",", b"1", b"close", b" ", b"\0")),
    "query": Parser(configure, (b"p",)),
    "multipart": Parser(take_form, (b"--b\r\n", b"--b", b"\r\n", b"-", b"\r", b"a: b", b"\r\n\r\n", b"x"), b"--b\r\n"),
    "frames": Parser(
        take_frames,
        (
            frame(BINARY),
            frame(TEXT, b"a"),
            frame(PING),
            frame(PONG, b"p"),
            frame(CONT, b"", fin=False),
            frame(TEXT, b"", fin=False),
        ),
    ),
}


@pytest.mark.fault(36)
@pytest.mark.parametrize("name", PARSERS)
@examples(2, 100)
@given(st.data())
def test_work_grows_as_the_input_does(name: str, data: st.DataObject) -> None:
    parser = PARSERS[name]
    unit = b"".join(data.draw(st.lists(st.sampled_from(parser.fragments), min_size=1, max_size=4)))

    def repeated(size: int) -> bytes:
        return parser.beginning + unit * (size // len(unit))

    parser.read(repeated(SIZE))  # what is made once is made now
    # The lesser of two: what other threads allocate meanwhile counts as well.
    small, large = (
        min(work_of(lambda size=size: parser.read(repeated(size))) for _ in range(2))  # type: ignore[misc]
        for size in (SIZE, TIMES * SIZE)
    )
    assert large <= parser.most_times * max(small, SIZE // 8), f"{unit!r}: {small} and {large}"


def test_work_that_grows_faster_is_found() -> None:
    def slicing(size: int) -> None:
        rest = bytes(size)
        while rest:
            rest = rest[8:]

    assert work_of(lambda: slicing(TIMES * 8 * SIZE)) > MOST_TIMES * work_of(lambda: slicing(8 * SIZE))
