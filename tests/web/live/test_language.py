"""A language of the catalogue that no model serves: every door names the command that downloads one."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from tests.support.sounds import clip_pcm, wav
from tests.web.support.gateway import Gateway, ScriptBook, running_gateway, shared
from tests.web.support.sockets import http_client, talking
from web.settings.settings import Settings

COMMAND = "; `niyosha models get fa` on the server downloads a model for it, and says what to set NIYOSHA_MODEL to"
UNSERVED = f"which no model of this server recognizes; served: en-US{COMMAND}"
SOUND = wav(clip_pcm("quick.wav"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(module_database: str) -> AsyncIterator[Gateway]:
    book = ScriptBook()
    settings = Settings(port=0, database_url=module_database, handshakes_per_second=10_000)
    async with running_gateway(book, settings) as base:
        yield Gateway(base, book)


@shared
@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        ("/v1/speech/asrlive", "languageCode=fa", "languageCode"),
        ("/v1/speech/asrlive", "languageCode=fa-IR", "languageCode"),
        ("/v1/listen", "language=fa", "language"),
        ("/vosk", "languageCode=fa", "languageCode"),
    ],
)
async def test_a_handshake_is_refused_with_the_command(gateway: Gateway, path: str, query: str, name: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with talking(gateway.base, query, path=path):
            raise AssertionError("the handshake was accepted")
    body: dict[str, Any] = json.loads(caught.value.response.body or b"")
    detail = body["detail"] if "detail" in body else body["err_msg"]
    assert detail == f"{name} is {query.partition('=')[2]}, {UNSERVED}"


@shared
@pytest.mark.parametrize(
    ("path", "session"),
    [
        (
            "/v1/realtime?intent=transcription",
            {"type": "transcription", "audio": {"input": {"transcription": {"language": "fa"}}}},
        ),
        ("/nim/v1/realtime?intent=transcription", {"input_audio_transcription": {"language": "fa"}}),
    ],
)
async def test_an_update_of_a_realtime_session_is_answered_with_the_command(
    gateway: Gateway, path: str, session: dict[str, object]
) -> None:
    kind = "session.update" if "type" in session else "transcription_session.update"
    async with talking(gateway.base, path=path) as socket:
        await socket.send(json.dumps({"type": kind, "session": session}))
        events = [json.loads(await socket.recv()) for _ in range(2)]
    assert events[1]["error"]["message"].endswith(UNSERVED)


@shared
@pytest.mark.parametrize(
    ("path", "form", "name"),
    [
        ("/v1/speech/asr", {"config": '{"languageCode":"fa"}'}, "languageCode is fa"),
        ("/v1/speech/asrlongrunning", {"config": '{"languageCode":"fa"}'}, "languageCode is fa"),
        ("/api/v1/fa/asr/recognize", {}, "languageCode is fa"),
        ("/v1/audio/transcriptions", {"model": "whisper-1", "language": "fa"}, 'language is "fa"'),
        ("/v1/audio/transcriptions", {"model": "whisper-1", "language": "Persian"}, 'language is "Persian"'),
    ],
)
async def test_a_recording_is_refused_with_the_command(
    gateway: Gateway, path: str, form: dict[str, str], name: str
) -> None:
    field = "file" if "transcriptions" in path else "audio"
    async with http_client(gateway.base) as client:
        answer = await client.post(path, data=form, files={field: ("quick.wav", SOUND)})
    body = answer.json()
    assert answer.status_code == 400
    assert (body["error"]["message"] if "error" in body else body["detail"]) == f"{name}, {UNSERVED}"


@shared
async def test_another_language_keeps_its_sentence(gateway: Gateway) -> None:
    async with http_client(gateway.base) as client:
        answer = await client.post("/v1/speech/asr", data={"config": '{"languageCode":"tlh"}'}, files={"audio": SOUND})
    assert answer.json()["detail"] == (
        "languageCode is tlh, which no model of this server recognizes; served: en-US. To serve another language, "
        "point NIYOSHA_MODEL at a Whisper model that knows it, or NIYOSHA_RIVA_URI at a Riva server that does"
    )
