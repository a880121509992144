"""Row 10: too many streams, handshakes or minutes are refused before the upgrade; what is held is given back."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from starlette.requests import HTTPConnection
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from stream.errors import ClientError, Problem
from tests.clock import MovableClock
from tests.recognizers import ScriptedRecognizer
from tests.sounds import clip_pcm
from tests.web.captured import Captured, captured
from tests.web.redis import PASSWORD, executable, free_port, running_redis
from tests.web.sockets import LIVE, Conversation, address, converse, received
from tests.web.test_live import BrokenStream
from tests.web.tokens import SECRET, bearer, token
from web.auth.caller import Caller
from web.limits.amounts import Amounts
from web.limits.limits import Limits
from web.limits.memory import MemoryStore
from web.limits.refused import Refused
from web.limits.store import Full, Room, Store, Window
from web.serve import running
from web.settings import Settings, read_settings

needs_redis = pytest.mark.skipif(executable() is None, reason="there is no Redis server for this machine")
SECOND = bytes(32_000)


@asynccontextmanager
async def serving(recognizer: ScriptedRecognizer | None = None, **overrides: object) -> AsyncIterator[str]:
    settings = read_settings({"port": 0, "token_secret": SECRET} | overrides)
    async with running(settings, recognizer or ScriptedRecognizer()) as server:
        yield server.url


def stream(url: str, **claims: Any) -> connect:
    return connect(address(url, f"jwt={token(**claims)}"), proxy=None, compression=None)


async def refused(url: str, query: str = "", source: str = "127.0.0.1") -> tuple[int, str, int]:
    """Status, kind and Retry-After of a refused handshake; the plain GET must say the same."""
    with pytest.raises(InvalidStatus) as caught:
        async with connect(address(url, query), proxy=None, local_addr=(source, 0)):
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"")["type"], int(response.headers["Retry-After"])


async def explained(url: str, query: str = "") -> tuple[int, str, int]:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        response = await client.get(f"{url}{LIVE}?{query}")
    return response.status_code, response.json()["type"], int(response.headers.get("Retry-After", 0))


async def admitted(url: str, **claims: Any) -> None:
    """A stream is admitted, in the time that a server needs to see that another one has ended."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(InvalidStatus):
                async with stream(url, **claims) as socket:
                    await socket.send("close")
                    _ = [message async for message in received(socket)]
                return
            await asyncio.sleep(0.05)


# --- streams at once ---

OWNER_FULL = (429, "rate_limited", 5)
SERVER_FULL = (503, "overloaded", 5)


@pytest.mark.fault(10)
async def test_one_more_stream_than_an_owner_may_have_is_refused_until_one_ends() -> None:
    async with serving(streams_per_owner=2) as url, AsyncExitStack() as open_streams:
        first, _ = [await open_streams.enter_async_context(stream(url)) for _ in range(2)]
        query = f"jwt={token()}"
        assert await refused(url, query) == await explained(url, query) == OWNER_FULL
        await first.send("close")
        assert [json.loads(message)["status"] async for message in received(first)] == ["done"]
        await admitted(url)
        await admitted(url)


async def test_owners_do_not_share_their_streams() -> None:
    async with serving(streams_per_owner=1) as url, stream(url, sub="one"):
        assert await refused(url, f"jwt={token(sub='one')}") == OWNER_FULL
        await admitted(url, sub="two")


async def test_a_token_may_allow_more_streams_or_fewer() -> None:
    async with serving(streams_per_owner=2) as url, stream(url, streams=1):
        assert await refused(url, f"jwt={token(streams=1)}") == OWNER_FULL
        async with stream(url, streams=3), stream(url, streams=3):
            assert await refused(url, f"jwt={token(streams=3)}") == OWNER_FULL


@pytest.mark.fault(10)
async def test_a_full_server_refuses_everybody() -> None:
    async with serving(streams=2) as url, stream(url, sub="one"), stream(url, sub="two"):
        query = f"jwt={token(sub='three')}"
        assert await refused(url, query) == await explained(url, query) == SERVER_FULL


async def test_without_a_key_the_overall_limit_alone_counts() -> None:
    settings = Settings(port=0, streams=2, streams_per_owner=1)
    async with running(settings, ScriptedRecognizer()) as server, AsyncExitStack() as open_streams:
        for _ in range(2):
            await open_streams.enter_async_context(connect(address(server.url), proxy=None))
        assert await refused(server.url) == SERVER_FULL


async def test_the_question_why_takes_no_stream() -> None:
    async with serving(streams=1) as url:
        for _ in range(3):
            assert await explained(url, f"jwt={token()}") == (426, "upgrade_required", 0)
        await admitted(url)


@pytest.mark.fault(10)
@pytest.mark.fault(26)
@pytest.mark.parametrize("how", ["vanished", "vanished in mid word", "refused", "server fault", "one-use", "wrong"])
async def test_a_stream_is_free_again_however_it_ended(how: str) -> None:
    recognizer = ScriptedRecognizer([BrokenStream] if how == "server fault" else [])
    recognizer.script += ScriptedRecognizer().script
    # The server would wait long for what a client that is gone may still say.
    async with serving(recognizer, streams=1, idle_limit_seconds=600) as url:
        for _ in range(3):
            await _end_badly(url, how)
            await admitted(url)


async def _end_badly(url: str, how: str) -> None:
    match how:
        case "refused":
            with pytest.raises(InvalidStatus):
                await converse(url, query=f"jwt={token()}&sampleRateHertz=1")
        case "one-use":
            query = f"jwt={token(one_use=True, jti='once')}"
            with contextlib.suppress(InvalidStatus):
                await converse(url, "close", query=query)
            await asyncio.sleep(0.1)
            with pytest.raises(InvalidStatus):
                await converse(url, "close", query=query)
        case "wrong":
            assert (await converse(url, "nonsense", query=f"jwt={token()}")).close_code == 1007
        case "server fault":
            await converse(url, clip_pcm("yes.wav"), "close", query=f"jwt={token()}")
        case _:
            socket = await stream(url)
            if how == "vanished in mid word":
                await socket.send(clip_pcm("quick.wav"))
            socket.transport.abort()


async def test_a_client_that_goes_in_the_middle_of_the_handshake_leaves_nothing() -> None:
    async with serving(streams=1) as url:
        host, port = url.removeprefix("http://").split(":")
        for _ in range(20):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                f"GET {LIVE}?jwt={token()} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            await writer.drain()
            writer.transport.abort()
        await admitted(url)


# --- handshakes in a second ---


@pytest.mark.fault(10)
async def test_a_flood_of_handshakes_from_one_address_leaves_others_alone() -> None:
    async with serving(handshakes_per_second=5) as url:
        statuses = []
        async with asyncio.timeout(20):
            # They are counted though they are refused: none of them has a token.
            while 429 not in statuses:
                statuses += await asyncio.gather(*(_status(url) for _ in range(20)))
        assert set(statuses) == {401, 429}
        async with connect(address(url, f"jwt={token()}"), proxy=None, local_addr=("127.0.0.2", 0)) as socket:
            await socket.send("close")
            _ = [message async for message in received(socket)]
        assert socket.close_code == 1000
        await admitted(url)


@pytest.mark.fault(10)
async def test_who_was_refused_for_coming_too_fast_is_answered_the_same_without_a_look() -> None:
    with captured() as log:
        async with serving(handshakes_per_second=1) as url:
            answers: list[tuple[str, bytes]] = []
            async with asyncio.timeout(30):
                while len(answers) - len(_too_many(log)) < 3:
                    answers += [answer for _ in range(10) if (answer := await _too_fast(url)) is not None]
            async with httpx.AsyncClient(base_url=url, trust_env=False, headers=bearer(scope="metrics")) as http:
                told = (await http.get("/metrics")).text
            await admitted(url)
    assert len(set(answers)) == 1
    assert json.loads(answers[0][1])["detail"] == "more than 1 handshakes in a second came from your address"
    # They stand in the counts, and not in the log, which a flood would fill.
    counted = f'shenava_refusals_total{{protocol="websocket",reason="rate_limited"}} {float(len(answers))}'
    assert counted in told.splitlines()


def _too_many(log: Captured) -> list[dict[str, Any]]:
    return [event for event in log.named("handshake") if event["status"] == 429]


async def _too_fast(url: str) -> tuple[str, bytes] | None:
    """The answer to a handshake that is refused for coming too fast, None for one without a token."""
    with pytest.raises(InvalidStatus) as caught:
        async with connect(address(url), proxy=None):
            pass
    response = caught.value.response
    return (response.headers["Retry-After"], bytes(response.body or b"")) if response.status_code == 429 else None


async def test_a_refused_address_is_forgotten_when_its_second_is_over_or_others_crowd_it_out() -> None:
    now = 0.0
    limits = Limits(Amounts(handshakes_per_second=1), lambda: now)
    await limits.check_handshake(coming_from("192.0.2.1"))
    with pytest.raises(ClientError) as caught:
        await limits.check_handshake(coming_from("192.0.2.1"))
    again = limits.still_refused("192.0.2.1")
    assert again is not None
    assert (again.problem, again.detail) == (caught.value.problem, caught.value.detail)
    assert limits.still_refused("192.0.2.2") is None
    now = 1.1
    assert limits.still_refused("192.0.2.1") is None
    refused_ = Refused()
    for number in range(5000):
        refused_.add(str(number), 2.0)
    assert [refused_.holds(str(number), 1.0) for number in (0, 4999)] == [False, True]


async def _status(url: str) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(address(url), proxy=None):
            pass
    if caught.value.response.status_code == 429:
        assert caught.value.response.headers["Retry-After"] == "1"
    return caught.value.response.status_code


def coming_from(host: str) -> HTTPConnection:
    return HTTPConnection({"type": "http", "client": (host, 1), "headers": []})


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
async def test_addresses_of_one_subscriber_count_together(first: str, second: str, *, is_one: bool) -> None:
    limits = Limits(Amounts(handshakes_per_second=1), lambda: 0.0)
    await limits.check_handshake(coming_from(first))
    if is_one:
        with pytest.raises(ClientError):
            await limits.check_handshake(coming_from(second))
    else:
        await limits.check_handshake(coming_from(second))


# --- minutes of a day ---


def is_a_day(seconds: int) -> bool:
    return 86_000 < seconds <= 86_400


async def speak(url: str, seconds: int, **claims: Any) -> Conversation:
    return await converse(url, *[SECOND] * seconds, "close", query=f"jwt={token(**claims)}")


@pytest.mark.fault(10)
async def test_a_live_stream_that_uses_the_minutes_up_gets_its_text_first() -> None:
    sound = clip_pcm("quick.wav")
    async with serving(minutes_per_day=0.1) as url:
        conversation = await converse(url, sound, *[SECOND] * 10, sound, "close", query=f"jwt={token()}")
        assert (conversation.close_code, conversation.close_reason) == (4429, "rate_limited")
        assert len(conversation.settled) == 1
        error = conversation.messages[-1]
        assert (error["type"], error["code"]) == ("rate_limited", 429)
        assert error["detail"] == "0.1 minutes of audio a day are allowed, and they are used up"
        query = f"jwt={token()}"
        for status, kind, seconds in (await refused(url, query), await explained(url, query)):
            assert (status, kind, is_a_day(seconds)) == (429, "rate_limited", True)
        assert (await speak(url, 1, sub="another")).close_code == 1000


async def test_the_minutes_of_all_streams_and_tokens_of_an_owner_add_up() -> None:
    async with serving() as url:
        assert (await speak(url, 3, minutes=0.1)).close_code == 1000
        assert (await speak(url, 2, minutes=0.1)).close_code == 1000
        assert (await speak(url, 2, minutes=0.1)).close_code == 4429
        assert (await refused(url, f"jwt={token(minutes=0.05)}"))[:2] == (429, "rate_limited")
        assert (await speak(url, 2, minutes=1)).close_code == 1000
        assert (await speak(url, 20)).close_code == 1000


async def test_streams_of_less_than_a_second_add_up_too() -> None:
    async with serving() as url:
        query = f"jwt={token(minutes=0.1)}"
        for _ in range(7):
            assert (await converse(url, SECOND[:28_800], "close", query=query)).close_code == 1000
        async with asyncio.timeout(20):
            while (await explained(url, query))[0] != 429:
                await asyncio.sleep(0.05)


async def test_recordings_use_the_minutes_too() -> None:
    body = {"config": {}, "audio": {"data": base64.b64encode(SECOND * 4).decode()}}
    async with (
        serving(minutes_per_day=0.1) as url,
        httpx.AsyncClient(base_url=url, headers=bearer(), trust_env=False, timeout=30) as client,
    ):
        paths = "/v1/speech/asr", "/v1/speech/asrlongrunning", "/api/v1/asr/recognize"
        assert (await client.post(paths[0], json=body)).status_code == 201
        form = {"files": {"audio": ("a.raw", SECOND * 4)}}
        assert (await client.post(paths[2], **form)).status_code == 200  # type: ignore[arg-type]
        for path in paths:
            sent: dict[str, Any] = form if path == paths[2] else {"json": body}
            answer = await client.post(path, **sent)
            assert (answer.status_code, answer.json()["type"]) == (429, "rate_limited"), path
            assert is_a_day(int(answer.headers["Retry-After"]))
        assert (await refused(url, f"jwt={token()}"))[0] == 429


async def test_a_long_recording_uses_the_minutes_when_its_audio_is_here() -> None:
    async with (
        serving(minutes_per_day=0.05) as url,
        httpx.AsyncClient(base_url=url, headers=bearer(), trust_env=False, timeout=30) as client,
    ):
        path = "/v1/speech/asrlongrunning"
        created = await client.post(path, json={"config": {}, "audio": {"upload": True}})
        assert (await client.post(path, json={"config": {}, "audio": {"upload": True}})).status_code == 201
        assert (await client.put(created.headers["Upload-Location"], content=SECOND * 4)).status_code == 200
        assert (await client.post(path, json={"config": {}, "audio": {"upload": True}})).status_code == 429


# --- the accounting ---


class Slots(RuleBasedStateMachine):
    """Streams of three owners come and go in every way, in any order; the model is a list of who is there."""

    room = Room(2, 4)

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits(Amounts(streams=self.room.overall, streams_per_owner=self.room.of_owner), lambda: 0.0)
        self.runner = asyncio.Runner()
        self.open: list[tuple[Caller, asyncio.Task[None], asyncio.Future[None]]] = []

    @rule(owner=st.sampled_from("abc"))
    def comes(self, owner: str) -> None:
        caller = Caller(owner)
        if (expected := self.expected(caller)) is None:
            self.open.append((caller, *self.runner.run(self.begun(caller))))
        else:
            assert self.runner.run(self.refusal(caller)) is expected

    @precondition(lambda self: self.open)
    @rule(data=st.data(), how=st.sampled_from(["ends", "fails", "is cancelled"]))
    def goes(self, data: st.DataObject, how: str) -> None:
        _, task, leave = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.runner.run(self.ended(task, leave, how))

    @invariant()
    def the_question_agrees(self) -> None:
        for owner in "abc":
            assert self.runner.run(self.refusal(Caller(owner), asks=True)) is self.expected(Caller(owner))

    def expected(self, caller: Caller) -> Problem | None:
        if sum(one.owner == caller.owner for one, *_ in self.open) >= (self.room.of_owner or 0):
            return Problem.RATE_LIMITED
        return Problem.OVERLOADED if len(self.open) >= self.room.overall else None

    async def begun(self, caller: Caller) -> tuple[asyncio.Task[None], asyncio.Future[None]]:
        entered = asyncio.Event()
        leave: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def hold() -> None:
            async with self.limits.stream(caller):
                entered.set()
                await leave

        task = asyncio.create_task(hold())
        await entered.wait()
        return task, leave

    async def ended(self, task: asyncio.Task[None], leave: asyncio.Future[None], how: str) -> None:
        match how:
            case "is cancelled":
                task.cancel()
            case "fails":
                leave.set_exception(ZeroDivisionError())
            case _:
                leave.set_result(None)
        await asyncio.gather(task, return_exceptions=True)

    async def refusal(self, caller: Caller, *, asks: bool = False) -> Problem | None:
        try:
            if asks:
                await self.limits.check_stream(caller)
            else:
                async with self.limits.stream(caller):
                    pass
        except ClientError as error:
            return error.problem
        return None

    def teardown(self) -> None:
        for _, task, leave in self.open:
            self.runner.run(self.ended(task, leave, "ends"))
        self.open = []
        self.the_question_agrees()
        self.runner.close()


TestSlots = pytest.mark.fault(10)(Slots.TestCase)
TestSlots.settings = hypothesis_settings(max_examples=40, stateful_step_count=25)


# --- several servers ---


@pytest.fixture
async def redis_url(tmp_path: Path) -> AsyncIterator[str]:
    async with running_redis(tmp_path, free_port()) as url:
        yield url


@needs_redis
async def test_both_stores_count_alike(redis_url: str) -> None:
    from web.limits.redis import redis_store  # noqa: PLC0415

    async with redis_store(redis_url) as redis:
        for store in (MemoryStore(asyncio.get_running_loop().time), redis):
            await _check_store(store)


async def test_a_window_is_forgotten_with_all_that_was_counted_in_it() -> None:
    clock = MovableClock(50.0)
    store = MemoryStore(clock)
    assert await store.add("day", 3, 86_400) == Window(3, 86_400.0)
    for number in range(1000):
        assert await store.add(f"second {number}", 1, 1) == Window(1, 1.0)
    clock.now += 0.75
    assert await store.add("second 7", 1, 1) == await store.window("second 7") == Window(2, 0.25)
    clock.now += 0.25
    assert await store.window("second 7") == Window(0, 0.0)
    assert await store.add("second 7", 1, 1) == Window(1, 1.0)
    assert await store.add("day", 2, 86_400) == Window(5, 86_399.0)
    # Nothing is kept of what is over.
    assert (len(store._counts), len(store._by_end)) == (2, 2)


async def _check_store(store: Store) -> None:
    room = Room(2, 3)
    assert [await store.take(slot, "a", room) for slot in "12"] == [None, None]
    assert await store.take("3", "a", room) is await store.full("a", room) is Full.OWNER
    assert await store.take("3", "a", Room(None, 3)) is None
    assert await store.take("4", "b", room) is await store.full("b", room) is Full.SERVER
    for _ in range(2):
        await store.give_back("1", "a")
    assert await store.full("b", room) is None
    assert await store.full("a", room) is Full.OWNER
    assert (await store.window("k")).amount == 0
    assert [(await store.add("k", amount, 100)).amount for amount in (1, 5)] == [1, 6]
    window = await store.window("k")
    assert (window.amount, 90 < window.resets_in <= 100) == (6, True)
    assert (await store.add("other", 2, 100)).amount == 2


@needs_redis
async def test_servers_with_one_redis_share_streams_and_minutes(redis_url: str) -> None:
    shared: dict[str, Any] = {"limits_url": redis_url, "streams_per_owner": 1, "minutes_per_day": 0.1}
    async with serving(**shared) as one, serving(**shared) as other:
        async with stream(one):
            assert await refused(other, f"jwt={token()}") == await explained(other, f"jwt={token()}") == OWNER_FULL
        await admitted(other)
        assert (await speak(one, 4)).close_code == 1000
        assert (await speak(other, 4)).close_code == 4429
        assert (await refused(one, f"jwt={token()}"))[:2] == (429, "rate_limited")


@pytest.mark.fault(10)
@needs_redis
async def test_the_slots_of_a_killed_server_are_free_after_their_lease(redis_url: str) -> None:
    from web.limits.redis import redis_store  # noqa: PLC0415

    room = Room(2, 2)
    async with redis_store(redis_url, 0.6) as living, asyncio.timeout(20):
        async with redis_store(redis_url, 0.6) as killed:
            assert await killed.take("1", "a", room) is await living.take("2", "a", room) is None
            assert await living.full("a", room) is Full.OWNER
        while await living.full("a", room):
            await asyncio.sleep(0.05)
        # Its own was renewed all the while, over many leases.
        await asyncio.sleep(1.5)
        assert await living.full("a", Room(1, 2)) is Full.OWNER
        assert await living.full("b", Room(1, 1)) is Full.SERVER


async def test_without_its_redis_a_server_counts_alone(capfd: pytest.CaptureFixture[str]) -> None:
    url_of_nobody = f"redis://:{PASSWORD}@127.0.0.1:{free_port()}"
    async with serving(limits_url=url_of_nobody, streams_per_owner=1) as url, stream(url):
        assert await refused(url, f"jwt={token()}") == OWNER_FULL
    told = capfd.readouterr()
    assert "limits_counted_alone" in told.out + told.err
    assert PASSWORD not in told.out + told.err


@needs_redis
async def test_a_redis_that_dies_ends_no_stream(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(AsyncExitStack())
        url_of_redis = await redis.enter_async_context(running_redis(tmp_path, free_port()))
        url = await stack.enter_async_context(serving(limits_url=url_of_redis, minutes_per_day=1))
        socket: ClientConnection = await stack.enter_async_context(stream(url))
        await socket.send(SECOND * 2)
        await redis.aclose()
        await socket.send(SECOND * 2)
        await socket.send("close")
        assert [json.loads(message)["status"] async for message in received(socket)] == ["done"]
        await admitted(url)
