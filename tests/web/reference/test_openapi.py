"""The OpenAPI document: whole in itself, of every route, and true of what is answered and refused."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from tests.support.places import CLIPS
from tests.support.recognizers import ScriptedRecognizer
from tests.support.tiers import IS_LONG
from tests.web.support.gateway import Gateway, running_gateway, shared
from tests.web.support.sockets import http_client
from tests.web.support.tokens import bearer, token
from web.composition.gateway import running_gateway as running_composed
from web.composition.recordings import opened_database
from web.composition.resources import RESOURCES
from web.reference.examples import EXAMPLES
from web.reference.openapi import openapi
from web.rest.ovh import RECOGNIZED
from web.rest.response.documented import DONE
from web.rest.transcriptions import BEFORE
from web.settings.settings import Settings

DOCUMENT: dict[str, Any] = openapi(RESOURCES, asks_for_token=False)
OPERATIONS = {
    (path, method.upper()): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
CLIP = CLIPS / "quick.wav"
ASR, LONG = "/v1/speech/asr", "/v1/speech/asrlongrunning"
OPENAI = "/v1/audio/transcriptions"
TRANSCRIPTIONS = "/v1/speech/transcriptions"
NOBODY = "11111111-2222-4333-8444-555555555555"
UPLOAD = {"config": {}, "audio": {"upload": True}}


def validator(schema: Any) -> Draft202012Validator:
    return Draft202012Validator({"allOf": [schema], "components": DOCUMENT["components"]})


def media(part: Any) -> Iterator[Any]:
    """Every media type of a request or an answer, wherever it stands."""
    match part:
        case {"schema": _} if "in" not in part:
            yield part
        case dict():
            for value in part.values():
                yield from media(value)
        case _:
            pass


def check(path: str, response: httpx.Response) -> None:
    """Hold an answer against the document."""
    documented = OPERATIONS[path, response.request.method]["responses"][str(response.status_code)]
    for name, header in documented.get("headers", {}).items():
        assert not header["required"] or name in response.headers
        if name in response.headers and header["schema"].get("type") != "integer":
            validator(header["schema"]).validate(response.headers[name])
    kind = response.headers["Content-Type"].partition(";")[0]
    validator(documented["content"][kind]["schema"]).validate(response.json())


# --- the document ---


@pytest.mark.parametrize("asks_for_token", [False, True])
def test_it_is_a_valid_openapi_3_1_document(asks_for_token: bool) -> None:
    document = openapi(RESOURCES, asks_for_token=asks_for_token)
    assert document["openapi"] == "3.1.0"
    if asks_for_token or IS_LONG:  # what differs is a list of the security
        OpenAPIV31SpecValidator(document).validate()
    assert ({} in document["security"]) is not asks_for_token


@shared
async def test_it_is_served_without_a_token(gateway: Gateway) -> None:
    async with running_gateway() as open_base:
        for base, asks_for_token in ((gateway.base, True), (open_base, False)):
            async with http_client(base) as http:
                response = await http.get("/openapi.json")
            assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
            assert response.json() == openapi(RESOURCES, asks_for_token=asks_for_token)


async def test_every_route_and_method_is_in_it_and_nothing_else() -> None:
    """Besides HEAD, which is where GET is, and the files of the pages below /static."""
    settings = Settings()
    async with (
        opened_database(settings.store) as database,
        running_composed(settings, database, ScriptedRecognizer()) as gateway,
    ):
        routes = [route for route in gateway.app.routes if isinstance(route, Route)]
    served = {(route.path, method) for route in routes for method in (route.methods or ()) if method != "HEAD"}
    assert served == set(OPERATIONS)


def test_every_operation_is_named_once_and_described() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    for (path, _), operation in OPERATIONS.items():
        assert operation["summary"]
        assert set(operation["tags"]) <= tags
        in_path = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        assert {"405", "500"} <= set(operation["responses"])
        assert (operation.get("security") == []) != ({"401", "403"} <= set(operation["responses"]))


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_schema_is_valid_and_explains_its_fields(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    Draft202012Validator.check_schema(schema)
    assert name == "Configuration" or schema["description"]
    for field, described in schema["properties"].items():
        assert "$ref" in described or described.get("description") or field in {"config", "audio"}


def test_every_example_is_as_its_schema_says() -> None:
    found = 0
    for operation in OPERATIONS.values():
        for medium in media(operation.get("requestBody")):
            examples = [example["value"] for example in medium.get("examples", {}).values()]
            found += len(examples)
            for example in examples:
                validator(medium["schema"]).validate(example)
        for medium in media(operation["responses"]):
            if "example" in medium:
                found += 1
                validator(medium["schema"]).validate(medium["example"])
    assert found > 100


def test_every_problem_of_http_has_its_status_somewhere() -> None:
    documented = {kind for answer in OPERATIONS.values() for kind in kinds(answer)}
    assert documented == {problem.value.type for problem in EXAMPLES}
    assert set(Problem) - set(EXAMPLES) == {Problem.SLOW_READER}


def kinds(operation: Any) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        if status >= "400":
            fields = answer["content"]["application/json"]["schema"]["allOf"][1]["properties"]
            if "error" in fields:
                assert fields["error"]["properties"]["code"]["enum"]
                continue
            if "err_code" in fields:
                assert fields["err_code"]["enum"]
                continue
            assert fields["code"]["enum"] == [int(status)]
            yield from fields["type"]["enum"]


@pytest.mark.parametrize(
    "values",
    [
        {"vad": "off"},
        {"vad": "off", "prerollMs": 100},
        {"vad": "off", "vadAggressiveness": 1},
        {"vad": "off", "maxUtteranceMs": 3000},
        {"vad": "off", "hangoverMs": 300},
        {"vad": "silero", "prerollMs": 100},
        {"channels": 1},
        {"channels": 2},
        {"channels": 2, "extended": False},
        {"channels": 2, "extended": True},
    ],
)
def test_a_configuration_takes_what_its_schema_takes(values: dict[str, object]) -> None:
    try:
        SessionConfig().with_message(values, audio_began=False)
        is_taken = True
    except ClientError:
        is_taken = False
    assert validator(DOCUMENT["components"]["schemas"]["Configuration"]).is_valid(values) == is_taken


# --- what is answered ---


def words(results: Any) -> list[str]:
    return [word["word"] for result in results for word in result["words"]]


def test_the_example_is_what_the_clip_gets(server: str) -> None:
    data = base64.b64encode(CLIP.read_bytes()).decode()
    body = {"config": {"store": False}, "audio": {"data": data}}
    with httpx.Client(base_url=server, trust_env=False, timeout=60) as http:
        response = http.post(ASR, json=body)
        check(ASR, response)
        ovh = http.post("/api/v1/en-gb/asr/recognize", files={"audio": CLIP.read_bytes()})
        check("/api/v1/{language}/asr/recognize", ovh)
        fields = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
        for more in ({"include[]": "logprobs"}, fields):
            openai = http.post(OPENAI, files={"file": CLIP.read_bytes()}, data={"model": "whisper-1"} | more)
            check(OPENAI, openai)
            assert openai.json()["text"].split() == words(DONE["results"])
    assert response.json()["duration"] == DONE["duration"]
    assert words(response.json()["results"]) == words(DONE["results"])
    assert words(ovh.json()[0]["alternatives"]) == words(RECOGNIZED[0]["alternatives"])


@shared
async def test_the_example_requests_are_taken(client: httpx.AsyncClient) -> None:
    for path in (ASR, LONG, "/v1/speech/languagemodels"):
        body = OPERATIONS[path, "POST"]["requestBody"]["content"]["application/json"]
        for name, example in body["examples"].items():
            if name != "uri":
                response = await client.post(path, json=example["value"])
                assert response.status_code == 201
                check(path, response)


@shared
async def test_the_next_part_of_the_list_has_an_address_as_the_document_says(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await client.post(LONG, json=UPLOAD)
    response = await client.get(TRANSCRIPTIONS, params={"limit": 1})
    following = await client.get(response.json()["next"])
    check(TRANSCRIPTIONS, response)
    check(TRANSCRIPTIONS, following)
    validator(BEFORE["schema"]).validate(following.request.url.params["before"])
    assert [len(one.json()["transcriptions"]) for one in (response, following)] == [1, 1]
    assert following.json()["next"] is None


# --- what is refused ---


@shared
@pytest.mark.parametrize(
    ("method", "path", "sent", "kind"),
    [
        ("POST", ASR, {"content": b"audio=x"}, "unsupported_media"),
        ("POST", ASR, {"content": b"{", "headers": {"Content-Type": "application/json"}}, "invalid_message"),
        ("POST", ASR, {"json": {"config": {}, "audio": {"data": "%"}}}, "invalid_audio"),
        ("POST", ASR, {"files": {"audio": bytes(17 << 20)}}, "too_large"),
        ("POST", ASR, {"json": {"config": {"languageModel": NOBODY}, "audio": {"data": "AAAA"}}}, "not_found"),
        ("POST", LONG, {"json": {"config": {}, "audio": {"uri": "http://127.0.0.1/a"}}}, "forbidden"),
        ("GET", TRANSCRIPTIONS, {"params": {"limit": 0}}, "invalid_config"),
        ("GET", TRANSCRIPTIONS, {"headers": {"Origin": "https://elsewhere.example"}}, "forbidden"),
        ("GET", "/v1/speech/asrlive", {}, "upgrade_required"),
        ("GET", "/v1/speech/asrlive", {"params": {"vad": "loud"}}, "invalid_config"),
    ],
)
async def test_a_refusal_is_as_the_document_says(
    client: httpx.AsyncClient, method: str, path: str, sent: dict[str, Any], kind: str
) -> None:
    response = await client.request(method, path, **sent)
    assert response.json()["type"] == kind
    check(path, response)


@shared
@pytest.mark.parametrize("language", ["×", "x" * 36, "1"])
async def test_a_language_in_the_path_is_none_even_where_another_is_configured(
    client: httpx.AsyncClient, language: str
) -> None:
    path = "/api/v1/{language}/asr/recognize"
    response = await client.post(
        path.format(language=language), files={"audio": bytes(320)}, data={"config": '{"languageCode":"en"}'}
    )
    assert response.json()["type"] == "invalid_config"
    check(path, response)


@shared
async def test_an_empty_upload_is_refused_and_may_be_made_again(client: httpx.AsyncClient) -> None:
    path = "/v1/speech/transcriptions/{transcription_id}/audio"
    address = (await client.post(LONG, json=UPLOAD)).headers["Upload-Location"]
    refused = await client.put(address)
    accepted = await client.put(address, content=bytes(320))
    assert (refused.status_code, refused.json()["detail"]) == (400, "the audio is empty")
    assert accepted.status_code == 200
    check(path, refused)
    check(path, accepted)


@shared
async def test_a_wrong_method_is_refused_as_the_document_says(client: httpx.AsyncClient) -> None:
    for path, method in OPERATIONS:
        response = await client.request("LOCK", path.replace("{transcription_id}", NOBODY))
        assert response.status_code == 405
        response.request.method = method
        check(path, response)
        assert method in response.headers["Allow"]


@shared
async def test_who_may_not_is_refused_as_the_document_says(gateway: Gateway) -> None:
    async with http_client(gateway.base) as nobody:
        for (path, method), operation in OPERATIONS.items():
            response = await nobody.request(method, path)
            assert (response.status_code == 401) == ("401" in operation["responses"])
            if response.status_code == 401:
                check(path, response)
        assert (await nobody.get(TRANSCRIPTIONS, params={"jwt": token()})).status_code == 200
        assert (await nobody.get(TRANSCRIPTIONS, headers=bearer())).status_code == 200


@shared
async def test_who_has_too_many_recordings_is_refused_as_the_document_says() -> None:
    async with running_gateway(settings=Settings(port=0, jobs_per_owner=1)) as base, http_client(base) as http:
        assert (await http.post(LONG, json=UPLOAD)).status_code == 201
        response = await http.post(LONG, json=UPLOAD)
    assert response.status_code == 429
    check(LONG, response)


@shared
@pytest.mark.parametrize("path", [ASR, LONG, "/api/v1/asr/recognize"])
async def test_without_a_recognizer_all_is_refused_as_the_document_says(
    gateway: Gateway, client: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.book, "is_ready", False)
    response = await client.post(path, json=UPLOAD)
    assert response.status_code == 503
    check(path, response)
