"""What the application serves beside its interface: health, pages, modules, errors."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import unix_connect
from websockets.exceptions import InvalidStatus

from tests.web.support.gateway import ScriptBook, running_gateway
from tests.web.support.sockets import http_client
from web.settings.settings import Settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def book() -> ScriptBook:
    return ScriptBook()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(module_database: str, book: ScriptBook) -> AsyncIterator[str]:
    async with running_gateway(book, Settings(port=0, database_url=module_database)) as base:
        yield base


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(gateway: str) -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(gateway) as client:
        yield client


@pytest.mark.parametrize(
    ("is_ready", "health"),
    [
        (True, {"status": "Running", "message": "OK.", "version": "1.0.7"}),
        (False, {"status": "Critical", "message": "The recognizer is not ready.", "version": "1.0.7"}),
    ],
)
async def test_the_health_check_answers_200_in_every_state(
    http: httpx.AsyncClient,
    book: ScriptBook,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_ready: bool,
    health: dict[str, Any],
) -> None:
    monkeypatch.setattr(book, "is_ready", is_ready)
    answer = await http.get("/v1/speech/healthcheck")
    assert (answer.status_code, answer.headers["Content-Type"], answer.json()) == (200, "application/json", health)


@pytest.mark.parametrize("path", ["/", "/captions", "/commands"])
async def test_the_pages_are_served(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, "text/html")
    assert "Niyosha" in answer.text


async def test_modules_are_compressed_for_whoever_reads_that(http: httpx.AsyncClient) -> None:
    async with http.stream("GET", "/static/client/live.js", headers={"Accept-Encoding": "gzip"}) as answer:
        compressed = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"].startswith("text/javascript")
    plain = (await http.get("/static/client/live.js", headers={"Accept-Encoding": "identity"})).content
    assert gzip.decompress(compressed) == plain
    assert 2 * len(compressed) < len(plain)


@pytest.mark.parametrize("path", ["/", "/static/client/live.js"])
async def test_the_page_and_its_modules_are_always_fresh_and_framed_by_nobody(
    http: httpx.AsyncClient, path: str
) -> None:
    headers = (await http.get(path)).headers
    assert headers["Cache-Control"] == "no-cache"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "method", "status", "kind"),
    [
        ("/v1/nothing", "GET", 404, "not_found"),
        ("/static/%2e%2e/settings.py", "GET", 404, "not_found"),
        ("/v1/speech/healthcheck", "DELETE", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_served_has_the_body_of_every_error(
    http: httpx.AsyncClient, path: str, method: str, status: int, kind: str
) -> None:
    answer = await http.request(method, path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
    error = answer.json()
    assert (error["type"], error["code"]) == (kind, status)
    assert error["detail"] == f"{method} {path.replace('%2e', '.')} is not served here"


@pytest.mark.fault(35)
@pytest.mark.parametrize(
    "path", ["/", "/v1/speech/asrlive/", "/v1/nothing", "/livez", "/static/client/live.js", "/static/"]
)
async def test_a_websocket_where_there_is_none_is_told_so(gateway: str, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with unix_connect(gateway.removeprefix("unix:"), f"ws://127.0.0.1{path}"):
            pass
    response = refused.value.response
    body = json.loads(response.body or b"")
    assert (response.status_code, body["type"], body["code"]) == (404, "not_found", 404)
    assert "/v1/speech/asrlive" in body["detail"]
