"""Row 30: the metrics of a server, parsed as Prometheus does: counts, and no data of clients."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from websockets.asyncio.client import connect

from stream.errors import Problem
from stream.recognition.places import Refusal
from stream.recognition.recognizer import RecognizerError, RecognizerFullError
from stream.session.events import Alternative, Hypothesis, RecognitionOptions, Word
from tests.hostile.riva.riva import HostileRiva
from tests.hostile.server import running as running_riva
from tests.support.places import CLIPS, ROOT
from tests.support.ports import unused_port
from tests.support.recognizers import CountingStream, FailingStream, MuteStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.web.live.test_endpoint import scripted
from tests.web.support.sockets import address, converse, refusal
from tests.web.support.tokens import SECRET, token
from web.observability.merging import Family
from web.observability.metrics import Metrics
from web.observability.parent_metrics import ParentMetrics
from web.process.listening import StartError
from web.process.serve import running
from web.settings.settings import Settings, read_settings

SPEECH = clip_pcm("quick.wav") + bytes(32000)


class Numbers:
    """The metrics of a server; a sample by its name and labels."""

    def __init__(self, text: str) -> None:
        self.families: list[Metric] = list(text_string_to_metric_families(text))
        self.samples = {
            (one.name, tuple(sorted(one.labels.items()))): one.value
            for family in self.families
            for one in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """The sum over all other labels, 0 for what was never counted."""
        return sum(
            value
            for (one, its), value in self.samples.items()
            if one == f"niyosha_{name}" and set(its) >= labels.items()
        )

    def labels(self, name: str) -> set[str]:
        return {
            value for (sample, labels), _ in self.samples.items() for key, value in labels if key == name and sample
        }


async def numbers(url: str, path: str = "/metrics", **options: str) -> Numbers:
    async with httpx.AsyncClient(trust_env=False) as http:
        response = await http.get(url + path, params=options)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Numbers(response.text)


# --- what is counted ---


async def test_a_session_is_counted_completely() -> None:
    async with scripted() as (url, _):
        conversation = await converse(url, SPEECH, "close")
        metric = await numbers(url)
    assert (metric("streams_opened_total"), metric("streams_closed_total", cause="close"), metric("live_streams")) == (
        1,
        1,
        0,
    )
    utterances = len(conversation.settled)
    assert metric("utterances_total", reason="endpoint") == utterances == 1
    fates = {
        fate: metric("audio_seconds_total", kind="live", fate=fate)
        for fate in ("received", "recognized", "skipped", "lost")
    }
    assert fates["received"] == pytest.approx(len(SPEECH) / 32000)
    assert fates["recognized"] + fates["skipped"] == pytest.approx(fates["received"])
    assert (fates["recognized"] > 1, fates["skipped"] > 0, fates["lost"]) == (True, True, 0)
    assert metric("recognizer_streams_total") == utterances
    for latency in ("first_partial", "endpoint", "final"):
        assert metric(f"{latency}_seconds_count") == utterances
    # The hangover of 600 ms, in a bucket of its own kind.
    assert metric("endpoint_seconds_sum") == pytest.approx(0.6, abs=0.05)
    assert (metric("endpoint_seconds_bucket", le="0.5"), metric("endpoint_seconds_bucket", le="0.75")) == (0, 1)


async def test_streams_are_counted_while_they_are_open() -> None:
    async with scripted(MuteStream, settings=Settings(port=0, final_limit_seconds=0.2)) as (url, _):
        async with connect(address(url), proxy=None), connect(address(url), proxy=None):
            metric = await numbers(url)
            assert (metric("live_streams"), metric("streams_opened_total"), metric("outbox_messages")) == (2, 2, 0)
        await converse(url, SPEECH, "close")
        metric = await numbers(url)
    assert metric("streams_closed_total", cause="disconnect") == 2
    # Nothing came of it in time: given up, and its audio lost.
    assert metric("utterances_total", reason="gap") == 1
    assert metric("audio_seconds_total", kind="live", fate="lost") > 1
    assert (metric("final_seconds_count"), metric("first_partial_seconds_count")) == (0, 0)


async def test_what_waits_for_clients_is_counted_while_they_are_there() -> None:
    numbers_ = Metrics()

    class Waiting:
        def __init__(self, count: int) -> None:
            self.count = count

        def __len__(self) -> int:
            return self.count

    with numbers_.watching(Waiting(3)), numbers_.watching(Waiting(5)):  # type: ignore[arg-type]
        metric = Numbers(numbers_.text().decode())
        assert (metric("outbox_messages"), metric("outbox_fullest_messages")) == (8, 5)
    metric = Numbers(numbers_.text().decode())
    assert (metric("outbox_messages"), metric("outbox_fullest_messages")) == (0, 0)


@pytest.mark.fault(30)
async def test_refusals_and_errors_are_counted_by_their_kind() -> None:
    async with scripted() as (url, recognizer):
        await refusal(url, "vad=loud")
        await converse(url, "nonsense")
        recognizer.is_ready = False
        await refusal(url)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            await http.get("/readyz")
            await http.get("/v1/nothing")
            await http.get("/v1/speech/asrlive")
            metric = await numbers(url)
    reasons = {
        (reason, protocol): metric("refusals_total", reason=reason, protocol=protocol)
        for reason in metric.labels("reason") & {problem.value.type for problem in Problem}
        for protocol in ("http", "websocket")
    }
    assert {key: count for key, count in reasons.items() if count} == {
        ("invalid_config", "websocket"): 1,
        ("overloaded", "websocket"): 1,
        ("overloaded", "http"): 1,
        ("not_found", "http"): 1,
    }
    assert metric("streams_closed_total", cause="invalid_message") == 1
    assert (metric("ready"), metric("recognizer_ready"), metric("database_up"), metric("live")) == (0, 0, 1, 1)
    live = {"route": "/v1/speech/asrlive", "method": "GET"}
    assert [metric("http_requests_total", **live, status=status) for status in ("101", "400", "503")] == [1, 1, 2]
    assert metric("http_requests_total", route="unknown", method="GET", status="404") == 1
    assert metric("http_request_seconds_count", route="/v1/speech/asrlive") == 4


async def test_places_and_their_refusals_are_counted() -> None:
    async with scripted() as (url, recognizer):
        recognizer.full = RecognizerFullError("full", Refusal.OWNER)
        assert (await refusal(url))[0] == 503
        metric = await numbers(url)
    assert metric("places_refused_total", reason="owner") == 1
    assert (metric("places"), metric("places_taken"), metric("places_free"), metric("ready")) == (0, 0, 0, 0)


async def test_a_held_stream_counts_as_no_failure() -> None:
    refusals = iter(range(3))

    class Full(CountingStream):
        def __init__(self, options: RecognitionOptions) -> None:
            if next(refusals, None) is not None:
                raise RecognizerError("RESOURCE_EXHAUSTED", retryable=True, is_full=True)
            super().__init__(options)

    async with scripted(Full) as (url, _):
        await converse(url, SPEECH, "close")
        metric = await numbers(url)
    assert metric("recognizer_held_total") == 3
    assert [metric("recognizer_failures_total", stage=stage) for stage in ("open", "stream", "stall")] == [0, 0, 0]


async def test_failures_of_the_recognizer_are_counted_by_where_they_happen() -> None:
    class Refusing(CountingStream):
        def __init__(self, options: RecognitionOptions) -> None:
            raise RecognizerError("UNAVAILABLE", retryable=False)

    settings = Settings(port=0, stall_limit_seconds=0.2, final_limit_seconds=2)
    async with scripted(Refusing, settings=settings) as (url, _):
        await converse(url, SPEECH, "close")
        metric = await numbers(url)
    assert [metric("recognizer_failures_total", stage=stage) for stage in ("open", "stream", "stall")] == [3, 0, 0]
    assert (metric("recognizer_streams_total"), metric("streams_closed_total", cause="recognizer_failed")) == (0, 1)
    async with scripted(FailingStream, MuteStream, CountingStream, settings=settings) as (url, recognizer):
        for _ in range(2):
            await converse(url, SPEECH, 1.0, "close")
        metric = await numbers(url)
    assert [metric("recognizer_failures_total", stage=stage) for stage in ("open", "stream", "stall")] == [0, 1, 1]
    # How much of the sound is there when the first stream fails, and needs another one, is left to chance.
    assert metric("recognizer_streams_total") == len(recognizer.streams)
    assert metric("utterances_total", reason="gap") == 1


class Fickle(CountingStream):
    """Promises a word and settles on another."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        async for hypothesis in super().hypotheses():
            promised = Alternative((Word("yes" if not hypothesis.is_final else "no"),))
            yield replace(hypothesis, alternatives=(promised,), stable_words=1)


async def test_promised_words_that_were_not_kept_are_counted() -> None:
    for kind, contradicted in ((Fickle, 1), (CountingStream, 0)):
        async with scripted(kind) as (url, _):
            await converse(url, *(SPEECH[start : start + 8000] for start in range(0, len(SPEECH), 8000)), "close")
            assert (await numbers(url))("stable_words_contradicted_total") == contradicted


async def test_recordings_are_counted() -> None:
    async with scripted() as (url, _), httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        assert (
            await http.post("/v1/speech/asr", files={"audio": (CLIPS / "quick.wav").read_bytes()})
        ).status_code == 201
        metric = await numbers(url)
        assert metric("audio_seconds_total", kind="short", fate="received") == pytest.approx(2.965, abs=0.01)
        # Nobody waits for its words, so how fast they come is not counted.
        assert metric("first_partial_seconds_count") == 0


async def test_segments_of_recordings_are_counted_until_they_are_settled() -> None:
    async with scripted(MuteStream) as (url, _), httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        sound = (CLIPS / "quick.wav").read_bytes()
        assert (await http.post("/v1/speech/asrlongrunning", files={"audio": sound})).status_code == 201
        async with asyncio.timeout(10):
            while (metric := await numbers(url))("job_segments_in_work") != 1:
                await asyncio.sleep(0.05)
    assert metric("job_segments_waiting") == 1


async def test_each_server_of_the_recognizer_is_told() -> None:
    async with running_riva(HostileRiva()) as riva:
        uris = f"{riva.address},127.0.0.1:9"
        async with running(read_settings({"riva_uri": uris, "port": 0})) as server:
            await converse(server.url, SPEECH, "close")
            metric = await numbers(server.url)
    assert metric.labels("server") == set(uris.split(","))
    assert [metric("riva_server_up", server=uri) for uri in uris.split(",")] == [1, 0]
    assert [metric("riva_server_usable", server=uri) for uri in uris.split(",")] == [1, 0]
    assert metric("riva_server_streams", server=riva.address) == 0


async def test_the_process_and_two_servers_in_it_are_told_apart() -> None:
    async with scripted() as (first, _), scripted() as (second, _):
        await converse(first, b"", "close")
        one, other = await numbers(first), await numbers(second)
    assert (one("streams_opened_total"), other("streams_opened_total")) == (1, 0)
    assert one.samples["process_resident_memory_bytes", ()] > 1_000_000
    assert any(name == "python_info" for name, _ in one.samples)


# --- who may read them ---


@pytest.mark.parametrize(
    ("query", "status"),
    [({}, 401), ({"jwt": token()}, 403), ({"jwt": token(scope="metrics")}, 200), ({"jwt": token("x" * 32)}, 401)],
)
async def test_a_server_with_a_key_wants_a_token_for_it(query: dict[str, str], status: int) -> None:
    settings = Settings(port=0, token_secret=SecretStr(SECRET))
    async with scripted(settings=settings) as (url, _), httpx.AsyncClient(base_url=url, trust_env=False) as http:
        assert (await http.get("/metrics", params=query)).status_code == status


async def test_the_metrics_port_needs_no_token_on_this_machine() -> None:
    port = unused_port()
    settings = Settings(port=0, token_secret=SecretStr(SECRET), metrics_port=port)
    async with (
        scripted(settings=settings),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        metric = await numbers(f"http://127.0.0.1:{port}")
        assert metric("ready") == 1
        assert (await http.get("/metrics", headers={"Host": "rebound.example"})).status_code == 400
        assert (await http.get("/v1/speech/languages")).status_code == 404
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", port)):
        pass


async def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"cannot serve metrics on 127.0.0.1 port {port}: Address already in use"):
            async with running(Settings(port=0, metrics_port=port), ScriptedRecognizer()):
                pass


# --- what is written about them ---


def families() -> dict[str, set[str]]:
    """Our metrics by name, each with its labels."""
    registry = Metrics().registry
    own = [name for name in registry._names_to_collectors if name.startswith("niyosha_")]
    labels = {name: set(getattr(registry._names_to_collectors[name], "_labelnames", ())) for name in own}
    return {name: found for name, found in labels.items() if not name.endswith("_created")}


def queried(text: str) -> set[str]:
    return set(re.findall(r"\bniyosha_\w+", text))


@pytest.mark.parametrize("name", ["grafana.json", "alerts.yml"])
def test_every_metric_that_is_drawn_or_watched_is_there(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    names = queried(text)
    assert len(names) >= 8
    assert names <= set(families())
    labels = {label for found in families().values() for label in found} | {"le", "instance", "job"}
    by = re.findall(r"by \(([^)]*)\)", text) + re.findall(r"(\w+)(?==~?\\?\")", text)
    assert {label.strip() for group in by for label in group.split(",")} <= labels


def test_the_dashboard_draws_everything_and_can_be_read() -> None:
    dashboard = json.loads((ROOT / "docs" / "grafana.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(expressions) >= 12
    assert all(queried(expression) for expression in expressions)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_every_alert_says_what_it_watches_and_what_to_do() -> None:
    (group,) = yaml.safe_load((ROOT / "docs" / "alerts.yml").read_text())["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) >= 10
    for rule in group["rules"]:
        assert queried(rule["expr"])
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "action"}


def test_every_metric_is_described() -> None:
    text = (ROOT / "docs" / "observability.md").read_text()
    documented = set(re.findall(r"`niyosha_(\w+)`", text))
    assert documented == {
        (family.name + suffix(family)).removeprefix("niyosha_")
        for family in [*Metrics().families(), *ParentMetrics(int, int).families()]
        if family.name.startswith("niyosha")
    }


def suffix(family: Family) -> str:
    return {"counter": "_total", "info": "_info"}.get(family.type, "")
