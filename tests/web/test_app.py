import asyncio
import gzip
import json
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.recognizers import ScriptedRecognizer
from web.serve import running
from web.settings import Settings


def fetch(url: str, method: str = "GET") -> tuple[int, str, bytes]:
    request = urllib.request.Request(url, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310
            return response.status, response.headers["Content-Type"], response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


async def answer(path: str, method: str = "GET", *, is_ready: bool = True) -> tuple[int, str, bytes]:
    recognizer = ScriptedRecognizer()
    async with running(Settings(port=0), recognizer) as server:
        recognizer.is_ready = is_ready
        return await asyncio.to_thread(fetch, server.url + path, method)


def test_what_only_some_connections_need_is_not_loaded_before() -> None:
    heavy = "av", "onnxruntime", "babel", "ctranslate2", "redis", "jwt"
    program = f"import sys, web.app, web.serve; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("is_ready", "health"),
    [
        (True, {"status": "Running", "message": "OK.", "version": "1.0.7"}),
        (False, {"status": "Critical", "message": "The recognizer is not ready.", "version": "1.0.7"}),
    ],
)
async def test_the_health_check_answers_200_in_every_state(is_ready: bool, health: dict[str, Any]) -> None:
    status, kind, body = await answer("/v1/speech/healthcheck", is_ready=is_ready)
    assert (status, kind, json.loads(body)) == (200, "application/json", health)


@pytest.mark.parametrize("path", ["/", "/captions", "/commands"])
async def test_the_pages_are_served(path: str) -> None:
    status, kind, body = await answer(path)
    assert (status, kind.split(";")[0]) == (200, "text/html")
    assert b"Shenava" in body


async def test_modules_are_compressed_for_whoever_reads_that() -> None:
    async with running(Settings(port=0), ScriptedRecognizer()) as server:
        headers = {"Accept-Encoding": "gzip"}
        request = urllib.request.Request(f"{server.url}/static/live.js", headers=headers)  # noqa: S310
        with await asyncio.to_thread(urllib.request.urlopen, request) as response:
            compressed = response.read()
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Content-Type"].startswith("text/javascript")
        _, _, plain = await asyncio.to_thread(fetch, request.full_url)
    assert gzip.decompress(compressed) == plain
    assert 2 * len(compressed) < len(plain)


@pytest.mark.parametrize("path", ["/", "/static/live.js"])
async def test_the_page_and_its_modules_are_always_fresh_and_framed_by_nobody(path: str) -> None:
    async with running(Settings(port=0), ScriptedRecognizer()) as server:
        with await asyncio.to_thread(urllib.request.urlopen, server.url + path) as response:
            assert response.headers["Cache-Control"] == "no-cache"
            assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "method", "status", "kind"),
    [
        ("/v1/nothing", "GET", 404, "not_found"),
        ("/static/../settings.py", "GET", 404, "not_found"),
        ("/v1/speech/healthcheck", "DELETE", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_served_has_the_body_of_every_error(path: str, method: str, status: int, kind: str) -> None:
    answered, content_type, body = await answer(path, method)
    assert (answered, content_type) == (status, "application/json")
    error = json.loads(body)
    assert (error["type"], error["code"]) == (kind, status)
    assert error["detail"] == f"{method} {path} is not served here"
