"""Row 12: a connection whose token expires delivers its settled text, and ends."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.support.loops.clock import MovableClock
from tests.support.recognizers import MuteStream
from tests.support.sounds import clip_pcm
from tests.web.support.gateway import Gateway, ScriptBook, running_gateway
from tests.web.support.sockets import converse, talking
from tests.web.support.tokens import SECRET, token
from vad import SAMPLE_RATE
from web.settings.settings import Settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

SECOND = b"\x00\x40" * SAMPLE_RATE
DETAIL = "the token has expired; connect again with a new one"
# The time of day stands still: every connection is opened at this moment.
NOW = 1_800_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(module_database: str) -> AsyncIterator[Gateway]:
    book = ScriptBook()
    settings = Settings(
        port=0, database_url=module_database, token_secret=SecretStr(SECRET), handshakes_per_second=10_000
    )
    async with running_gateway(book, settings, clock=MovableClock(NOW)) as base:
        yield Gateway(base, book)


async def ended(gateway: Gateway, *sent: bytes | str | float, query: str = "vad=off", **limits: Any) -> Any:
    """What was said until the connection closed, the last of it, and after how many seconds that was."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    text = token(**{"iat": NOW, "exp": NOW + 600} | limits)
    conversation = await converse(gateway.base, *sent, query=f"{query}&jwt={text}")
    return conversation, conversation.messages[-1], loop.time() - began


@pytest.mark.fault(12)
@pytest.mark.parametrize("lasting", ["exp", "session_exp"])
async def test_settled_text_comes_first_and_then_the_error(gateway: Gateway, lasting: str) -> None:
    until: dict[str, Any] = {lasting: NOW + 10}
    conversation, error, seconds = await ended(gateway, SECOND, **until)
    assert conversation.settled == ["w0 w1 w2 w3"]
    assert (error["type"], error["code"], error["detail"]) == ("unauthenticated", 401, DETAIL)
    assert (conversation.close_code, conversation.close_reason) == (4401, "unauthenticated")
    assert seconds == 10


async def test_in_extended_mode_the_final_says_why(gateway: Gateway) -> None:
    in_mid_sentence = clip_pcm("quick.wav")[: 3 * SAMPLE_RATE]
    conversation, error, seconds = await ended(gateway, in_mid_sentence, query="extended=true", exp=NOW + 2)
    (final,) = [message for message in conversation.messages if message["type"] == "final"]
    assert final["results"][0]["transcript"].startswith("w0 w1")
    assert final["reason"] == "error"
    assert (error["type"], error["error"], error["code"]) == ("error", "unauthenticated", 401)
    assert seconds == 2


async def test_a_connection_that_said_nothing_ends_all_the_same(gateway: Gateway) -> None:
    conversation, error, seconds = await ended(gateway, exp=NOW + 10)
    assert conversation.messages == [error]
    assert (conversation.close_code, seconds) == (4401, 10)


async def test_a_session_may_last_longer_than_its_token(gateway: Gateway) -> None:
    sent = SECOND, 1.8, SECOND, 1.8, SECOND, "close"
    conversation, done, seconds = await ended(gateway, *sent, exp=NOW + 3, session_exp=NOW + 600)
    assert (conversation.close_code, done["status"]) == (1000, "done")
    assert conversation.transcript == " ".join(f"w{number}" for number in range(12))
    assert seconds > 3


async def test_a_session_that_should_be_over_ends_at_once(gateway: Gateway) -> None:
    conversation, _, seconds = await ended(gateway, session_exp=NOW - 60)
    assert (conversation.close_code, seconds) == (4401, 0)


async def test_a_far_end_is_no_end(gateway: Gateway) -> None:
    conversation, _, _ = await ended(gateway, SECOND, "close", exp=900_000_000_000)
    assert conversation.close_code == 1000


async def test_a_recognizer_without_answer_is_awaited_with_a_limit(gateway: Gateway) -> None:
    mute = gateway.book.add(MuteStream)
    conversation, error, seconds = await ended(gateway, SECOND, query=f"vad=off&{mute.query}", exp=NOW + 2)
    assert conversation.close_code == 4401
    assert error["detail"] == DETAIL
    assert seconds == pytest.approx(2 + Settings().session.final_limit_seconds, abs=0.01)


async def test_the_recognizer_is_told_of_owners_without_their_names(gateway: Gateway) -> None:
    async with AsyncExitStack() as stack:
        for subject in ("ann", "bob", "ann"):
            text = token(iat=NOW, exp=NOW + 600, sub=subject)
            await stack.enter_async_context(talking(gateway.base, f"jwt={text}"))
        ann, bob, again = gateway.book.admitted_owners
        assert ann == again != bob
        assert all(re.fullmatch("[0-9a-f]{16}", owner) for owner in (ann, bob))
