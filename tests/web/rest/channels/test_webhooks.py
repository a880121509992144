"""`/v1/webhooks`: registered by a caller, shown to nobody else, its secret once."""

import httpx
import pytest
import pytest_asyncio

from tests.web.support.channels import made
from tests.web.support.gateway import Gateway
from tests.web.support.sockets import http_client
from tests.web.support.tokens import bearer
from web.auth.caller import Scope
from web.rest.channels.webhooks import WEBHOOKS_PER_OWNER

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]
PATH = "/v1/webhooks"
WANTED = {"url": "https://example.org/hook", "events": ["line", "recording"]}


@pytest_asyncio.fixture(loop_scope="module")
async def caller(client: httpx.AsyncClient, owner: str) -> httpx.AsyncClient:
    client.headers.update(bearer(sub=owner, scope="webhooks channels"))
    return client


async def test_a_webhook_is_made_shown_and_deleted(caller: httpx.AsyncClient) -> None:
    name = await made(caller)
    answer = await caller.post(PATH, json=WANTED | {"channel": name})
    assert answer.status_code == 201
    new = answer.json()
    assert new.pop("secret").startswith("whsec_")
    assert answer.headers["Location"] == f"{PATH}/{new['id']}"
    assert new == WANTED | {
        "id": new["id"],
        "channel": name,
        "createdAt": new["createdAt"],
        "failures": 0,
        "lastStatus": None,
        "lastError": None,
        "lastAttemptAt": None,
    }
    assert (await caller.get(f"{PATH}/{new['id']}")).json() == new
    assert (await caller.get(PATH)).json() == [new]
    assert (await caller.get(f"{PATH}/{new['id']}/deliveries")).json() == []
    assert (await caller.delete(f"{PATH}/{new['id']}")).status_code == 204
    assert (await caller.get(f"{PATH}/{new['id']}")).json()["detail"] == f'there is no webhook "{new["id"]}"'


@pytest.mark.parametrize(
    ("change", "status", "detail"),
    [
        ({"url": "http://10.0.0.1/"}, 403, 'url "http://10.0.0.1/" leads to an address that is not public'),
        ({"url": "gopher://a/"}, 400, 'url "gopher://a/" is neither http nor https'),
        ({"url": 3}, 400, "url is 3; it must be an address of at most 2048 characters"),
        ({"events": []}, 400, "events is []; it must be a list of line and recording"),
        ({"events": ["other"]}, 400, 'events[0] is "other"; it must be line or recording'),
        ({"channel": "nowhere"}, 404, 'there is no channel "nowhere"'),
        ({"secret": "mine"}, 400, '"secret" is not a key here'),
    ],
)
async def test_a_refusal_says_what_is_wrong(
    caller: httpx.AsyncClient, change: dict[str, object], status: int, detail: str
) -> None:
    answer = await caller.post(PATH, json=WANTED | change)
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(detail)


async def test_an_owner_has_so_many_webhooks_at_most(caller: httpx.AsyncClient) -> None:
    for _ in range(WEBHOOKS_PER_OWNER):
        assert (await caller.post(PATH, json=WANTED)).status_code == 201
    answer = await caller.post(PATH, json=WANTED)
    assert (answer.status_code, answer.json()["type"]) == (429, "rate_limited")


@pytest.mark.parametrize("scope", [*Scope, None, "stranger"])
async def test_only_the_scope_for_webhooks_opens_them(
    gateway: Gateway, caller: httpx.AsyncClient, owner: str, scope: str | None
) -> None:
    webhook_id = (await caller.post(PATH, json=WANTED)).json()["id"]
    is_stranger = scope == "stranger"
    claims = {"sub": "somebody else" if is_stranger else owner}
    if scope is not None:
        claims["scope"] = "webhooks" if is_stranger else scope
    async with http_client(gateway.base, headers=bearer(**claims)) as client:
        statuses = [
            (await client.get(PATH)).status_code,
            (await client.post(PATH, json=WANTED)).status_code,
            (await client.get(f"{PATH}/{webhook_id}")).status_code,
            (await client.get(f"{PATH}/{webhook_id}/deliveries")).status_code,
            (await client.delete(f"{PATH}/{webhook_id}")).status_code,
        ]
    if is_stranger:
        assert statuses == [200, 201, 404, 404, 404]
    else:
        assert statuses == ([200, 201, 200, 200, 204] if scope == Scope.WEBHOOKS else [403] * 5)
