"""What a client says is audio somewhere else: fetched from the public internet, from nowhere else, with limits.

127.0.0.2 plays the public internet, because its network is allowed; 127.0.0.1 is inside, where the canary sits on the
same port and must see nobody. What takes its time is on the virtual clock, and nearby: whatever address is connected to
there is a Unix socket.
"""

import asyncio
import contextlib
import errno
import gzip
import logging
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_address, ip_network

import httpx
import pytest
import trustme
from hypothesis import example, given
from hypothesis import strategies as st

from stream.errors import ClientError, Problem
from tests.support.ports import unused_port
from tests.support.processes import STUCK_SECONDS
from web.fetch.download import CHUNK_BYTES, FetchError, FetchOptions, check_uri, fetched
from web.fetch.networks import Address
from web.fetch.pinned import Resolver

OUTSIDE = "127.0.0.2"
INSIDE = "127.0.0.1"
OPTIONS = FetchOptions(
    networks=(ip_network("127.0.0.2/31"),), most_bytes=1 << 30, seconds=20, idle_seconds=10, unreachable_seconds=0.05
)
# The limits as the product has them.
PATIENT = FetchOptions(networks=OPTIONS.networks, most_bytes=1 << 30, seconds=600)
UNREACHABLE = "cannot be reached: there is no public server at its host and port; check the name"
LIMITS = "at most 600 s in all and 30 s without a byte are allowed, and not less than 4096 bytes a second"
HIDDEN = "signature=5ecret"
BROKEN = "cannot be read: there is no connection, or it breaks, or it does not speak HTTP"

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Answers each path with bytes, or by a function that writes what it likes; notes the head of every request."""

    host: str
    port: int = 0
    pages: dict[str, bytes | Play] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base(self) -> str:
        return f"http://{self.host}:{self.port}"

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None, path: str | None = None) -> AsyncIterator["Server"]:
        tasks: set[asyncio.Task[None]] = set()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._handle(reader, writer)
            self.left.set()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

        if path is None:
            listening = await asyncio.start_server(handle, self.host, self.port, ssl=tls)
            self.port = listening.sockets[0].getsockname()[1]
        else:
            listening = await asyncio.start_unix_server(handle, path)
        try:
            yield self
        finally:
            listening.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await listening.wait_closed()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        page = self.pages.get(head.split()[1], b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        if isinstance(page, bytes):
            writer.write(page)
            await writer.drain()
        else:
            await page(reader, writer)


@pytest.fixture
async def canary() -> AsyncIterator[Server]:
    """Nobody may ever connect to it."""
    async with Server(INSIDE, unused_port()).serving() as server:
        yield server
        assert server.connections == 0


@pytest.fixture
async def server(canary: Server) -> AsyncIterator[Server]:
    async with Server(OUTSIDE, canary.port).serving() as server:
        yield server


@pytest.fixture
async def nearby(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A server that every connection leads to, for the virtual clock."""
    # Not pytest's own directory: a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="niyosha-") as folder:
        path = f"{folder}/socket"
        monkeypatch.setattr(httpx, "AsyncHTTPTransport", partial(httpx.AsyncHTTPTransport, uds=path))
        async with Server(OUTSIDE, 8080).serving(path=path) as server:
            yield server


@dataclass
class Names:
    """A resolver that gives each name its answers in turn, the last one for ever."""

    answers: dict[str, list[Sequence[str]]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        left = self.answers[host]
        return [ip_address(address) for address in (left.pop(0) if len(left) > 1 else left[0])]


def page(body: bytes = b"", status: str = "200 OK", **headers: str | int) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if not any(name in ("Content_Length", "Transfer_Encoding") for name in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return page(status=status, Location=location)


def playing(start: bytes, again: bytes = b"", pause: float = 0.0) -> Play:
    """Write `start`, then `again` for ever; without it send nothing more, and wait for the other side to leave."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while again:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause)
        await reader.read()

    return play


def now() -> float:
    return asyncio.get_running_loop().time()


async def pieces(uri: str, options: FetchOptions = OPTIONS) -> list[bytes]:
    async with fetched(uri, options) as download:
        return [chunk async for chunk in download.chunks()]


async def failure(uri: str, options: FetchOptions = OPTIONS) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await pieces(uri, options)
    assert str(caught.value) == caught.value.error.detail
    assert HIDDEN not in str(caught.value)
    return caught.value


def is_told(error: FetchError, problem: Problem, sentence: str, *, is_passing: bool = False) -> bool:
    failure = (error.error.problem, error.error.detail, error.is_passing)
    assert failure == (problem, sentence, is_passing)
    return True


async def test_a_download_has_pieces_a_length_and_a_type(server: Server) -> None:
    body = bytes(range(256)) * 2000
    server.pages["/a%20b.wav?x=%2F&y=1"] = page(body, Content_Type="Audio/WAV; rate=16000")
    async with fetched(f"{server.base}/a b.wav?x=%2F&y=1#part", OPTIONS) as download:
        assert (download.total_bytes, download.media_type) == (len(body), "audio/wav")
        chunks = [chunk async for chunk in download.chunks()]
    assert b"".join(chunks) == body
    assert {len(chunk) for chunk in chunks[:-1]} == {CHUNK_BYTES}
    assert 0 < len(chunks[-1]) <= CHUNK_BYTES


async def test_the_request_says_no_more_than_it_has_to(
    server: Server, monkeypatch: pytest.MonkeyPatch, canary: Server
) -> None:
    monkeypatch.setenv("HTTP_PROXY", canary.base)
    monkeypatch.setenv("ALL_PROXY", canary.base)
    names = Names({"audio.test": [[OUTSIDE]]})
    server.pages["/first"] = page(status="302 Found", Location="/second", Set_Cookie="a=b")
    server.pages["/second"] = page(b"RIFF")
    uri = f"http://audio.test:{server.port}"
    assert await pieces(f"{uri}/first", replace(OPTIONS, resolve=names)) == [b"RIFF"]
    assert [head.split("\r\n") for head in server.heads] == [
        [
            f"GET /{path} HTTP/1.1",
            f"Host: audio.test:{server.port}",
            "User-Agent: niyosha",
            "Accept: */*",
            "Accept-Encoding: identity",
            "Connection: close",
            "",
            "",
        ]
        for path in ("first", "second")
    ]


async def test_a_body_without_a_length_is_read_to_its_end(server: Server) -> None:
    server.pages["/chunked"] = page(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", Transfer_Encoding="chunked")
    server.pages["/both"] = page(b"3\r\nabc\r\n0\r\n\r\n", Transfer_Encoding="chunked", Content_Length=7)
    server.pages["/closed"] = b"HTTP/1.0 200 OK\r\nContent-Encoding: Identity\r\n\r\nabcde"
    for path, body in (("chunked", b"abcde"), ("both", b"abc"), ("closed", b"abcde")):
        async with fetched(f"{server.base}/{path}", OPTIONS) as download:
            assert (download.total_bytes, download.media_type) == (None, "")
            assert [chunk async for chunk in download.chunks()] == [body]


async def test_an_empty_file_has_no_pieces(server: Server) -> None:
    server.pages["/"] = page()
    assert await pieces(server.base) == []


INSIDE_SPELLINGS = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0177.0.1",
    "127。0。0。1",
    "0",
    "0.0.0.0",
    "10.0.0.1",
    "169.254.169.254",
    "100.100.100.200",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::127.0.0.1]",
    "[2002:7f00:1::]",
    "[2001:0:808:808:0:1:80ff:fffe]",
    "[fd00:ec2::254]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
]


@pytest.mark.fault(20)
@pytest.mark.parametrize("host", INSIDE_SPELLINGS)
async def test_an_address_inside_is_refused_in_every_spelling(host: str, canary: Server) -> None:
    uri = f"http://{host}:{canary.port}/a.wav"
    error = await failure(f"{uri}?{HIDDEN}")
    sentence = f'audio.uri "{uri}" leads to an address that is not public; give one that anybody can reach'
    assert is_told(error, Problem.FORBIDDEN, sentence)
    with pytest.raises(ClientError) as refused:
        check_uri(f"{uri}?{HIDDEN}", OPTIONS)
    assert (refused.value.problem, refused.value.detail) == (Problem.FORBIDDEN, sentence)


@pytest.mark.parametrize("host", INSIDE_SPELLINGS)
async def test_a_redirect_inside_is_refused_in_every_spelling(host: str, server: Server) -> None:
    server.pages["/"] = redirect(f"http://{host}:{server.port}/?{HIDDEN}")
    error = await failure(f"{server.base}/")
    sentence = f'audio.uri "{server.base}/" leads to an address that is not public; give one that anybody can reach'
    assert is_told(error, Problem.FORBIDDEN, sentence)
    assert len(server.heads) == 1


NO_HOST = "has no host, or one that is neither a name nor an address"


@pytest.mark.parametrize(
    ("uri", "shown", "reason"),
    [
        ("", "", "is neither http nor https"),
        ("a.wav", "a.wav", "is neither http nor https"),
        ("//audio.test/a", "//audio.test/a", "is neither http nor https"),
        ("file:///etc/passwd", "file:///etc/passwd", "is neither http nor https"),
        ("ftp://audio.test/a", "ftp://audio.test/a", "is neither http nor https"),
        ("gopher://127.0.0.1:6379/_x", "gopher://127.0.0.1:6379/_x", "is neither http nor https"),
        ("data:audio/wav;base64,AAAA", "data:audio/wav;base64,AAAA", "is neither http nor https"),
        ("http://", "http://", NO_HOST),
        ("http:///a", "http:///a", NO_HOST),
        ("http:audio.test/a", "http:audio.test/a", NO_HOST),
        ("http://a b/", "http://a b/", NO_HOST),
        ("http://a..b/", "http://a..b/", NO_HOST),
        ("http://-a/", "http://-a/", NO_HOST),
        ("http://a\\b/", "http://a\\b/", NO_HOST),
        ("http://127%2e0%2e0%2e1/", "http://127%2e0%2e0%2e1/", NO_HOST),
        ("http://" + "a" * 64 + "/", "http://" + "a" * 64 + "/", NO_HOST),
        ("http://1.2.3.4.5/", "http://1.2.3.4.5/", "has a host that is neither a name nor an address"),
        ("http://0177.0.0.01/", "http://0177.0.0.01/", "is not a URI"),
        ("http://[::1/", "http://[::1/", "is not a URI"),
        ("http://[v1.a]/", "http://[v1.a]/", "is not a URI"),
        ("http://\uff11\uff12\uff17.0.0.1/", "http://\uff11\uff12\uff17.0.0.1/", "is not a URI"),
        ("http://audio.test:x/", "http://audio.test:x/", "is not a URI"),
        ("http://audio.test:0/", "http://audio.test:0/", "has a port outside of 1 to 65535"),
        ("http://audio.test:-1/", "http://audio.test:-1/", "has a port outside of 1 to 65535"),
        ("http://audio.test:65536/", "http://audio.test:65536/", "has a port outside of 1 to 65535"),
        ("http://me:pa55@audio.test/", "http://audio.test/", "has a user name or a password, which are not sent"),
        ("http://me@audio.test/a@b", "http://audio.test/a@b", "has a user name or a password, which are not sent"),
        ("http:\\\\me:pa55@audio.test", "audio.test", NO_HOST),
        ("me:pa55@audio.test", "audio.test", "is neither http nor https"),
    ],
)  # fmt: skip
async def test_what_can_never_be_fetched_is_refused_with_the_reason(uri: str, shown: str, reason: str) -> None:
    sentence = f'audio.uri "{shown}" {reason}; give one like https://host/file.wav'
    given_uri = f"{uri}?{HIDDEN}"
    with pytest.raises(ClientError) as refused:
        check_uri(given_uri, OPTIONS)
    assert (refused.value.problem, refused.value.detail) == (Problem.INVALID_CONFIG, sentence)
    assert is_told(await failure(given_uri), Problem.INVALID_CONFIG, sentence)


def test_control_characters_and_great_lengths_are_refused() -> None:
    for character in "\0\n\r\t\x7f\x85\udc80":
        with pytest.raises(ClientError, match="has control characters; give one like"):
            check_uri(f"http://audio.test/a{character}b", OPTIONS)
    check_uri("http://audio.test/".ljust(2048, "a"), OPTIONS)
    with pytest.raises(ClientError, match="has 2049 characters, and at most 2048 are allowed"):
        check_uri("http://audio.test/".ljust(2049, "a"), OPTIONS)


@pytest.mark.parametrize(
    "uri",
    [
        "http://8.8.8.8/",
        "HTTPS://Audio.Test:443/a.wav?b#c",
        "http://134744072/",
        "http://[2606:4700::1111]:8080/",
        "http://127.0.0.2/",
        "https://صدا.example/فایل\u200cها.wav",
        "http://my_bucket.s3.test./",
        "http://@audio.test/",
    ],
)
def test_what_may_be_fetched_is_let_through(uri: str) -> None:
    check_uri(uri, OPTIONS)


_SIGNS = st.sampled_from([*":@[]%\\?#/.。\0\udc80ß", "://", "..", "%25", "xn--"])
_WORDS = st.sampled_from(["http", "https", "file", "127.0.0.1", "::1", "0x7f", "example", "1" * 5000])


@given(
    st.text()
    | st.text().map("http://".__add__)
    | st.lists(_WORDS | _SIGNS | st.text(max_size=3), max_size=12).map("".join)
)
@example("http://xn--\u0660/")
@example("http://" + "1" * 2000)
@example("http://a:" + "1" * 2000)
@example("http://[::1%" + "1" * 2000 + "]")
def test_no_uri_does_anything_but_pass_or_be_refused(uri: str) -> None:
    with contextlib.suppress(ClientError):
        check_uri(uri, OPTIONS)


async def test_a_name_that_leads_inside_is_refused(canary: Server) -> None:
    uri = f"http://localhost:{canary.port}/"
    sentence = f'audio.uri "{uri}" {UNREACHABLE}'
    check_uri(uri, OPTIONS)
    assert is_told(await failure(uri), Problem.INVALID_AUDIO, sentence, is_passing=True)


@pytest.mark.fault(20)
async def test_a_name_is_resolved_once_and_pinned(server: Server) -> None:
    server.pages["/"] = page(b"RIFF")
    names = Names({"localhost": [[OUTSIDE], [INSIDE]]})
    options = replace(OPTIONS, resolve=names)
    assert await pieces(f"http://localhost:{server.port}/", options) == [b"RIFF"]
    assert names.asked == ["localhost"]
    assert UNREACHABLE in (await failure(f"http://localhost:{server.port}/", options)).error.detail
    assert server.connections == 1


@pytest.mark.fault(20)
async def test_every_hop_is_asked_for_and_checked_anew(server: Server) -> None:
    names = Names({"a.test": [[OUTSIDE], [INSIDE]], "b.test": [[OUTSIDE]]})
    options = replace(OPTIONS, resolve=names)
    server.pages[f"/?{HIDDEN}"] = redirect(f"http://b.test:{server.port}/there?{HIDDEN}")
    server.pages[f"/there?{HIDDEN}"] = redirect(f"http://a.test:{server.port}/")
    error = await failure(f"http://a.test:{server.port}/?{HIDDEN}", options)
    sentence = f'audio.uri "http://a.test:{server.port}/" {UNREACHABLE}'
    assert is_told(error, Problem.INVALID_AUDIO, sentence, is_passing=True)
    assert names.asked == ["a.test", "b.test", "a.test"]
    assert server.connections == 2


@pytest.mark.parametrize("addresses", [[OUTSIDE, INSIDE], [INSIDE, OUTSIDE], ["8.8.8.8", "::1"], ["::ffff:127.0.0.1"]])
async def test_one_address_inside_is_enough_to_refuse_a_name(addresses: list[str], server: Server) -> None:
    options = replace(OPTIONS, resolve=Names({"a.test": [addresses]}))
    assert UNREACHABLE in (await failure(f"http://a.test:{server.port}/", options)).error.detail
    assert server.connections == 0


async def test_addresses_are_tried_in_order(server: Server) -> None:
    server.pages["/"] = page(b"RIFF")
    options = replace(OPTIONS, resolve=Names({"a.test": [["127.0.0.3", OUTSIDE]]}))
    assert await pieces(f"http://a.test:{server.port}/", options) == [b"RIFF"]


async def test_a_host_where_nobody_listens_may_listen_later(canary: Server) -> None:
    uri = f"http://127.0.0.3:{canary.port}/"
    sentence = f'audio.uri "{uri}" {UNREACHABLE}'
    assert is_told(await failure(uri), Problem.INVALID_AUDIO, sentence, is_passing=True)


async def no_name(host: str) -> Sequence[Address]:
    raise socket.gaierror(socket.EAI_NONAME, host)


async def resolver_away(host: str) -> Sequence[Address]:
    raise socket.gaierror(socket.EAI_AGAIN, host)


async def no_descriptors(host: str) -> Sequence[Address]:
    raise OSError(errno.EMFILE, host)


async def no_answer(_: str) -> Sequence[Address]:
    await asyncio.sleep(3600)
    return []


async def slowly_inside(_: str) -> Sequence[Address]:
    await asyncio.sleep(3)
    return [ip_address(INSIDE)]


def leading_to(*addresses: str) -> Resolver:
    return Names({"a.test": [addresses]})


@pytest.mark.virtual_time
@pytest.mark.fault(20)
@pytest.mark.parametrize(
    "resolve",
    [
        no_name,
        resolver_away,
        no_descriptors,
        no_answer,
        slowly_inside,
        leading_to(),
        leading_to("10.0.0.1"),
        leading_to(OUTSIDE, INSIDE),
        leading_to(OUTSIDE),
    ],
    ids=["no name", "no resolver", "no descriptor", "no answer", "slowly", "nowhere", "inside", "both", "refusing"],
)
async def test_unreachable_hosts_are_reported_alike_and_as_late(
    resolve: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where nobody listens, for the virtual clock: a socket that is not there.
    monkeypatch.setattr(httpx, "AsyncHTTPTransport", partial(httpx.AsyncHTTPTransport, uds="/nonexistent/socket"))
    began = now()
    error = await failure("http://a.test/", replace(PATIENT, resolve=resolve))
    assert is_told(error, Problem.INVALID_AUDIO, f'audio.uri "http://a.test/" {UNREACHABLE}', is_passing=True)
    assert now() - began == pytest.approx(PATIENT.unreachable_seconds, abs=0.01)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(status: int, server: Server) -> None:
    server.pages["/"] = redirect("next?a=1#part", f"{status} Elsewhere")
    server.pages["/next?a=1"] = page(b"RIFF")
    assert await pieces(server.base) == [b"RIFF"]
    assert server.connections == 2


@pytest.mark.parametrize(
    ("location", "rest"),
    [
        (f"file:///etc/passwd?{HIDDEN}", '"file:/etc/passwd", which is neither http nor https'),
        (f"ftp://audio.test/?{HIDDEN}", '"ftp://audio.test/", which is neither http nor https'),
        (
            f"http://me:pa55@audio.test/?{HIDDEN}",
            '"http://audio.test/", which has a user name or a password, which are not sent',
        ),
        (f"http://audio.test:x/?{HIDDEN}", '"http://audio.test:x/", which is not a URI'),
        (f"http://[::1?{HIDDEN}", '"http://[::1", which is not a URI'),
    ],
)
async def test_a_redirect_to_what_cannot_be_fetched_is_told(location: str, rest: str, server: Server) -> None:
    server.pages["/"] = redirect(location)
    error = await failure(f"{server.base}/")
    assert is_told(error, Problem.INVALID_AUDIO, f'audio.uri "{server.base}/" redirects to {rest}')


async def test_redirects_have_an_end(server: Server) -> None:
    server.pages["/"] = redirect("/")
    error = await failure(f"{server.base}/")
    assert is_told(error, Problem.INVALID_AUDIO, f'audio.uri "{server.base}/" redirects more than 5 times')
    assert server.connections == 6
    assert (await failure(f"{server.base}/", replace(OPTIONS, most_redirects=0))).error.detail.endswith("than 0 times")
    assert server.connections == 7


@pytest.mark.parametrize(
    ("status", "is_passing"),
    [(204, False), (206, False), (302, False), (304, False), (403, False), (404, False), (429, True), (500, True)],
)
async def test_an_answer_that_is_not_the_audio_is_told(status: int, is_passing: bool, server: Server) -> None:
    server.pages[f"/a?{HIDDEN}"] = page(status=f"{status} So")
    sentence = f'audio.uri "{server.base}/a" answers {status}; it has to answer 200 and send the audio'
    error = await failure(f"{server.base}/a?{HIDDEN}")
    assert is_told(error, Problem.INVALID_AUDIO, sentence, is_passing=is_passing)


async def test_a_compressed_body_is_refused(server: Server) -> None:
    server.pages["/"] = page(gzip.compress(bytes(1 << 20)), Content_Encoding="gzip")
    sentence = f'audio.uri "{server.base}/" sends Content-Encoding "gzip"; it has to send the file as it is'
    assert is_told(await failure(f"{server.base}/"), Problem.INVALID_AUDIO, sentence)


async def read_until_failure(uri: str, options: FetchOptions) -> tuple[int, FetchError]:
    read = 0
    with pytest.raises(FetchError) as caught:  # noqa: PT012
        async with fetched(uri, options) as download:
            async for chunk in download.chunks():
                read += len(chunk)
    return read, caught.value


async def test_too_large_is_known_from_the_length(server: Server) -> None:
    server.pages["/"] = playing(page(Content_Length=1001))
    server.pages["/fits"] = page(bytes(1000))
    options = replace(OPTIONS, most_bytes=1000)
    sentence = f'audio.uri "{server.base}/" is too large; at most 1000 bytes are allowed'
    read, error = await read_until_failure(f"{server.base}/", options)
    assert read == 0
    assert is_told(error, Problem.TOO_LARGE, sentence)
    assert await pieces(f"{server.base}/fits", options) == [bytes(1000)]


@pytest.mark.parametrize(
    "endless",
    [
        playing(b"HTTP/1.1 200 OK\r\n\r\n", bytes(1 << 16)),
        playing(page(Transfer_Encoding="chunked"), b"10000\r\n" + bytes(1 << 16) + b"\r\n"),
    ],
)
async def test_an_endless_body_is_stopped_by_its_size(endless: Play, server: Server) -> None:
    server.pages["/"] = endless
    read, error = await read_until_failure(f"{server.base}/", replace(OPTIONS, most_bytes=200_000))
    assert error.error.problem is Problem.TOO_LARGE
    assert read <= 200_000
    async with asyncio.timeout(STUCK_SECONDS):
        await server.left.wait()


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("play", "seconds"),
    [
        (playing(b""), 30),
        (playing(b"HTTP/1.1 200 OK\r\n"), 30),
        (playing(page(bytes(10), Content_Length=20)), 30),
        (playing(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", 29), 60),
        (playing(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 29), 60),
        (playing(page(Content_Length=1000), b"a", 29), 60),
        (playing(b"HTTP/1.1 200 OK\r\n\r\n", bytes(1 << 16), 7), 600),
    ],
    ids=["no answer", "half a head", "half a body", "dripping head", "dripping 100", "dripping body", "steady body"],
)
async def test_silence_and_dripping_are_stopped_by_time(play: Play, seconds: float, nearby: Server) -> None:
    nearby.pages["/"] = play
    sentence = f'audio.uri "{nearby.base}/" takes too long; {LIMITS}'
    began = now()
    _, error = await read_until_failure(f"{nearby.base}/", PATIENT)
    # What only paused may come another time; what is slow is.
    assert is_told(error, Problem.INVALID_AUDIO, sentence, is_passing=seconds == PATIENT.idle_seconds)
    assert now() - began == pytest.approx(seconds, abs=0.1)
    await nearby.left.wait()


@pytest.mark.virtual_time
async def test_what_is_slow_but_in_time_arrives(nearby: Server) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(page(Content_Length=20 * CHUNK_BYTES))
        for _ in range(20):
            await asyncio.sleep(15)
            writer.write(bytes(CHUNK_BYTES))
            await writer.drain()

    nearby.pages["/"] = play
    began = now()
    assert b"".join(await pieces(f"{nearby.base}/", PATIENT)) == bytes(20 * CHUNK_BYTES)
    assert now() - began == 20 * 15


@pytest.mark.virtual_time
async def test_the_time_limit_does_not_strike_the_reader(nearby: Server) -> None:
    nearby.pages["/"] = page(bytes(3 * CHUNK_BYTES))
    with pytest.raises(FetchError, match="takes too long"):  # noqa: PT012
        async with fetched(nearby.base, PATIENT) as download:
            await anext(aiter(download.chunks()))
            await asyncio.sleep(PATIENT.seconds + 1)
            is_struck = False
            await anext(aiter(download.chunks()))
    assert not is_struck


async def test_a_truncated_body_is_an_error(server: Server) -> None:
    server.pages["/"] = page(bytes(100), Content_Length=200)
    sentence = f'audio.uri "{server.base}/" {BROKEN}'
    assert is_told(await failure(f"{server.base}/"), Problem.INVALID_AUDIO, sentence, is_passing=True)


async def test_what_follows_after_the_length_is_not_read(server: Server) -> None:
    server.pages["/"] = playing(page(b"abc", Content_Length=3), bytes(1 << 16))
    assert await pieces(server.base) == [b"abc"]
    async with asyncio.timeout(STUCK_SECONDS):
        await server.left.wait()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 300_000,
    ],
)
async def test_what_is_not_http_is_an_error(answer: bytes, server: Server) -> None:
    server.pages["/"] = answer
    assert "does not speak HTTP" in (await failure(f"{server.base}/")).error.detail


@pytest.mark.parametrize("reads", [0, 1])
async def test_leaving_early_closes_the_connection(reads: int, server: Server) -> None:
    server.pages["/"] = playing(b"HTTP/1.1 200 OK\r\n\r\n", bytes(1 << 16))
    async with fetched(server.base, OPTIONS) as download:
        for _ in range(reads):
            assert await anext(aiter(download.chunks()))
    async with asyncio.timeout(STUCK_SECONDS):
        await server.left.wait()
    with pytest.raises(StopAsyncIteration):
        await anext(aiter(download.chunks()))


@pytest.mark.virtual_time
async def test_a_failing_reader_closes_the_connection_and_keeps_its_error(nearby: Server) -> None:
    nearby.pages["/"] = playing(b"HTTP/1.1 200 OK\r\n\r\n", b"a", 1)
    with pytest.raises(OSError, match="the disk is full"):
        async with fetched(nearby.base, PATIENT):
            raise OSError("the disk is full")
    await nearby.left.wait()
    nearby.left.clear()
    reading = asyncio.create_task(pieces(nearby.base, PATIENT))
    await asyncio.sleep(10)
    assert nearby.connections == 2
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await nearby.left.wait()


async def test_what_is_secret_in_a_uri_is_not_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.pages[f"/a?{HIDDEN}"] = page(b"RIFF")
    with caplog.at_level(logging.DEBUG):
        assert await pieces(f"{server.base}/a?{HIDDEN}") == [b"RIFF"]
    assert HIDDEN not in caplog.text


@dataclass(frozen=True)
class Authority:
    """Who is trusted in a test."""

    ca: trustme.CA = field(default_factory=trustme.CA)

    def server_side(self, *names: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert(*names).configure_cert(context)
        return context

    def options(self, **answers: list[str]) -> FetchOptions:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        names = Names({name.replace("_", "."): [addresses] for name, addresses in answers.items()})
        return replace(OPTIONS, verify=context, resolve=names)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@asynccontextmanager
async def serving_tls(authority: Authority, *names: str) -> AsyncIterator[Server]:
    async with Server(OUTSIDE).serving(authority.server_side(*names)) as server:
        server.pages["/"] = page(b"RIFF")
        yield server


async def test_a_certificate_is_verified_for_the_name(
    authority: Authority,
) -> None:
    options = authority.options(audio_test=[OUTSIDE], other_test=[OUTSIDE])
    async with serving_tls(authority, "audio.test") as server:
        for host in ("audio.test", "AUDIO.test", "audio.test."):
            known = Names({"audio.test": [[OUTSIDE]], "audio.test.": [[OUTSIDE]]})
            assert await pieces(f"https://{host}:{server.port}/", replace(options, resolve=known)) == [b"RIFF"]
        uri = f"https://other.test:{server.port}/"
        sentence = f'audio.uri "{uri}" shows no certificate that can be trusted and is valid for its name'
        assert is_told(await failure(uri, options), Problem.INVALID_AUDIO, sentence)
        uri = f"https://{OUTSIDE}:{server.port}/"
        assert "no certificate" in (await failure(uri, options)).error.detail
        untrusting = replace(options, verify=None)
        assert "no certificate" in (await failure(f"https://audio.test:{server.port}/", untrusting)).error.detail


async def test_a_certificate_for_an_address_is_verified(authority: Authority) -> None:
    async with serving_tls(authority, OUTSIDE) as server:
        for host in (OUTSIDE, "2130706434"):
            assert await pieces(f"https://{host}:{server.port}/", authority.options()) == [b"RIFF"]


async def test_a_redirect_to_another_name_is_verified_again(authority: Authority) -> None:
    options = authority.options(audio_test=[OUTSIDE], other_test=[OUTSIDE])
    async with serving_tls(authority, "audio.test") as server:
        server.pages["/there"] = redirect(f"https://other.test:{server.port}/")
        assert "no certificate" in (await failure(f"https://audio.test:{server.port}/there", options)).error.detail
        assert server.connections == 1


async def test_a_redirect_from_https_to_http_is_refused(authority: Authority, canary: Server, server: Server) -> None:
    options = authority.options(audio_test=[OUTSIDE])
    server.pages["/"] = page(b"RIFF")
    async with serving_tls(authority, "audio.test") as secure:
        secure.pages["/down"] = redirect(f"{server.base}/?{HIDDEN}")
        secure.pages["/same"] = redirect("/")
        uri = f"https://audio.test:{secure.port}"
        sentence = f'audio.uri "{uri}/down" redirects to "{server.base}/"; https has to stay https'
        assert is_told(await failure(f"{uri}/down", options), Problem.INVALID_AUDIO, sentence)
        assert await pieces(f"{uri}/same", options) == [b"RIFF"]
        server.pages["/up"] = redirect(f"{uri}/")
        assert await pieces(f"{server.base}/up", options) == [b"RIFF"]
    assert server.connections == 1


async def test_broken_records_of_tls_are_an_error(authority: Authority) -> None:
    async def play(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(page(bytes(10), Content_Length=1000))
        await writer.drain()
        sock = writer.get_extra_info("socket")
        with contextlib.suppress(OSError), socket.socket(fileno=socket.dup(sock.fileno())) as raw:
            raw.send(b"\x17\x03\x03\x00\x20" + bytes(32))

    async with serving_tls(authority, "audio.test") as server:
        server.pages["/"] = play
        error = await failure(f"https://audio.test:{server.port}/", authority.options(audio_test=[OUTSIDE]))
        assert "cannot be read" in error.error.detail
        assert error.is_passing


@pytest.mark.virtual_time
async def test_a_plain_server_that_is_asked_for_tls_is_an_error(nearby: Server) -> None:
    error = await failure(f"https://{OUTSIDE}:{nearby.port}/", PATIENT)
    assert error.error.problem is Problem.INVALID_AUDIO


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_ipv6_is_refused_inside_and_fetched_where_it_is_allowed() -> None:
    try:
        async with Server("::1").serving() as server:
            uri = f"http://[::1]:{server.port}/"
            server.pages["/"] = page(b"RIFF")
            assert (await failure(uri)).error.problem is Problem.FORBIDDEN
            assert server.connections == 0
            allowed = replace(OPTIONS, networks=(ip_network("::1/128"),), resolve=Names({"a.test": [["::1"]]}))
            assert await pieces(uri, allowed) == [b"RIFF"]
            assert await pieces(f"http://a.test:{server.port}/", allowed) == [b"RIFF"]
            assert f"Host: [::1]:{server.port}" in server.heads[0]
    except OSError as absent:
        if absent.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise
        pytest.skip("this machine has no ::1")
