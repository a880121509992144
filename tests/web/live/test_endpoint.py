"""The live endpoint with scripted recognizers: what it is told, how it ends, and when."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection

from stream.session.events import RecognitionOptions
from tests.support.places import CLIPS
from tests.support.recognizers import CountingStream, FailingStream, MuteStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.web.support.gateway import Gateway, ScriptBook, running_gateway
from tests.web.support.sockets import LIVE, Conversation, converse, http_client, received, refusal, talking
from tests.web.transport.raw import BINARY, frame, upgraded
from web.settings.settings import Settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

SILENCE = bytes(32000)
SETTINGS = Settings(port=0)
# For so long the handshake of another test may hold up one that comes at the same time.
TURN_SECONDS = 0.01


@asynccontextmanager
async def scripted(
    *script: Callable[[RecognitionOptions], CountingStream], settings: Settings | None = None
) -> AsyncIterator[tuple[str, ScriptedRecognizer]]:
    """A gateway of its own, for tests that change it or its settings."""
    recognizer = ScriptedRecognizer(script=list(script) or [CountingStream])
    async with running_gateway(recognizer, settings) as base:
        yield base, recognizer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(module_database: str) -> AsyncIterator[Gateway]:
    book = ScriptBook()
    settings = Settings(port=0, database_url=module_database, handshakes_per_second=10_000)
    async with running_gateway(book, settings) as base:
        yield Gateway(base, book)


def now() -> float:
    return asyncio.get_running_loop().time()


# --- configuration ---


async def test_the_query_reaches_the_recognizer(gateway: Gateway) -> None:
    script = gateway.book.add()
    query = f"maxAlternatives=3&interimResults=false&{script.query}"
    await converse(gateway.base, clip_pcm("quick.wav"), "close", query=query)
    options = script.streams[0].options
    assert (options.max_alternatives, options.interim_results) == (3, False)


async def test_a_config_message_sets_the_rate_and_whole_seconds(gateway: Gateway) -> None:
    config = json.dumps({"config": {"sampleRateHertz": 8000, "wholeSeconds": True}})
    conversation = await converse(gateway.base, config, bytes(16000 * 3), "close")
    (done,) = conversation.messages
    assert (done["duration"], type(done["duration"])) == (3, int)


async def test_settings_are_the_defaults_of_a_stream() -> None:
    settings = Settings(port=0, stream_defaults={"sampleRateHertz": 8000})
    async with scripted(settings=settings) as (url, _):
        assert (await converse(url, bytes(16000), "close")).messages[-1]["duration"] == 1.0


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("sampleRateHertz=4000", "sampleRateHertz is 4000; it must be between 8000 and 48000"),
        ("hangoverMs=300&hangoverMs=400", '"hangoverMs" is given more than once'),
        ("audioTransfer=hex", 'audioTransfer is "hex"; it must be one of auto, raw, base64'),
    ],
)
async def test_a_wrong_query_is_refused_in_the_handshake(gateway: Gateway, query: str, detail: str) -> None:
    assert await refusal(gateway.base, query) == (
        400,
        {
            "status": "400",
            "detail": detail,
            "title": "Bad Request",
            "type": "invalid_config",
            "code": 400,
            "message": f"Bad Request. {detail}",
        },
    )


async def test_an_unknown_key_is_refused(gateway: Gateway) -> None:
    status, body = await refusal(gateway.base, "expanded=true")
    assert status == 400
    assert body["detail"].startswith('"expanded" is not a key; known are ')


# --- bad input ---


async def error_after(gateway: Gateway, *sent: bytes | str) -> tuple[Conversation, dict[str, object]]:
    conversation = await converse(gateway.base, *sent)
    assert (await converse(gateway.base, b"", "close")).close_code == 1000
    return conversation, conversation.messages[-1]


@pytest.mark.parametrize("text", ["hello?", "{", '{"config":{"x":1}}', "\x00" * 50, "[" * 50_000])
async def test_garbage_text_is_told_and_closes_the_connection_only(gateway: Gateway, text: str) -> None:
    conversation, error = await error_after(gateway, text)
    assert error["code"] == 400
    assert error["type"] in {"invalid_message", "invalid_config"}
    assert conversation.close_code == (1007 if error["type"] == "invalid_message" else 4400)
    assert conversation.close_reason == error["type"]


async def test_a_lying_header_is_told(gateway: Gateway) -> None:
    lying = bytearray((CLIPS / "yes.wav").read_bytes())
    lying[22:24] = (80).to_bytes(2, "little")
    conversation, error = await error_after(gateway, bytes(lying))
    assert (conversation.close_code, error["type"]) == (1007, "invalid_audio")
    assert error["detail"] == "the WAV header cannot be served: it has 80 channels; it must have 1 to 64"


async def test_what_was_said_is_delivered_before_the_error(gateway: Gateway) -> None:
    conversation, error = await error_after(gateway, clip_pcm("quick.wav"), "nonsense")
    assert len(conversation.settled) == 1
    assert error["type"] == "invalid_message"


@pytest.mark.fault(2)
async def test_a_message_over_the_limit_is_closed_with_1009(gateway: Gateway) -> None:
    async with upgraded(gateway.base.removeprefix("unix:"), LIVE) as client:
        await client.send(frame(BINARY, bytes(1024 * 1024 + 1)))
        assert (await client.receive()).code == 1009
    assert (await converse(gateway.base, bytes(1024 * 1024), "close")).close_code == 1000


@pytest.mark.fault(5)
async def test_a_connection_without_audio_is_told_so(gateway: Gateway) -> None:
    began = now()
    conversation = await converse(gateway.base)
    assert now() - began == pytest.approx(SETTINGS.session.idle_limit_seconds, abs=TURN_SECONDS)
    assert (conversation.close_code, conversation.messages[0]["type"]) == (4408, "idle_timeout")
    assert conversation.messages[0]["code"] == 408


async def test_a_sender_who_falls_silent_gets_everything_in_the_end(gateway: Gateway) -> None:
    began = now()
    conversation = await converse(gateway.base, clip_pcm("quick.wav"))
    assert now() - began == pytest.approx(SETTINGS.session.idle_limit_seconds, abs=TURN_SECONDS)
    assert (conversation.close_code, conversation.close_reason) == (1000, "idle")
    assert conversation.transcript.startswith("w0 w1")


async def test_who_says_that_they_are_there_is_not_idle(gateway: Gateway) -> None:
    began = now()
    keep_alive = json.dumps({"type": "keepAlive"})
    conversation = await converse(gateway.base, 29.0, keep_alive, 20.0, "close")
    assert conversation.close_code == 1000
    assert now() - began == pytest.approx(49, abs=TURN_SECONDS)


async def test_a_stream_ends_with_its_text_when_it_is_too_long() -> None:
    async with scripted(settings=Settings(port=0, stream_limit_minutes=5)) as (base, _), talking(base) as socket:
        began = now()
        listening = asyncio.create_task(_all(socket))
        await socket.send(clip_pcm("quick.wav") + SILENCE)
        while not listening.done():
            await socket.send(SILENCE)
            await asyncio.wait({listening}, timeout=7)
        assert now() - began == 300
        messages = await listening
        assert (socket.close_code, socket.close_reason) == (1000, "limit")
    assert messages[-1]["results"][0]["transcript"].startswith("w0 w1")


@pytest.mark.fault(26)
async def test_a_client_that_vanishes_in_mid_word_frees_its_stream(gateway: Gateway) -> None:
    script = gateway.book.add(MuteStream)
    async with talking(gateway.base, script.query) as socket:
        await socket.send(clip_pcm("quick.wav"))
        while not script.streams:
            await asyncio.sleep(0.01)
        began = now()
        socket.transport.abort()
        while not script.streams[0].is_abandoned:
            await asyncio.sleep(0.01)
    assert now() - began == pytest.approx(SETTINGS.session.stall_limit_seconds, abs=0.1)


# --- trouble with the recognizer ---


async def test_a_recognizer_that_fails_again_and_again_ends_the_connection(gateway: Gateway) -> None:
    sentence = clip_pcm("yes.wav") + SILENCE
    script = gateway.book.add(FailingStream)
    conversation = await converse(gateway.base, *[sentence] * 4, query=script.query)
    assert conversation.close_code == 1011
    assert conversation.messages[-1]["type"] == "recognizer_failed"
    assert "UNAVAILABLE" not in json.dumps(conversation.messages)


async def test_a_recognizer_that_never_answers_does_not_hang_the_connection(gateway: Gateway) -> None:
    began = now()
    script = gateway.book.add(MuteStream)
    conversation = await converse(gateway.base, clip_pcm("yes.wav"), "close", query=script.query)
    assert now() - began == pytest.approx(SETTINGS.session.final_limit_seconds, abs=TURN_SECONDS)
    assert (conversation.close_code, conversation.transcript) == (1000, "")


async def test_a_recognizer_that_is_not_ready_refuses_new_connections() -> None:
    async with scripted() as (url, recognizer):
        recognizer.is_ready = False
        status, body = await refusal(url)
        recognizer.is_ready = True
    assert (status, body["type"]) == (503, "overloaded")


class BrokenStream(CountingStream):
    """Fails in a way that nobody foresaw."""

    async def send(self, pcm: bytes) -> None:
        raise ZeroDivisionError("secret detail")


async def test_a_fault_of_ours_says_only_that(gateway: Gateway) -> None:
    script = gateway.book.add(BrokenStream)
    conversation = await converse(gateway.base, clip_pcm("quick.wav"), query=script.query)
    assert conversation.close_code == 1011
    assert conversation.messages[-1]["type"] == "internal"
    assert "secret" not in json.dumps(conversation.messages)


# --- the handshake ---


async def test_the_subprotocol_is_answered(gateway: Gateway) -> None:
    async with talking(gateway.base, subprotocols=["farsava", "jwt.abc"]) as socket:
        assert socket.subprotocol == "farsava"


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:8000", "https://[::1]"])
async def test_pages_of_this_machine_may_connect(gateway: Gateway, origin: str) -> None:
    assert (await converse(gateway.base, b"", "close", headers=[("Origin", origin)])).close_code == 1000


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://["],
)
async def test_foreign_pages_may_not_connect(gateway: Gateway, origin: str) -> None:
    status, body = await refusal(gateway.base, headers=[("Origin", origin)])
    assert (status, body["type"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("query", "status", "kind"), [("", 426, "upgrade_required"), ("?sampleRateHertz=1", 400, "invalid_config")]
)
async def test_a_plain_get_tells_what_the_handshake_would(gateway: Gateway, query: str, status: int, kind: str) -> None:
    async with http_client(gateway.base) as http:
        answer = await http.get(LIVE + query)
    assert (answer.status_code, answer.json()["type"]) == (status, kind)


async def test_a_foreign_name_for_this_machine_is_refused(gateway: Gateway) -> None:
    async with http_client(gateway.base) as http:
        answer = await http.get(LIVE, headers={"Host": "rebound.example"})
    assert (answer.status_code, answer.json()["type"]) == (403, "forbidden")


# --- the end of the server ---


async def _all(socket: ClientConnection) -> list[dict[str, Any]]:
    return [json.loads(message) async for message in received(socket)]


@pytest.mark.fault(22)
async def test_a_server_that_stops_delivers_what_was_said() -> None:
    async with scripted() as (base, recognizer):
        socket = await talking(base)
        await socket.send(clip_pcm("quick.wav"))
        while not recognizer.streams:
            await asyncio.sleep(0.01)
        listening = asyncio.create_task(_all(socket))
    messages = await listening
    assert messages[-1]["status"] == "done"
    assert messages[-1]["results"][0]["transcript"].startswith("w0 w1")
    assert socket.close_code == 1012
