from typing import Any

import httpx
import pytest

from stream.words import LINE_CHARACTERS
from tests.support.loops.clock import MovableClock
from tests.support.sounds import wav
from tests.web.rest.recordings import QUICK_AND_TRAIN, asked
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import http_client
from web.settings.settings import Settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

ASR = "/v1/speech/asr"
ALL = "/v1/speech/transcriptions"


async def transcribed(client: httpx.AsyncClient, **config: object) -> dict[str, Any]:
    answer = await client.post(ASR, json=asked(wav(QUICK_AND_TRAIN), **config))
    assert answer.status_code == 201
    body: dict[str, Any] = answer.json()
    return body


async def test_a_transcription_is_there_until_it_is_deleted(client: httpx.AsyncClient) -> None:
    body = await transcribed(client)
    where = f"{ALL}/{body['transcriptionId']}"
    assert (await client.get(where)).json() == body
    assert (await client.get(where.upper().replace(ALL.upper(), ALL))).json() == body
    deleted = await client.delete(where)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for gone in (await client.get(where), await client.delete(where)):
        assert (gone.status_code, gone.json()["type"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "accept", "kind", "beginning"),
    [
        ("", "application/json", "application/json", b'{"transcriptionId":'),
        ("?format=json", "text/vtt", "application/json", b'{"transcriptionId":'),
        ("?format=txt", "*/*", "text/plain; charset=utf-8", b"w0 w1 w2"),
        ("", "text/plain", "text/plain; charset=utf-8", b"w0 w1 w2"),
        ("?format=srt", "*/*", "application/x-subrip; charset=utf-8", b"1\n00:00:"),
        ("", "text/html, application/x-subrip;q=0.9", "application/x-subrip; charset=utf-8", b"1\n00:00:"),
        ("?format=vtt", "*/*", "text/vtt; charset=utf-8", b"WEBVTT\n\n00:00:"),
        ("", "text/vtt", "text/vtt; charset=utf-8", b"WEBVTT\n\n00:00:"),
        ("", "image/png", "application/json", b'{"transcriptionId":'),
    ],
)
async def test_every_format_is_there_by_name_and_by_accept(
    client: httpx.AsyncClient, query: str, accept: str, kind: str, beginning: bytes
) -> None:
    body = await transcribed(client)
    answer = await client.get(f"{ALL}/{body['transcriptionId']}{query}", headers={"Accept": accept})
    assert answer.headers["content-type"] == kind
    assert answer.content.startswith(beginning)


async def test_captions_are_lines_that_can_be_read(client: httpx.AsyncClient) -> None:
    body = await transcribed(client)
    captions = (await client.get(f"{ALL}/{body['transcriptionId']}?format=vtt")).text
    for cue in captions.split("\n\n")[1:]:
        lines = cue.strip().split("\n")[1:]
        assert 1 <= len(lines) <= 2
        assert all(len(line) <= LINE_CHARACTERS for line in lines)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("/8ac4b75e-d3f8-48f2-80f2-d910fbeb02f4?format=doc", 'format is "doc"; it must be one of json, txt, srt, vtt'),
        ("/8ac4b75e-d3f8-48f2-80f2-d910fbeb02f4?extended=maybe", 'extended is "maybe"; it must be true or false'),
        ("?limit=0", 'limit is "0"; it must be between 1 and 100'),
        ("?limit=1e9", 'limit is "1e9"; it must be between 1 and 100'),
        ("?before=yesterday", 'before is "yesterday"; it must be from the `next` of an earlier answer'),
        ("?before=nan_8ac4b75e-d3f8-48f2-80f2-d910fbeb02f4", None),
        ("?before=0x1p99999_8ac4b75e-d3f8-48f2-80f2-d910fbeb02f4", None),
        ("?before=0x1p3_%00", None),
    ],
)
async def test_what_is_wrong_in_a_query_is_said(client: httpx.AsyncClient, query: str, detail: str | None) -> None:
    answer = await client.get(ALL + query)
    assert (answer.status_code, answer.json()["type"]) == (400, "invalid_config")
    assert detail is None or answer.json()["detail"] == detail


@pytest.mark.parametrize("name", ["nothing", "%00", "8ac4b75e-d3f8-48f2-80f2-d910fbeb02f4", "%F0%9F%8E%A4", "a" * 500])
async def test_what_is_no_transcription_is_not_found(client: httpx.AsyncClient, name: str) -> None:
    for answer in (await client.get(f"{ALL}/{name}"), await client.delete(f"{ALL}/{name}")):
        assert (answer.status_code, answer.json()["type"]) == (404, "not_found")


async def test_the_list_goes_back_in_time_page_by_page(client: httpx.AsyncClient) -> None:
    ids = [(await transcribed(client))["transcriptionId"] for _ in range(5)]
    listed = []
    where: str | None = f"{ALL}?limit=2"
    pages = 0
    while where is not None:
        page = (await client.get(where)).json()
        listed += [one["transcriptionId"] for one in page["transcriptions"]]
        where, pages = page["next"], pages + 1
    assert (listed, pages) == (ids[::-1], 3)
    assert (await client.get(f"{ALL}?limit=5")).json()["next"] is None
    first = (await client.get(ALL)).json()
    assert first["next"] is None
    assert {key: first["transcriptions"][0][key] for key in ("kind", "status", "error")} == {
        "kind": "short",
        "status": "done",
        "error": None,
    }


async def test_a_list_of_nothing_is_empty(client: httpx.AsyncClient) -> None:
    assert (await client.get(ALL)).json() == {"transcriptions": [], "next": None}


async def test_everybody_sees_their_own_only(client: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    body = await transcribed(client)
    where = f"{ALL}/{body['transcriptionId']}"
    assert (await stranger.get(where)).status_code == 404
    assert (await stranger.delete(where)).status_code == 404
    assert (await stranger.get(ALL)).json()["transcriptions"] == []
    assert (await client.get(where)).json() == body
    upload = {"config": {}, "audio": {"upload": True}}
    put = (await client.post("/v1/speech/asrlongrunning", json=upload)).headers["upload-location"]
    assert (await stranger.put(put, content=wav(QUICK_AND_TRAIN))).status_code == 404
    assert (await client.put(put, content=wav(QUICK_AND_TRAIN))).status_code == 200
    token = client.headers.pop("Authorization").split()[1]
    assert (await client.get(f"{where}?jwt={token}")).json() == body


async def test_what_is_too_old_is_gone() -> None:
    clock = MovableClock()
    settings = Settings(port=0, retention_days=1)
    async with running_gateway(settings=settings, clock=clock) as base, http_client(base) as client:
        body = await transcribed(client)
        where = f"{ALL}/{body['transcriptionId']}"
        clock.now += 86_399
        assert (await client.get(where)).status_code == 200
        clock.now += 2
        assert (await client.get(where)).status_code == 404
        assert (await client.get(ALL)).json()["transcriptions"] == []
