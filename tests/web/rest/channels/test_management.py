from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.web.support.channels import PATH, made
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import http_client
from tests.web.support.tokens import SECRET, bearer
from web.settings.settings import Settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

NAMED = "it must be 1 to 63 letters a to z, digits and hyphens, the first and the last no hyphen"
REFUSALS: list[tuple[dict[str, object], str]] = [
    ({}, f"name is missing; {NAMED}"),
    ({"name": "Main"}, f'name is "Main"; {NAMED}'),
    ({"name": "-a"}, f'name is "-a"; {NAMED}'),
    ({"name": "a-"}, f'name is "a-"; {NAMED}'),
    ({"name": "a" * 64}, f'name is "{"a" * 64}"; {NAMED}'),
    ({"name": "a\n"}, f"name is 'a\\n'; {NAMED}"),
    ({"name": "a", "title": "t" * 256}, f'title is "{"t" * 80}..."; it must be at most 255 characters'),
    ({"name": "a", "public": "yes"}, 'public is "yes"; it must be true or false'),
    ({"name": "a", "retentionHours": 0}, "retentionHours is 0; it must be between 0.1 and 8760"),
    (
        {"name": "a", "languages": ["english"]},
        'languages[0] is "english"; it must be the code of a language, such as fa or en-US',
    ),
    ({"name": "a", "glossary": [""]}, 'glossary[0] is ""; it must be 1 to 100 characters'),
    (
        {"name": "a", "glossary": ["b"] * 101},
        "glossary has 101 entries; it must be a list of at most 100 phrases of 1 to 100 characters",
    ),
    (
        {"name": "a", "color": "red"},
        '"color" is not a key here; known are name, title, languages, public, retentionHours, glossary',
    ),
]


@pytest_asyncio.fixture(loop_scope="module")
async def operator(client: httpx.AsyncClient, owner: str) -> httpx.AsyncClient:
    client.headers.update(bearer(sub=owner, scope="channels"))
    return client


async def test_a_channel_is_made_and_shown(operator: httpx.AsyncClient, owner: str) -> None:
    name = owner[:20]
    wanted = {"title": " Main\nstage", "languages": ["fa", "en-US", "fa"], "public": True, "retentionHours": 2}
    answer = await operator.post(PATH, json={"name": name, "glossary": ["Lyme  Regis"]} | wanted)
    channel = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{PATH}/{name}"
    assert channel == {
        "name": name,
        "title": "Main stage",
        "languages": ["fa", "en-US"],
        "public": True,
        "retentionHours": 2.0,
        "glossary": ["Lyme Regis"],
        "createdAt": channel["createdAt"],
        "beganAt": None,
        "paused": False,
        "endedAt": None,
    }
    assert (await operator.get(f"{PATH}/{name}")).json() == channel
    assert (await operator.get(PATH)).json() == [channel]


async def test_a_channel_is_private_and_called_by_its_name_unless_it_says_otherwise(
    operator: httpx.AsyncClient, owner: str
) -> None:
    channel: dict[str, Any] = (await operator.post(PATH, json={"name": owner})).json()
    assert (channel["title"], channel["public"], channel["retentionHours"]) == (owner, False, 24.0)


async def test_a_name_is_taken_once(operator: httpx.AsyncClient) -> None:
    name = await made(operator)
    answer = await operator.post(PATH, json={"name": name})
    assert (answer.status_code, answer.json()["type"]) == (409, "conflict")
    assert answer.json()["detail"] == f'there is a channel "{name}" already'
    await operator.delete(f"{PATH}/{name}")
    assert (await operator.post(PATH, json={"name": name})).status_code == 201


async def test_a_deleted_channel_is_gone(operator: httpx.AsyncClient) -> None:
    name = await made(operator)
    assert (await operator.delete(f"{PATH}/{name}")).status_code == 204
    for answer in (await operator.get(f"{PATH}/{name}"), await operator.delete(f"{PATH}/{name}")):
        assert (answer.status_code, answer.json()["detail"]) == (404, f'there is no channel "{name}"')


@pytest.mark.parametrize(("body", "detail"), REFUSALS)
async def test_a_refusal_names_key_value_and_what_is_allowed(
    operator: httpx.AsyncClient, body: dict[str, object], detail: str
) -> None:
    answer = await operator.post(PATH, json=body)
    assert (answer.status_code, answer.json()["type"], answer.json()["detail"]) == (400, "invalid_config", detail)


async def test_an_owner_has_so_many_channels_at_most(owner: str) -> None:
    settings = Settings(port=0, token_secret=SecretStr(SECRET), channels_per_owner=1)
    headers = bearer(sub=owner, scope="channels")
    async with running_gateway(settings=settings) as base, http_client(base, headers=headers) as client:
        await made(client)
        answer = await client.post(PATH, json={"name": "second"})
    assert (answer.status_code, answer.json()["detail"]) == (
        429,
        "you have 1 channels, and no more are kept; delete one",
    )


async def test_a_server_without_a_key_has_channels_of_its_own() -> None:
    async with running_gateway() as base, http_client(base) as client:
        name = await made(client, public=False)
        assert (await client.get(f"{PATH}/{name}.vtt")).text == "WEBVTT\n"
