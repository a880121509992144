"""Prometheus metrics of a parent process: what it uses itself, and how many workers it has."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from web.observability.merging import Family, Merge, families
from web.observability.metrics import MERGES_OF_PROCESSES


class ParentMetrics:
    """The metrics of one parent; `answering` and `replaced` count its workers."""

    def __init__(self, answering: Callable[[], int], replaced: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        workers = Gauge("niyosha_workers", "Worker processes that serve now.", registry=self._registry)
        workers.set_function(answering)
        self._registry.register(_Replaced(replaced))

    def families(self) -> list[Family]:
        """Return all metrics, and how they are merged with those of the workers."""
        return families(self._registry, lambda name: MERGES_OF_PROCESSES.get(name, Merge.SUM))


class _Replaced(Collector):
    def __init__(self, replaced: Callable[[], int]) -> None:
        self._replaced = replaced

    def collect(self) -> list[CounterMetricFamily]:
        about = "Worker processes that died or hung, and were replaced."
        return [CounterMetricFamily("niyosha_workers_replaced", about, value=self._replaced())]
