import asyncio
import base64
import http.client
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from stream.engine.likeness import spoken
from tests.recognizers import ScriptedRecognizer
from tests.sounds import CLIPS
from tests.web.said import said
from tests.web.sockets import converse, refusal
from tests.web.tokens import SECRET, token
from vad import FRAME_BYTES
from web import training
from web.clock import wall_clock
from web.serve import running
from web.settings import Settings
from web.store.database import Database
from web.store.tables import Kind
from web.store.transcriptions import Transcriptions, new_id

MODELS = "/v1/speech/languagemodels"
BUILT_IN = [
    {"languageModelId": name, "name": name, "status": "trained"}
    for name in ("general", "numbers", "yesno", "country", "city", "career")
]
PHRASES = "1 to 10000 phrases, sentences or ids of transcriptions"

REFUSALS: list[tuple[object, str]] = [
    ({}, "name is missing; it must be 1 to 255 characters"),
    ({"name": None, "corpora": ["a"]}, 'name is "null"; it must be 1 to 255 characters'),
    ({"name": " \0", "corpora": ["a"]}, "name is ' \\x00'; it must be 1 to 255 characters"),
    ({"name": "n" * 256, "corpora": ["a"]}, f'name is "{"n" * 80}..."; it must be 1 to 255 characters'),
    ({"name": "n"}, f"corpora is missing; it must be a list of {PHRASES}"),
    ({"name": "n", "corpora": "a"}, f'corpora is "a"; it must be a list of {PHRASES}'),
    ({"name": "n", "corpora": []}, f'corpora is "[]"; it must be a list of {PHRASES}'),
    ({"name": "n", "corpora": ["a"] * 10_001}, f"corpora has 10001 entries; it must be a list of {PHRASES}"),
    ({"name": "n", "corpora": ["a", 7]}, 'corpora[1] is "7"; it must be 1 to 1000 characters'),
    ({"name": "n", "corpora": [" "]}, 'corpora[0] is " "; it must be 1 to 1000 characters'),
    (
        {"name": "n", "corpora": ["a" * 1001]},
        f'corpora[0] is "{"a" * 80}..."; it must be 1 to 1000 characters',
    ),
    ({"name": "n", "corpora": ["a"], "lang": "fa"}, '"lang" is not a key here; known are name, corpora'),
]

NO_JSON = [
    b"",
    b"[]",
    b'{"name": NaN, "corpora": ["a"]}',
    b'{"name": "a", "name": "b", "corpora": ["a"]}',
    b'{"name": "\xff", "corpora": ["a"]}',
    b'{"name": "\\ud800", "corpora": ["a"]}',
]


def asked(
    base: str, path: str, body: object = None, owner: str = "ann", content_type: str = "application/json"
) -> tuple[int, Any]:
    """Status and JSON of a GET, or of a POST of the body: bytes as they are, anything else as JSON."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token(sub=owner)}", "Content-Type": content_type}
    request = urllib.request.Request(base + path, data, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


async def ask(
    base: str, path: str, body: object = None, owner: str = "ann", content_type: str = "application/json"
) -> tuple[int, Any]:
    return await asyncio.to_thread(asked, base, path, body, owner, content_type)


async def removed(base: str, path: str, owner: str) -> int:
    """Status of a DELETE."""

    def remove() -> int:
        headers = {"Authorization": f"Bearer {token(sub=owner)}"}
        request = urllib.request.Request(base + path, headers=headers, method="DELETE")  # noqa: S310
        try:
            with urllib.request.urlopen(request) as response:  # noqa: S310
                return int(response.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    return await asyncio.to_thread(remove)


def declared(base: str, size_bytes: int) -> tuple[int, str]:
    """Status and type of error for a body of so many bytes, of which none is sent."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=10)
    headers = {"Authorization": f"Bearer {token(sub='ann')}", "Content-Type": "application/json"}
    with closing(connection):
        connection.request("POST", MODELS, headers=headers | {"Content-Length": str(size_bytes)})
        response = connection.getresponse()
        return response.status, json.loads(response.read())["type"]


async def refused(base: str, body: object, **more: str) -> tuple[int, str, str]:
    status, error = await ask(base, MODELS, body, **more)
    return status, error["type"], error["detail"]


async def trained(base: str, path: str) -> Any:
    """The model, as soon as it is trained."""
    async with asyncio.timeout(10):
        while (await ask(base, path))[1]["status"] != "trained":
            await asyncio.sleep(0.01)
    return (await ask(base, path))[1]


@pytest.fixture
async def recognizer() -> ScriptedRecognizer:
    return ScriptedRecognizer(most_phrases=4)


@pytest.fixture
async def base(
    database_url: str, recognizer: ScriptedRecognizer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    # Only what is announced is trained.
    monkeypatch.setattr(training, "_LOOK_SECONDS", 3600.0)
    settings = Settings(port=0, database_url=database_url, token_secret=SecretStr(SECRET))
    async with running(settings, recognizer) as server:
        yield server.url


async def test_a_model_is_made_and_trained(base: str) -> None:
    status, made = await ask(base, MODELS, {"name": " Places\n", "corpora": ["Lyme Regis", "محله میلاد"]})
    model_id = made["languageModelId"]
    assert str(uuid.UUID(model_id)) == model_id
    assert (status, made) == (201, {"languageModelId": model_id, "name": "Places", "status": "queued"})
    assert await trained(base, f"{MODELS}/{model_id}") == made | {"status": "trained"}
    assert await ask(base, f"{MODELS}/{model_id.upper()}") == (200, made | {"status": "trained"})
    assert await ask(base, MODELS) == (200, [*BUILT_IN, made | {"status": "trained"}])


async def test_the_extended_body_tells_how_many_phrases_are_used(base: str) -> None:
    began = time.time()
    body = {"name": "Many", "corpora": ["a", "b", "c", "d", "He met Dr. Rao."]}
    status, made = await ask(base, f"{MODELS}?extended=true", body)
    assert (status, made["status"], made["corpora"], made["phrases"]) == (201, "queued", 5, 0)
    path = f"{MODELS}/{made['languageModelId']}?extended=1"
    ended = await trained(base, path)
    assert ended == made | {"status": "trained", "phrases": 3}
    created_at = time.strptime(ended["createdAt"][:19] + "UTC", "%Y-%m-%dT%H:%M:%S%Z")
    assert ended["createdAt"].endswith("Z")
    assert abs(time.mktime(created_at) - time.timezone - began) < 60
    assert await ask(base, f"{MODELS}?extended=true") == (200, [*BUILT_IN, ended])
    assert (await ask(base, f"{MODELS}?extended=yes"))[0] == 400


async def test_models_are_listed_the_newest_first_and_to_their_owner_only(base: str) -> None:
    made = [(await ask(base, MODELS, {"name": name, "corpora": ["a"]}))[1] for name in ("first", "second")]
    listed = (await ask(base, MODELS))[1][len(BUILT_IN) :]
    assert [model["name"] for model in listed] == ["second", "first"]
    assert await ask(base, MODELS, owner="bob") == (200, BUILT_IN)
    status, error = await ask(base, f"{MODELS}/{made[0]['languageModelId']}", owner="bob")
    assert (status, error["type"]) == (404, "not_found")
    assert error["detail"] == f"there is no language model {made[0]['languageModelId']}"


async def test_built_in_models_are_shown_by_their_names(base: str) -> None:
    assert await ask(base, f"{MODELS}/city") == (200, BUILT_IN[4])
    for name, shown in (("towns", '"towns"'), ("%00", "'\\x00'")):
        status, error = await ask(base, f"{MODELS}/{name}")
        assert (status, error["type"], error["detail"]) == (404, "not_found", f"there is no language model {shown}")


async def test_a_transcription_of_the_caller_stands_for_its_text(base: str, database_url: str) -> None:
    database = Database(database_url)
    try:
        transcriptions, mine = Transcriptions(database, 60, clock=wall_clock), new_id()
        await transcriptions.open(mine, "ann", Kind.LIVE)
        await transcriptions.add(mine, said("then we met Rao there"))
    finally:
        await database.close()
    status, made = await ask(base, f"{MODELS}?extended=true", {"name": "Calls", "corpora": [mine]})
    ended = await trained(base, f"{MODELS}/{made['languageModelId']}?extended=true")
    assert (status, ended["phrases"], ended["corpora"]) == (201, 1, 1)
    unknown = str(uuid.uuid4())
    for owner, missing, corpora in (("ann", unknown, [mine, "a", unknown]), ("bob", mine, [mine])):
        answer = await refused(base, {"name": "Calls", "corpora": corpora}, owner=owner)
        assert answer == (404, "not_found", f"there is no transcription {missing}")


async def test_a_refusal_names_the_key_the_value_and_what_is_allowed(base: str) -> None:
    for body, sentence in REFUSALS:
        assert await refused(base, body) == (400, "invalid_config", sentence)
    assert await ask(base, MODELS) == (200, BUILT_IN)


async def test_what_is_not_json_is_refused(base: str) -> None:
    for body in NO_JSON:
        assert (await refused(base, body))[:2] == (400, "invalid_message")


async def test_a_body_that_is_too_large_or_of_another_type_is_refused(base: str) -> None:
    assert await asyncio.to_thread(declared, base, (4 << 20) + 1) == (413, "too_large")
    form = await refused(base, {"name": "n", "corpora": ["a"]}, content_type="text/plain")
    assert form == (415, "unsupported_media", 'Content-Type is "text/plain"; it must be application/json')


async def test_the_most_that_may_be_given_is_taken(base: str) -> None:
    corpora = [f"{number} \0 {'é' * 180}" for number in range(10_000)]
    status, made = await ask(
        base,
        f"{MODELS}?extended=true",
        json.dumps({"name": "n" * 255, "corpora": corpora}, ensure_ascii=False).encode(),
    )
    assert (status, made["corpora"]) == (201, 10_000)
    assert (await trained(base, f"{MODELS}/{made['languageModelId']}"))["status"] == "trained"


async def test_the_answer_tells_where_the_model_is(base: str) -> None:
    headers = {"Authorization": f"Bearer {token(sub='ann')}", "Content-Type": "application/json; charset=utf-8"}
    request = urllib.request.Request(base + MODELS, b'{"name": "n", "corpora": ["a"]}', headers)  # noqa: S310
    with await asyncio.to_thread(urllib.request.urlopen, request) as response:
        made = json.loads(response.read())
        assert response.headers["Location"] == f"{MODELS}/{made['languageModelId']}"


async def test_without_a_token_nothing_is_answered(base: str) -> None:
    for body in (None, {"name": "n", "corpora": ["a"]}):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(base + MODELS, data, {"Content-Type": "application/json"})  # noqa: S310
        with pytest.raises(urllib.error.HTTPError, match="401") as error:
            await asyncio.to_thread(urllib.request.urlopen, request)
        error.value.close()


async def test_a_stream_is_told_to_listen_for_the_phrases_of_its_model(
    base: str, recognizer: ScriptedRecognizer
) -> None:
    _, made = await ask(base, MODELS, {"name": "Rare", "corpora": ["axolotl", "Lyme Regis", "axolotl"]})
    await trained(base, f"{MODELS}/{made['languageModelId']}")
    query = f"languageModel={made['languageModelId']}&vad=off&jwt="
    conversation = await converse(base, bytes(FRAME_BYTES * 100), "close", query=query + token(sub="ann"))
    assert conversation.close_code == 1000
    assert recognizer.streams[0].options.phrases == ("axolotl", "Lyme Regis")
    status, error = await refusal(base, query + token(sub="bob"))
    assert (status, error["type"]) == (404, "not_found")


async def test_a_model_may_be_named_in_the_middle_of_a_connection(base: str, recognizer: ScriptedRecognizer) -> None:
    _, made = await ask(base, MODELS, {"name": "Rare", "corpora": ["axolotl"]})
    await trained(base, f"{MODELS}/{made['languageModelId']}")
    silence, query = bytes(FRAME_BYTES * 50), f"vad=off&jwt={token(sub='ann')}"
    named, unnamed = (json.dumps({"config": {"languageModel": name}}) for name in (made["languageModelId"], "general"))
    await converse(base, named, silence, "close", query=query)
    await converse(base, named, unnamed, silence, "close", query=query)
    assert [stream.options.phrases for stream in recognizer.streams] == [("axolotl",), ()]
    unknown = json.dumps({"config": {"languageModel": str(uuid.uuid4())}})
    assert (await converse(base, unknown, query=query)).close_code == 4404


async def test_a_model_is_there_until_its_owner_deletes_it(base: str) -> None:
    _, made = await ask(base, MODELS, {"name": "Rare", "corpora": ["axolotl"]})
    where = f"{MODELS}/{made['languageModelId']}"
    assert await removed(base, where, "bob") == 404
    assert await removed(base, where, "ann") == 204
    assert await removed(base, where, "ann") == 404
    assert (await ask(base, where))[0] == 404
    assert await removed(base, f"{MODELS}/city", "ann") == 403
    assert await removed(base, f"{MODELS}/nonsense", "ann") == 404


async def test_so_many_models_are_kept_and_no_more(recognizer: ScriptedRecognizer) -> None:
    settings = Settings(port=0, token_secret=SecretStr(SECRET), models_per_owner=1)
    async with running(settings, recognizer) as server:
        body = {"name": "Rare", "corpora": ["axolotl"]}
        assert (await ask(server.url, MODELS, body))[0] == 201
        status, error = await ask(server.url, MODELS, body)
        assert (status, error["type"]) == (429, "rate_limited")
        assert (await ask(server.url, MODELS, body, owner="bob"))[0] == 201


async def test_a_trained_model_mends_rare_words(server: str) -> None:
    def ask_server(path: str, body: object) -> Any:
        return asked(server, path, body)[1]

    def transcript(name: str) -> str:
        data = base64.b64encode((CLIPS / "hard" / "22.wav").read_bytes()).decode()
        body = {"config": {"languageModel": name, "store": False}, "audio": {"data": data}}
        answer = ask_server("/v1/speech/asr", body)
        return spoken(" ".join(result["transcript"] for result in answer["results"]))

    rare = "We computed what Mahalanobis proposed and not what Shostakovich composed."
    made = await asyncio.to_thread(ask_server, MODELS, {"name": "Rare", "corpora": [rare]})
    await trained(server, f"{MODELS}/{made['languageModelId']}")
    assert "mahalanobis" not in await asyncio.to_thread(transcript, "general")
    assert await asyncio.to_thread(transcript, made["languageModelId"]) == "the mahalanobis distance is larger"
