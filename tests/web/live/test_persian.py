"""Persian through the product: half-spaces, digits and directions, live, of recordings, and in subtitles."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.persian import SENTENCE, SENTENCE_IN_DIGITS, persian_recognizer
from tests.support.sounds import clip_pcm, cut, wav
from tests.web.support.gateway import running_gateway, shared
from tests.web.support.sockets import converse, http_client, received, talking
from web.settings.settings import Settings

# The recognizer finds eleven words in it, as many as the sentence has.
SOUND = clip_pcm("quick.wav") + bytes(32_000)
PERSIAN = "languageCode=fa"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(module_database: str) -> AsyncIterator[str]:
    settings = Settings(port=0, database_url=module_database, handshakes_per_second=10_000)
    async with running_gateway(persian_recognizer(), settings) as base:
        yield base


@shared
@pytest.mark.parametrize(("query", "text"), [("", SENTENCE), ("&numbers=digits", SENTENCE_IN_DIGITS)])
async def test_live_text_has_its_half_spaces_and_digits_if_they_are_wanted(server: str, query: str, text: str) -> None:
    conversation = await converse(server, *cut(SOUND, 3200), "close", query=f"{PERSIAN}{query}")
    assert conversation.transcript == text
    words = conversation.messages[-1]["results"][0]["words"]
    assert " ".join(word["word"] for word in words) == text
    ends = [word["endTime"] for word in words]
    assert ends == sorted(ends)


@shared
async def test_stable_words_stay_when_numbers_are_written_in_digits(server: str) -> None:
    query = f"{PERSIAN}&numbers=digits&extended=true"
    conversation = await converse(server, *cut(SOUND, 3200), "close", query=query)
    partials = [message for message in conversation.messages if message.get("type") == "partial"]
    stable = [one["results"][0]["transcript"].split()[: one.get("stableWords", 0)] for one in partials]
    assert len(stable) > 3
    assert all(SENTENCE_IN_DIGITS.split()[: len(words)] == words for words in stable)


@shared
async def test_deepgrams_numerals_are_digits(server: str) -> None:
    query = "encoding=linear16&sample_rate=16000&language=fa&punctuate=true&numerals=true"
    async with talking(server, query, path="/v1/listen") as socket:
        await socket.send(SOUND)
        await socket.send('{"type":"CloseStream"}')
        messages = [json.loads(message) async for message in received(socket)]
    finals = [one for one in messages if one.get("is_final")]
    assert finals[0]["channel"]["alternatives"][0]["transcript"] == SENTENCE_IN_DIGITS


async def stored(server: str, **config: object) -> dict[str, Any]:
    """Let the server keep a recording; return its text in every form."""
    async with http_client(server) as client:
        form = {"config": json.dumps({"languageCode": "fa"} | config)}
        answer = await client.post("/v1/speech/asr", data=form, files={"audio": wav(SOUND)})
        assert answer.status_code == 201
        address = f"/v1/speech/transcriptions/{answer.json()['transcriptionId']}"
        forms: dict[str, Any] = {"json": (await client.get(address)).json()}
        for form_name in ("txt", "srt", "vtt"):
            written = await client.get(address, params={"format": form_name})
            assert "charset=utf-8" in written.headers["content-type"]
            forms[form_name] = written.text
    return forms


@shared
async def test_a_recording_is_the_same_text_in_every_form(server: str) -> None:
    forms = await stored(server, numbers="digits")
    assert forms["json"]["results"][0]["transcript"] == SENTENCE_IN_DIGITS
    assert forms["txt"].strip() == SENTENCE_IN_DIGITS
    for written in (forms["srt"], forms["vtt"]):
        lines = [line for line in written.splitlines() if "نسخه" in line or "Windows" in line or "نفر" in line]
        # Its first letter is Latin, which would turn the line round.
        assert lines[0].startswith("\u200fWindows")
        assert " ".join(lines).replace("\u200f", "") == SENTENCE_IN_DIGITS


@shared
@pytest.mark.parametrize("language", ["fa", "Persian"])
async def test_openais_call_recognizes_persian_by_its_tag_or_name(server: str, language: str) -> None:
    async with http_client(server) as client:
        form = {"model": "whisper-1", "language": language, "response_format": "verbose_json"}
        answer = await client.post("/v1/audio/transcriptions", data=form, files={"file": ("quick.wav", wav(SOUND))})
    assert (answer.json()["language"], answer.json()["text"]) == ("persian", SENTENCE)
