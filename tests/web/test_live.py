"""The live endpoint over real sockets: with the embedded engine on real speech, and with scripted recognizers."""

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from stream.events import RecognitionOptions
from tests.recognizers import CountingStream, FailingStream, FloodingStream, MuteStream, ScriptedRecognizer
from tests.sounds import CLIPS, clip_pcm, clip_texts, words_of
from tests.web.sockets import LIVE, Conversation, address, converse, keep_sending, received, refusal
from web.serve import running
from web.settings import Settings

SILENCE = bytes(32000)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@asynccontextmanager
async def scripted(
    *script: Callable[[RecognitionOptions], CountingStream], settings: Settings | None = None
) -> AsyncIterator[tuple[str, ScriptedRecognizer]]:
    recognizer = ScriptedRecognizer(list(script) or [CountingStream])
    async with running(settings or Settings(port=0), recognizer) as server:
        yield server.url, recognizer


# --- real speech ---


@pytest.mark.parametrize("name", sorted(clip_texts()))
async def test_a_spoken_clip_comes_back_as_its_words(server: str, name: str) -> None:
    conversation = await converse(server, *cut(clip_pcm(name) + SILENCE, 3200), "close")
    assert words_of(conversation.transcript) == words_of(clip_texts()[name])
    assert (conversation.close_code, conversation.messages[-1]["status"]) == (1000, "done")


@pytest.mark.parametrize("way", ["wav", "base64 of wav", "base64 of buffers", "100 kB messages"])
async def test_every_way_of_sending_gives_the_same_words(server: str, way: str) -> None:
    sound = clip_pcm("weather.wav") + SILENCE
    match way:
        case "wav":
            sent = cut((CLIPS / "weather.wav").read_bytes(), 5001)
        case "base64 of wav":
            sent = cut(base64.b64encode((CLIPS / "weather.wav").read_bytes()), 16_000)
        case "base64 of buffers":
            sent = [base64.b64encode(buffer) for buffer in cut(sound, 1000)]
        case _:
            sent = cut(sound, 100_000)
    conversation = await converse(server, *sent, "close", query="jwt=not.a.token")
    assert words_of(conversation.transcript) == words_of(clip_texts()["weather.wav"])


async def test_two_sentences_are_two_results_with_rising_times(server: str) -> None:
    sound = SILENCE + clip_pcm("quick.wav") + SILENCE + clip_pcm("harbour.wav") + SILENCE
    conversation = await converse(server, *cut(sound, 3200), "close")
    done = conversation.messages[-1]
    assert [words_of(result["transcript"]) for result in done["results"]] == [
        words_of(clip_texts()[name]) for name in ("quick.wav", "harbour.wav")
    ]
    assert conversation.settled == [result["transcript"] for result in done["results"]]
    assert done["duration"] == round(len(sound) / 32000, 3)
    times = [t for result in done["results"] for word in result["words"] for t in (word["startTime"], word["endTime"])]
    assert times == sorted(times)
    first, second = (result["words"] for result in done["results"])
    assert first[0]["startTime"] > 0.5
    assert second[0]["startTime"] > 1.0 + len(clip_pcm("quick.wav")) / 32000


async def test_messages_have_exactly_the_fields_of_the_reference(server: str) -> None:
    conversation = await converse(server, *cut(clip_pcm("quick.wav") + SILENCE, 3200), "close")
    *partials, done = conversation.messages
    assert {frozenset(message) for message in partials} == {
        frozenset({"transcriptionId", "duration", "inferenceTime", "status", "partial", "results"})
    }
    assert [message["partial"] for message in partials] == list(range(1, len(partials) + 1))
    assert set(done) == {"transcriptionId", "duration", "inferenceTime", "status", "results"}
    for message in conversation.messages:
        for result in message["results"]:
            assert set(result) == {"transcript", "confidence", "words"}
            assert result["transcript"] == " ".join(word["word"] for word in result["words"])
            assert all(set(word) == {"startTime", "endTime", "word", "confidence"} for word in result["words"])
    assert 0 < done["results"][0]["confidence"] <= 1


async def test_a_sender_that_never_says_close_gets_everything_all_the_same(server: str) -> None:
    conversation = await converse(server, *cut(clip_pcm("yes.wav"), 3200))
    assert words_of(conversation.transcript) == ["yes"]
    assert conversation.close_code == 1000


@pytest.mark.parametrize("sound", [b"", b"\x00", b"\x00\x00", SILENCE * 2, SILENCE[:12345]])
async def test_no_speech_ends_with_one_empty_result(server: str, sound: bytes) -> None:
    conversation = await converse(server, sound, "close")
    (done,) = conversation.messages
    assert done["results"] == [{"transcript": "", "confidence": 0.0, "words": []}]
    assert conversation.close_code == 1000


@pytest.mark.parametrize("name", ["noise", "hum", "clicks"])
async def test_sound_that_is_no_speech_ends_without_a_word(server: str, name: str) -> None:
    times = np.arange(3 * 16000) / 16000
    random = np.random.default_rng(7)
    match name:
        case "noise":
            wave = random.normal(0, 3000, times.size)
        case "hum":
            wave = 8000 * np.sin(2 * np.pi * 120 * times) + 3000 * np.sin(2 * np.pi * 360 * times)
        case _:
            wave = np.where(random.random(times.size) < 0.0005, 20000.0, 0.0)
    conversation = await converse(server, *cut(wave.astype("<i2").tobytes() + SILENCE, 3200), "close")
    assert conversation.transcript == ""
    assert conversation.settled == []


async def test_a_language_that_the_engine_does_not_serve_is_refused_with_what_to_configure(server: str) -> None:
    status, body = await refusal(server, "languageCode=fa")
    assert (status, body["type"]) == (400, "invalid_config")
    assert "languageCode is fa" in body["detail"]
    assert "en-US" in body["detail"]
    assert "SHENAVA_MODEL" in body["detail"]


async def test_a_language_can_be_asked_for_by_its_region(server: str) -> None:
    conversation = await converse(server, clip_pcm("yes.wav") + SILENCE, "close", query="languageCode=en-GB")
    assert words_of(conversation.transcript) == ["yes"]


# --- configuration ---


async def test_the_query_reaches_the_recognizer() -> None:
    async with scripted() as (url, recognizer):
        await converse(url, clip_pcm("quick.wav"), "close", query="maxAlternatives=3&interimResults=false")
    options = recognizer.streams[0].options
    assert (options.max_alternatives, options.interim_results) == (3, False)


async def test_a_config_message_sets_the_rate_and_whole_seconds() -> None:
    config = json.dumps({"config": {"sampleRateHertz": 8000, "wholeSeconds": True}})
    async with scripted() as (url, _):
        conversation = await converse(url, config, bytes(16000 * 3), "close")
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
async def test_a_wrong_query_is_refused_in_the_handshake(query: str, detail: str) -> None:
    async with scripted() as (url, _):
        assert await refusal(url, query) == (
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


async def test_an_unknown_key_is_refused() -> None:
    async with scripted() as (url, _):
        status, body = await refusal(url, "expanded=true")
    assert status == 400
    assert body["detail"].startswith('"expanded" is not a key; known are ')


# --- bad input ---


async def error_after(*sent: bytes | str, query: str = "") -> tuple[Conversation, dict[str, object]]:
    async with scripted() as (url, _):
        conversation = await converse(url, *sent, query=query)
        assert (await converse(url, b"", "close")).close_code == 1000
    return conversation, conversation.messages[-1]


@pytest.mark.parametrize("text", ["hello?", "{", '{"config":{"x":1}}', "\x00" * 50, "[" * 50_000])
async def test_garbage_text_is_told_and_closes_the_connection_only(text: str) -> None:
    conversation, error = await error_after(text)
    assert error["code"] == 400
    assert error["type"] in {"invalid_message", "invalid_config"}
    assert conversation.close_code == (1007 if error["type"] == "invalid_message" else 4400)
    assert conversation.close_reason == error["type"]


async def test_a_lying_header_is_told() -> None:
    wav = bytearray((CLIPS / "yes.wav").read_bytes())
    wav[22:24] = (8).to_bytes(2, "little")
    conversation, error = await error_after(bytes(wav))
    assert (conversation.close_code, error["type"]) == (1007, "invalid_audio")
    assert error["detail"] == "the WAV header cannot be served: it has 8 channels; it must have 1 or 2"


async def test_what_was_said_is_delivered_before_the_error() -> None:
    conversation, error = await error_after(clip_pcm("quick.wav"), "nonsense")
    assert len(conversation.settled) == 1
    assert error["type"] == "invalid_message"


@pytest.mark.fault(2)
async def test_a_message_over_the_limit_is_closed_with_1009() -> None:
    async with scripted() as (url, _):
        assert (await converse(url, bytes(1024 * 1024 + 1))).close_code == 1009
        assert (await converse(url, bytes(1024 * 1024), "close")).close_code == 1000


@pytest.mark.fault(5)
async def test_a_connection_without_audio_is_told_so() -> None:
    async with scripted(settings=Settings(port=0, idle_limit_seconds=0.1)) as (url, _):
        conversation = await converse(url)
    assert (conversation.close_code, conversation.messages[0]["type"]) == (4408, "idle_timeout")
    assert conversation.messages[0]["code"] == 408


@pytest.mark.fault(26)
async def test_a_client_that_vanishes_in_mid_word_frees_its_stream() -> None:
    async with scripted() as (url, recognizer), asyncio.timeout(20):
        socket = await connect(address(url), proxy=None)
        await socket.send(clip_pcm("quick.wav"))
        while not recognizer.streams:
            await asyncio.sleep(0.01)
        socket.transport.abort()
        while not recognizer.streams[0].is_abandoned:
            await asyncio.sleep(0.01)
        assert (await converse(url, b"", "close")).close_code == 1000


# --- trouble with the recognizer ---


async def test_a_recognizer_that_fails_again_and_again_ends_the_connection() -> None:
    sentence = clip_pcm("yes.wav") + SILENCE
    async with scripted(FailingStream) as (url, _):
        conversation = await converse(url, sentence, sentence, sentence, sentence)
    assert conversation.close_code == 1011
    assert conversation.messages[-1]["type"] == "recognizer_failed"
    assert "UNAVAILABLE" not in json.dumps(conversation.messages)


async def test_a_recognizer_that_never_answers_does_not_hang_the_connection() -> None:
    settings = Settings(port=0, final_limit_seconds=0.1)
    async with scripted(MuteStream, settings=settings) as (url, _):
        conversation = await converse(url, clip_pcm("yes.wav"), "close")
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


async def test_a_fault_of_ours_says_only_that() -> None:
    async with scripted(BrokenStream) as (url, _):
        conversation = await converse(url, clip_pcm("quick.wav"))
    assert conversation.close_code == 1011
    assert conversation.messages[-1]["type"] == "internal"
    assert "secret" not in json.dumps(conversation.messages)


@pytest.mark.fault(7)
async def test_a_client_that_never_reads_is_cut_off() -> None:
    settings = Settings(port=0, send_limit_seconds=0.3)
    async with scripted(FloodingStream, settings=settings) as (url, recognizer), asyncio.timeout(30):
        async with connect(address(url), proxy=None, compression=None, max_queue=1, max_size=None) as socket:
            sending = asyncio.create_task(keep_sending(socket, clip_pcm("yes.wav") + SILENCE))
            while not recognizer.streams or not all(stream.is_abandoned for stream in recognizer.streams):
                await asyncio.sleep(0.05)
            await asyncio.sleep(1.0)
            opened = len(recognizer.streams)
            await asyncio.sleep(0.3)
            assert len(recognizer.streams) == opened
            _ = [message async for message in received(socket)]
        await sending
    assert socket.close_code in {1006, 1008}


# --- the handshake ---


async def test_the_subprotocol_is_answered() -> None:
    async with (
        scripted() as (url, _),
        connect(
            address(url),
            proxy=None,
            subprotocols=["farsava", "jwt.abc"],  # type: ignore[list-item]
        ) as socket,
    ):
        assert socket.subprotocol == "farsava"


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:8000", "https://[::1]"])
async def test_pages_of_this_machine_may_connect(origin: str) -> None:
    async with scripted() as (url, _):
        assert (await converse(url, b"", "close", headers=[("Origin", origin)])).close_code == 1000


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://["],
)
async def test_foreign_pages_may_not_connect(origin: str) -> None:
    async with scripted() as (url, _):
        status, body = await refusal(url, headers=[("Origin", origin)])
    assert (status, body["type"]) == (403, "forbidden")


def fetch(url: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(url, headers=headers or {})  # noqa: S310
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize(
    ("query", "status", "kind"), [("", 426, "upgrade_required"), ("?sampleRateHertz=1", 400, "invalid_config")]
)
async def test_a_plain_get_tells_what_the_handshake_would(query: str, status: int, kind: str) -> None:
    async with scripted() as (url, _):
        answer, body = await asyncio.to_thread(fetch, url + LIVE + query)
    assert (answer, body["type"]) == (status, kind)


async def test_a_foreign_name_for_this_machine_is_refused() -> None:
    async with scripted() as (url, _):
        status, body = await asyncio.to_thread(fetch, url + LIVE, {"Host": "rebound.example"})
    assert (status, body["type"]) == (403, "forbidden")


# --- the end of the server ---


async def _all(socket: ClientConnection) -> list[dict[str, Any]]:
    return [json.loads(message) async for message in received(socket)]


@pytest.mark.fault(22)
async def test_a_server_that_stops_delivers_what_was_said() -> None:
    async with scripted() as (url, recognizer):
        socket = await connect(address(url), proxy=None)
        await socket.send(clip_pcm("quick.wav"))
        while not recognizer.streams:
            await asyncio.sleep(0.01)
        listening = asyncio.create_task(_all(socket))
    messages = await listening
    assert messages[-1]["status"] == "done"
    assert messages[-1]["results"][0]["transcript"].startswith("w0 w1")
    assert socket.close_code == 1012
