"""Deepgram's listen API for recordings, over HTTP."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.stream.audio.encoders import recorded
from tests.stream.session.test_chunk_invariance import speech
from tests.support.processes import STUCK_SECONDS
from tests.support.recognizers import FailingStream
from tests.support.sounds import clip_pcm, wav
from tests.web.support.gateway import ScriptBook, running_gateway, shared
from tests.web.support.sockets import http_client
from tests.web.support.tokens import SECRET, token
from web.jobs.queue import MOST_FETCHES_PER_OWNER
from web.rest.deepgram.listen import LISTEN
from web.settings.settings import Settings

WAV = wav(speech(16_000))
URL = LISTEN.path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyed(module_database: str, book: ScriptBook) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(port=0, database_url=module_database, token_secret=SecretStr(SECRET))
    async with (
        running_gateway(book, settings) as base,
        http_client(base, headers={"Authorization": f"Token {token()}"}) as client,
    ):
        yield client


def best(answer: httpx.Response, channel: int = 0) -> dict[str, Any]:
    (text,) = answer.json()["results"]["channels"][channel]["alternatives"]
    assert isinstance(text, dict)
    return text


@shared
async def test_a_body_is_recognized_and_kept(keyed: httpx.AsyncClient) -> None:
    answer = await keyed.post(f"{URL}?model=nova-3&tag=call", content=WAV)
    assert answer.status_code == 200, answer.text
    metadata = answer.json()["metadata"]
    assert metadata["sha256"] == hashlib.sha256(WAV).hexdigest()
    assert (metadata["channels"], metadata["tags"]) == (1, ["call"])
    assert metadata["duration"] == round(len(speech(16_000)) / 32_000, 3)
    assert answer.headers["dg-request-id"] == metadata["request_id"]
    stored = (await keyed.get(answer.headers["location"], headers={"Authorization": f"Bearer {token()}"})).json()
    assert " ".join(one["transcript"] for one in stored["results"]) == best(answer)["transcript"]
    assert stored["transcriptionId"] == metadata["request_id"]


@shared
@pytest.mark.parametrize("content_type", ["audio/wav", "application/octet-stream", "text/plain", ""])
async def test_any_media_type_but_json_is_audio(keyed: httpx.AsyncClient, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await keyed.post(URL, content=WAV, headers=headers)
    assert (answer.status_code, bool(best(answer)["words"])) == (200, True)


@shared
async def test_bare_samples_are_what_the_query_declares(keyed: httpx.AsyncClient) -> None:
    query = "encoding=linear16&sample_rate=16000"
    # They begin like a JSON object.
    answer = await keyed.post(f"{URL}?{query}", content=b'{"' + speech(16_000)[2:])
    assert best(answer)["transcript"] == best(await keyed.post(URL, content=WAV))["transcript"]


@shared
async def test_a_film_is_taken_as_well(keyed: httpx.AsyncClient) -> None:
    answer = await keyed.post(URL, content=recorded(clip_pcm("quick.wav"), "mp4", "aac"))
    assert (answer.status_code, bool(best(answer)["words"])) == (200, True)


@shared
async def test_each_of_two_channels_has_its_text_and_one_alone_has_one(keyed: httpx.AsyncClient) -> None:
    mono = clip_pcm("quick.wav")
    stereo = b"".join(bytes(2) + mono[at : at + 2] for at in range(0, len(mono), 2))
    header = bytearray(wav(stereo))
    header[22:24], header[32:34] = (2).to_bytes(2, "little"), (4).to_bytes(2, "little")
    header[28:32] = (64_000).to_bytes(4, "little")
    answer = await keyed.post(f"{URL}?multichannel=true&utterances=true", content=bytes(header))
    assert (answer.json()["metadata"]["channels"], best(answer)["transcript"]) == (2, "")
    assert best(answer, 1)["words"]
    assert {one["channel"] for one in answer.json()["results"]["utterances"]} == {1}
    alone = await keyed.post(f"{URL}?multichannel=true", content=WAV)
    assert (alone.status_code, alone.json()["metadata"]["channels"]) == (200, 1)


@shared
async def test_utterances_are_split_where_the_query_says(keyed: httpx.AsyncClient) -> None:
    for split_seconds, count in ((0.3, 2), (4.5, 1)):
        answer = await keyed.post(f"{URL}?utterances=true&utt_split={split_seconds}", content=WAV)
        assert len(answer.json()["results"]["utterances"]) == count


@shared
@pytest.mark.parametrize(
    ("query", "content", "err_code", "err_msg"),
    [
        ("", b"", "Bad Request", "the audio is empty"),
        ("", bytes(range(1, 256)) * 90, "Bad Request", "the audio does not begin like a file that is known"),
        ("", b"%PDF-1.7" * 90, "Bad Request", "the audio is PDF"),
        ("encoding=flac", WAV, "Bad Request", "the audio is WAV, but encoding is FLAC"),
        ("language=tlh", WAV, "INVALID_QUERY_PARAMETER", "language is tlh, which no model"),
        ("diarize=true", WAV, "INVALID_QUERY_PARAMETER", "speakers are to be distinguished"),
        ("summarize=v2", WAV, "INVALID_QUERY_PARAMETER", 'summarize is "v2", which this server does not do'),
        ("utt_split=x", WAV, "INVALID_QUERY_PARAMETER", 'utt_split is "x"; it must be seconds'),
    ],
)
async def test_a_refusal_has_the_shape_of_deepgram(
    keyed: httpx.AsyncClient, query: str, content: bytes, err_code: str, err_msg: str
) -> None:
    answer = await keyed.post(f"{URL}?{query}", content=content)
    body = answer.json()
    assert (answer.status_code, set(body)) == (400, {"err_code", "err_msg", "request_id"})
    assert body["err_code"] == err_code
    assert body["err_msg"].startswith(err_msg)


@shared
@pytest.mark.parametrize(
    ("body", "status", "err_msg"),
    [
        ({}, 400, 'the body has no url; it must be {"url": "https://..."}, or audio'),
        ({"url": 1}, 400, "the body has no url"),
        ({"url": "ftp://host/a"}, 400, 'url "ftp://host/a" is neither http nor https'),
        ({"url": "http://127.0.0.1/a"}, 403, 'url "http://127.0.0.1/a" leads to an address that is not public'),
    ],
)
async def test_an_address_is_checked_before_it_is_fetched(
    keyed: httpx.AsyncClient, body: dict[str, object], status: int, err_msg: str
) -> None:
    answer = await keyed.post(URL, json=body)
    assert answer.status_code == status
    assert answer.json()["err_msg"].startswith(err_msg)


@shared
async def test_a_token_is_asked_for_and_refusals_of_the_router_have_the_same_shape(keyed: httpx.AsyncClient) -> None:
    answer = await keyed.post(URL, content=WAV, headers={"Authorization": "Token wrong"})
    assert (answer.status_code, answer.json()["err_code"]) == (401, "INVALID_AUTH")
    answer = await keyed.delete(URL)
    assert (answer.status_code, answer.json()["err_code"]) == (405, "METHOD_NOT_ALLOWED")


@shared
async def test_a_token_for_live_speech_alone_is_refused(keyed: httpx.AsyncClient) -> None:
    answer = await keyed.post(URL, content=WAV, headers={"Authorization": f"Token {token(scope='live')}"})
    assert (answer.status_code, answer.json()["err_code"]) == (403, "INSUFFICIENT_PERMISSIONS")


@shared
async def test_a_recording_that_the_recognizer_loses_is_an_error(keyed: httpx.AsyncClient, book: ScriptBook) -> None:
    script = book.add(FailingStream)
    answer = await keyed.post(f"{URL}?keyterm={script.name}", content=WAV)
    assert (answer.status_code, answer.json()["err_code"]) == (500, "INTERNAL_SERVER_ERROR")


# --- from an address ---


@asynccontextmanager
async def serving(answer: bytes) -> AsyncIterator[str]:
    """A server that gives this answer to every request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/talk.wav"


async def test_a_recording_is_fetched_from_its_address() -> None:
    settings = Settings(port=0, fetch_networks=("127.0.0.1/32",))
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(WAV)}\r\n\r\n".encode()
    async with (
        serving(head + WAV) as url,
        running_gateway(settings=settings) as base,
        http_client(base) as client,
    ):
        answer = await client.post(URL, json={"url": url})
        assert answer.status_code == 200, answer.text
        assert answer.json()["metadata"]["sha256"] == hashlib.sha256(WAV).hexdigest()
        assert best(answer)["words"]


async def test_what_cannot_be_fetched_is_an_error_that_says_so() -> None:
    settings = Settings(port=0, fetch_networks=("127.0.0.1/32",))
    async with (
        serving(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as url,
        running_gateway(settings=settings) as base,
        http_client(base) as client,
    ):
        answer = await client.post(URL, json={"url": url})
        assert (answer.status_code, answer.json()["err_msg"]) == (
            400,
            f'url "{url}" answers 404; it has to answer 200 and send the audio',
        )


async def test_a_caller_fetches_a_few_recordings_at_once() -> None:
    settings = Settings(port=0, fetch_networks=("127.0.0.1/32",))
    arrived, answers = asyncio.Semaphore(0), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.release()
        await answers.wait()
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(WAV)}\r\n\r\n".encode() + WAV)
        await writer.drain()
        writer.close()

    async with (
        asyncio.timeout(STUCK_SECONDS),
        await asyncio.start_server(serve, "127.0.0.1", 0) as server,
        running_gateway(settings=settings) as base,
        http_client(base) as client,
        asyncio.TaskGroup() as tasks,
    ):
        body = {"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"}
        asked = [tasks.create_task(client.post(URL, json=body)) for _ in range(MOST_FETCHES_PER_OWNER)]
        for _ in asked:
            await arrived.acquire()
        refused = await client.post(URL, json=body)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert refused.json()["err_code"] == "TOO_MANY_REQUESTS"
        answers.set()
        assert {(await one).status_code for one in asked} == {200}
        assert (await client.post(URL, json=body)).status_code == 200
