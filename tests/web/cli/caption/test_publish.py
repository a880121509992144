"""Publishing over connections that break, and servers that are restarted."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from websockets.exceptions import InvalidStatus

from stream.client import Live, LiveError, Message, RefusedError, UnreachableError
from stream.protocols.farsava.messages import FinalMessage
from tests.support.sounds import clip_pcm
from tests.web.support.channels import PAUSE, made
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import http_client, talking
from web.cli.caption.publish import OpenLive, Publishing
from web.settings.settings import Settings

pytestmark = pytest.mark.virtual_time
SPEECH = clip_pcm("quick.wav") + PAUSE
CHUNK_BYTES = 3200


async def spoken(pcm: bytes) -> AsyncGenerator[bytes, None]:
    """Sound as fast as it can be read."""
    for start in range(0, len(pcm), CHUNK_BYTES):
        yield pcm[start : start + CHUNK_BYTES]
        await asyncio.sleep(0)


class Publisher:
    """A publishing whose messages and reports are kept."""

    def __init__(self, open_live: OpenLive, chunks: AsyncGenerator[bytes, None]) -> None:
        self.messages: list[Message] = []
        self.reports: list[str] = []
        self.publishing = Publishing(open_live, chunks, receive=self.messages.append, report=self.reports.append)

    @property
    def text(self) -> str:
        finals = (one.results[0].transcript for one in self.messages if isinstance(one, FinalMessage) and one.results)
        return " ".join(finals)


@asynccontextmanager
async def live_at(base: str, name: str, keys: Mapping[str, object]) -> AsyncIterator[Live]:
    query = urlencode({"channel": name, "extended": "true", "store": "true", **keys})
    try:
        async with talking(base, query) as socket:
            yield Live(socket)
    except InvalidStatus as refused:
        raise RefusedError(base, refused.response.status_code, None, None, None) from refused


async def text_of(base: str, name: str) -> str:
    async with http_client(base) as client:
        return " ".join((await client.get(f"/v1/channels/{name}.txt")).text.split())


async def test_sound_is_published_at_the_pace_at_which_it_is_spoken() -> None:
    async with running_gateway() as base, http_client(base) as client:
        name = await made(client)
        publisher = Publisher(lambda keys: live_at(base, name, keys), spoken(SPEECH))
        began = asyncio.get_running_loop().time()
        await publisher.publishing.run()
        lasted = asyncio.get_running_loop().time() - began
        assert len(SPEECH) / 32_000 - 0.6 <= lasted <= len(SPEECH) / 32_000 + 1
        assert publisher.text == await text_of(base, name) != ""
    assert publisher.reports == []


async def test_a_connection_that_breaks_in_mid_sentence_loses_no_word_and_repeats_none() -> None:
    async with running_gateway() as base, http_client(base) as client:
        name = await made(client)
        whole = Publisher(lambda keys: live_at(base, name, keys), spoken(SPEECH * 2))
        await whole.publishing.run()
        expected, broken = whole.text, await made(client)
        count = 0

        @asynccontextmanager
        async def breaking(keys: Mapping[str, object]) -> AsyncIterator[Live]:
            nonlocal count
            count += 1
            query = urlencode({"channel": broken, "extended": "true", "store": "true", **keys})
            async with talking(base, query) as socket:
                if count < 4:
                    asyncio.get_running_loop().call_later(1.3, socket.transport.abort)
                yield Live(socket)

        publisher = Publisher(breaking, spoken(SPEECH * 2))
        await publisher.publishing.run()
        assert count == 4
        assert await text_of(base, broken) == publisher.text
        # The detector hears the end of a sentence a frame earlier or later where it begins in the middle.
        assert [len(part.split()) for part in publisher.text.split("w0 ")] == pytest.approx(
            [len(part.split()) for part in expected.split("w0 ")], abs=1
        )
    assert [report.startswith("the connection ended") for report in publisher.reports][:1] == [True]
    assert "the server is back" in publisher.reports


async def test_a_server_that_is_restarted_is_published_to_again(tmp_path: Path) -> None:
    settings = Settings(port=0, database_url=f"sqlite:///{tmp_path}/channels.db")
    bases: list[str] = []

    @asynccontextmanager
    async def open_live(keys: Mapping[str, object]) -> AsyncIterator[Live]:
        if not bases:
            raise UnreachableError("http://captions.example", "nothing listens there")
        async with live_at(bases[0], "stage", keys) as live:
            yield live

    publisher = Publisher(open_live, spoken(SPEECH * 3))
    async with running_gateway(settings=settings) as base:
        bases.append(base)
        async with http_client(base) as client:
            await client.post("/v1/channels", json={"name": "stage", "public": True})
        running = asyncio.create_task(publisher.publishing.run())
        await asyncio.sleep(2)
    bases.clear()
    await asyncio.sleep(1)
    async with running_gateway(settings=settings) as base:
        bases.append(base)
        await running
        assert await text_of(base, "stage") == publisher.text
    # The sentence that the server ended when it stopped goes on as another one.
    assert publisher.text.count("w0") == 4
    assert "the server is back" in publisher.reports


async def test_silence_takes_the_place_of_a_source_that_gives_nothing() -> None:
    async def broken_off() -> AsyncGenerator[bytes, None]:
        yield SPEECH
        await asyncio.sleep(60)
        yield SPEECH

    async with running_gateway() as base, http_client(base) as client:
        name = await made(client)
        publisher = Publisher(lambda keys: live_at(base, name, keys), broken_off())
        await publisher.publishing.run()
        finals = [one for one in publisher.messages if isinstance(one, FinalMessage)]
        assert publisher.text == await text_of(base, name)
    # On one clock, without a connection that was idle for too long.
    assert finals[-1].audio.received_ms == pytest.approx(60_000 + 2 * len(SPEECH) / 32, abs=2000)
    assert publisher.reports == []


async def test_what_every_connection_would_be_told_ends_it() -> None:
    async def refusing() -> None:
        raise RefusedError("http://captions.example", 404, None, None, None)

    @asynccontextmanager
    async def open_live(keys: Mapping[str, object]) -> AsyncIterator[Live]:
        await refusing()
        yield  # type: ignore[misc]

    publisher = Publisher(open_live, spoken(SPEECH))
    with pytest.raises(LiveError):
        await publisher.publishing.run()
    assert publisher.reports == []


async def test_what_was_said_before_a_stop_is_still_recognized() -> None:
    async with running_gateway() as base, http_client(base) as client:
        name = await made(client)
        publisher = Publisher(lambda keys: live_at(base, name, keys), spoken(SPEECH * 20))
        asyncio.get_running_loop().call_later(3, publisher.publishing.stop)
        await publisher.publishing.run()
        assert publisher.text == await text_of(base, name) != ""
        assert publisher.text.count("w0") < 20
