"""Rows 15 and 16: the log has one line for each event, without tokens and transcripts."""

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.support.places import CLIPS
from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.support.sounds import SILENT_FRAME, clip_pcm
from tests.web.support.captured import captured
from tests.web.support.sockets import LIVE, address, converse, received
from tests.web.support.tokens import SECRET, bearer, token
from web.observability.redaction import Redactor
from web.process.serve import running
from web.settings.settings import Settings

PHRASE = "the walrus ordered eleven umbrellas"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl-_canary"


# --- what becomes of a text ---


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"GET /a?jwt={JWT}&x=1 HTTP/1.1", "GET /a?jwt=***&x=1 HTTP/1.1"),
        ("ws://h/a?x=1&jwt=opaque#end", "ws://h/a?x=1&jwt=***#end"),
        ("http%3A%2F%2Fh%2Fa%3Fjwt%3Dopaque", "http%3A%2F%2Fh%2Fa%3Fjwt%3D***"),
        ("Authorization: Bearer opaque-token", "Authorization: ***"),
        ("authorization: Basic dXNlcjpwdw==", "authorization: ***"),
        ("{'authorization': 'Token abc', 'x': 1}", "{'authorization': '***', 'x': 1}"),
        ("(b'authorization', b'Bearer abc')", "(b'authorization', b'***')"),
        ("it said BEARER opaque, and left", "it said BEARER ***, and left"),
        ("farsava, jwt.opaque_token-1", "farsava, jwt.***"),
        (f"a token: {JWT}.", "a token: ***"),
        (f"x{JWT[:30]}", "x***"),
        ("nothing to hide, 1 < 2", "nothing to hide, 1 < 2"),
    ],
)
def test_tokens_are_hidden_wherever_they_stand(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


def test_the_secrets_of_the_settings_are_hidden_escaped_or_not() -> None:
    redactor = Redactor(frozenset({"pass/word +1", "pass/word +1 and more", "short"}))
    assert redactor.text("pass/word +1 and more|pass%2Fword%20%2B1|short") == "***|***|short"


def test_a_field_that_is_named_for_a_secret_holds_none() -> None:
    with captured() as log:
        structlog.get_logger().info(
            "event_of_a_test", session_cookie="opaque", headers={"Set-Cookie": b"a=opaque", "X-Api-Key": "opaque"}
        )
        (event,) = log.events
    assert (event["session_cookie"], event["headers"]) == ("***", {"Set-Cookie": "***", "X-Api-Key": "***"})


def test_the_settings_know_their_secrets() -> None:
    settings = Settings(
        token_secret=SecretStr(SECRET),
        riva_uri="riva.example:443",
        riva_tls=True,
        riva_api_key=SecretStr("nvapi-1"),
        riva_metadata={"x-key": SecretStr("meta-2")},
        database_url="postgresql://name:pass%2Fword@db.example/x",
        limits_url="redis://:redis-pw@127.0.0.1:1",
    )
    assert settings.secrets == {SECRET, "nvapi-1", "meta-2", "pass/word", "pass%2Fword", "redis-pw"}


_TEXTS = st.text(st.characters(exclude_categories=()), max_size=60)
_JWTS = st.from_regex(r"eyJ[A-Za-z0-9_-]{5,20}\.[A-Za-z0-9_-]{5,20}\.[A-Za-z0-9_-]{10,20}", fullmatch=True)
_AROUND = st.sampled_from(["{}", "?jwt={}", "Bearer {}", "jwt.{}", "Authorization: {}", "{} ", "({!r})", "a={};"])


@given(before=_TEXTS, form=_AROUND, hidden=_JWTS, after=_TEXTS)
def test_no_text_around_a_token_brings_it_to_light(before: str, form: str, hidden: str, after: str) -> None:
    shown = Redactor().text(before + form.format(hidden) + after)
    assert not any(part in shown for part in hidden.split(".") if len(part) > 8)


_NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.fault(16)
@given(event=_TEXTS, name=_TEXTS, value=_NESTED)
def test_every_event_is_one_line_whatever_it_holds(event: str, name: str, value: object) -> None:
    with captured() as log:
        structlog.get_logger().info("event_of_a_test", **{f"x{name}": value})
        logging.getLogger("some.library").warning("%s", event)
        assert len(log.events) == 2
    assert not any(character < " " or character > "~" for character in log.text.replace("\n", ""))
    assert log.text.count("\n") == 2


@given(secret=st.from_regex(r"Q[a-z/+ ]{6,30}Q", fullmatch=True), before=_TEXTS, after=_TEXTS)
def test_a_secret_of_the_settings_is_in_no_field(secret: str, before: str, after: str) -> None:
    value = {"a": [before + secret + after], secret: secret.encode(), "password": [before]}
    shown = str(Redactor(frozenset({secret})).value(value))
    assert secret not in shown


# --- whose records come there ---


def test_records_of_libraries_are_lines_of_the_same_kind() -> None:
    with captured() as log, structlog.contextvars.bound_contextvars(request="r1"):
        logging.getLogger("grpc._channel").error("lost\r\n\x1b[31m%s", f"jwt={JWT}")
        logging.getLogger("uvicorn.error").info('127.0.0.1 - "GET /?jwt=1" 101')
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("a\nwarning", UserWarning, stacklevel=1)
        first, second = log.events
    assert (first["event"], first["logger"], first["level"]) == (
        "lost\r\n\x1b[31mjwt=***", "grpc._channel", "error",
    )  # fmt: skip
    assert first["request"] == "r1"
    assert first["timestamp"].endswith("Z")
    assert (second["logger"], "a\nwarning" in second["event"]) == ("py.warnings", True)


def test_an_unwritable_record_is_logged_without_its_message() -> None:
    with captured() as log:
        logging.getLogger("some.library").error("%d", PHRASE)
        (event,) = log.events
    assert (event["event"], event["logger"]) == ("record_not_written", "some.library")
    assert PHRASE not in log.text


def test_an_exception_is_logged_without_its_message() -> None:
    def fail() -> None:
        try:
            del os.environ[PHRASE]
        except KeyError as error:
            raise ExceptionGroup(PHRASE, [ValueError(PHRASE), ConnectionResetError(104, "reset")]) from error

    with captured() as log:
        try:
            fail()
        except ExceptionGroup:
            structlog.get_logger().exception("ours")
            logging.getLogger("uvicorn.error").exception("theirs")
        ours, theirs = log.events
    assert [fault["type"] for fault in ours["faults"]] == [
        "builtins.ExceptionGroup", "builtins.ValueError", "builtins.ConnectionResetError", "builtins.KeyError",
    ]  # fmt: skip
    assert ours["faults"][2]["message"] == "[Errno 104] reset"
    assert ours["faults"][0]["frames"][-1].startswith("tests/web/observability/test_logs.py:")
    assert ours["faults"][0]["frames"][-1].endswith("fail")
    assert theirs["faults"] == ours["faults"]
    assert PHRASE not in log.text


async def test_asyncio_logs_lost_tasks_without_messages() -> None:
    async def fail() -> None:
        raise ValueError(PHRASE)

    with captured() as log:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        loop.call_exception_handler(
            {"message": "Task exception was never retrieved", "exception": task.exception(), "future": task}
        )
        (event,) = log.events
    assert (event["event"], event["faults"][0]["type"]) == ("Task exception was never retrieved", "builtins.ValueError")
    assert PHRASE not in log.text


# --- whole conversations ---


class TalkativeFault(CountingStream):
    """Fails in a way that nobody foresaw, with what was said in its words."""

    async def send(self, pcm: bytes) -> None:
        raise KeyError(PHRASE)


async def test_an_uncaught_exception_leaks_no_token_or_transcript() -> None:
    with captured() as log:
        settings = Settings(port=0, token_secret=SecretStr(SECRET))
        canary = token()
        async with running(settings, ScriptedRecognizer(script=[TalkativeFault])) as server:
            conversation = await converse(server.url, clip_pcm("quick.wav"), query=f"jwt={canary}")
        assert conversation.close_code == 1011
        (broke,) = log.named("session_broke")
        (handshake,) = log.named("handshake")
    assert broke["request"] == handshake["request"]
    assert "builtins.KeyError" in [fault["type"] for fault in broke["faults"]]
    assert PHRASE not in log.text
    assert canary not in log.text


@contextmanager
def serve(**settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A `niyosha serve` and its address; its log is its standard error."""
    command = [sys.executable, "-m", "web.cli.main", "serve", "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ | settings) as process:
        try:
            assert process.stdout is not None
            yield process, next(word for word in process.stdout.readline().split() if word.startswith("http"))
        finally:
            process.kill()


def raw(url: str, request: str) -> None:
    """Send what no HTTP client would."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as line:
        line.sendall(request.encode("latin-1"))
        while line.recv(4096):
            pass


async def everything(url: str, canary: str) -> str:
    """Talk to a server in every way, well and badly, always with the token; return its metrics."""
    speech = clip_pcm("quick.wav") + SILENT_FRAME * 100
    said = [(await converse(url, speech, "close", query=f"jwt={canary}")).transcript]
    headers = [("Authorization", f"Bearer {canary}")]
    said.append((await converse(url, speech, "close", headers=headers, query="extended=true")).transcript)
    protocols = [Subprotocol("farsava"), Subprotocol(f"jwt.{canary}")]
    async with connect(address(url), proxy=None, subprotocols=protocols) as socket_:
        await socket_.send(f"nonsense {canary} {said[0]}")
        assert [json.loads(message)["type"] async for message in received(socket_)] == ["invalid_message"]
    for query in (f"jwt={canary}x", f"jwt={canary}&phrases={canary}&nokey=1", "jwt=none"):
        with pytest.raises(InvalidStatus):
            await connect(address(url, query), proxy=None)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, headers=bearer()) as http:
        found = await http.post("/v1/speech/asr", files={"audio": (CLIPS / "quick.wav").read_bytes()})
        said.append(found.json()["results"][0]["transcript"])
        assert (await http.get(found.headers["Location"], params={"jwt": canary})).status_code == 200
        for method, path in [("GET", f"/v1/{canary}"), ("GET", f"{LIVE}?jwt={canary}"), (canary, "/")]:
            assert (await http.request(method, path, headers={"Referer": f"/?jwt={canary}"})).status_code >= 400
        uri = {"config": {}, "audio": {"uri": f"http://127.0.0.1:9/?jwt={canary}"}}
        # Taken for the id of the request, which stands in its line.
        named = {"X-Request-ID": SECRET}
        assert (await http.post("/v1/speech/asrlongrunning", json=uri, headers=named)).status_code == 403
        await http.get("/livez", headers={"X-Request-ID": canary, "User-Agent": canary})
        scoped = token(scope="metrics")
        metrics = await http.get("/metrics", params={"jwt": scoped}, headers={"Authorization": ""})
    await asyncio.to_thread(raw, url, f"GET /?jwt={canary} HTTP/9.9\r\nX: {canary}\r\n\x00\r\n\r\n")
    assert all("quick brown fox" in text for text in said)
    return metrics.text


@pytest.mark.fault(15)
async def test_no_interface_leaks_tokens_or_transcripts(
    tmp_path: Path,
) -> None:
    canary = token()
    with serve(NIYOSHA_TOKEN_SECRET=SECRET, NIYOSHA_DATABASE_URL=f"sqlite:///{tmp_path / 'own.db'}") as (process, url):
        metrics = await everything(url, canary)
        process.terminate()
        _, log = await asyncio.to_thread(process.communicate, timeout=40)
    assert process.returncode == 0
    events: list[dict[str, Any]] = [json.loads(line) for line in log.splitlines()]
    names = [event["event"] for event in events]
    assert names.count("session_opened") == 3
    assert names.count("request") == 5
    assert metrics.count("\nniyosha_") > 100
    for output in (log, metrics):
        assert not [part for part in (*canary.split("."), SECRET) if part in output]
        assert not [word for word in ("quick", "brown", "fox", "lazy") if word in output.lower()]
