"""The access log: one line for each request and handshake, by route, with the request id."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest
from websockets.asyncio.client import unix_connect
from websockets.exceptions import InvalidStatus

from tests.support.processes import STUCK_SECONDS
from tests.support.recognizers import ScriptedRecognizer
from tests.web.support.captured import Captured, captured
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import LIVE, converse, http_client, talking

pytestmark = pytest.mark.virtual_time

NOBODY = "11111111-2222-4333-8444-555555555555"


class Watched(NamedTuple):
    base: str
    http: httpx.AsyncClient
    log: Captured


@asynccontextmanager
async def watched() -> AsyncIterator[Watched]:
    """A client of a server, and its log."""
    with captured() as log:
        async with running_gateway() as base, http_client(base) as http:
            yield Watched(base, http, log)


@pytest.mark.parametrize(
    ("method", "path", "route", "status", "problem"),
    [
        ("GET", "/v1/speech/languages?x=1", "/v1/speech/languages", 200, None),
        (
            "GET",
            f"/v1/speech/transcriptions/{NOBODY}",
            "/v1/speech/transcriptions/{transcription_id}",
            404,
            "not_found",
        ),
        ("GET", "/v1/nothing/of/mine", "unknown", 404, "not_found"),
        ("DELETE", "/v1/speech/languages", "/v1/speech/languages", 405, "method_not_allowed"),
        ("QUERY", "/v1/speech/languages", "/v1/speech/languages", 405, "method_not_allowed"),
        ("GET", "/static/client/live.js", "/static/{path}", 200, None),
        ("GET", LIVE, LIVE, 426, "upgrade_required"),
    ],
)
async def test_a_request_is_logged_with_its_route_not_its_path(
    method: str, path: str, route: str, status: int, problem: str | None
) -> None:
    async with watched() as (_base, http, log):
        response = await http.request(method, path, headers={"Accept-Encoding": "identity"})
        # A file is noted when all of it is sent, and the caller has it then.
        await _until(lambda: log.named("request"))
        (line,) = log.named("request")
    assert line["method"] == ("unknown" if method == "QUERY" else method)
    assert (line["route"], line["status"], line.get("problem")) == (route, status, problem)
    assert (line["bytes"], line["level"]) == (len(response.content), "info")
    assert 0 <= line["seconds"] < 60
    assert line["request"] == response.headers["X-Request-ID"]


async def test_machines_that_ask_every_second_are_noted_for_debugging_only() -> None:
    async with watched() as (_base, http, log):
        for path in ("/livez", "/readyz", "/metrics", "/v1/speech/healthcheck"):
            assert (await http.get(path)).status_code == 200
        assert [line["level"] for line in log.named("request")] == ["debug"] * 4


@pytest.mark.parametrize("given", ["0193-abc_DEF", "a" * 64])
async def test_an_id_that_the_caller_gives_is_kept(given: str) -> None:
    async with watched() as (_base, http, log):
        response = await http.get("/v1/speech/languages", headers={"X-Request-ID": given})
        assert response.headers["X-Request-ID"] == given
        assert log.named("request")[0]["request"] == given


@pytest.mark.parametrize(
    "given", ["short", "a" * 65, "a sentence of words", "eyJhbGciOiJIUzI1NiJ9", "0193%0Aabcdef", ""]
)
async def test_another_one_is_replaced(given: str) -> None:
    async with watched() as (_base, http, log):
        response = await http.get("/v1/speech/languages", headers={"X-Request-ID": given})
        answered = response.headers["X-Request-ID"]
        assert answered != given
        assert len(answered) == 32
        assert (await http.get("/v1/speech/languages")).headers["X-Request-ID"] != answered
        assert not given or given not in log.text


async def test_a_handshake_is_logged_and_its_session_has_the_id() -> None:
    async with watched() as (base, _http, log):
        async with talking(base) as socket:
            (line,) = log.named("handshake")
            assert socket.response is not None
            assert line["request"] == socket.response.headers["X-Request-ID"]
        await _until(lambda: log.named("session_closed"))
        assert [log.named(name)[0]["request"] for name in ("session_opened", "session_closed")] == [line["request"]] * 2
        assert (line["route"], line["status"], "bytes" in line) == (LIVE, 101, False)
        assert len(log.named("handshake")) == 1


async def test_a_refused_handshake_is_logged_with_its_problem() -> None:
    async with watched() as (base, _http, log):
        with pytest.raises(InvalidStatus) as refused:
            await talking(base, "vad=loud")
        (line,) = log.named("handshake")
    assert (line["status"], line["problem"]) == (400, "invalid_config")
    assert refused.value.response.headers["X-Request-ID"] == line["request"]


async def test_a_websocket_where_there_is_none_is_noted() -> None:
    async with watched() as (base, _http, log):
        with pytest.raises(InvalidStatus) as refused:
            await unix_connect(base.removeprefix("unix:"), "ws://127.0.0.1/nowhere")
        (line,) = log.named("handshake")
    assert (line["route"], line["status"]) == ("unknown", refused.value.response.status_code)


async def test_an_internal_error_names_the_request_id(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> Any:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(ScriptedRecognizer, "languages", property(broken, lambda *_: None))
    async with watched() as (_base, http, log):
        response = await http.get("/v1/speech/languages")
        (broke,), (line,) = log.named("request_broke"), log.named("request")
    request_id = response.headers["X-Request-ID"]
    assert (response.status_code, response.json()["type"]) == (500, "internal")
    assert response.json()["detail"].endswith(f"its id is {request_id}")
    assert broke["request"] == line["request"] == request_id
    assert (line["status"], broke["route"]) == (500, "/v1/speech/languages")
    assert "secret" not in response.text + log.text
    assert [event["event"] for event in log.events if event["level"] == "error"] == ["request_broke"]


async def test_conversations_at_the_same_time_keep_their_ids_apart() -> None:
    async with watched() as (base, _http, log):
        ids = [f"caller-{n:04}" for n in range(8)]
        await asyncio.gather(*(converse(base, bytes(320), "close", headers=[("X-Request-ID", one)]) for one in ids))
        for name in ("handshake", "session_opened", "session_closed"):
            assert sorted(line["request"] for line in log.named(name)) == ids
        assert len({line["transcription"] for line in log.named("session_closed")}) == len(ids)


async def _until(holds: Callable[[], object]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


@pytest.mark.fault(35)
@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/v1/speech/asr", "application/json"),
        ("/v1/speech/asr", "multipart/form-data; boundary=x"),
        ("/v1/speech/asrlongrunning", "multipart/form-data; boundary=x"),
        ("/v1/speech/languagemodels", "application/json"),
        ("/api/v1/asr/recognize", "multipart/form-data; boundary=x"),
    ],
)
async def test_an_upload_that_is_broken_off_is_no_error(path: str, media_type: str) -> None:
    with captured() as log:
        async with running_gateway() as base:
            reader, writer = await asyncio.open_unix_connection(base.removeprefix("unix:"))
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media_type}\r\n"
            writer.write(f"{head}Content-Length: 1000\r\n\r\n".encode())
            writer.write(b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\nsound')
            await asyncio.sleep(0.1)
            writer.transport.abort()
            async with asyncio.timeout(STUCK_SECONDS):
                while not log.named("request"):
                    await asyncio.sleep(0.01)
            reader.feed_eof()
    (line,) = log.named("request")
    assert (line["status"], line["level"]) == (None, "info")
    assert not [one for one in log.events if one["level"] in ("warning", "error", "critical")]
