"""What of the routes needs TCP: recordings elsewhere, and a connection that must not be reset."""

import asyncio
import urllib.error
import urllib.request

import pytest

from tests.support.recognizers import ScriptedRecognizer
from tests.support.sounds import wav
from tests.web.rest.recordings import QUICK_AND_TRAIN, ended
from tests.web.support.sockets import http_client
from web.process.serve import running
from web.settings.settings import Settings

LONG = "/v1/speech/asrlongrunning"
ALL = "/v1/speech/transcriptions"


async def test_a_recording_is_fetched_from_its_uri() -> None:
    data = wav(QUICK_AND_TRAIN)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        found = request.startswith(b"GET /speech.wav?signature=5 ")
        head = f"HTTP/1.1 {200 if found else 404} .\r\nContent-Length: {len(data) if found else 0}\r\n\r\n"
        writer.write(head.encode() + (data if found else b""))
        await writer.drain()
        writer.close()

    files = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = files.sockets[0].getsockname()[1]
    settings = Settings(port=0, fetch_networks=("127.0.0.1/32",))
    async with (
        files,
        running(settings, ScriptedRecognizer()) as server,
        http_client(server.url) as client,
    ):
        uri = f"http://127.0.0.1:{port}/speech.wav?signature=5"
        promised = await client.post(LONG, json={"config": {}, "audio": {"uri": uri}})
        assert (promised.status_code, promised.json()["status"]) == (201, "queued")
        assert "upload-location" not in promised.headers
        done = await ended(client, promised.json()["transcriptionId"])
        assert len(done.json()["results"]) == 2
        lost = await client.post(LONG, json={"config": {}, "audio": {"uri": uri.replace("speech", "other")}})
        failed = await ended(client, lost.json()["transcriptionId"])
        assert (failed.status_code, failed.json()["type"]) == (400, "invalid_audio")
        assert "404" in failed.json()["detail"]
        assert "signature" not in failed.text
        put = await client.put(f"{ALL}/{lost.json()['transcriptionId']}/audio", content=data)
        assert put.status_code == 404


async def test_a_client_that_reads_nothing_before_it_has_sent_everything_learns_it_was_too_much() -> None:
    """Closed too early, its connection is reset under it, and the answer is lost."""
    async with running(Settings(port=0), ScriptedRecognizer()) as server:
        body = urllib.request.Request(  # noqa: S310
            f"{server.url}/v1/speech/asr", bytes(24 << 20), {"Content-Type": "application/json"}
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            await asyncio.to_thread(urllib.request.urlopen, body)
    with refused.value:
        assert refused.value.code == 413
