"""OpenAI's transcriptions in front of scripted recognizers: answers, events, limits, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from stream.session.events import Hypothesis
from tests.stream.audio.encoders import encoded, recorded
from tests.support.recognizers import CountingStream, FailingStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm, wav
from tests.web.rest.recordings import QUICK_AND_TRAIN
from tests.web.support.gateway import Gateway, running_gateway
from tests.web.support.sockets import http_client
from tests.web.support.tokens import SECRET, bearer
from web.settings.settings import Settings, read_settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

PATH = "/v1/audio/transcriptions"
TWO = wav(QUICK_AND_TRAIN)
KEPT = "/v1/speech/transcriptions"


class SlowStream(CountingStream):
    """Takes a long time for the final."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        async for hypothesis in super().hypotheses():
            if hypothesis.is_final:
                await asyncio.sleep(4)
            yield hypothesis


class EndlessStream(CountingStream):
    """Never yields the final."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        async for hypothesis in super().hypotheses():
            if hypothesis.is_final:
                await asyncio.Event().wait()
            yield hypothesis


def form(file: Any = TWO, **fields: Any) -> dict[str, Any]:
    """The arguments of a request with a form."""
    return {"files": {"file": ("talk.wav", file)}, "data": {"model": "whisper-1"} | fields}


def error(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The error of a refusal, which has OpenAI's shape."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["message", "type", "param", "code"]
    found: dict[str, Any] = body["error"]
    return found


def events(text: str) -> list[Any]:
    """The data of the events of a whole answer."""
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


# --- answers ---


async def test_the_words_and_times_are_those_of_the_other_route(client: httpx.AsyncClient) -> None:
    ours = (await client.post("/v1/speech/asr", files={"audio": TWO})).json()
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
    answer = await client.post(PATH, **form(**fields))
    words = [word for result in ours["results"] for word in result["words"]]
    body = answer.json()
    assert body["words"] == [
        {"word": word["word"], "start": word["startTime"], "end": word["endTime"]} for word in words
    ]
    assert body["text"] == " ".join(result["transcript"] for result in ours["results"])
    assert [one["text"].strip() for one in body["segments"]] == [one["transcript"] for one in ours["results"]]
    assert body["duration"] == ours["duration"]


@pytest.mark.parametrize(
    ("written", "kind", "beginning"),
    [
        ("json", "application/json", '{"text":"w0 w1'),
        ("text", "text/plain; charset=utf-8", "w0 w1"),
        ("srt", "application/x-subrip; charset=utf-8", "1\n00:00:0"),
        ("vtt", "text/vtt; charset=utf-8", "WEBVTT\n\n00:00:0"),
        ("verbose_json", "application/json", '{"task":"transcribe","language":"english"'),
    ],
)
async def test_every_format_is_written(client: httpx.AsyncClient, written: str, kind: str, beginning: str) -> None:
    answer = await client.post(PATH, **form(response_format=written))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
    assert answer.text.startswith(beginning)


@pytest.mark.parametrize("container", ["mp3", "flac", "ogg", "webm", "mp4", "ipod"])
async def test_every_container_is_taken_whatever_its_name(client: httpx.AsyncClient, container: str) -> None:
    pcm = clip_pcm("quick.wav")
    file = recorded(pcm, container, "aac") if container in ("mp4", "ipod") else encoded(pcm, 48_000, container)
    body = (await client.post(PATH, **form(file))).json()
    assert body["text"].startswith("w0 w1 w2")
    assert body["usage"]["seconds"] == pytest.approx(len(pcm) / 32_000, abs=0.1)


async def test_nothing_said_is_an_empty_text(client: httpx.AsyncClient) -> None:
    silence = wav(bytes(32_000))
    assert (await client.post(PATH, **form(silence))).json()["text"] == ""
    streamed = await client.post(PATH, **form(silence, stream="true"))
    assert [one["type"] for one in events(streamed.text)] == ["transcript.text.done"]


async def test_more_than_a_minute_is_taken(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, **form(wav(bytes(32_000 * 70) + clip_pcm("yes.wav"))))
    assert answer.json()["usage"]["seconds"] > 70


async def test_the_configuration_of_raw_samples_does_not_hold_for_files(module_database: str) -> None:
    defaults: dict[str, object] = {"audioEncoding": "MULAW", "sampleRateHertz": 8000, "extended": True, "channels": 2}
    settings = Settings(port=0, database_url=module_database, stream_defaults=defaults)
    async with running_gateway(settings=settings) as base, http_client(base) as client:
        assert (await client.post(PATH, **form())).json()["text"].startswith("w0 w1")


# --- what a request asks for ---


async def test_prompt_and_keywords_are_listened_for(gateway: Gateway, client: httpx.AsyncClient) -> None:
    fields = {"prompt": "lazy dog, brown fox", "keywords[]": ["Mahalanobis"]}
    assert (await client.post(PATH, **form(**fields))).status_code == 200
    assert gateway.book.streams[-1].options.phrases == ("Mahalanobis", "lazy dog", "brown fox")
    assert gateway.book.streams[-1].options.is_file


async def test_a_long_prompt_is_cut_to_what_the_recognizer_takes(
    gateway: Gateway, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.book, "most_phrases", 2)
    assert (await client.post(PATH, **form(prompt="one, two, three"))).status_code == 200
    assert gateway.book.streams[-1].options.phrases == ("one", "two")


async def test_a_model_may_name_the_preset(gateway: Gateway, client: httpx.AsyncClient) -> None:
    for model, preset in (("phone_call", "phone_call"), ("never-heard-of", "default")):
        assert (await client.post(PATH, **form(model=model))).status_code == 200
        assert gateway.book.streams[-1].options.asr_model == preset


@pytest.mark.parametrize("language", ["en", "en-US", "EN", "English"])
async def test_a_language_is_a_tag_or_a_name(gateway: Gateway, client: httpx.AsyncClient, language: str) -> None:
    assert (await client.post(PATH, **form(language=language))).status_code == 200
    assert gateway.book.streams[-1].options.language_code == "en-US"


async def test_the_first_language_that_is_served_is_taken(client: httpx.AsyncClient) -> None:
    assert (await client.post(PATH, **form(**{"languages[]": ["fr", "en"]}))).status_code == 200


async def test_a_language_that_is_not_served_is_refused(client: httpx.AsyncClient) -> None:
    refused = error(await client.post(PATH, **form(language="fr")), 400)
    assert refused["message"] == 'language is "fr", which no model of this server recognizes; served: en-US'
    assert (refused["param"], refused["code"]) == ("language", "unsupported_language")


# --- events ---


async def test_text_is_sent_while_the_file_is_recognized(gateway: Gateway) -> None:
    released = asyncio.Event()

    class HeldStream(CountingStream):
        async def hypotheses(self) -> AsyncIterator[Hypothesis]:
            async for hypothesis in super().hypotheses():
                if hypothesis.is_final:
                    await released.wait()
                yield hypothesis

    script = gateway.book.add(CountingStream, HeldStream)
    sent: dict[str, Any] = form(prompt=script.name, stream="true")
    async with http_client(gateway.base, headers=bearer()) as client, client.stream("POST", PATH, **sent) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        lines = answer.aiter_lines()
        name, data, end = [await anext(lines) for _ in range(3)]
        assert (name, end) == ("event: transcript.text.delta", "")
        first = json.loads(data.removeprefix("data: "))["delta"]
        released.set()
        rest = events("\n".join([line async for line in lines]))
    assert [one["type"] for one in rest] == ["transcript.text.delta", "transcript.text.done"]
    assert rest[-1]["text"] == first + rest[0]["delta"]


async def test_a_quiet_stream_is_kept_open_by_comments(gateway: Gateway, client: httpx.AsyncClient) -> None:
    slow = gateway.book.add(SlowStream)
    answer = await client.post(PATH, **form(wav(clip_pcm("quick.wav")), prompt=slow.name, stream="true"))
    assert answer.text.startswith(":\n\nevent: transcript.text.delta\n")
    assert events(answer.text)[-1]["type"] == "transcript.text.done"


async def test_an_error_before_the_first_event_has_its_status(client: httpx.AsyncClient) -> None:
    broken = b"fLaC" + bytes(range(200))
    assert error(await client.post(PATH, **form(broken, stream="true")), 400)["param"] == "file"


async def test_an_error_after_the_first_event_is_an_event(gateway: Gateway, client: httpx.AsyncClient) -> None:
    failing = gateway.book.add(CountingStream, FailingStream)
    answer = await client.post(PATH, **form(prompt=failing.name, stream="true"))
    assert answer.status_code == 200
    first, *_, last = events(answer.text)
    assert first["type"] == "transcript.text.delta"
    assert last["error"]["code"] == "recognizer_failed"
    assert "event: error\n" in answer.text


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_a_client_that_leaves_ends_the_work(gateway: Gateway, stream: str) -> None:
    endless = gateway.book.add(EndlessStream)
    async with http_client(gateway.base, headers=bearer()) as client:
        sent = asyncio.create_task(client.post(PATH, **form(prompt=endless.name, stream=stream)))
        while not endless.streams:
            await asyncio.sleep(0.1)
        assert not endless.streams[0].is_abandoned
        sent.cancel()
        await asyncio.gather(sent, return_exceptions=True)
    # A final may be owed for twenty seconds; nobody waits for this one any more.
    await asyncio.sleep(1)
    assert endless.streams[0].is_abandoned


# --- what is kept and counted ---


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_a_transcription_is_kept_for_its_owner(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, stream: str
) -> None:
    answer = await client.post(PATH, **form(stream=stream))
    (kept,) = (await client.get(KEPT)).json()["transcriptions"]
    assert (kept["kind"], kept["status"]) == ("short", "done")
    if stream == "false":
        assert answer.headers["Location"] == f"{KEPT}/{kept['transcriptionId']}"
    text = (await client.get(f"{KEPT}/{kept['transcriptionId']}?format=txt")).text
    whole = events(answer.text)[-1]["text"] if stream == "true" else answer.json()["text"]
    assert text.split() == whole.split()
    assert (await stranger.get(KEPT)).json()["transcriptions"] == []


async def test_what_a_token_does_not_store_is_not_kept(gateway: Gateway, owner: str) -> None:
    headers = bearer(sub=owner, config={"store": False})
    async with http_client(gateway.base, headers=headers) as client:
        answer = await client.post(PATH, **form())
        assert "Location" not in answer.headers
        assert (await client.get(KEPT)).json()["transcriptions"] == []


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_minutes_that_are_used_up_are_refused(gateway: Gateway, owner: str, stream: str) -> None:
    async with http_client(gateway.base, headers=bearer(sub=owner, minutes=0.1)) as client:
        assert (await client.post(PATH, **form(stream=stream))).status_code == 200
        answer = await client.post(PATH, **form(stream=stream))
    assert error(answer, 429)["code"] == "rate_limit_exceeded"
    assert int(answer.headers["Retry-After"]) > 80_000


# --- refusals ---


@pytest.mark.parametrize(
    ("method", "path"), [("POST", PATH), ("POST", "/v1/audio/translations"), ("GET", "/v1/models")]
)
async def test_a_token_is_needed_as_bearer(gateway: Gateway, method: str, path: str) -> None:
    async with http_client(gateway.base) as nobody:
        answer = await nobody.request(method, path)
        assert error(answer, 401)["code"] == "invalid_api_key"
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        wrong = await nobody.request(method, path, headers={"Authorization": "Bearer sk-proj-123"})
        assert error(wrong, 401)["type"] == "invalid_request_error"
        live_only = await nobody.request(method, path, headers=bearer(scope="live"))
        assert error(live_only, 403)["code"] == "forbidden"


async def test_a_server_without_a_key_ignores_any() -> None:
    async with running_gateway() as base, http_client(base, headers={"Authorization": "Bearer sk-any"}) as client:
        assert (await client.get("/v1/models")).status_code == 200
        assert (await client.post(PATH, **form())).status_code == 200


@pytest.mark.parametrize(
    ("sent", "status", "param", "code"),
    [
        ({"json": {}}, 415, None, "unsupported_media"),
        ({"data": {"model": "a"}, "files": {"other": b"a"}}, 400, "file", "missing_required_parameter"),
        ({"data": {"model": "a", "file": "a"}, "files": {"x": b"a"}}, 400, "file", "missing_required_parameter"),
        ({"files": {"file": TWO}}, 400, "model", "missing_required_parameter"),
        ({"files": [("file", TWO), ("file", TWO)], "data": {"model": "a"}}, 400, "file", "missing_required_parameter"),
        (form(b""), 400, "file", "invalid_audio"),
        (form(b"a text is no recording " * 10), 400, "file", "unsupported_format"),
        (form(b"PK\x03\x04" + bytes(100)), 400, "file", "unsupported_format"),
        (form(bytes(range(250)) * 9), 400, "file", "unsupported_format"),
        (form(b"fLaC" + bytes(range(200))), 400, "file", "invalid_audio"),
        (form(stream="maybe"), 400, "stream", "invalid_value"),
        (form(response_format="diarized_json"), 400, "response_format", "invalid_value"),
        (form(prompt="x" * 70_000), 400, None, "invalid_message"),
        (form(**{f"field{n}": "x" for n in range(70)}), 400, None, "invalid_message"),
    ],
)
async def test_a_wrong_request_is_refused(
    client: httpx.AsyncClient, sent: dict[str, Any], status: int, param: str | None, code: str
) -> None:
    refused = error(await client.post(PATH, **sent), status)
    assert (refused["param"], refused["code"], refused["type"]) == (param, code, "invalid_request_error")


async def test_a_translation_is_refused_with_where_to_transcribe(client: httpx.AsyncClient) -> None:
    refused = error(await client.post("/v1/audio/translations", **form()), 400)
    assert PATH in refused["message"]


async def test_what_is_not_served_is_refused(client: httpx.AsyncClient) -> None:
    wrong_method = await client.get(PATH)
    assert error(wrong_method, 405)["code"] == "method_not_supported"
    assert wrong_method.headers["Allow"] == "POST"
    assert error(await client.post("/v1/audio/speech", json={}), 404)["code"] == "not_found"
    assert error(await client.delete("/v1/models/whisper-1"), 405)["code"] == "method_not_supported"
    assert error(await client.get("/v1/models/tts-1"), 404)["code"] == "model_not_found"
    # Only below these addresses.
    assert (await client.get("/v1/modelsandmore")).json()["type"] == "not_found"


async def test_a_body_or_a_recording_that_is_too_large_is_refused(module_database: str) -> None:
    settings = read_settings(
        {"database_url": module_database, "recording_limit_bytes": 1 << 20, "recording_limit_minutes": 0.05}
    )
    async with running_gateway(settings=settings) as base, http_client(base) as client:
        too_long = error(await client.post(PATH, **form()), 413)
        assert too_long == {
            "message": "the audio is longer than 3 seconds",
            "type": "invalid_request_error",
            "param": "file",
            "code": "too_large",
        }
        streamed = await client.post(PATH, **form(stream="true"))
        assert events(streamed.text)[-1] == {"error": too_long}
        assert error(await client.post(PATH, **form(bytes(2 << 20))), 413)["code"] == "too_large"


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_without_a_recognizer_the_server_is_overloaded(
    gateway: Gateway, client: httpx.AsyncClient, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.book, "is_ready", False)
    answer = await client.post(PATH, **form(stream=stream))
    assert error(answer, 503)["type"] == "server_error"
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.long_callbacks("structlog's console paints the traceback, which the log of a server does not")
async def test_an_error_of_the_server_tells_nothing(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.rest.openai.transcriptions.recording_in", None)
    refused = error(await client.post(PATH, **form()), 500)
    assert (refused["code"], refused["type"]) == ("internal", "server_error")
    assert "NoneType" not in refused["message"]


async def test_a_page_of_another_origin_is_refused(client: httpx.AsyncClient) -> None:
    refused = error(await client.post(PATH, **form(), headers={"Origin": "https://elsewhere.example"}), 403)
    assert refused["code"] == "forbidden"


async def test_the_sdk_may_be_used_in_a_page_of_an_allowed_origin(module_database: str) -> None:
    origin = "https://app.example"
    settings = Settings(port=0, database_url=module_database, token_secret=SECRET, allowed_origins=(origin,))
    asked = "authorization,user-agent,x-stainless-arch,x-stainless-os,x-stainless-retry-count,x-stainless-timeout"
    async with running_gateway(settings=settings) as base, http_client(base) as client:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}
        assert (await client.options(PATH, headers=headers)).status_code == 200
        answer = await client.post(PATH, **form(), headers=bearer() | {"Origin": origin})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, origin)


async def test_a_server_that_stops_ends_what_it_began() -> None:
    recognizer = ScriptedRecognizer(script=[SlowStream])
    async with running_gateway(recognizer) as base:
        client = http_client(base)
        sent = asyncio.create_task(client.post(PATH, **form(wav(clip_pcm("quick.wav")), stream="true")))
        while not recognizer.streams:
            await asyncio.sleep(0.1)
    assert events((await sent).text)[-1]["type"] == "transcript.text.done"
    await client.aclose()
