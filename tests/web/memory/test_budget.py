"""Row 38: the budgets for request bodies, for one owner and for all, released in every case."""

import asyncio
import json
import random
import shutil
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import ClientError, Problem
from tests.stream.audio.encoders import recorded
from tests.support.tiers import examples
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import http_client
from tests.web.transport.raw import SECONDS
from web.memory.budget import BodyBudgets, Budget, FullError

ASR = "/v1/speech/asr"
LONG = "/v1/speech/asrlongrunning"
LARGEST = 16 << 20


def holdings(free: float = 1000.0) -> Budget:
    return Budget(name="memory", of_owner=30, overall=50, free=lambda: free)


def refusal(store: Budget, owner: str, size: int) -> Problem | None:
    with store.open(owner) as held:
        try:
            held.require(size)
        except FullError as full:
            assert full.retry_after_seconds
            return full.problem
    return None


@pytest.mark.fault(38)
def test_an_owner_has_their_share_and_all_have_theirs() -> None:
    store = holdings()
    with store.open("a") as first, store.open("b") as second:
        first.require(30)
        second.require(15)
        assert refusal(store, "a", 1) is Problem.RATE_LIMITED
        assert refusal(store, "c", 6) is Problem.OVERLOADED
        assert refusal(store, "c", 5) is None
    assert refusal(store, "a", 30) is None
    assert refusal(holdings(free=9), "a", 10) is Problem.OVERLOADED


@given(st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.integers(0, 40), max_size=4)), max_size=12))
@examples(60)
def test_budgets_are_released_and_never_exceeded(requests: list[tuple[str, list[int]]]) -> None:
    store = holdings()
    opened = [(store.open(owner), totals) for owner, totals in requests]
    for held, totals in opened:
        for total in totals:
            try:
                held.require(total)
            except ClientError:
                break
            assert store.held_bytes <= 50
    for held, _ in opened:
        held.close()
        held.close()
    assert store.held_bytes == 0
    assert refusal(store, "a", 30) is None


def test_the_largest_recording_fits_on_the_disk_of_its_owner() -> None:
    disk = BodyBudgets(4 << 30).disk
    with disk.open("a") as held:
        if disk._free() > 4 << 30:
            held.require(4 << 30)
    assert refusal(disk, "a", (4 << 30) + 1) is not None


async def begun(base: str, path: str, media_type: str, size: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Begin a body of which little is sent."""
    reader, writer = await asyncio.open_unix_connection(base.removeprefix("unix:"))
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media_type}\r\nContent-Length: {size}\r\n\r\n"
    writer.write(head.encode() + b'{"config": {}, "audio": {"data": "AAAA')
    await writer.drain()
    return reader, writer


async def answered(reader: asyncio.StreamReader) -> tuple[bytes, dict[str, object]]:
    async with asyncio.timeout(SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split()[1]) for line in head.lower().splitlines() if line.startswith(b"content-length"))
        return head, json.loads(await reader.readexactly(length))


@pytest.mark.virtual_time
@pytest.mark.fault(38)
async def test_bodies_above_the_budget_are_refused_unread() -> None:
    async with running_gateway() as base:
        holders = [await begun(base, ASR, "application/json", LARGEST) for _ in range(3)]
        await asyncio.sleep(0.1)
        reader, writer = await begun(base, ASR, "application/json", LARGEST)
        head, body = await answered(reader)
        assert head.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 5\r\n" in head.lower()
        assert body["type"] == "rate_limited"
        for _, holder in [*holders, (reader, writer)]:
            holder.transport.abort()
        await asyncio.sleep(0.1)
        async with http_client(base) as http:
            answer = await http.post(ASR, json={"config": {}, "audio": {"data": "A" * (1 << 20)}})
        assert answer.status_code == 201


@pytest.mark.virtual_time
@pytest.mark.fault(38)
async def test_a_body_that_is_held_must_not_drip() -> None:
    async with running_gateway() as base:
        reader, writer = await begun(base, ASR, "application/json", LARGEST)
        began = asyncio.get_running_loop().time()
        answering = asyncio.create_task(answered(reader))
        while not answering.done():
            writer.write(b"A" * 5000)
            await asyncio.wait({answering}, timeout=10)
        head, body = await answering
        assert head.startswith(b"HTTP/1.1 408 ")
        assert body["type"] == "idle_timeout"
        assert 60 <= asyncio.get_running_loop().time() - began < 80
        writer.transport.abort()


@pytest.mark.virtual_time
@pytest.mark.fault(38)
async def test_forms_are_refused_where_the_disk_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.memory.budget._free_disk_bytes", lambda: 1e6)
    async with running_gateway() as base, http_client(base) as http:
        answer = await http.post(LONG, files={"audio": ("a.wav", bytes(2_000_000))})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        refused = await http.get("/v1/speech/transcriptions")
        assert refused.json() == {"transcriptions": [], "next": None}


@pytest.mark.virtual_time
@pytest.mark.fault(38)
async def test_an_upload_that_finds_no_room_may_be_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than what is looked at to tell that it has to be copied.
    film = recorded(random.Random(1).randbytes(20 * 32_000), "mp4", "aac")  # noqa: S311
    async with running_gateway() as base, http_client(base) as http:
        promised = await http.post(LONG, json={"config": {}, "audio": {"upload": True}})
        address = promised.headers["Upload-Location"]
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
            assert (await http.put(address, content=film)).status_code == 503
        assert (await http.put(address, content=film)).status_code == 200


@pytest.mark.parametrize(("workers", "of_owner", "overall"), [(1, 48, 96), (2, 24, 48), (4, 16, 24), (64, 16, 16)])
def test_workers_share_the_memory_and_each_has_room_for_one_body(workers: int, of_owner: int, overall: int) -> None:
    memory = BodyBudgets(4 << 30, workers).memory
    assert refusal(memory, "a", of_owner << 20) is None
    assert refusal(memory, "a", (of_owner << 20) + 1) is Problem.RATE_LIMITED
    with ExitStack() as stack:
        for number in range(overall * 2):
            stack.enter_context(memory.open(str(number))).require(1 << 19)
        assert refusal(memory, "one more", 1) is Problem.OVERLOADED
