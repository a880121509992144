"""Caption channels over REST and SSE: against the real server, and against scripted ones for what is rare."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from stream.client import connect, rest_client, transcribe
from stream.client.channels import (
    ChannelEvent,
    Connected,
    Deleted,
    Line,
    Publishing,
    correct_line,
    create_channel,
    delete_channel,
    list_channels,
    read_channel,
)
from stream.client.errors import AnswerError, RefusedError, UnreachableError
from stream.client.rest import RestClient, RestWaits
from tests.support.plain_http import Reply, Scripted, listening
from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm, clip_texts, words_of

STREAM = {"Content-Type": "text/event-stream"}


async def clip() -> AsyncIterator[bytes]:
    yield clip_pcm("quick.wav") + bytes(32_000)


async def publish(url: str, name: str) -> None:
    config = {"channel": name, "speaker": "Ann"}
    async with connect(url, config=config) as live, aclosing(transcribe(live, clip())) as messages:
        async for _ in messages:
            pass


def named() -> str:
    return f"c-{uuid.uuid4().hex}"


async def test_what_is_published_is_read_corrected_and_deleted(server: str) -> None:
    name = named()
    async with rest_client(server) as rest, asyncio.timeout(STUCK_SECONDS):
        made = await create_channel(rest, name, title="Main stage", languages=["en"], is_public=True)
        assert (made.title, made.languages, made.public, made.began_at) == ("Main stage", ["en"], True, None)
        assert name in [channel.name for channel in await list_channels(rest)]
        with pytest.raises(RefusedError) as taken:
            await create_channel(rest, name)
        assert taken.value.status == 409
        publishing = asyncio.create_task(publish(server, name))
        seen: list[ChannelEvent] = []
        async with aclosing(read_channel(rest, name)) as events:
            async for event in events:
                seen.append(event)
                match event:
                    case Line(is_settled=True, text="The fox."):
                        await delete_channel(rest, name)
                    case Line(is_settled=True, number=number):
                        await publishing
                        await correct_line(rest, name, number, text="The fox.")
        lines = [event for event in seen if isinstance(event, Line)]
        (settled, corrected) = [line for line in lines if line.is_settled]
        assert seen[0] == Connected(
            title="Main stage", languages=("en",), is_live=isinstance(seen[0], Connected) and seen[0].is_live
        )
        assert words_of(settled.text) == words_of(clip_texts()["quick.wav"])
        assert (settled.speaker, corrected.number) == ("Ann", settled.number)
        assert 0 <= settled.start_ms < settled.end_ms
        assert Publishing(is_live=False) in seen
        assert seen[-1] == Deleted()
        with pytest.raises(RefusedError) as gone:
            await anext(read_channel(rest, name))
    assert gone.value.status == 404


# --- with a scripted server, on the virtual clock ---

CHANNEL = 'retry: 2000\nevent: channel\ndata: {"name":"a","title":"A","languages":[],"live":true}\n\n'


def line(number: int, text: str, event: str = "final") -> str:
    body = {"line": number, "startMs": 0, "endMs": 1, "text": text, "speaker": "", "hidden": False}
    return f"id: {100 + number}\nevent: {event}\ndata: {json.dumps(body)}\n\n"


def stream(*events: str) -> Reply:
    return Reply(body="".join((CHANNEL, *events)).encode(), headers=STREAM)


END = "event: end\ndata: {}\n\n"


async def texts(rest: RestClient, after: str | None = None) -> list[str]:
    async with aclosing(read_channel(rest, "a", after=after)) as events:
        return [event.text async for event in events if isinstance(event, Line)]


@pytest.mark.virtual_time
async def test_a_lost_connection_goes_on_after_the_last_event_when_the_server_wants_it() -> None:
    replies = [stream(line(1, "one")), stream(line(2, "two")), stream(END)]
    script = Scripted({"GET": replies})
    async with listening(script.handle) as url, rest_client(url) as rest:
        assert await texts(rest, after="7") == ["one", "two"]
    assert [asked.headers["last-event-id"] for asked in script.asked] == ["7", "101", "102"]
    assert script.pauses == pytest.approx([2, 2])


@pytest.mark.virtual_time
async def test_a_server_that_is_away_is_tried_again_and_then_it_is_an_error() -> None:
    busy = Reply(status=503, body={})
    script = Scripted({"GET": [busy, Reply(breaks=True), stream(line(1, "one")), busy]})
    waits = RestWaits(tries=3, retry_seconds=1.0)
    async with (
        listening(script.handle) as url,
        rest_client(url, waits=waits) as rest,
        aclosing(read_channel(rest, "a")) as events,
    ):
        assert isinstance(await anext(events), Connected)
        assert isinstance(await anext(events), Line)
        with pytest.raises(RefusedError):
            await anext(events)
    assert script.pauses == pytest.approx([1, 2, 2, 1, 2])


@pytest.mark.virtual_time
async def test_a_connection_that_always_breaks_is_unreachable() -> None:
    script = Scripted({"GET": [Reply(breaks=True)]})
    async with listening(script.handle) as url, rest_client(url, waits=RestWaits(tries=2)) as rest:
        with pytest.raises(UnreachableError, match="the connection broke off"):
            await texts(rest)
    assert len(script.asked) == 2


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(body=b"<h1>Hello</h1>", headers={"Content-Type": "text/html"}), "text/event-stream"),
        (stream("event: final\ndata: {}\n\n"), "missing required field"),
    ],
)
async def test_what_is_no_channel_is_an_error(reply: Reply, reason: str) -> None:
    script = Scripted({"GET": [reply]})
    async with listening(script.handle) as url, rest_client(url) as rest:
        with pytest.raises(AnswerError, match=reason):
            await texts(rest)


@pytest.mark.virtual_time
async def test_events_of_newer_servers_are_passed_over() -> None:
    script = Scripted({"GET": [stream("event: applause\ndata: {}\n\n", line(1, "one"), END)]})
    async with listening(script.handle) as url, rest_client(url) as rest:
        assert await texts(rest) == ["one"]
