"""Row 47: more table than there is room for: idle ones are closed, health checks are answered."""

import asyncio
import gc
import json
import resource
import weakref
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.support.processes import STUCK_SECONDS
from tests.support.tiers import examples
from tests.web.transport.raw import RawClient, connected
from tests.web.transport.serving import serving
from tests.web.transport.test_heads import answer, application, begun
from web.limits.addresses import source_of_host
from web.process.descriptors import connections_within, raise_limit
from web.transport.connection_table import ConnectionTable, Entrance
from web.transport.limits import wire_config

GET = b"GET /page HTTP/1.1\r\nHost: h\r\n\r\n"


def entered(table: ConnectionTable, key: str, host: str, closed: list[str]) -> Entrance:
    return table.enter(key, host=host, source=source_of_host(host), close=lambda: closed.append(key))


@pytest.mark.fault(47)
def test_the_oldest_idle_connection_of_an_address_makes_room() -> None:
    table, closed = ConnectionTable(most=100, of_source=2), list[str]()
    assert [entered(table, key, "10.0.0.1", closed) for key in "abc"] == [Entrance.OPEN] * 3
    assert closed == ["a"]
    table.begin("b")
    assert entered(table, "d", "10.0.0.1", closed) is Entrance.OPEN
    table.begin("d")
    assert closed == ["a", "c"]
    assert entered(table, "e", "10.0.0.1", closed) is Entrance.HEALTH_ONLY
    assert entered(table, "f", "10.0.0.2", closed) is Entrance.OPEN
    table.end("b")
    assert entered(table, "g", "10.0.0.1", closed) is Entrance.OPEN


def test_proxies_and_unix_sockets_have_no_limit_of_their_own() -> None:
    for host in ("10.0.0.1", ""):
        table, closed = ConnectionTable(most=4, of_source=2, is_proxy="10.0.0.1".__eq__), list[str]()
        assert [entered(table, key, host, closed) for key in "abcde"] == [Entrance.OPEN] * 5
        assert closed == ["a"]


@pytest.mark.fault(47)
@given(
    st.lists(
        st.tuples(st.sampled_from(["enter", "begin", "end", "leave"]), st.integers(0, 60), st.sampled_from("ab")),
        max_size=200,
    )
)
@examples(60)
def test_there_are_never_more_than_there_is_room_for(steps: list[tuple[str, int, str]]) -> None:
    table, there = ConnectionTable(most=12, of_source=8), set[int]()
    for step, key, host in steps:
        match step:
            case "enter" if key not in there:
                entrance = table.enter(key, host=host, source=host, close=lambda key=key: there.discard(key))  # type: ignore[misc]
                there.update([key] if entrance is not Entrance.CLOSED else [])
            case "leave":
                table.leave(key)
                there.discard(key)
            case "begin" | "end":
                getattr(table, step)(key)
        assert len(table) == len(there) <= 12 + 16
    for key in list(there):
        table.leave(key)
    assert [table.enter(n, host="a", source="a", close=lambda: None) for n in range(100, 108)] == [Entrance.OPEN] * 8


@pytest.mark.virtual_time
@pytest.mark.fault(47)
async def test_idle_connections_make_room_for_requests() -> None:
    async with serving(application()) as (server, place), AsyncExitStack() as stack:
        table = wire_config(server.config).connection_table
        table._most = 20
        idle = [await stack.enter_async_context(connected(place)) for _ in range(20)]
        await idle[1].send(b"GET /page HT")
        await asyncio.sleep(0.1)
        async with connected(place) as client:
            await client.send(GET)
            assert await answer(client) == (200, b"0")
        assert await idle[0].is_closed()
        assert len(table) == len(server.server_state.connections)


@pytest.mark.virtual_time
@pytest.mark.fault(47)
async def test_health_is_answered_when_all_connections_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.transport.http._HEALTH_PATHS", frozenset({"/page"}))
    with capture_logs() as logs:
        async with serving(application()) as (server, place), AsyncExitStack() as stack:
            wire_config(server.config).connection_table._most = 2
            for _ in range(2):
                await reading(await stack.enter_async_context(connected(place)))
            async with connected(place) as client:
                await client.send(GET.replace(b"/page", b"/pieces"))
                status, body = await answer(client)
                assert (status, json.loads(body)["type"]) == (503, "overloaded")
            async with connected(place) as client:
                await client.send(GET)
                assert await answer(client) == (200, b"0")
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == ["connections_full"]


@pytest.mark.virtual_time
async def test_a_refusal_of_a_full_server_has_the_shape_of_its_path() -> None:
    async with serving(application()) as (server, place), AsyncExitStack() as stack:
        wire_config(server.config).connection_table._most = 2
        for _ in range(2):
            await reading(await stack.enter_async_context(connected(place)))
        client = await stack.enter_async_context(connected(place))
        await client.send(GET.replace(b"/page", b"/v1/models"))
        status, body = await answer(client)
    assert (status, json.loads(body)["error"]["code"]) == (503, "overloaded")


async def reading(client: RawClient) -> None:
    """Ask for something that has no end."""
    before = len(begun)
    await client.send(GET.replace(b"/page", b"/pieces"))
    async with asyncio.timeout(STUCK_SECONDS):
        while len(begun) == before:
            await asyncio.sleep(0.01)


def test_the_limit_of_descriptors_is_raised_to_the_hard_one() -> None:
    assert raise_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert [connections_within(n) for n in (100, 1024, 20_000, 1 << 20, resource.RLIM_INFINITY)] == [
        50, 896, 16_384, 16_384, 16_384
    ]  # fmt: skip


@pytest.mark.virtual_time
@pytest.mark.parametrize("said", [b"", GET], ids=["idle", "used"])
async def test_a_closed_connection_needs_no_garbage_collector(said: bytes) -> None:
    async with serving(application()) as (server, place):
        gc.disable()
        try:
            async with connected(place) as client:
                await client.send(said)
                await asyncio.sleep(0.1)
                (connection,) = map(weakref.ref, server.server_state.connections)
            async with asyncio.timeout(STUCK_SECONDS):
                while connection() is not None:
                    await asyncio.sleep(0.01)
        finally:
            gc.enable()
