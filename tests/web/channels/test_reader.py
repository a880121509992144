import asyncio

import pytest

from stream.channels.lines import Line
from tests.web.channels.outlet import Client
from web.channels.live_channel import LiveChannel
from web.channels.reader import Reader
from web.store.channels import Channel

pytestmark = pytest.mark.virtual_time


def channel(*lines: Line) -> LiveChannel:
    stored = Channel(
        name="c",
        owner="o",
        title="C",
        languages=(),
        is_public=True,
        retention_seconds=3600.0,
        glossary=(),
        created_at=0.0,
    )
    return LiveChannel(stored, lines, clock=asyncio.get_running_loop().time, on_unsaved=lambda: None)


def line(text: str, number: int = 0, *, is_settled: bool = True) -> Line:
    return Line(text=text, start_ms=0, end_ms=0, number=number, is_settled=is_settled)


def put(live: LiveChannel, one: Line) -> Line:
    changed = live.lines.put(one)
    live.announce([changed])
    return changed


async def turn() -> None:
    """Let readers have their turns."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_reader_is_sent_what_there_is_and_what_comes() -> None:
    live, client = channel(), Client()
    put(live, line("before"))
    Reader(live).begin(client)
    await turn()
    assert client.text.index("event: channel") < client.text.index("before")
    put(live, line("after"))
    await turn()
    assert client.text.count('"text":"before"') == client.text.count('"text":"after"') == 1


async def test_a_reader_that_is_behind_gets_the_newest_text_of_each_line_only() -> None:
    live, client = channel(), Client()
    reader = Reader(live)
    reader.begin(client)
    await turn()
    client.is_full = True
    first = put(live, line("one", is_settled=False))
    put(live, line("one two", first.number, is_settled=False))
    put(live, line("One two.", first.number))
    await turn()
    assert '"text"' not in client.text
    client.is_full = False
    reader.drained()
    assert client.text.count('"text"') == 1
    assert '"text":"One two."' in client.text


async def test_a_long_beginning_waits_for_its_reader() -> None:
    live, client = channel(), Client()
    for number in range(200):
        put(live, line(f"t{number}"))
    reader = Reader(live)
    reader.begin(client)
    client.is_full = True
    await turn()
    assert len(client.pieces) == 1
    put(live, line("meanwhile"))
    await turn()
    client.is_full = False
    reader.drained()
    for _ in range(8):
        await turn()
    assert [client.text.count(f'"text":"t{number}"') for number in range(200)] == [1] * 200
    assert client.text.count("meanwhile") == 1


async def test_a_quiet_reader_gets_a_comment_and_a_busy_one_none() -> None:
    live, client = channel(), Client()
    reader = Reader(live)
    reader.begin(client)
    await asyncio.sleep(10)
    put(live, line("text"))
    await asyncio.sleep(14)
    assert ": \n\n" not in client.text
    await asyncio.sleep(2)
    assert client.text.endswith(": \n\n")
    await asyncio.sleep(15)
    assert client.text.count(": \n\n") == 2
    reader.closed()
    await asyncio.sleep(60)
    assert client.text.count(": \n\n") == 2


async def test_the_end_of_a_channel_ends_its_readers_and_a_stop_closes_them() -> None:
    live, ended = channel(), Client()
    Reader(live).begin(ended)
    await turn()
    live.end()
    await turn()
    assert (ended.is_ended, ended.text.endswith("event: end\ndata: {}\n\n"), len(live.readers)) == (True, True, 0)
    other, closed = channel(), Client()
    Reader(other).begin(closed)
    other.close()
    await turn()
    assert (closed.is_ended, "event: end" in closed.text) == (True, False)


async def test_a_reader_that_is_gone_is_sent_nothing() -> None:
    live, client = channel(), Client()
    reader = Reader(live)
    reader.begin(client)
    reader.closed()
    put(live, line("text"))
    await turn()
    assert "text" not in client.text
    assert len(live.readers) == 0
