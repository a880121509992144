"""Row 10: too many streams are refused before the upgrade, and every slot is released."""

import asyncio
import contextlib
import json
import uuid
from contextlib import AsyncExitStack

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.web.limits.gateway import OWNER_FULL, SERVER_FULL, admitted, explained, limited, refused, stream
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import LIVE, converse, received, talking
from tests.web.support.tokens import token
from web.settings.settings import Settings

pytestmark = pytest.mark.virtual_time


class BrokenStream(CountingStream):
    """Fails in a way that nobody foresaw."""

    async def send(self, pcm: bytes) -> None:
        raise ZeroDivisionError


@pytest.mark.fault(10)
async def test_a_stream_too_many_is_refused_until_one_ends() -> None:
    async with limited(streams_per_owner=2) as url, AsyncExitStack() as open_streams:
        first, _ = [await open_streams.enter_async_context(stream(url)) for _ in range(2)]
        query = f"jwt={token()}"
        assert await refused(url, query) == await explained(url, query) == OWNER_FULL
        await first.send("close")
        assert [json.loads(message)["status"] async for message in received(first)] == ["done"]
        await admitted(url)
        await admitted(url)


async def test_owners_do_not_share_their_streams() -> None:
    async with limited(streams_per_owner=1) as url, stream(url, sub="one"):
        assert await refused(url, f"jwt={token(sub='one')}") == OWNER_FULL
        await admitted(url, sub="two")


async def test_a_token_may_allow_more_streams_or_fewer() -> None:
    async with limited(streams_per_owner=2) as url, stream(url, streams=1):
        assert await refused(url, f"jwt={token(streams=1)}") == OWNER_FULL
        async with stream(url, streams=3), stream(url, streams=3):
            assert await refused(url, f"jwt={token(streams=3)}") == OWNER_FULL


@pytest.mark.fault(10)
async def test_a_full_server_refuses_everybody() -> None:
    async with limited(streams=2) as url, stream(url, sub="one"), stream(url, sub="two"):
        query = f"jwt={token(sub='three')}"
        assert await refused(url, query) == await explained(url, query) == SERVER_FULL


async def test_without_a_key_the_overall_limit_alone_counts() -> None:
    settings = Settings(port=0, streams=2, streams_per_owner=1)
    async with running_gateway(settings=settings) as url, AsyncExitStack() as open_streams:
        for _ in range(2):
            await open_streams.enter_async_context(talking(url))
        assert await refused(url) == SERVER_FULL


async def test_the_question_why_takes_no_stream() -> None:
    async with limited(streams=1) as url:
        for _ in range(3):
            assert await explained(url, f"jwt={token()}") == (426, "upgrade_required", 0)
        await admitted(url)


@pytest.mark.fault(10)
@pytest.mark.fault(26)
@pytest.mark.parametrize("how", ["vanished", "vanished in mid word", "refused", "server fault", "one-use", "wrong"])
async def test_a_stream_is_free_again_however_it_ended(how: str) -> None:
    recognizer = ScriptedRecognizer(script=[BrokenStream] if how == "server fault" else [])
    recognizer.script += ScriptedRecognizer().script
    # The server would wait long for what a client that is gone may still say.
    async with limited(recognizer, streams=1, idle_limit_seconds=600) as url:
        for _ in range(2):
            await _end_badly(url, how)
            await admitted(url)


async def _end_badly(url: str, how: str) -> None:
    match how:
        case "refused":
            with pytest.raises(InvalidStatus):
                await converse(url, query=f"jwt={token()}&sampleRateHertz=1")
        case "one-use":
            query = f"jwt={token(one_use=True, jti=uuid.uuid4().hex)}"
            with contextlib.suppress(InvalidStatus):
                await converse(url, "close", query=query)
            await asyncio.sleep(1)
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


async def test_a_client_that_leaves_during_the_handshake_leaks_nothing() -> None:
    async with limited(streams=1) as url:
        for _ in range(20):
            _, writer = await asyncio.open_unix_connection(url.removeprefix("unix:"))
            writer.write(
                f"GET {LIVE}?jwt={token()} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            await writer.drain()
            writer.transport.abort()
        await admitted(url)
