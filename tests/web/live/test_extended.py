"""Extended mode over real sockets: every message, its order and its promises."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.recognizers import FailingStream, MuteStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm, clip_texts, cut, words_of
from tests.web.live.test_endpoint import SILENCE
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import Conversation, converse, received, talking
from web.settings.settings import Settings

SENTENCES = SILENCE + clip_pcm("quick.wav") + SILENCE + clip_pcm("weather.wav") + SILENCE


def of(conversation: Conversation, kind: str) -> list[dict[str, Any]]:
    return [message for message in conversation.messages if message["type"] == kind]


@pytest.fixture(scope="module")
def spoken(server: str) -> Conversation:
    """Two sentences, sent faster than speech but slowly enough for partials."""
    messages: list[bytes | str | float] = []
    for chunk in cut(SENTENCES, 6400):
        messages += [chunk, 0.05]
    return asyncio.run(converse(server, *messages, "close", query="extended=true"))


async def test_every_message_has_its_place(spoken: Conversation) -> None:
    conversation = spoken
    assert [message["sequence"] for message in conversation.messages] == list(range(1, len(conversation.messages) + 1))
    assert len({message["transcriptionId"] for message in conversation.messages}) == 1
    order = [message["type"] for message in conversation.messages if message["type"] != "partial"]
    sentence = ["speechStart", "speechEnd", "final"]
    assert order[0] == "ready"
    assert order[-1] == "done"
    assert sorted(order[1:-1]) == sorted(sentence * 2)
    assert [message["utteranceId"] for message in of(conversation, "final")] == [1, 2]
    assert conversation.close_code == 1000


async def test_finals_have_the_words_and_everything_adds_up(spoken: Conversation) -> None:
    conversation = spoken
    finals = of(conversation, "final")
    assert [words_of(final["results"][0]["transcript"]) for final in finals] == [
        words_of(clip_texts()[name]) for name in ("quick.wav", "weather.wav")
    ]
    for final in finals:
        assert final["isFinal"] is True
        assert final["status"] == "partial"
        assert final["reason"] in {"endpoint", "close"}
        assert final["results"][0]["alternatives"][0]["transcript"] == final["results"][0]["transcript"]
        assert final["latency"]["endpointMs"] > 0
        assert final["audio"]["settledMs"] <= final["audio"]["receivedMs"]
    (done,) = of(conversation, "done")
    assert done["receivedMs"] == len(SENTENCES) / 32
    assert done["receivedMs"] == done["recognizedMs"] + done["skippedMs"] + done["lostMs"]
    assert [r["transcript"] for r in done["results"]] == [final["results"][0]["transcript"] for final in finals]


async def test_stable_words_of_real_speech_never_shrink_and_never_change(spoken: Conversation) -> None:
    conversation = spoken
    promised: dict[int, list[str]] = {}
    partials = of(conversation, "partial")
    # One for each utterance is sure; how many more there are depends on how busy the machine is.
    assert len(partials) >= 2
    for message in partials + of(conversation, "final"):
        words = message["results"][0]["transcript"].split()
        before = promised.get(message["utteranceId"], [])
        assert words[: len(before)] == before
        if message["type"] == "partial":
            assert len(before) <= message["stableWords"] <= len(words)
            promised[message["utteranceId"]] = words[: message["stableWords"]]
    for utterance_id in promised:
        mine = [message["revision"] for message in partials if message["utteranceId"] == utterance_id]
        assert mine == list(range(1, len(mine) + 1))


@pytest.mark.virtual_time
async def test_ready_tells_the_configuration_in_force_and_the_limits() -> None:
    config = json.dumps({"config": {"hangoverMs": 250}})
    async with running_gateway() as url:
        conversation = await converse(url, config, b"", "close", query="extended=true&asrModel=video")
    first, second = of(conversation, "ready")
    assert first["audio"] == {"receivedMs": 0, "settledMs": 0}
    assert (first["config"]["hangoverMs"], second["config"]["hangoverMs"]) == (800, 250)
    assert first["config"]["languageCode"] == "en-US"
    assert first["limits"] == {
        "maxMessageBytes": 1048576,
        "idleMs": 3000,
        "idleLimitMs": 30000,
        "streamLimitMs": 14400000,
    }


@pytest.mark.virtual_time
async def test_with_manual_an_utterance_is_what_is_finalized() -> None:
    sound = clip_pcm("quick.wav") + SILENCE * 2 + clip_pcm("weather.wav")
    finalize = '{"type":"finalize"}'
    async with running_gateway() as url:
        query = "extended=true&vad=manual&interimResults=false"
        conversation = await converse(url, SILENCE, sound, finalize, finalize, SILENCE, finalize, "close", query=query)
    utterances = [message for message in conversation.messages if "utteranceId" in message]
    assert [(message["type"], message["utteranceId"]) for message in utterances] == [
        ("speechStart", 1),
        ("speechEnd", 1),
        ("final", 1),
        ("speechStart", 2),
        ("speechEnd", 2),
        ("final", 2),
    ]
    assert [message["reason"] for message in of(conversation, "final")] == ["finalize", "finalize"]
    (done,) = of(conversation, "done")
    assert done["recognizedMs"] == done["receivedMs"]


async def test_finalize_settles_at_once_and_the_stream_goes_on() -> None:
    sound = clip_pcm("quick.wav")
    async with running_gateway() as url:
        conversation = await converse(
            url, sound, '{"type":"finalize"}', sound, '{"type":"keepAlive"}', "close", query="extended=true"
        )
    assert [final["reason"] for final in of(conversation, "final")] == ["finalize", "close"]


@pytest.mark.virtual_time
async def test_a_gap_is_a_warning_and_the_stream_goes_on() -> None:
    async with running_gateway(ScriptedRecognizer(script=[FailingStream])) as url:
        conversation = await converse(url, clip_pcm("quick.wav") + SILENCE, "close", query="extended=true")
    (warning,) = of(conversation, "warning")
    assert warning["code"] == "gap"
    assert 0 <= warning["startTime"] < warning["endTime"]
    (final,) = of(conversation, "final")
    assert final["reason"] == "gap"
    (done,) = of(conversation, "done")
    assert done["lostMs"] > 0


@pytest.mark.fault(8)
@pytest.mark.virtual_time
async def test_a_recognizer_that_is_behind_is_a_warning() -> None:
    sentence = clip_pcm("yes.wav") + SILENCE
    async with running_gateway(ScriptedRecognizer(script=[MuteStream])) as url:
        conversation = await converse(url, *[sentence] * 6, query="extended=true")
    assert "slow" in {warning["code"] for warning in of(conversation, "warning")}
    assert conversation.close_code == 1011


@pytest.mark.virtual_time
async def test_ten_seconds_of_nothing_are_a_warning() -> None:
    async with running_gateway() as url:
        conversation = await converse(url, bytes(2 * 16_000 * 21), "close", query="extended=true")
    (warning,) = of(conversation, "warning")
    assert set(warning) == {"type", "sequence", "transcriptionId", "code", "detail"}
    assert warning["code"] == "quiet"


@pytest.mark.virtual_time
async def test_an_error_is_typed_and_carries_its_kind() -> None:
    async with running_gateway() as url:
        conversation = await converse(url, "nonsense", query="extended=true")
    error = conversation.messages[-1]
    assert (error["type"], error["error"], error["code"], error["sequence"]) == ("error", "invalid_message", 400, 2)
    assert conversation.close_code == 1007


@pytest.mark.virtual_time
async def test_a_near_limit_is_told() -> None:
    settings = Settings(port=0, stream_limit_minutes=1.002)
    async with (
        asyncio.timeout(20),
        running_gateway(settings=settings) as url,
        talking(url, "extended=true") as socket,
    ):
        messages = received(socket)
        kinds = [json.loads(await anext(messages))["type"] for _ in range(2)]
    assert kinds == ["ready", "warning"]


async def test_each_channel_is_recognized_on_its_own(server: str) -> None:
    left, right = clip_pcm("quick.wav") + 2 * SILENCE, SILENCE + clip_pcm("weather.wav") + SILENCE
    length = max(len(left), len(right))
    stereo = bytearray(2 * length)
    for offset, pcm in ((0, left), (2, right)):
        padded = pcm + bytes(length - len(pcm))
        stereo[offset::4], stereo[offset + 1 :: 4] = padded[::2], padded[1::2]
    conversation = await converse(server, *cut(bytes(stereo), 6400), "close", query="extended=true&channels=2")
    heard = {final["channel"]: words_of(final["results"][0]["transcript"]) for final in of(conversation, "final")}
    assert heard == {0: words_of(clip_texts()["quick.wav"]), 1: words_of(clip_texts()["weather.wav"])}
    (done,) = of(conversation, "done")
    assert done["receivedMs"] == 2 * length / 32 == done["recognizedMs"] + done["skippedMs"]
    assert done["duration"] == pytest.approx(length / 32000, abs=0.001)


async def test_without_a_detector_the_recognizer_finds_the_endpoints(server: str) -> None:
    conversation = await converse(server, *cut(SENTENCES, 6400), "close", query="extended=true&vad=off")
    finals = [final for final in of(conversation, "final") if final["results"][0]["transcript"]]
    assert [words_of(final["results"][0]["transcript"]) for final in finals] == [
        words_of(clip_texts()[name]) for name in ("quick.wav", "weather.wav")
    ]
    assert finals[0]["reason"] == "recognizer"
    assert of(conversation, "speechStart") == of(conversation, "speechEnd") == []
    (done,) = of(conversation, "done")
    assert done["skippedMs"] == 0
    first, second = (final["results"][0]["words"] for final in finals)
    assert second[0]["startTime"] > first[-1]["endTime"] > 1.0
