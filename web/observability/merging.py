"""Merge the metrics of several processes into those of one server.

Counters and histograms are added up, those of ended processes included: a sum that falls would look to Prometheus like
a restart. Gauges tell of what is now, so that only running processes have any.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

_ADDED_TYPES = frozenset({"counter", "histogram"})


class Merge(StrEnum):
    """How the values of a gauge in several processes become one."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


class Family(msgspec.Struct, frozen=True):
    """A metric with its samples: name, labels, value."""

    name: str
    documentation: str
    type: str
    merge: Merge
    samples: Sequence[tuple[str, Mapping[str, str], float]]

    @property
    def is_added_up(self) -> bool:
        """Whether it counts what happened, and not what is now."""
        return self.type in _ADDED_TYPES


Families = Sequence[Family]
_Key = tuple[str, tuple[tuple[str, str], ...]]
_COMBINE: Mapping[Merge, Callable[[float, float], float]] = {
    Merge.SUM: lambda one, other: one + other,
    # NaN, for what is unknown, remains NaN.
    Merge.MAX: lambda one, other: math.nan if math.isnan(one + other) else max(one, other),
    Merge.MIN: lambda one, other: math.nan if math.isnan(one + other) else min(one, other),
}


def families(registry: CollectorRegistry, rule: Callable[[str], Merge]) -> list[Family]:
    """Return the metrics of this process; `rule` names how those of a gauge are merged, by its name."""
    return [
        Family(
            name=metric.name,
            documentation=metric.documentation,
            type=metric.type,
            merge=Merge.SUM if metric.type in _ADDED_TYPES else rule(metric.name),
            samples=[(sample.name, sample.labels, sample.value) for sample in metric.samples],
        )
        for metric in registry.collect()
    ]


def merged(processes: Iterable[Families]) -> list[Family]:
    """Return the metrics of several processes as those of one, in the order in which they first occur."""
    first: dict[str, Family] = {}
    values: dict[str, dict[_Key, float]] = {}
    for family in (family for process in processes for family in process):
        rule = first.setdefault(family.name, family).merge
        into = values.setdefault(family.name, {})
        for name, labels, value in family.samples:
            key = name, tuple(labels.items())
            into[key] = _COMBINE[rule](into[key], value) if key in into else value
    return [
        msgspec.structs.replace(
            family, samples=[(sample, dict(labels), value) for (sample, labels), value in values[name].items()]
        )
        for name, family in first.items()
    ]


def added_up(process: Families) -> list[Family]:
    """Return what remains of a process that ended: its counters and histograms."""
    return [family for family in process if family.is_added_up]


def text(metrics: Families) -> bytes:
    """Write metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed(metrics))
    return generate_latest(registry)


class _Fixed(Collector):
    """Metrics with values that do not change."""

    def __init__(self, metrics: Families) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        for family in self._metrics:
            metric = Metric(family.name, family.documentation, family.type)
            for name, labels, value in family.samples:
                metric.add_sample(name, dict(labels), value)
            yield metric
