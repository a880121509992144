import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from stream.configuration.keys import is_id
from stream.session.events import Hypothesis
from tests.stream.audio.encoders import recorded
from tests.support.recognizers import CountingStream, FailingStream, ScriptedRecognizer
from tests.support.sounds import wav
from tests.web.rest.recordings import QUICK_AND_TRAIN, asked
from tests.web.support.gateway import Gateway, running_gateway
from tests.web.support.sockets import http_client
from web.store.transcriptions import Transcriptions

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

ASR = "/v1/speech/asr"


def problem(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    assert body["code"] == answer.status_code
    assert body["status"] == str(answer.status_code)
    assert body["message"] == f"{body['title']}. {body['detail']}"
    return answer.status_code, body["type"], body["detail"]


def texts(body: dict[str, Any]) -> list[str]:
    return [result["transcript"] for result in body["results"]]


async def test_a_short_recording_comes_back_with_exactly_the_fields_of_the_reference(client: httpx.AsyncClient) -> None:
    answer = await client.post(ASR, json=asked(wav(QUICK_AND_TRAIN), sampleRateHertz=16_000, languageCode="en"))
    assert answer.status_code == 201
    body = answer.json()
    assert list(body) == ["transcriptionId", "duration", "inferenceTime", "status", "results"]
    assert is_id(body["transcriptionId"])
    assert (body["status"], body["duration"]) == ("done", round(len(QUICK_AND_TRAIN) / 32_000, 3))
    assert len(body["results"]) == 2
    assert all(list(result) == ["transcript", "confidence", "words"] for result in body["results"])
    assert list(body["results"][1]["words"][0]) == ["startTime", "endTime", "word", "confidence"]
    assert answer.headers["location"] == f"/v1/speech/transcriptions/{body['transcriptionId']}"


async def test_a_form_says_the_same_as_json(client: httpx.AsyncClient) -> None:
    file = wav(QUICK_AND_TRAIN)
    in_json = await client.post(ASR, json=asked(file, maxAlternatives=2))
    in_form = await client.post(ASR, files={"audio": file}, data={"config": '{"maxAlternatives": 2}'})
    assert texts(in_form.json()) == texts(in_json.json())
    assert in_form.status_code == in_json.status_code == 201


async def test_nothing_said_is_one_empty_result(client: httpx.AsyncClient) -> None:
    body = (await client.post(ASR, json=asked(wav(bytes(32_000))))).json()
    assert body["results"] == [{"transcript": "", "confidence": 0.0, "words": []}]


async def test_whole_seconds_are_integers(client: httpx.AsyncClient) -> None:
    body = (await client.post(ASR, json=asked(wav(QUICK_AND_TRAIN), wholeSeconds=True))).json()
    assert body["duration"] == 8
    assert isinstance(body["inferenceTime"], int)


async def test_more_is_told_to_who_asks_for_it(client: httpx.AsyncClient) -> None:
    body = (await client.post(f"{ASR}?extended=true", json=asked(wav(QUICK_AND_TRAIN)))).json()
    assert (body["kind"], body["progress"]) == ("short", 1.0)
    assert [one["utteranceId"] for one in body["results"]] == [1, 2]
    assert body["results"][0]["alternatives"][0]["transcript"] == body["results"][0]["transcript"]


async def test_what_is_not_to_be_stored_is_not(client: httpx.AsyncClient) -> None:
    kept = (await client.post(ASR, json=asked(wav(QUICK_AND_TRAIN)))).json()
    gone = (await client.post(ASR, json=asked(wav(QUICK_AND_TRAIN), store=False))).json()
    assert (await client.get(f"/v1/speech/transcriptions/{kept['transcriptionId']}")).json() == kept
    assert (await client.get(f"/v1/speech/transcriptions/{gone['transcriptionId']}")).status_code == 404


async def test_a_database_that_is_away_keeps_no_text_from_the_client_and_gets_it_once_it_is_back(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise OSError("disk full")

    began = asyncio.get_running_loop().time()
    with monkeypatch.context() as broken:
        broken.setattr(Transcriptions, "finish", away)
        answer = await client.post(ASR, json=asked(wav(QUICK_AND_TRAIN)))
    assert answer.status_code == 201
    # So long a text is waited for that is to be kept.
    assert asyncio.get_running_loop().time() - began == pytest.approx(5, abs=0.1)
    # The longest pause between two tries.
    await asyncio.sleep(8)
    assert (await client.get(answer.headers["Location"])).json() == answer.json()


_UNKNOWN_MODEL = "8ac4b75e-d3f8-48f2-80f2-d910fbeb02f4"
_NO_JSON = (400, "invalid_message", "the body is not valid JSON")
_NO_KEY = '"more" is not a key here; known are config, audio'
_WRONG: list[tuple[bytes, tuple[int, str, str]]] = [
    (b"{", _NO_JSON),
    (b"\xff{}", _NO_JSON),
    (b'{"config":NaN}', _NO_JSON),
    (b'{"config":{"phrases":["\\ud800"]}}', _NO_JSON),
    (b"[" * 20_000, _NO_JSON),
    (b"[" * 100_000, (400, "invalid_message", "the body has more than 25000 values")),
    (
        b'{"config":{"phrases":["' + b"x" * 20_000 + b'"]},"audio":{"data":"AAAA"}}',
        (413, "too_large", "a text has more than 16384 bytes; only audio.data may"),
    ),
    (b'{"config":{},"audio":{"data":"' + b"AAAA" * 5000 + b'*"}}', (400, "invalid_audio", "")),
    (b"[]", (400, "invalid_message", "the body is no JSON object")),
    (b'{"config":{},"config":{}}', (400, "invalid_message", 'the key "config" is given more than once')),
    (b"{}", (400, "invalid_config", "config is missing or no object; it may be empty")),
    (b'{"config":{}}', (400, "invalid_config", "audio is missing or no object")),
    (b'{"config":{},"audio":{},"more":1}', (400, "invalid_config", _NO_KEY)),
    (
        b'{"config":{},"audio":{"uri":"http://x"}}',
        (400, "invalid_config", "audio must hold data; asrlongrunning takes"),
    ),
    (b'{"config":{},"audio":{"data":5}}', (400, "invalid_config", "audio.data must be a base64 text")),
    (b'{"config":{},"audio":{"data":""}}', (400, "invalid_audio", "the audio is empty")),
    (b'{"config":{},"audio":{"data":"AAAA*"}}', (400, "invalid_audio", "")),
    (
        b'{"config":{"sampleRateHertz":4000},"audio":{"data":"AAAA"}}',
        (400, "invalid_config", "sampleRateHertz is 4000; it must be between 8000 and 48000"),
    ),
    (
        f'{{"config":{{"languageModel":"{_UNKNOWN_MODEL}"}},"audio":{{"data":"AAAA"}}}}'.encode(),
        (404, "not_found", f"there is no language model {_UNKNOWN_MODEL}"),
    ),
]


@pytest.mark.parametrize(("body", "refused"), _WRONG)
async def test_what_is_wrong_is_said(client: httpx.AsyncClient, body: bytes, refused: tuple[int, str, str]) -> None:
    answer = await client.post(ASR, content=body, headers={"Content-Type": "application/json"})
    assert problem(answer)[:2] == refused[:2]
    assert problem(answer)[2].startswith(refused[2])


async def test_a_file_of_another_format_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post(ASR, json=asked(b"PK\x03\x04" + bytes(100)))
    assert problem(answer)[:2] == (415, "unsupported_media")
    assert "the audio is ZIP" in problem(answer)[2]
    answer = await client.post(ASR, json=asked(b"\x00\x00\x00\x20ftypM4A " + bytes(100)))
    assert problem(answer)[:2] == (400, "invalid_audio")
    assert "the audio cannot be decoded as MP4" in problem(answer)[2]


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "aac"), ("mpegts", "aac"), ("adts", "aac"), ("matroska", "pcm_s24le")]
)
async def test_any_file_with_sound_is_heard(client: httpx.AsyncClient, container: str, codec: str) -> None:
    answer = await client.post(ASR, files={"audio": recorded(QUICK_AND_TRAIN, container, codec)})
    assert answer.status_code == 201
    assert answer.json()["duration"] == pytest.approx(len(QUICK_AND_TRAIN) / 32_000, abs=0.1)
    assert len(answer.json()["results"]) == 2


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_of_another_media_type_is_refused(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.post(ASR, content=b"audio=x", headers={"Content-Type": kind} if kind else {})
    assert problem(answer)[:2] == (415, "unsupported_media")


@pytest.mark.parametrize(
    ("files", "data", "detail"),
    [
        ({"sound": b"RIFF"}, {}, '"sound" is not a part here; known are config, audio'),
        ({"audio": b""}, {}, "the audio is empty"),
        ({"audio": b"RIFF", "config": b"{}"}, {}, "config is a file; it must be a JSON text"),
        ({"audio": b"RIFF"}, {"config": "{"}, "config is not valid JSON"),
        ({"config": (None, "{}")}, {}, "the form has no file named audio"),
    ],
)
async def test_what_is_wrong_with_a_form_is_said(
    client: httpx.AsyncClient, files: dict[str, Any], data: dict[str, str], detail: str
) -> None:
    assert problem(await client.post(ASR, files=files, data=data))[2] == detail


async def test_a_part_given_twice_is_refused(client: httpx.AsyncClient) -> None:
    files = [("audio", b"RIFF"), ("audio", b"RIFF")]
    assert problem(await client.post(ASR, files=files))[2] == 'the form has "audio" twice'


async def test_a_broken_form_is_refused(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert problem(await client.post(ASR, content=b"nothing of the kind", headers=headers))[0] == 400
    without_boundary = await client.post(ASR, content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert problem(without_boundary)[:2] == (400, "invalid_message")


async def test_more_than_a_minute_is_too_large(client: httpx.AsyncClient) -> None:
    answer = await client.post(ASR, files={"audio": wav(bytes(32_000 * 62))})
    assert problem(answer) == (413, "too_large", "the audio is longer than 61 seconds")
    assert (await client.post(ASR, files={"audio": wav(bytes(32_000 * 60))})).status_code == 201


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(client: httpx.AsyncClient) -> None:
    answer = await client.post(ASR, content=bytes(17 << 20), headers={"Content-Type": "application/json"})
    assert problem(answer) == (413, "too_large", "the body is too large; at most 16777216 bytes are taken")


async def test_a_body_that_grows_too_large_is_refused(client: httpx.AsyncClient) -> None:
    async def grows() -> Any:
        for _ in range(18):
            yield bytes(1 << 20)

    answer = await client.post(ASR, content=grows(), headers={"Content-Type": "application/json"})
    assert problem(answer)[:2] == (413, "too_large")


async def test_a_recognizer_that_fails_on_a_part_is_an_error_and_no_silent_gap(
    gateway: Gateway, client: httpx.AsyncClient
) -> None:
    failing = gateway.book.add(FailingStream)
    answer = await client.post(ASR, json=asked(wav(QUICK_AND_TRAIN), phrases=[failing.name]))
    assert problem(answer)[:2] == (500, "recognizer_failed")


async def test_a_recognizer_that_is_not_ready_is_told_with_when_to_come_again(
    gateway: Gateway, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.book, "is_ready", False)
    answer = await client.post(ASR, json=asked(wav(QUICK_AND_TRAIN)))
    assert problem(answer)[:2] == (503, "overloaded")
    assert int(answer.headers["retry-after"]) > 0


async def test_another_method_is_told_which_there_is(client: httpx.AsyncClient) -> None:
    answer = await client.get(ASR)
    assert problem(answer)[:2] == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    both = await client.put("/v1/speech/transcriptions/8ac4b75e-d3f8-48f2-80f2-d910fbeb02f4")
    assert {method.strip() for method in both.headers["allow"].split(",")} == {"GET", "HEAD", "DELETE"}


async def test_a_foreign_page_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(ASR, json=asked(wav(b"")), headers={"Origin": "https://elsewhere.example"})
    assert problem(answer)[:2] == (403, "forbidden")


async def test_many_at_once_are_all_answered(client: httpx.AsyncClient) -> None:
    body = asked(wav(QUICK_AND_TRAIN))
    answers = await asyncio.gather(*(client.post(ASR, json=body) for _ in range(8)))
    assert [answer.status_code for answer in answers] == [201] * 8
    assert len({answer.json()["transcriptionId"] for answer in answers}) == 8


class SlowStream(CountingStream):
    """Takes its time for the final."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        async for hypothesis in super().hypotheses():
            await asyncio.sleep(0.3)
            yield hypothesis


async def test_a_server_that_stops_answers_first_and_takes_nothing_new() -> None:
    recognizer = ScriptedRecognizer(script=[SlowStream])
    async with running_gateway(recognizer) as base:
        client = http_client(base)
        recognized = asyncio.create_task(client.post(ASR, json=asked(wav(QUICK_AND_TRAIN))))
        await asyncio.sleep(0.1)
        assert recognizer.streams
    with pytest.raises(httpx.ConnectError):
        await client.post(ASR, json={})
    assert (await recognized).status_code == 201
    await client.aclose()
