"""Row 12: a connection whose token expires delivers what was said, and ends."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from tests.recognizers import CountingStream, MuteStream, ScriptedRecognizer
from tests.sounds import clip_pcm
from tests.web.sockets import converse
from tests.web.tokens import SECRET, token
from vad import SAMPLE_RATE
from web.serve import running
from web.settings import Settings

SECOND = b"\x00\x40" * SAMPLE_RATE
DETAIL = "the token has expired; connect again with a new one"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with running(Settings(port=0, token_secret=SecretStr(SECRET)), ScriptedRecognizer()) as server:
        yield server.url


async def ended(url: str, *sent: bytes | str | float, query: str = "vad=off", **claims: Any) -> Any:
    conversation = await converse(url, *sent, query=f"{query}&jwt={token(**claims)}")
    return conversation, conversation.messages[-1]


@pytest.mark.fault(12)
@pytest.mark.parametrize("lasting", ["exp", "session_exp"])
async def test_settled_text_comes_first_and_then_the_error(url: str, lasting: str) -> None:
    until: dict[str, Any] = {lasting: time.time() + 3}
    conversation, error = await ended(url, SECOND, **until)
    assert conversation.settled == ["w0 w1 w2 w3"]
    assert (error["type"], error["code"], error["detail"]) == ("unauthenticated", 401, DETAIL)
    assert (conversation.close_code, conversation.close_reason) == (4401, "unauthenticated")


async def test_in_extended_mode_the_final_says_why(url: str) -> None:
    in_mid_sentence = clip_pcm("quick.wav")[: 3 * SAMPLE_RATE]
    conversation, error = await ended(url, in_mid_sentence, query="extended=true", exp=time.time() + 3)
    (final,) = [message for message in conversation.messages if message["type"] == "final"]
    assert final["results"][0]["transcript"].startswith("w0 w1")
    assert final["reason"] == "error"
    assert (error["type"], error["error"], error["code"]) == ("error", "unauthenticated", 401)


async def test_a_connection_that_said_nothing_ends_all_the_same(url: str) -> None:
    conversation, error = await ended(url, exp=time.time() + 3)
    assert conversation.messages == [error]
    assert conversation.close_code == 4401


async def test_a_session_may_last_longer_than_its_token(url: str) -> None:
    now = time.time()
    sent = SECOND, 1.8, SECOND, 1.8, SECOND, "close"
    conversation, done = await ended(url, *sent, exp=now + 3, session_exp=now + 600)
    assert (conversation.close_code, done["status"]) == (1000, "done")
    assert conversation.transcript == " ".join(f"w{number}" for number in range(12))


async def test_a_session_that_should_be_over_ends_at_once(url: str) -> None:
    conversation, _ = await ended(url, session_exp=time.time() - 60)
    assert conversation.close_code == 4401


async def test_a_far_end_is_no_end(url: str) -> None:
    conversation, _ = await ended(url, SECOND, "close", exp=900_000_000_000)
    assert conversation.close_code == 1000


async def test_a_recognizer_that_owes_its_text_is_not_waited_for_without_limit() -> None:
    settings = Settings(port=0, token_secret=SecretStr(SECRET), final_limit_seconds=1, stall_limit_seconds=0.5)
    script: list[type[CountingStream]] = [MuteStream]
    async with running(settings, ScriptedRecognizer([*script])) as server:
        conversation, error = await ended(server.url, SECOND, exp=time.time() + 3)
    assert conversation.close_code == 4401
    assert error["detail"] == DETAIL
