"""The live client against a scripted server on a real socket."""

import asyncio
import http
import socket
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve, unix_serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from stream.client import (
    AddressError,
    Live,
    LostError,
    RecognitionError,
    RefusedError,
    UnreachableError,
    UnreadableError,
    Waits,
    connect,
    transcribe,
)
from stream.client.live import MESSAGE_BYTES, live_url
from stream.errors import Problem
from stream.protocols.farsava.messages import Done, Failure, Partial, WireResult, WireWord, failure
from tests.support.loops.virtual_time import VirtualTimeLoop

Handler = Callable[[ServerConnection], Awaitable[None]]
Refusal = Callable[[ServerConnection, Request], Response | None]

BEARER = "header.claims.mac"
FAILED = failure(Problem.INVALID_AUDIO, "the audio is not FLAC")


def partial(text: str, number: int = 1) -> Partial:
    return Partial("id", 1.0, 0.1, "partial", number, [WireResult(text, 0.0, [WireWord(0.0, 0.0, text, 0.0)])])


def done(text: str) -> Done:
    return Done("id", 1.0, 0.1, "done", [WireResult(text, 0.9, [WireWord(0.0, 1.0, text, 0.9)])])


def json(message: Partial | Done | Failure) -> str:
    return msgspec.json.encode(message).decode()


async def heard(connection: ServerConnection) -> list[bytes]:
    """All binary messages up to `close`."""
    audio = []
    while (message := await connection.recv()) != "close":
        assert isinstance(message, bytes)
        audio.append(message)
    return audio


@asynccontextmanager
async def serving(handler: Handler, refuse: Refusal | None = None) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualTimeLoop):
        with tempfile.TemporaryDirectory(prefix="niyosha-") as folder, loop.address_of(f"{folder}/socket") as address:
            async with await unix_serve(handler, f"{folder}/socket", process_request=refuse, close_timeout=0.1):
                yield f"http://{address}"
        return
    async with serve(handler, "127.0.0.1", 0, process_request=refuse, close_timeout=0.1) as server:
        (listener,) = server.sockets
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def everything(live: Live, *pieces: bytes) -> list[Partial | Done]:
    return [m async for m in transcribe(live, chunks(*pieces)) if isinstance(m, Partial | Done)]


async def test_messages_come_as_they_were_sent_and_end_with_done() -> None:
    async def handler(connection: ServerConnection) -> None:
        audio = b"".join(await heard(connection))
        await connection.send(json(partial("one", 1)))
        await connection.send(json(partial("one two", 2)))
        await connection.send(json(done(str(len(audio)))))

    async with serving(handler) as url, connect(url) as live:
        assert await everything(live, b"ab", b"cdef") == [partial("one", 1), partial("one two", 2), done("6")]
        assert [message async for message in live] == []


async def test_config_and_token_are_in_the_handshake() -> None:
    requests: list[Request] = []

    async def handler(connection: ServerConnection) -> None:
        assert connection.request
        requests.append(connection.request)
        await connection.send(json(done("")))

    config = {"languageCode": "en-US", "interimResults": False, "boost": 2.5, "phrases": ["a b", "é&"]}
    async with serving(handler) as url, connect(url, token=BEARER, config=config) as live:
        await live.receive()
    target = urlsplit(requests[0].path)
    assert target.path == "/v1/speech/asrlive"
    assert parse_qsl(target.query) == [
        ("audioTransfer", "raw"),
        ("languageCode", "en-US"),
        ("interimResults", "false"),
        ("boost", "2.5"),
        ("phrases", "a b"),
        ("phrases", "é&"),
    ]
    assert requests[0].headers["Authorization"] == "Bearer header.claims.mac"
    assert "Sec-WebSocket-Extensions" not in requests[0].headers


async def test_a_config_too_long_for_a_query_is_the_first_message() -> None:
    phrases = ["خیابان ولیعصر"] * 100

    async def handler(connection: ServerConnection) -> None:
        assert connection.request
        assert "?" not in connection.request.path
        assert msgspec.json.decode(await connection.recv()) == {"config": {"audioTransfer": "raw", "phrases": phrases}}
        await connection.send(json(done("understood")))

    async with serving(handler) as url, connect(url, config={"phrases": phrases}) as live:
        assert [message async for message in live] == [done("understood")]


async def test_a_value_that_no_query_holds_is_the_callers_mistake() -> None:
    with pytest.raises(TypeError, match="languageCode is None; a configuration holds strings"):
        async with connect("http://127.0.0.1:1", config={"languageCode": None}):
            pass


async def test_audio_is_split_into_messages_of_at_most_64_kib() -> None:
    sizes: list[int] = []

    async def handler(connection: ServerConnection) -> None:
        sizes.extend(len(message) for message in await heard(connection))
        await connection.send(json(done("")))

    async with serving(handler) as url, connect(url) as live:
        await everything(live, bytes(2 * MESSAGE_BYTES + 10), b"")
    assert sizes == [MESSAGE_BYTES, MESSAGE_BYTES, 10]


async def test_a_server_that_reads_only_after_its_message_was_received_is_no_deadlock() -> None:
    received = asyncio.Event()
    pieces = [bytes(MESSAGE_BYTES)] * 512  # 32 MiB, more than the sockets' buffers hold

    async def handler(connection: ServerConnection) -> None:
        await connection.send(json(partial("behind")))
        await received.wait()
        await connection.send(json(done(str(sum(map(len, await heard(connection)))))))

    async with serving(handler) as url, connect(url) as live:
        messages = transcribe(live, chunks(*pieces))
        assert await anext(messages) == partial("behind")
        received.set()
        assert await anext(messages) == done(str(32 * 1024 * 1024))


@pytest.mark.virtual_time
async def test_leaving_a_server_that_stopped_reading_does_not_wait_for_it() -> None:
    left = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        await connection.send(json(partial("stuck")))
        await left.wait()

    async with serving(handler) as url:
        async with connect(url) as live:
            sender = asyncio.create_task(live.send(bytes(32 * 1024 * 1024)))
            await live.receive()
            await asyncio.wait({sender}, timeout=10)
            assert not sender.done()
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began == Waits().close_seconds
        with pytest.raises(LostError):
            await sender
        left.set()


async def test_a_done_before_all_was_sent_ends_the_messages() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(json(done("the stream limit")))

    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            yield bytes(3200)
            await asyncio.sleep(0)

    async with serving(handler) as url, connect(url) as live:
        assert [message async for message in transcribe(live, endless())] == [done("the stream limit")]


async def test_the_servers_error_is_raised_and_not_the_senders_broken_connection() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(json(FAILED))
        await connection.close(1007)

    async with serving(handler) as url, connect(url) as live:
        with pytest.raises(RecognitionError, match=r"^the server stopped: the audio is not FLAC$") as caught:
            await everything(live, *[bytes(3200)] * 1000)
    assert caught.value.failure == FAILED


@pytest.mark.virtual_time
async def test_a_slow_reader_still_gets_what_came_before_the_close() -> None:
    closed = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(json(partial("one")))
        await connection.send(json(FAILED))
        await connection.close(1007)
        closed.set()

    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            yield bytes(320)
            await asyncio.sleep(0)

    async with serving(handler) as url, connect(url) as live, aclosing(transcribe(live, endless())) as messages:
        assert await anext(messages) == partial("one")
        await closed.wait()
        await asyncio.sleep(10)  # the sender meets the closed connection while nobody reads
        with pytest.raises(RecognitionError):
            await anext(messages)


async def test_a_refused_handshake_tells_the_status_and_the_servers_reason() -> None:
    body = failure(Problem.FORBIDDEN, "the token is for another host")

    def refuse(connection: ServerConnection, request: Request) -> Response:
        return Response(403, "Forbidden", Headers([("Content-Length", str(len(json(body))))]), json(body).encode())

    async with serving(heard_nothing, refuse) as url:
        with pytest.raises(RefusedError) as caught:
            async with connect(url):
                pass
    assert str(caught.value) == f"{url} refused: the token is for another host"
    assert (caught.value.status, caught.value.failure) == (403, body)


async def heard_nothing(connection: ServerConnection) -> None:
    """A handler that is never reached, or only waits for the other side to go."""
    await connection.wait_closed()


async def test_a_refusal_repeats_when_to_try_again() -> None:
    body = json(failure(Problem.OVERLOADED, "no recognizer is free")).encode()

    def refuse(connection: ServerConnection, request: Request) -> Response:
        headers = Headers([("Content-Length", str(len(body))), ("Retry-After", "7")])
        return Response(503, "Service Unavailable", headers, body)

    async with serving(heard_nothing, refuse) as url:
        with pytest.raises(RefusedError, match=r"refused: no recognizer is free \(try again in 7 s\)$"):
            async with connect(url):
                pass


async def test_another_kind_of_server_is_named_as_such() -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(http.HTTPStatus.NOT_FOUND, "<html>no such page</html>")

    async with serving(heard_nothing, refuse) as url:
        with pytest.raises(RefusedError) as caught:
            async with connect(url):
                pass
    assert str(caught.value) == f"{url} answered HTTP 404 Not Found; it does not seem to be a Niyosha server"
    assert caught.value.failure is None


async def test_a_redirect_is_told_and_not_followed_with_the_token() -> None:
    asked: list[str] = []

    def elsewhere(connection: ServerConnection, request: Request) -> None:
        asked.append(request.headers["Authorization"])

    async with serving(heard_nothing, elsewhere) as other:

        def refuse(connection: ServerConnection, request: Request) -> Response:
            return Response(302, "Found", Headers([("Location", other), ("Content-Length", "0")]), b"")

        async with serving(heard_nothing, refuse) as url:
            with pytest.raises(RefusedError) as caught:
                async with connect(url, token=BEARER):
                    pass
    assert str(caught.value) == f'{url} redirects to "{other}"; give that server\'s address instead'
    assert asked == []


async def test_a_connection_that_breaks_off_is_lost() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send(json(partial("one")))
        await connection.recv()
        connection.transport.abort()

    async with serving(handler) as url, connect(url) as live:
        messages = transcribe(live, chunks(b"audio"))
        assert await anext(messages) == partial("one")
        with pytest.raises(LostError, match=r"^the connection ended before the result: it broke off$") as caught:
            await anext(messages)
    assert caught.value.close_code is None


async def test_a_close_without_done_is_lost_with_its_code() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.close(1009, "the message has 1.5 MiB")

    async with serving(handler) as url, connect(url) as live:
        with pytest.raises(LostError) as caught:
            await live.receive()
        assert str(caught.value) == (
            "the connection ended before the result: "
            "the server closed it with 1009 (message too big) the message has 1.5 MiB"
        )
        assert caught.value.close_code == 1009
        with pytest.raises(LostError):
            await live.send(b"audio")


@pytest.mark.parametrize("message", ['{"status":"perhaps"}', "hello", b"\xff\x00", "[]"])
async def test_a_message_outside_the_protocol_is_quoted(message: str | bytes) -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send(message)

    async with serving(handler) as url, connect(url) as live:
        with pytest.raises(
            UnreadableError, match=r"^the server sent .*, which is not a message of the live protocol: "
        ):
            await live.receive()


async def test_trouble_with_the_audio_reaches_the_caller_while_the_server_is_silent() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(3200)
        raise OSError("the microphone is gone")

    async with serving(heard_nothing) as url, connect(url) as live:
        with pytest.raises(OSError, match="the microphone is gone"):
            await anext(transcribe(live, broken()))


async def test_leaving_early_stops_the_sending() -> None:
    stopped = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield bytes(320)
                await asyncio.sleep(0)
        finally:
            stopped.set()

    async def handler(connection: ServerConnection) -> None:
        await connection.send(json(partial("enough")))
        await connection.wait_closed()

    async with serving(handler) as url, connect(url) as live, aclosing(endless()) as source:
        async with aclosing(transcribe(live, source)) as messages:
            await anext(messages)
        await source.aclose()
    assert stopped.is_set()


async def test_nobody_at_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(UnreachableError) as caught:
        async with connect(f"http://127.0.0.1:{port}"):
            pass
    assert str(caught.value) == f"cannot reach http://127.0.0.1:{port}: nothing listens there"


async def test_a_host_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(UnreachableError, match=r": no answer within 0\.05 s$"):
            async with connect(url, waits=Waits(open_seconds=0.05)):
                pass


async def test_a_server_that_speaks_something_else_is_unreachable() -> None:
    async def banner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(banner, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UnreachableError, match="did not receive a valid HTTP response"):
            async with connect(f"ws://127.0.0.1:{port}"):
                pass


async def test_a_proxy_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    async def handler(connection: ServerConnection) -> None:
        await connection.send(json(done("direct")))

    async with serving(handler) as url:
        for address in (url, url.replace("127.0.0.1", "localhost")):
            async with connect(address) as live:
                assert await live.receive() == done("direct")


@pytest.mark.parametrize(
    ("base", "target"),
    [
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/v1/speech/asrlive"),
        ("https://speech.example.org/", "wss://speech.example.org/v1/speech/asrlive"),
        ("wss://example.org/speech/", "wss://example.org/speech/v1/speech/asrlive"),
        ("ws://[::1]:9", "ws://[::1]:9/v1/speech/asrlive"),
    ],
)
def test_the_live_path_is_added_to_the_base(base: str, target: str) -> None:
    assert live_url(base) == target


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://[::1",
        "http://host?jwt=x",
        "http://me:x@h",
    ],
)
async def test_what_is_not_a_servers_address_is_quoted_with_an_example(url: str) -> None:
    with pytest.raises(AddressError) as caught:
        async with connect(url):
            pass
    assert str(caught.value) == f'"{url}" is not a server\'s address; write it like http://127.0.0.1:8000'


@pytest.mark.parametrize("token", ["abc\n", "a b", "", "کلید"])
async def test_a_token_that_no_header_holds_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(
        AddressError, match=r"^the token holds white space or characters that no token has; copy it again$"
    ):
        async with connect("http://127.0.0.1:1", token=token):
            pass
