import asyncio
import json
import uuid
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr

from tests.web.rest.recordings import trained
from tests.web.support.gateway import Gateway, ScriptBook, running_gateway
from tests.web.support.sockets import converse, http_client, refusal
from tests.web.support.tokens import SECRET, bearer, token
from tests.web.support.utterances import said
from vad import FRAME_BYTES
from web.clock import wall_clock
from web.settings.settings import Settings
from web.store.database.database import Database
from web.store.tables import Kind
from web.store.transcriptions import Transcriptions, new_id

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

MODELS = "/v1/speech/languagemodels"
BUILT_IN = [
    {"languageModelId": name, "name": name, "status": "trained"}
    for name in ("general", "numbers", "yesno", "country", "city", "career")
]
PHRASES = "1 to 10000 phrases, sentences or ids of transcriptions"

REFUSALS: list[tuple[object, str]] = [
    ({}, f"corpora is missing; it must be a list of {PHRASES}"),
    ({"name": "", "corpora": ["a"]}, 'name is ""; it must be 1 to 255 characters'),
    ({"name": 7, "corpora": ["a"]}, 'name is "7"; it must be 1 to 255 characters'),
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


@pytest.fixture(scope="module")
def book() -> ScriptBook:
    return ScriptBook(most_phrases=4)


async def made(client: httpx.AsyncClient, *corpora: str, query: str = "") -> dict[str, object]:
    """A model that is promised."""
    answer = await client.post(MODELS + query, json={"name": "Rare", "corpora": corpora})
    assert answer.status_code == 201
    model: dict[str, object] = answer.json()
    return model


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, type and sentence of a refusal."""
    body = answer.json()
    return answer.status_code, body["type"], body["detail"]


async def test_a_model_is_made_and_trained(client: httpx.AsyncClient) -> None:
    answer = await client.post(MODELS, json={"name": " Places\n", "corpora": ["Lyme Regis", "محله میلاد"]})
    model = answer.json()
    model_id = model["languageModelId"]
    assert str(uuid.UUID(model_id)) == model_id
    assert (answer.status_code, model) == (201, {"languageModelId": model_id, "name": "Places", "status": "queued"})
    assert answer.headers["Location"] == f"{MODELS}/{model_id}"
    assert await trained(client, model_id) == model | {"status": "trained"}
    assert (await client.get(f"{MODELS}/{model_id.upper()}")).json() == model | {"status": "trained"}
    assert (await client.get(MODELS)).json() == [*BUILT_IN, model | {"status": "trained"}]


async def test_the_extended_body_tells_how_many_phrases_are_used(client: httpx.AsyncClient) -> None:
    began = wall_clock()
    model = await made(client, "a", "b", "c", "d", "He met Dr. Rao.", query="?extended=true")
    assert (model["status"], model["corpora"], model["phrases"]) == ("queued", 5, 0)
    ended = await trained(client, str(model["languageModelId"]), "?extended=1")
    assert ended == model | {"status": "trained", "phrases": 3}
    created_at = datetime.strptime(ended["createdAt"][:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    assert ended["createdAt"].endswith("Z")
    assert int(began) <= created_at.timestamp() <= wall_clock()
    assert (await client.get(f"{MODELS}?extended=true")).json() == [*BUILT_IN, ended]
    assert (await client.get(f"{MODELS}?extended=yes")).status_code == 400


async def test_models_are_listed_the_newest_first_and_to_their_owner_only(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    ids = [(await made(client, "a"))["languageModelId"] for _ in range(2)]
    listed = (await client.get(MODELS)).json()[len(BUILT_IN) :]
    assert [model["languageModelId"] for model in listed] == ids[::-1]
    assert (await stranger.get(MODELS)).json() == BUILT_IN
    answer = await stranger.get(f"{MODELS}/{ids[0]}")
    assert refused(answer) == (404, "not_found", f"there is no language model {ids[0]}")


async def test_built_in_models_are_shown_by_their_names(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{MODELS}/city")).json() == BUILT_IN[4]
    for name, shown in (("towns", '"towns"'), ("%00", "'\\x00'")):
        answer = await client.get(f"{MODELS}/{name}")
        assert refused(answer) == (404, "not_found", f"there is no language model {shown}")


async def test_a_transcription_of_the_caller_stands_for_its_text(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, owner: str, module_database: str
) -> None:
    database = Database(module_database)
    try:
        transcriptions, mine = Transcriptions(database, 60, clock=wall_clock), new_id()
        await transcriptions.open(mine, owner, Kind.LIVE)
        await transcriptions.add(mine, said("then we met Rao there"))
    finally:
        await database.close()
    model = await made(client, mine)
    ended = await trained(client, str(model["languageModelId"]), "?extended=true")
    assert (ended["phrases"], ended["corpora"]) == (1, 1)
    unknown = str(uuid.uuid4())
    for caller, missing, corpora in ((client, unknown, [mine, "a", unknown]), (stranger, mine, [mine])):
        answer = await caller.post(MODELS, json={"name": "Calls", "corpora": corpora})
        assert refused(answer) == (404, "not_found", f"there is no transcription {missing}")


async def test_a_refusal_names_the_key_the_value_and_what_is_allowed(client: httpx.AsyncClient) -> None:
    for body, sentence in REFUSALS:
        assert refused(await client.post(MODELS, json=body)) == (400, "invalid_config", sentence)
    assert (await client.get(MODELS)).json() == BUILT_IN


async def test_what_is_not_json_is_refused(client: httpx.AsyncClient) -> None:
    for body in NO_JSON:
        answer = await client.post(MODELS, content=body, headers={"Content-Type": "application/json"})
        assert refused(answer)[:2] == (400, "invalid_message")


async def test_a_body_that_is_too_large_is_refused_before_any_of_it_is_sent(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_unix_connection(gateway.base.removeprefix("unix:"))
    head = f"POST {MODELS} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token()}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {(4 << 20) + 1}\r\n\r\n"
    writer.write(head.encode())
    assert b" 413 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_body_of_another_type_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(MODELS, content=b"name=n", headers={"Content-Type": "text/plain"})
    assert refused(answer) == (415, "unsupported_media", 'Content-Type is "text/plain"; it must be application/json')


async def test_the_most_that_may_be_given_is_taken(client: httpx.AsyncClient) -> None:
    corpora = [f"{number} \0 {'é' * 180}" for number in range(10_000)]
    body = json.dumps({"name": "n" * 255, "corpora": corpora}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = await client.post(f"{MODELS}?extended=true", content=body, headers=headers)
    assert (answer.status_code, answer.json()["corpora"]) == (201, 10_000)
    await trained(client, answer.json()["languageModelId"])


async def test_without_a_token_nothing_is_answered(gateway: Gateway) -> None:
    async with http_client(gateway.base) as nobody:
        assert (await nobody.get(MODELS)).status_code == 401
        assert (await nobody.post(MODELS, json={"name": "n", "corpora": ["a"]})).status_code == 401


async def test_a_stream_is_told_to_listen_for_the_phrases_of_its_model(
    gateway: Gateway, client: httpx.AsyncClient, owner: str
) -> None:
    model = await made(client, "axolotl", "Lyme Regis", "axolotl")
    await trained(client, str(model["languageModelId"]))
    query = f"languageModel={model['languageModelId']}&vad=off&jwt="
    conversation = await converse(gateway.base, bytes(FRAME_BYTES * 100), "close", query=query + token(sub=owner))
    assert conversation.close_code == 1000
    assert gateway.book.streams[-1].options.phrases == ("axolotl", "Lyme Regis")
    status, error = await refusal(gateway.base, query + token(sub="bob"))
    assert (status, error["type"]) == (404, "not_found")


async def test_a_model_may_be_named_in_the_middle_of_a_connection(
    gateway: Gateway, client: httpx.AsyncClient, owner: str
) -> None:
    model = await made(client, "axolotl")
    await trained(client, str(model["languageModelId"]))
    silence, query = bytes(FRAME_BYTES * 50), f"vad=off&jwt={token(sub=owner)}"
    named, unnamed = (json.dumps({"config": {"languageModel": name}}) for name in (model["languageModelId"], "general"))
    await converse(gateway.base, named, silence, "close", query=query)
    await converse(gateway.base, named, unnamed, silence, "close", query=query)
    assert [stream.options.phrases for stream in gateway.book.streams[-2:]] == [("axolotl",), ()]
    unknown = json.dumps({"config": {"languageModel": str(uuid.uuid4())}})
    assert (await converse(gateway.base, unknown, query=query)).close_code == 4404


async def test_a_model_is_there_until_its_owner_deletes_it(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    where = f"{MODELS}/{(await made(client, 'axolotl'))['languageModelId']}"
    assert (await stranger.delete(where)).status_code == 404
    assert (await client.delete(where)).status_code == 204
    assert (await client.delete(where)).status_code == 404
    assert (await client.get(where)).status_code == 404
    assert (await client.delete(f"{MODELS}/city")).status_code == 403
    assert (await client.delete(f"{MODELS}/nonsense")).status_code == 404


async def test_so_many_models_are_kept_and_no_more() -> None:
    settings = Settings(port=0, token_secret=SecretStr(SECRET), models_per_owner=1)
    async with running_gateway(settings=settings) as base, http_client(base, headers=bearer(sub="ann")) as client:
        await made(client, "axolotl")
        answer = await client.post(MODELS, json={"name": "Rare", "corpora": ["axolotl"]})
        assert refused(answer)[:2] == (429, "rate_limited")
        answer = await client.post(MODELS, json={"name": "a", "corpora": ["a"]}, headers=bearer(sub="bob"))
        assert answer.status_code == 201
