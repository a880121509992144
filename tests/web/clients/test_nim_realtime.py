"""NVIDIA's own realtime client on the embedded engine, beside the words of Farsava's protocol."""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from pydantic import SecretStr
from riva.client.asr import AudioChunkFileIterator
from riva.client.realtime import RealtimeClientASR

from tests.support.sounds import clip_pcm, clip_texts, cut, wav, words_of
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import Conversation, converse, http_client
from tests.web.support.tokens import AUDIENCE, ISSUER, SECRET, bearer, token
from web.settings.settings import Settings

SILENCE = bytes(32_000)
NAMES = ("quick.wav", "harbour.wav")
# The file ends within the pause that would end the last utterance, as most recordings do.
SENTENCES = SILENCE + clip_pcm(NAMES[0]) + SILENCE + clip_pcm(NAMES[1])
CHUNK_FRAMES = 3200
SESSIONS = "/nim/v1/realtime/transcription_sessions"
COMPLETED = "conversation.item.input_audio_transcription.completed"


@pytest.fixture(scope="module")
def ours(server: str) -> Conversation:
    """The same sentences through Farsava's protocol, without punctuation as NVIDIA's script asks for it."""
    query = "punctuation=false&profanityFilter=false"
    return asyncio.run(converse(server, *cut(SENTENCES, 6400), "close", query=query))


def arguments(base: str, **changed: object) -> argparse.Namespace:
    """The arguments of NVIDIA's script; the server is the only one that is not the script's default."""
    usual: dict[str, object] = {
        "server": f"{base.removeprefix('http://')}/nim",
        "endpoint": "/v1/realtime",
        "query_params": "intent=transcription",
        "use_ssl": False,
        "ssl_root_cert": None,
        "ssl_client_cert": None,
        "ssl_client_key": None,
        "mint_api_key": None,
        "mic": False,
        "language_code": "en-US",
        "model_name": "",
        "prompt": "",
        "sample_rate_hz": 16_000,
        "num_channels": 1,
        "max_alternatives": 1,
        "automatic_punctuation": False,
        "word_time_offsets": False,
        "profanity_filter": False,
        "no_verbatim_transcripts": False,
        "speaker_diarization": False,
        "boosted_lm_words": ["harbour"],
        "boosted_lm_score": 4.0,
        "custom_configuration": "",
    }
    histories = ("start_history", "start_threshold", "stop_history", "stop_history_eou", "stop_threshold")
    return argparse.Namespace(**(usual | dict.fromkeys((*histories, "stop_threshold_eou"), -1) | changed))


class Recording:
    """A client's WebSocket that keeps what is received."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.received: list[dict[str, Any]] = []

    async def recv(self) -> Any:
        message = await self._socket.recv()
        self.received.append(json.loads(message))
        return message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


async def transcribed(args: argparse.Namespace, chunks: Iterator[bytes]) -> tuple[str, list[dict[str, Any]]]:
    """What the client takes for the final transcript, and the completed events that it received."""
    client = RealtimeClientASR(args)
    # It asks for its session with a blocking library.
    session = await asyncio.to_thread(asyncio.run, client._initialize_http_session())
    client._initialize_http_session = lambda: _ready(session)
    await client.connect()
    recording = client.websocket = Recording(client.websocket)
    try:
        await asyncio.gather(client.send_audio_chunks(chunks), client.receive_responses())
    finally:
        await client.disconnect()
    return client.final_transcript, [event for event in recording.received if event["type"] == COMPLETED]


async def _ready(session: dict[str, Any]) -> dict[str, Any]:
    return session


async def test_the_client_gets_the_words_and_times_of_the_live_protocol(
    server: str, ours: Conversation, tmp_path: Path
) -> None:
    file = tmp_path / "two.wav"
    file.write_bytes(wav(SENTENCES))
    final, completed = await transcribed(arguments(server), AudioChunkFileIterator(str(file), CHUNK_FRAMES))
    assert [words_of(event["transcript"]) for event in completed] == [words_of(text) for text in ours.settled]
    assert [words_of(clip_texts()[name]) for name in NAMES] == [words_of(text) for text in ours.settled]
    assert [event["is_last_result"] for event in completed] == [False, True]
    assert final == completed[-1]["transcript"]
    words = [word for event in completed for word in event["words_info"]["words"]]
    same = [word for result in ours.messages[-1]["results"] for word in result["words"]]
    # The engine writes harbour or harbor, by the sound around it.
    assert [words_of(word["word"]) for word in words] == [words_of(word["word"]) for word in same]
    for word, other in zip(words, same, strict=True):
        times = word["start_time"], word["end_time"]
        assert times == pytest.approx((1000 * other["startTime"], 1000 * other["endTime"]), abs=25)


# --- tokens ---


@pytest_asyncio.fixture
async def keyed(sqlite_url: str) -> AsyncIterator[str]:
    settings = Settings(port=0, database_url=sqlite_url, token_secret=SecretStr(SECRET), handshakes_per_second=10_000)
    async with running_gateway(settings=settings) as base:
        yield base


async def test_a_key_opens_a_session_with_a_token_for_one_use(keyed: str) -> None:
    args = arguments(keyed, mint_api_key=token(sub="ann", scope="tokens live"))
    final, _ = await transcribed(args, iter(cut(wav(clip_pcm(NAMES[0])), 6400)))
    assert final.startswith("w0 w1")


async def test_a_client_without_a_key_is_told_so(keyed: str) -> None:
    with pytest.raises(Exception, match="requires an API key on the session endpoint"):
        await transcribed(arguments(keyed), iter(()))


async def test_the_session_has_its_secret_and_its_settings(keyed: str) -> None:
    body = {"input_audio_params": {"sample_rate_hz": 8000}, "recognition_config": {"max_alternatives": 3}}
    async with http_client(keyed, headers=bearer(sub="ann", scope="tokens live")) as client:
        answer: httpx.Response = await client.post(SESSIONS, json=body)
        wrong = await client.post(SESSIONS, json={"recognition_config": 1})
    session = answer.json()
    claims = jwt.decode(session["client_secret"]["value"], SECRET, ["HS256"], audience=AUDIENCE, issuer=ISSUER)
    assert (claims["one_use"], claims["scope"]) == (True, "live")
    assert claims["config"] == {"audioEncoding": "LINEAR16", "sampleRateHertz": 8000, "maxAlternatives": 3}
    assert session["input_audio_params"] == {"sample_rate_hz": 8000, "num_channels": 1}
    assert (wrong.status_code, wrong.json()["detail"]) == (400, "session.recognition_config is 1; it must be an object")
