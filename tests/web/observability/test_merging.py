"""The metrics of several workers become those of one server."""

import math
from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

from web.observability.merging import Family, Merge, added_up, merged, text
from web.observability.metrics import Metrics


@dataclass(frozen=True)
class Server:
    """The merged metrics of some workers."""

    families: list[Family]

    def value(self, name: str, **labels: str) -> float:
        """Return a sample as Prometheus reads it."""
        found = [
            sample.value
            for family in text_string_to_metric_families(text(self.families).decode())
            for sample in family.samples
            if sample.name == name and sample.labels == labels
        ]
        assert len(found) == 1, (name, labels, found)
        return found[0]


def of_two() -> tuple[Metrics, Metrics]:
    return Metrics(), Metrics()


def server(*workers: Metrics, ended: list[Family] | None = None) -> Server:
    return Server(merged([ended or [], *(worker.families() for worker in workers)]))


def test_one_worker_alone_reads_as_by_itself() -> None:
    alone = Metrics()
    alone.recognizer_streams.inc(3)
    alone.answered("/v1/speech/asr", "POST", 200, 0.2)
    own = [line for line in alone.text().splitlines() if not line.startswith((b"process_", b"#"))]
    assert own
    assert own == [line for line in text(alone.families()).splitlines() if not line.startswith((b"process_", b"#"))]


def test_counters_and_histograms_of_workers_are_added_up() -> None:
    one, other = of_two()
    one.warnings.labels("gap").inc(2)
    other.warnings.labels("gap").inc(3)
    other.warnings.labels("slow").inc()
    one.final.observe(0.12)
    other.final.observe(0.7)
    both = server(one, other)
    assert both.value("niyosha_warnings_total", code="gap") == 5
    assert both.value("niyosha_warnings_total", code="slow") == 1
    assert both.value("niyosha_final_seconds_count") == 2
    assert both.value("niyosha_final_seconds_bucket", le="0.15") == 1
    assert both.value("niyosha_final_seconds_bucket", le="0.75") == 2


def test_what_a_worker_counted_outlives_it_and_its_gauges_do_not() -> None:
    ended, running = of_two()
    for metrics, streams in ((ended, 5), (running, 2)):
        metrics.recognizer_streams.inc(streams)
        metrics.segments_in_work.set(streams)
    left = server(running, ended=added_up(ended.families()))
    assert left.value("niyosha_recognizer_streams_total") == 7
    assert left.value("niyosha_job_segments_in_work") == 2


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("niyosha_job_segments_in_work", {}, 6),
        ("niyosha_ready", {}, 2),
        ("niyosha_loop_stall_seconds", {}, 4),
        ("niyosha_job_segments_waiting", {}, 4),
        ("niyosha_riva_server_up", {"server": "a:1"}, 2),
        ("niyosha_riva_server_streams", {"server": "a:1"}, 6),
        ("niyosha_places", {}, 6),
    ],
)
def test_each_gauge_is_merged_by_what_it_means(name: str, labels: dict[str, str], expected: float) -> None:
    workers = of_two()
    for metrics, amount in zip(workers, (2, 4), strict=True):
        for gauge in (metrics.segments_in_work, metrics.ready, metrics.loop_stall, metrics.segments_waiting):
            gauge.set(amount)
        metrics.places.set(amount)
        metrics.server_up.labels("a:1").set(amount)
        metrics.server_streams.labels("a:1").set(amount)
    assert server(*workers).value(name, **labels) == expected


@pytest.mark.parametrize("rule", Merge)
def test_places_that_are_not_known_remain_unknown(rule: Merge) -> None:
    one, other = of_two()
    for metrics in (one, other):
        metrics.merge_places(rule)
    one.places.set(math.nan)
    other.places.set(4)
    assert math.isnan(server(one, other).value("niyosha_places"))


def test_places_that_all_workers_share_count_once() -> None:
    workers = of_two()
    for metrics in workers:
        metrics.merge_places(Merge.MAX)
        metrics.places.set(20)
        metrics.places_taken.set(3)
    assert server(*workers).value("niyosha_places") == 20
    assert server(*workers).value("niyosha_places_taken") == 3


def test_the_version_and_the_start_of_the_server_are_no_sums() -> None:
    one, other = of_two()
    both = server(one, other)
    (family,) = [family for family in both.families if family.name == "niyosha"]
    assert [value for _, _, value in family.samples] == [1]
    started = [
        value
        for metrics in (one, other)
        for family in metrics.families()
        if family.name == "process_start_time_seconds"
        for _, _, value in family.samples
    ]
    assert both.value("process_start_time_seconds") == min(started)
