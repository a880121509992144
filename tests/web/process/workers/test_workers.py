"""Two workers are one server: real processes, one embedded engine."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from tests.support.ports import unused_port
from tests.support.processes import STUCK_SECONDS, niyosha, started, url_in
from tests.support.sounds import clip_pcm, words_of
from tests.support.tiers import IS_LONG
from tests.web.rest.recordings import asked, ended
from tests.web.support.sockets import http_client, received, talking
from tests.web.support.tokens import SECRET, bearer, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORKERS = 2
STREAMS_OF_OWNER = 3


@dataclass(frozen=True)
class Server:
    """A server of several processes."""

    pid: int
    url: str

    def children(self, command: str) -> list[int]:
        """The child processes with a command of niyosha, without those that have ended."""
        pids = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in pids if command in arguments(int(pid))]

    @property
    def workers(self) -> list[int]:
        return self.children("serve-worker")

    def worker_of(self, socket: ClientConnection) -> int:
        """The worker with the other end of a connection."""
        own, peer = (socket.transport.get_extra_info(name)[1] for name in ("sockname", "peername"))
        inode = next(
            fields[9]
            for fields in map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:])
            if (int(fields[1].split(":")[1], 16), int(fields[2].split(":")[1], 16)) == (peer, own)
        )
        return next(pid for pid in self.workers if inode in open_inodes(pid))

    async def metrics(self) -> "Samples":
        """The metrics as one of the workers answers them."""
        async with http_client(self.url, headers=bearer(scope="metrics")) as client:
            answer = await client.get("/metrics")
        assert answer.status_code == 200, answer.text
        return Samples(answer.text)

    async def until(self, name: str, value: float) -> None:
        """Wait until a metric has a value."""
        async with asyncio.timeout(STUCK_SECONDS):
            while (await self.metrics()).value(name) != value:
                await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Samples:
    """Metrics in Prometheus' text format."""

    text: str

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples with these labels, and any others."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
            if sample.name == name and sample.labels.items() >= labels.items()
        )


def arguments(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return []


def open_inodes(pid: int) -> set[str]:
    links = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(descriptor.readlink()))
    return {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}


@contextlib.contextmanager
def two_workers(*options: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], Server]]:
    with started("serve", "--port", "0", "--workers", str(WORKERS), "--quiet", *options, **settings) as (process, line):
        yield process, Server(process.pid, url_in(line))


@pytest.fixture(scope="module")
def server(module_database: str) -> Iterator[Server]:
    with two_workers(
        NIYOSHA_DATABASE_URL=module_database,
        NIYOSHA_TOKEN_SECRET=SECRET,
        NIYOSHA_STREAMS_PER_OWNER=str(STREAMS_OF_OWNER),
        NIYOSHA_MINUTES_PER_DAY="60",
    ) as (_, server):
        yield server


@asynccontextmanager
async def stream(server: Server, **claims: Any) -> AsyncIterator[ClientConnection]:
    async with talking(server.url, f"jwt={token(**claims)}", compression=None) as socket:
        yield socket


async def on_each_worker(server: Server, stack: AsyncExitStack, **claims: Any) -> dict[int, ClientConnection]:
    """Open streams until each worker has one."""
    streams: dict[int, ClientConnection] = {}
    for _ in range(20):
        socket = await stack.enter_async_context(stream(server, sub=uuid.uuid4().hex, **claims))
        streams[server.worker_of(socket)] = socket
        if len(streams) == WORKERS:
            return streams
    raise AssertionError("all streams are at one worker")


async def is_refused(server: Server, query: str) -> dict[str, Any] | None:
    """The error with which a handshake is refused, None if it is accepted."""
    try:
        async with talking(server.url, query):
            return None
    except InvalidStatus as refused:
        return dict(json.loads(refused.response.body or b""))


async def test_one_parent_has_the_engine_and_two_workers(server: Server) -> None:
    assert len(server.workers) == WORKERS
    assert len(server.children("engine")) == 1
    assert (await server.metrics()).value("niyosha_workers") == WORKERS


async def test_streams_are_spread_evenly(server: Server) -> None:
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(stream(server, sub=str(number))) for number in range(10)]
        workers = [server.worker_of(socket) for socket in sockets]
        # A worker that gets no processor for some milliseconds is overtaken.
        assert min(workers.count(pid) for pid in server.workers) >= 3


async def test_an_owner_has_as_many_streams_as_at_one_process(server: Server) -> None:
    owner = uuid.uuid4().hex
    async with AsyncExitStack() as stack:
        for _ in range(STREAMS_OF_OWNER):
            await stack.enter_async_context(stream(server, sub=owner))
        for _ in range(4):
            error = await is_refused(server, f"jwt={token(sub=owner)}")
            assert error is not None
            assert error["type"] == "rate_limited"


async def test_a_token_for_one_use_is_refused_at_the_other_worker(server: Server) -> None:
    once = token(jti=uuid.uuid4().hex, one_use=True)
    async with talking(server.url, f"jwt={once}", compression=None) as socket:
        used_at = server.worker_of(socket)
        # The worker with the open stream lets the other one go first.
        errors = [await is_refused(server, f"jwt={once}") for _ in range(6)]
    assert used_at in server.workers
    assert [error and error["detail"] for error in errors] == [
        "the token was for one use, and was used; get a new one"
    ] * 6


async def test_requests_of_all_workers_are_counted(server: Server) -> None:
    async def alive() -> float:
        return (await server.metrics()).value("niyosha_http_requests_total", route="/livez")

    before = await alive()
    for _ in range(8):
        async with http_client(server.url) as client:
            assert (await client.get("/livez")).status_code == 200
    assert await alive() - before == 8


async def test_a_recording_is_recognized_once_and_seen_by_every_worker(server: Server) -> None:
    headers = bearer(sub=uuid.uuid4().hex)
    body = asked(clip_pcm("quick.wav"), audioEncoding="LINEAR16", sampleRateHertz=16_000)
    async with http_client(server.url, headers=headers) as client:
        accepted = await client.post("/v1/speech/asrlongrunning", json=body)
        assert accepted.status_code == 201, accepted.text
        transcription_id = accepted.json()["transcriptionId"]
        answer = await ended(client, transcription_id)
    for _ in range(4):
        async with http_client(server.url, headers=headers) as other:
            assert (await ended(other, transcription_id)).json() == answer.json()
    text = " ".join(result["transcript"] for result in answer.json()["results"])
    assert words_of(text)[:4] == ["the", "quick", "brown", "fox"]


@pytest.mark.skipif(not IS_LONG, reason="another server, and what tests of the queue on PostgreSQL show already")
async def test_a_recording_on_postgresql_is_recognized_once_by_two_workers(postgres_url: str) -> None:
    with two_workers(NIYOSHA_DATABASE_URL=postgres_url, NIYOSHA_TOKEN_SECRET=SECRET) as (_, server):
        headers = bearer(sub=uuid.uuid4().hex)
        body = asked(clip_pcm("quick.wav"), audioEncoding="LINEAR16", sampleRateHertz=16_000)
        transcription_ids = []
        for _ in range(4):
            async with http_client(server.url, headers=headers) as client:
                accepted = await client.post("/v1/speech/asrlongrunning", json=body)
                assert accepted.status_code == 201, accepted.text
                transcription_ids.append(accepted.json()["transcriptionId"])
        async with http_client(server.url, headers=headers) as client:
            for transcription_id in transcription_ids:
                results = (await ended(client, transcription_id)).json()["results"]
                assert words_of(results[0]["transcript"])[:4] == ["the", "quick", "brown", "fox"]
        streams = (await server.metrics()).value("niyosha_recognizer_streams_total")
        assert streams == len(transcription_ids)
        once = token(jti=uuid.uuid4().hex, one_use=True)
        errors = [await is_refused(server, f"jwt={once}") for _ in range(4)]
        assert [error is None for error in errors] == [True, False, False, False]


@pytest.mark.fault(48)
async def test_a_killed_worker_is_replaced_and_only_its_streams_notice(server: Server) -> None:
    async with AsyncExitStack() as stack:
        streams = await on_each_worker(server, stack)
        (killed, lost), (survivor, kept) = streams.items()
        counted = (await server.metrics()).value("niyosha_streams_opened_total")
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(STUCK_SECONDS):
            await lost.wait_closed()
            assert lost.close_code == 1006
            # New streams are admitted meanwhile, and no counter falls.
            async with stream(server, sub=uuid.uuid4().hex) as meanwhile:
                assert server.worker_of(meanwhile) != killed
            assert (await server.metrics()).value("niyosha_streams_opened_total") >= counted
            await kept.send(clip_pcm("quick.wav"))
            await kept.send("close")
            messages = [json.loads(message) async for message in received(kept)]
        await server.until("niyosha_workers", WORKERS)
        assert messages[-1]["status"] == "done"
        assert words_of(messages[-1]["results"][0]["transcript"])[:4] == ["the", "quick", "brown", "fox"]
    assert (survivor in server.workers, killed in server.workers) == (True, False)
    assert (await server.metrics()).value("niyosha_workers_replaced_total") == 1
    async with AsyncExitStack() as stack:
        assert set(await on_each_worker(server, stack)) == set(server.workers)


async def test_a_stop_drains_all_workers_and_takes_the_engine_along() -> None:
    with two_workers() as (process, server):
        everything = [*server.workers, *server.children("engine")]
        async with AsyncExitStack() as stack:
            streams: dict[int, ClientConnection] = {}
            while len(streams) < WORKERS:
                socket = await stack.enter_async_context(talking(server.url, compression=None))
                streams.setdefault(server.worker_of(socket), socket)
            for socket in streams.values():
                await socket.send(clip_pcm("quick.wav"))
            async with asyncio.timeout(STUCK_SECONDS):
                first = [json.loads(await socket.recv()) for socket in streams.values()]
                process.send_signal(signal.SIGTERM)
                rest = await asyncio.gather(*(read_all(socket) for socket in streams.values()))
        assert await asyncio.to_thread(process.wait, STUCK_SECONDS) == 0
    assert [message["status"] for message in first] == ["partial"] * WORKERS
    for socket, messages in zip(streams.values(), rest, strict=True):
        assert (socket.close_code, socket.close_reason) == (1012, "shutting_down")
        assert messages[-1]["status"] == "done"
        assert words_of(messages[-1]["results"][0]["transcript"])[:4] == ["the", "quick", "brown", "fox"]
    assert not [pid for pid in everything if arguments(pid)]


async def read_all(socket: ClientConnection) -> list[dict[str, Any]]:
    return [json.loads(message) async for message in received(socket)]


async def test_workers_share_what_their_parent_listens_on_and_end_when_it_is_killed() -> None:
    metrics_port = unused_port()
    settings = {
        "NIYOSHA_TLS_SELF_SIGNED": "1",
        "NIYOSHA_METRICS_PORT": str(metrics_port),
        "NIYOSHA_WYOMING_PORT": str(unused_port()),
        "NIYOSHA_GRPC_PORT": str(unused_port()),
    }
    command = "serve", "--port", "0", "--workers", str(WORKERS), "--riva-uri", "127.0.0.1:1"
    with started(*command, **settings) as (process, line):
        server = Server(process.pid, line.split()[1])
        workers = server.workers
        # The certificate is its own.
        options: dict[str, Any] = {"verify": False, "trust_env": False, "timeout": STUCK_SECONDS}
        async with httpx.AsyncClient(**options) as client:
            assert (await client.get(f"{server.url}/livez")).status_code == 200
            samples = Samples((await client.get(f"http://127.0.0.1:{metrics_port}/metrics")).text)
        assert samples.value("niyosha_http_requests_total", route="/livez") == 1
        assert samples.value("niyosha_workers") == len(workers) == WORKERS
        assert await answer_to_ping(settings["NIYOSHA_WYOMING_PORT"]) == "pong"
        ports = {settings["NIYOSHA_WYOMING_PORT"], settings["NIYOSHA_GRPC_PORT"]}
        assert all(ports <= listening_ports(pid) for pid in workers)
        process.kill()
        process.wait(STUCK_SECONDS)
        async with asyncio.timeout(STUCK_SECONDS):
            while any(arguments(pid) for pid in workers):
                await asyncio.sleep(0.02)


async def answer_to_ping(port: str) -> str:
    """The type of what a Wyoming server answers to a ping."""
    async with asyncio.timeout(STUCK_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b'{"type": "ping"}\n')
        answer = await reader.readline()
        writer.close()
    return str(json.loads(answer)["type"])


def listening_ports(pid: int) -> set[str]:
    """The TCP ports at which a process listens."""
    inodes = open_inodes(pid)
    # gRPC listens for both families at once.
    lines = [line for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    sockets = [line.split() for line in lines]
    return {
        str(int(fields[1].rpartition(":")[2], 16)) for fields in sockets if fields[3] == "0A" and fields[9] in inodes
    }


async def test_a_port_of_riva_clients_that_is_in_use_ends_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        command = "serve", "--port", "0", "--workers", "2"
        refused = await asyncio.to_thread(niyosha, *command, NIYOSHA_GRPC_PORT=port)
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}, where NIYOSHA_GRPC_PORT is to be served" in refused.stderr
