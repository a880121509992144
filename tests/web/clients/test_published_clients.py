"""What published samples of the API send and expect, byte for byte where it matters; docs/clients.md lists them."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm, wav
from tests.web.support.clients import parse_strictly, parse_whole_seconds
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import converse, http_client, received, talking
from tests.web.support.tokens import SECRET, token
from web.cli.token import TokenRequest, make_token
from web.clock import wall_clock
from web.settings.settings import Settings, read_settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

ASR, LONG, MODELS = "/v1/speech/asr", "/v1/speech/asrlongrunning", "/v1/speech/languagemodels"
WAV = wav(clip_pcm("yes.wav") + bytes(16_000))
CONFIG = {"audioEncoding": "LINEAR16", "sampleRateHertz": 16_000, "languageCode": "en", "maxAlternatives": 1}
ASKED = {"config": CONFIG, "audio": {"data": base64.b64encode(WAV).decode()}}
BODY = json.dumps(ASKED).encode()
BOM = b"\xef\xbb\xbf"
# The heads as the libraries write them: their order, their names, their types.
HEADS = {
    "PHP curl, form": "Accept: */*\r\nContent-Type: application/x-www-form-urlencoded",
    "PHP curl, multipart without a form": "Accept: */*\r\nContent-Type: multipart/form-data",
    "PHP stream, text": "Connection: close\r\nContent-type: text/plain",
    ".NET StringContent": "Content-Type: text/plain; charset=utf-8",
    ".NET WebClient": "Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue",
    "bytes": "Content-Type: application/octet-stream",
    "no type": "Accept: application/json",
    "Python requests": "User-Agent: python-requests/2.22.0\r\nAccept: */*\r\nContent-Type: application/json",
}


def key(**request: Any) -> str:
    """What `niyosha token` makes."""
    settings = read_settings({"token_secret": SECRET}).access
    return make_token(settings, TokenRequest(subject="ann", **request), wall_clock())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyed(module_database: str) -> AsyncIterator[str]:
    settings = read_settings({"port": 0, "database_url": module_database, "token_secret": SECRET})
    async with running_gateway(settings=settings) as base:
        yield base


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyless(module_database: str) -> AsyncIterator[str]:
    defaults: dict[str, object] = {"wholeSeconds": True, "asrStatus": 200}
    settings = Settings(port=0, database_url=module_database, stream_defaults=defaults)
    async with running_gateway(settings=settings) as base:
        yield base


async def exchange(base: str, path: str, head: str, body: bytes, bearer: str | None = None) -> tuple[int, Any]:
    """Send a request as it stands; return the status and the body of the last answer."""
    reader, writer = await asyncio.open_unix_connection(base.removeprefix("unix:"))
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", head, f"Content-Length: {len(body)}"]
    lines += [] if bearer is None else [f"Authorization: Bearer {bearer}"]
    lines += [] if "onnection: close" in head else ["Connection: close"]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    async with asyncio.timeout(STUCK_SECONDS):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    # Who asked for it is told to go on first.
    head_bytes, _, rest = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    return int(head_bytes.split()[1]), json.loads(rest)


# --- what the key brings ---


async def test_python_and_node_take_200_alone(keyed: str) -> None:
    asked = ("Content-Type: application/json", BODY)
    status, body = await exchange(keyed, ASR, *asked, key(for_published_samples=True))
    assert (status, body["status"]) == (200, "done")
    assert body["results"][0]["transcript"]
    assert (await exchange(keyed, ASR, *asked, key()))[0] == 201


async def test_go_reads_integers_live_and_from_recordings(keyed: str) -> None:
    bearer = key(for_published_samples=True)
    pieces = [base64.b64encode(WAV)[start : start + 16_000] for start in range(0, 4 * len(WAV) // 3 + 4, 16_000)]
    async with talking(keyed, additional_headers={"Authorization": f"Bearer {bearer}"}) as socket:
        outgoing: list[bytes | str] = [*pieces, "close"]
        for piece in outgoing:
            await socket.send(piece)
        messages = [parse_whole_seconds(message) async for message in received(socket)]
    assert messages[-1]["status"] == "done"
    async with http_client(keyed, headers={"Authorization": f"Bearer {bearer}"}) as client:
        short = await client.post(ASR, json=ASKED)
        long = await client.post(LONG, json=ASKED)
        for answer in (short, long, await client.get(f"/v1/speech/transcriptions/{short.json()['transcriptionId']}")):
            assert [type(answer.json()[name]) for name in ("duration", "inferenceTime")] == [int, int]
        listed = (await client.get("/v1/speech/transcriptions")).json()["transcriptions"]
        mine = [one for one in listed if one["transcriptionId"] == short.json()["transcriptionId"]]
        assert [type(one[name]) for one in mine for name in ("duration", "inferenceTime")] == [int, int]
    assert long.status_code == 201


async def test_a_server_without_a_key_does_it_for_everybody(keyless: str) -> None:
    status, body = await exchange(keyless, ASR, "Content-Type: application/json", BODY)
    assert (status, type(body["duration"])) == (200, int)
    conversation = await converse(keyless, WAV, "close")
    assert type(conversation.messages[-1]["duration"]) is int
    # What a client sets itself goes over it.
    own = ASKED | {"config": {"wholeSeconds": False, "asrStatus": 201}}
    status, body = await exchange(keyless, ASR, "Content-Type: application/json", json.dumps(own).encode())
    assert (status, type(body["duration"])) == (201, float)


async def test_a_tokens_config_holds_for_recordings(keyed: str) -> None:
    async with http_client(keyed, headers={"Authorization": f"Bearer {token(config={'colour': 1})}"}) as client:
        for path in (ASR, LONG):
            answer = await client.post(path, json=ASKED)
            assert answer.json()["detail"].startswith("the token's config is wrong: ")
    headers = {"Authorization": f"Bearer {token(config={'languageCode': 'tlh'})}"}
    async with http_client(keyed, headers=headers) as client:
        for path in (ASR, LONG, "/api/v1/asr/recognize"):
            answer = await client.post(path, files={"audio": WAV})
            assert answer.status_code == 400, path
            assert "tlh" in answer.json()["detail"]
        own = await client.post(ASR, files={"audio": WAV}, data={"config": '{"languageCode":"en"}'})
        assert own.status_code == 201


# --- JSON under other names ---


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
async def test_json_is_read_whatever_its_type_says(keyed: str, head: str) -> None:
    for before, after in ((b"", b""), (BOM, b""), (b"\r\n ", b"\n"), (b"", bytes(7))):
        status, body = await exchange(keyed, ASR, head, before + BODY + after, key())
        assert (status, body["status"]) == (201, "done")


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
async def test_so_are_long_recordings_and_language_models(keyed: str, head: str) -> None:
    assert (await exchange(keyed, LONG, head, BODY, key()))[0] == 201
    status, model = await exchange(keyed, MODELS, head, b'{"name":"animals","corpora":["lazy dog"]}', key())
    assert (status, model["name"]) == (201, "animals")


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 415), (b"   ", 415), (b"audio=AAAA", 415), (b"[{}]", 415), (BOM, 415), (b"{", 400), (b" " * 9000, 415)],
)
async def test_what_is_no_json_is_no_json_under_any_type(keyed: str, body: bytes, status: int) -> None:
    answer = await exchange(keyed, ASR, "Content-Type: text/plain", body, key())
    assert answer[0] == status, answer[1]


async def test_json_of_another_type_is_bounded_as_json_is(keyed: str) -> None:
    status, body = await exchange(keyed, ASR, "Content-Type: text/plain", b"{" + b" " * (16 << 20), key())
    assert (status, body["type"]) == (413, "too_large")


SIMPLE = ["text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data", ""]


@pytest.mark.fault(14)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://127.0.0.1:3000"}, 415),  # a page of this machine may connect, as every page that may
        ({"Sec-Fetch-Site": "cross-site"}, 415),
        ({"Sec-Fetch-Site": "same-site"}, 415),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
    ],
)
async def test_a_simple_request_of_another_origin_gains_nothing(
    keyless: str, headers: Mapping[str, str], status: int
) -> None:
    async with http_client(keyless) as client:
        before = (await client.get(MODELS)).json()
        for kind in SIMPLE:
            for path, body in ((ASR, BODY), (MODELS, b'{"corpora":["a"]}'), (LONG, BODY)):
                typed = {"Content-Type": kind} if kind else {}
                answer = await client.post(path, content=body, headers={**typed, **headers})
                is_form = kind == "multipart/form-data" and status == 415 and path != MODELS
                assert answer.status_code == (400 if is_form else status), (kind, path, answer.text)
        assert (await client.get(MODELS)).json() == before


async def test_the_servers_own_page_may_name_no_type(keyless: str) -> None:
    headers = {
        "Origin": "http://127.0.0.1",
        "Content-Type": "text/plain;charset=UTF-8",
        "Sec-Fetch-Site": "same-origin",
    }
    async with http_client(keyless) as client:
        assert (await client.post(ASR, content=BODY, headers=headers)).status_code == 200


# --- language models without a name ---


@pytest.mark.parametrize("body", [{"corpora": ["lazy dog"]}, {"name": None, "corpora": ["lazy dog"]}])
async def test_a_language_model_without_a_name_is_called_by_its_id(keyed: str, body: dict[str, object]) -> None:
    async with http_client(keyed, headers={"Authorization": f"Bearer {key()}"}) as client:
        models = [(await client.post(MODELS, json=body)).json() for _ in range(2)]
        for model in models:
            assert model["name"] == model["languageModelId"]
            assert (await client.get(f"{MODELS}/{model['languageModelId']}")).json()["name"] == model["name"]
        assert models[0]["name"] != models[1]["name"]
        empty = await client.post(MODELS, json=body | {"name": ""})
        assert (empty.status_code, empty.json()["detail"]) == (400, 'name is ""; it must be 1 to 255 characters')


# --- NULs behind the text ---


@pytest.mark.parametrize("close", ["close", "close\0", "close" + "\0" * 4091, '{"type":"close"}\0\0', " close \0"])
async def test_java_pads_the_last_message(keyed: str, close: str) -> None:
    config = json.dumps({"config": {"languageCode": "en"}}) + "\0" * 9
    headers = {"Authorization": f"Bearer {key()}"}
    async with talking(keyed, additional_headers=headers) as socket:
        for message in (config, WAV, close):
            await socket.send(message)
        messages = [parse_strictly(message) async for message in received(socket)]
    assert messages[-1]["status"] == "done"
    assert messages[-1]["results"][0]["transcript"]
    assert socket.close_code == 1000
