"""The live endpoint with the embedded engine, on real speech over TCP."""

import asyncio

import numpy as np
import pytest

from tests.support.nonspeech import pcm_of
from tests.support.sounds import clip_pcm, clip_texts, cut, words_of
from tests.support.telephone import SIGNAL_TONES, SignalTone
from tests.support.tiers import tiered
from tests.web.support.sockets import Conversation, converse, refusal

SILENCE = bytes(32000)
SENTENCES = SILENCE + clip_pcm("quick.wav") + SILENCE + clip_pcm("harbour.wav") + SILENCE


@pytest.fixture(scope="module")
def spoken(server: str) -> Conversation:
    """Two sentences with pauses around them; the token is wrong, and nobody asked for one."""
    return asyncio.run(converse(server, *cut(SENTENCES, 3200), "close", query="jwt=not.a.token"))


# Those that no other test of a server says.
@pytest.mark.parametrize("name", tiered(["train.wav", "yes.wav"], sorted(clip_texts())))
async def test_a_spoken_clip_comes_back_as_its_words(server: str, name: str) -> None:
    conversation = await converse(server, *cut(clip_pcm(name) + SILENCE, 3200), "close")
    assert words_of(conversation.transcript) == words_of(clip_texts()[name])
    assert (conversation.close_code, conversation.messages[-1]["status"]) == (1000, "done")


async def test_two_sentences_are_two_results_with_rising_times(spoken: Conversation) -> None:
    done = spoken.messages[-1]
    assert [words_of(result["transcript"]) for result in done["results"]] == [
        words_of(clip_texts()[name]) for name in ("quick.wav", "harbour.wav")
    ]
    assert spoken.settled == [result["transcript"] for result in done["results"]]
    assert done["duration"] == round(len(SENTENCES) / 32000, 3)
    times = [t for result in done["results"] for word in result["words"] for t in (word["startTime"], word["endTime"])]
    assert times == sorted(times)
    first, second = (result["words"] for result in done["results"])
    assert first[0]["startTime"] > 0.5
    assert second[0]["startTime"] > 1.0 + len(clip_pcm("quick.wav")) / 32000


async def test_messages_have_exactly_the_fields_of_the_reference(spoken: Conversation) -> None:
    *partials, done = spoken.messages
    assert {frozenset(message) for message in partials} == {
        frozenset({"transcriptionId", "duration", "inferenceTime", "status", "partial", "results"})
    }
    assert [message["partial"] for message in partials] == list(range(1, len(partials) + 1))
    assert set(done) == {"transcriptionId", "duration", "inferenceTime", "status", "results"}
    for message in spoken.messages:
        for result in message["results"]:
            assert set(result) == {"transcript", "confidence", "words"}
            assert result["transcript"] == " ".join(word["word"] for word in result["words"])
            assert all(set(word) == {"startTime", "endTime", "word", "confidence"} for word in result["words"])
    assert all(0 < result["confidence"] <= 1 for result in done["results"])


async def test_a_sender_that_never_says_close_gets_everything_all_the_same(server: str) -> None:
    conversation = await converse(server, *cut(clip_pcm("quick.wav"), 3200))
    assert words_of(conversation.transcript) == words_of(clip_texts()["quick.wav"])
    assert conversation.close_code == 1000


@pytest.mark.parametrize("sound", [b"", b"\x00", b"\x00\x00", SILENCE * 2, SILENCE[:12345]])
async def test_no_speech_ends_with_one_empty_result(server: str, sound: bytes) -> None:
    conversation = await converse(server, sound, "close")
    (done,) = conversation.messages
    assert done["results"] == [{"transcript": "", "confidence": 0.0, "words": []}]
    assert conversation.close_code == 1000


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize("tone", tiered(SIGNAL_TONES[1:3], SIGNAL_TONES), ids=lambda tone: tone.name)
async def test_the_tones_of_telephone_networks_have_no_words(server: str, tone: SignalTone, rate: int) -> None:
    pcm = pcm_of(tone.sound(tiered(6.0, 60.0), rate))
    conversation = await converse(server, *cut(pcm, 3200), "close", query=f"sampleRateHertz={rate}")
    assert [message["results"][0]["transcript"] for message in conversation.messages] == [""]


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
    assert "NIYOSHA_MODEL" in body["detail"]


async def test_a_language_can_be_asked_for_by_its_region(server: str) -> None:
    conversation = await converse(server, clip_pcm("quick.wav") + SILENCE, "close", query="languageCode=en-GB")
    assert words_of(conversation.transcript) == words_of(clip_texts()["quick.wav"])
