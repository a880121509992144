"""Row 14: pages of other origins are refused before the upgrade and over REST, and get no CORS headers."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import LIVE, converse, http_client, refusal
from tests.web.support.tokens import SECRET, bearer, token
from web.settings.settings import Settings, read_settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

ALLOWED = ("https://app.example", "http://Intranet.example:8080", "https://[2001:db8::1]")
INDEX = "/v1/speech/transcriptions"
OWN_NAME = "asr.example"

WELCOME = [
    "https://app.example",
    "https://app.example:443",
    "HTTPS://APP.Example",
    "http://intranet.example:8080",
    "https://[2001:DB8::1]",
]
FOREIGN = [
    "",
    "null",
    "https://",
    "https:///",
    "app.example",
    "//app.example",
    "https://evil.example",
    "https://app.example.evil.com",
    "https://evilapp.example",
    "https://evil-app.example",
    "https://app.example.",
    "https://app.exampl",
    "https://app.example@evil.com",
    "https://evil@app.example",
    "https://app.example:8443",
    "https://app.example:80",
    "http://app.example",
    "wss://app.example",
    "ftp://app.example",
    "https://app.example/",
    "https://app.example/page",
    "https://app.example?",
    "https://app.example#",
    "https://app.example https://evil.example",
    "https://evil.example, https://app.example",
    "https://evil.example\thttps://app.example",
    "http://intranet.example",
    "http://intranet.example:80800",
    "http://localhost",
    "http://127.0.0.1:8000",
    "file://",
    "https://[",
    "https://*.example",
    "https://\xe4pp.example",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyed(module_database: str) -> AsyncIterator[str]:
    wanted = {"token_secret": SECRET, "allowed_origins": ALLOWED, "handshakes_per_second": 10_000}
    async with running_gateway(settings=read_settings({"port": 0, "database_url": module_database, **wanted})) as base:
        yield base


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyless(module_database: str) -> AsyncIterator[str]:
    async with running_gateway(settings=Settings(port=0, database_url=module_database)) as base:
        yield base


async def ask(base: str, path: str, origin: str | bytes | None, method: str = "GET", **headers: str) -> httpx.Response:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if origin is not None:
        sent.append((b"Origin", origin.encode("latin-1") if isinstance(origin, str) else origin))
    async with http_client(base) as client:
        return await client.request(method, path, headers=sent)


def cors_headers(response: httpx.Response) -> list[str]:
    return [name for name in response.headers if name.startswith("access-control-")]


async def test_pages_of_allowed_origins_may_connect_and_read(keyed: str) -> None:
    for origin in WELCOME:
        conversation = await converse(keyed, b"", "close", query=f"jwt={token()}", headers=[("Origin", origin)])
        assert conversation.close_code == 1000, origin
        response = await ask(keyed, INDEX, origin, **bearer())
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, origin)
        assert "access-control-allow-credentials" not in response.headers
        assert "Origin" in response.headers["vary"]


@pytest.mark.fault(14)
async def test_foreign_origins_are_refused_before_the_upgrade_and_by_rest(keyed: str) -> None:
    for origin in FOREIGN:
        # The client writes UTF-8, as whoever means harm may.
        status, body = await refusal(keyed, f"jwt={token()}", [("Origin", origin)])
        assert (status, body["type"]) == (403, "forbidden"), origin
        response = await ask(keyed, INDEX, origin, **bearer())
        assert (response.status_code, response.json()["type"], cors_headers(response)) == (403, "forbidden", []), origin
        response = await ask(keyed, LIVE + f"?jwt={token()}", origin)
        assert (response.status_code, cors_headers(response)) == (403, []), origin


async def test_two_origins_are_no_request(keyed: str) -> None:
    two = [("Origin", ALLOWED[0]), ("Origin", ALLOWED[0])]
    with pytest.raises(InvalidStatus):
        await converse(keyed, query=f"jwt={token()}", headers=two)
    async with http_client(keyed) as client:
        assert (await client.get(INDEX, headers=[*two, *bearer().items()])).status_code == 400


@pytest.mark.fault(14)
@pytest.mark.parametrize(
    ("host", "origin", "is_own"),
    [
        (f"{OWN_NAME}:8000", f"http://{OWN_NAME}:8000", True),
        (f"{OWN_NAME}:8000", f"https://{OWN_NAME}:8000", True),
        (OWN_NAME, f"https://{OWN_NAME}", True),
        (OWN_NAME.upper(), f"http://{OWN_NAME}:80", True),
        (f"{OWN_NAME}:443", f"https://{OWN_NAME}", True),
        ("[2001:db8::7]:8000", "http://[2001:db8::7]:8000", True),
        (f"{OWN_NAME}:8000", f"http://{OWN_NAME}", False),
        (f"{OWN_NAME}:8000", f"http://{OWN_NAME}:8001", False),
        (f"{OWN_NAME}:80", f"https://{OWN_NAME}", False),
        (OWN_NAME, f"https://{OWN_NAME}.evil.example", False),
        (OWN_NAME, f"ftp://{OWN_NAME}", False),
        (f"x@{OWN_NAME}", f"https://{OWN_NAME}", False),
        (f"{OWN_NAME}/", f"https://{OWN_NAME}/", False),
    ],
)
async def test_a_server_knows_its_page_by_the_host_header(keyed: str, host: str, origin: str, *, is_own: bool) -> None:
    response = await ask(keyed, INDEX, origin, Host=host, **bearer())
    assert response.status_code == (200 if is_own else 403)


async def test_a_keyed_server_answers_to_any_name(keyed: str) -> None:
    assert (await ask(keyed, INDEX, None, Host="whatever.example", **bearer())).status_code == 200


async def test_a_server_without_a_key_answers_to_this_machine_only(keyless: str) -> None:
    for origin in ["http://localhost:3000", "https://[::1]", "http://127.0.0.1:8000"]:
        assert (await ask(keyless, INDEX, origin)).status_code == 200
    for origin in ["null", "", "https://app.example", "http://localhost.evil.example", "http://localhost@evil.example"]:
        assert (await ask(keyless, INDEX, origin)).status_code == 403, origin
        status, _ = await refusal(keyless, headers=[("Origin", origin)])
        assert status == 403, origin
    for host in ["asr.example", "localhost.evil.example", "127.0.0.1@evil.example", "x@localhost"]:
        assert (await ask(keyless, INDEX, None, Host=host)).status_code == 403, host


@pytest.mark.fault(14)
async def test_a_preflight_tells_allowed_pages_what_they_may_send(keyed: str) -> None:
    asks = {"Access_Control_Request_Method": "PUT", "Access_Control_Request_Headers": "authorization, x-request-id"}
    response = await ask(keyed, INDEX, ALLOWED[0], "OPTIONS", **asks)
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, ALLOWED[0])
    assert "PUT" in response.headers["access-control-allow-methods"]
    allowed = {name.strip().lower() for name in response.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type", "x-request-id"} <= allowed
    assert "access-control-allow-credentials" not in response.headers
    for origin in FOREIGN:
        response = await ask(keyed, INDEX, origin, "OPTIONS", **asks)
        assert (response.status_code, cors_headers(response)) == (403, []), origin


async def test_allowed_pages_can_read_refusals_and_retry_after(keyed: str) -> None:
    response = await ask(keyed, INDEX, ALLOWED[0])
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, ALLOWED[0])
    exposed = {name.strip() for name in response.headers["access-control-expose-headers"].split(",")}
    assert exposed == {"Retry-After", "Location", "Upload-Location", "WWW-Authenticate", "X-Request-ID"}


async def test_modules_may_be_imported_by_allowed_origins_only(keyed: str) -> None:
    welcome = await ask(keyed, "/static/client/live.js", ALLOWED[0])
    assert (welcome.status_code, welcome.headers["access-control-allow-origin"]) == (200, ALLOWED[0])
    for response in (welcome, foreign := await ask(keyed, "/static/client/live.js", "https://evil.example")):
        assert "origin" in response.headers["vary"].lower()
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert cors_headers(foreign) == []
