"""Traces: spans arrive at a collector by OTLP, and continue at the recognizer."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import SecretStr

from tests.hostile.riva.audio import numbered_speech
from tests.hostile.riva.faults import Abort, At
from tests.hostile.riva.riva import HostileRiva
from tests.hostile.server import running as running_riva
from tests.support.processes import STUCK_SECONDS
from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.web.support.sockets import LIVE, converse, refusal
from tests.web.support.tokens import SECRET, token
from web.process.serve import running
from web.settings.settings import Settings, SettingsError, read_settings

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"
SPEECH = clip_pcm("quick.wav") + bytes(32000)


class Collector(TraceServiceServicer):
    """Keeps every span that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.text = ""

    def Export(self, request: Any, context: Any) -> ExportTraceServiceResponse:  # noqa: N802
        self.text += str(request)
        for of_resource in request.resource_spans:
            for of_scope in of_resource.scope_spans:
                self.spans += of_scope.spans
        return ExportTraceServiceResponse()

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """A collector, and its address; the spans are there once the server that sends them has ended."""
    collector, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def attributes(span: Span) -> dict[str, object]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}


async def test_a_connection_continues_the_trace_of_its_client() -> None:
    speech = numbered_speech([3, 4], pause_ms=1500)
    with collecting() as (collector, endpoint):
        async with running_riva(HostileRiva([None, Abort(at=At.MESSAGE, count=1)])) as riva:
            settings = {"riva_uri": riva.address, "port": 0, "tracing_endpoint": endpoint}
            async with running(read_settings(settings)) as server:
                await converse(server.url, speech, "close", headers=[("traceparent", TRACEPARENT)])
        parents = [str(call.metadata["traceparent"]).split("-") for call in riva.riva.calls]
    (connection,) = collector.named(f"GET {LIVE}")
    assert (connection.trace_id.hex(), connection.parent_span_id.hex()) == (TRACE, CALLER)
    utterances = sorted(collector.named("utterance"), key=lambda span: span.start_time_unix_nano)
    assert len(utterances) == 2
    for utterance in utterances:
        assert (utterance.trace_id.hex(), utterance.parent_span_id) == (TRACE, connection.span_id)
        assert connection.start_time_unix_nano <= utterance.start_time_unix_nano
        assert utterance.start_time_unix_nano < utterance.end_time_unix_nano <= connection.end_time_unix_nano
    # The second utterance took a second attempt, which is a part of the same span.
    ids = [span.span_id.hex() for span in utterances]
    assert [(trace, span) for _, trace, span, _ in parents] == [(TRACE, ids[0]), (TRACE, ids[1]), (TRACE, ids[1])]


async def test_a_request_span_has_its_route_and_no_client_data() -> None:
    with collecting() as (collector, endpoint):
        async with (
            running(Settings(port=0, tracing_endpoint=endpoint), ScriptedRecognizer()) as server,
            httpx.AsyncClient(base_url=server.url, trust_env=False) as http,
        ):
            response = await http.get("/v1/speech/transcriptions", params={"limit": "3"})
            await http.get("/v1/nothing", headers={"traceparent": TRACEPARENT})
            await refusal(server.url, "vad=loud")
    (listed,), (lost,), (refused,) = (
        collector.named(f"GET {route}") for route in ("/v1/speech/transcriptions", "unknown", LIVE)
    )
    assert attributes(listed) == {
        "niyosha.request": response.headers["X-Request-ID"],
        "http.route": "/v1/speech/transcriptions",
        "http.request.method": "GET",
        "http.response.status_code": 200,
    }
    assert (listed.parent_span_id, lost.trace_id.hex(), listed.trace_id.hex() == TRACE) == (b"", TRACE, False)
    assert (attributes(lost)["http.response.status_code"], attributes(refused)["http.response.status_code"]) == (
        404,
        400,
    )


class Talkative(CountingStream):
    """Fails in a way that nobody foresaw, with what was said in its words."""

    async def send(self, pcm: bytes) -> None:
        raise KeyError("w0 w1 what was said")


@pytest.mark.fault(15)
async def test_no_span_holds_a_token_or_what_was_said() -> None:
    canary = token()
    with collecting() as (collector, endpoint):
        settings = Settings(port=0, tracing_endpoint=endpoint, token_secret=SecretStr(SECRET))
        for kind in (CountingStream, Talkative):
            async with running(settings, ScriptedRecognizer(script=[kind])) as server:
                await converse(server.url, SPEECH, "close", query=f"jwt={canary}")
    assert len(collector.named("utterance")) >= 2
    assert not [part for part in (*canary.split("."), SECRET, "w0", "said", "somebody") if part in collector.text]


async def test_without_a_collector_the_server_works_and_ends_in_time() -> None:
    settings = Settings(port=0, tracing_endpoint="http://127.0.0.1:9")
    async with asyncio.timeout(STUCK_SECONDS):
        async with running(settings, ScriptedRecognizer()) as server:
            assert (await converse(server.url, SPEECH, "close")).close_code == 1000


async def test_without_an_endpoint_the_recognizer_is_told_no_trace() -> None:
    async with running_riva(HostileRiva()) as riva:
        async with running(read_settings({"riva_uri": riva.address, "port": 0})) as server:
            await converse(server.url, numbered_speech([2]), "close", headers=[("traceparent", TRACEPARENT)])
        assert ["traceparent" in call.metadata for call in riva.riva.calls] == [False]


@pytest.mark.parametrize("url", ["127.0.0.1:4317", "udp://127.0.0.1:4317", "http://"])
def test_an_endpoint_that_can_be_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"NIYOSHA_TRACING_ENDPOINT is .*: must be http:"):
        read_settings({"tracing_endpoint": url})
