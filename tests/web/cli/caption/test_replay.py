import asyncio
from contextlib import aclosing

import pytest

from tests.support.sounds import numbered_pcm
from vad import SAMPLE_RATE
from web.cli.caption.replay import MOST_SECONDS, Replay

pytestmark = pytest.mark.virtual_time
SECOND = numbered_pcm([(True, 100)])


async def kept(replay: Replay) -> bytes:
    """All that a new connection would be sent at once."""
    replay.end()
    return b"".join([piece async for piece in replay.chunks()])


async def test_a_new_connection_gets_what_is_not_settled_and_what_comes() -> None:
    replay = Replay()
    replay.put(SECOND + SECOND)
    replay.settle(SAMPLE_RATE // 2)
    async with aclosing(replay.chunks()) as chunks:
        assert await anext(chunks) == (SECOND + SECOND)[SAMPLE_RATE:]
        assert replay.start == SAMPLE_RATE // 2
        coming = asyncio.create_task(anext(chunks))
        await asyncio.sleep(0)
        replay.put(b"\1\2")
        assert await coming == b"\1\2"
        # What is settled meanwhile is not sent again by this connection.
        replay.settle(2 * SAMPLE_RATE)
        replay.put(b"\3\4")
        assert await anext(chunks) == b"\3\4"
    assert await kept(replay) == b"\1\2\3\4"


async def test_settling_never_goes_back_or_beyond_the_end() -> None:
    replay = Replay()
    replay.put(SECOND)
    replay.settle(100)
    replay.settle(50)
    assert len(await kept(replay)) == 2 * (SAMPLE_RATE - 100)
    replay.settle(10**9)
    assert await kept(replay) == b""


async def test_a_minute_is_kept_and_the_oldest_sound_is_dropped() -> None:
    replay = Replay()
    for _ in range(MOST_SECONDS + 5):
        replay.put(SECOND)
    assert replay.lost_seconds == 5
    assert len(await kept(replay)) == MOST_SECONDS * len(SECOND)
    assert replay.start == 5 * SAMPLE_RATE


async def test_what_was_sent_is_dropped_without_a_loss() -> None:
    replay = Replay()
    async with aclosing(replay.chunks()) as chunks:
        for _ in range(MOST_SECONDS + 5):
            replay.put(SECOND)
            assert await anext(chunks) == SECOND
    assert replay.lost_seconds == 0
