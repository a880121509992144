"""Prometheus metrics of the server.

Labels come from closed lists: no owners, no addresses, nothing that a client sent.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from stream.runtime.outbox import Outbox
from stream.session.events import Totals
from vad import SAMPLE_RATE
from web.observability.merging import Family, Merge, families

# Delays that a speaker notices are between a tenth of a second and some seconds.
_LATENCY_SECONDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, math.inf)
_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, math.inf)
_DISCONNECTED = "none"
# Gauges of Prometheus' own collectors that cannot be added up.
MERGES_OF_PROCESSES = {
    "niyosha": Merge.MAX,
    "python_info": Merge.MAX,
    "process_start_time_seconds": Merge.MIN,
}
# The creation times of counters would double the lines, and nobody uses them.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._merges = dict(MERGES_OF_PROCESSES)
        self._outboxes: set[Outbox] = set()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        Info("niyosha", "The version of this server.", registry=registry).info({"version": version("niyosha")})

        self._add_health()
        self._add_streams()
        self._add_recognizer()
        self._add_times()

    def _add_health(self) -> None:
        self.live = self._gauge("live", "1 while the process works.", merge=Merge.MIN)
        self.live.set(1)
        self.ready = self._gauge("ready", "1 while new streams would be admitted, as /readyz says.", merge=Merge.MIN)
        self.recognizer_ready = self._gauge("recognizer_ready", "1 while the recognizer can be used.", merge=Merge.MIN)
        self.database_up = self._gauge("database_up", "1 while the database answers.", merge=Merge.MIN)

    def _add_streams(self) -> None:
        self.live_streams = self._gauge("live_streams", "Live connections that are open now.", "protocol")
        self.streams_opened = self._counter("streams_opened", "Live connections that were accepted.", "protocol")
        self.streams_closed = self._counter(
            "streams_closed", "Live connections that ended, by cause or kind of error.", "protocol", "cause"
        )
        self.utterances = self._counter("utterances", "Utterances of live connections that were settled.", "reason")
        self.warnings = self._counter("warnings", "Warnings sent in extended mode: gap, slow, quiet, limit.", "code")
        self.contradicted = self._counter(
            "stable_words_contradicted", "Settled texts that changed words which had been reported as stable."
        )
        self.audio = self._counter(
            "audio_seconds", "Audio of ended live connections and short recordings, by what became of it.",
            "kind", "fate",
        )  # fmt: skip
        self.outbox = self._gauge("outbox_messages", "Messages in the outboxes of all live connections.")
        self.outbox.set_function(lambda: sum(len(outbox) for outbox in self._outboxes))
        self.outbox_fullest = self._gauge("outbox_fullest_messages", "Messages in the fullest outbox.", merge=Merge.MAX)
        self.outbox_fullest.set_function(lambda: max((len(outbox) for outbox in self._outboxes), default=0))
        self.segments_waiting = self._gauge(
            "job_segments_waiting", "Segments of long recordings that are to be recognized.", merge=Merge.MAX
        )
        self.segments_in_work = self._gauge("job_segments_in_work", "Segments that this process is recognizing.")
        self.refusals = self._counter(
            "refusals", "Requests and handshakes that were refused, by kind.", "reason", "protocol"
        )

    def _add_recognizer(self) -> None:
        self.recognizer_streams = self._counter("recognizer_streams", "Streams opened at the recognizer.")
        self.recognizer_failures = self._counter(
            "recognizer_failures",
            "Streams that could not be opened, broke, or were abandoned because no answer came.", "stage",
        )  # fmt: skip
        self.recognizer_held = self._counter(
            "recognizer_held", "Streams that a full recognizer refused; each is held until there is room."
        )
        self.places = self._gauge("places", "Places for live streams; NaN while unlimited or unknown.")
        self.places_taken = self._gauge("places_taken", "Places that are taken; a quiet stream takes half a place.")
        self.places_free = self._gauge(
            "places_free", "Streams that would be admitted now; NaN while unlimited or unknown."
        )
        self.decodes_waiting = self._gauge("decodes_waiting", "Decodes that wait for a worker of the embedded engine.")
        self.places_refused = self._counter(
            "places_refused", "Live streams for which there was no place: full, owner (has its share), late.", "reason"
        )
        self.server_up = self._gauge(
            "riva_server_up", "1 while a server of the recognizer answers.", "server", merge=Merge.MIN
        )
        self.server_usable = self._gauge(
            "riva_server_usable", "0 also while its breaker is open.", "server", merge=Merge.MIN
        )
        self.server_streams = self._gauge("riva_server_streams", "Open streams to a server.", "server")

    def _add_times(self) -> None:
        self.first_partial = self._latency(
            "first_partial", "From the opening of a recognizer stream to its first text."
        )
        self.endpoint = self._latency("endpoint", "From the last speech of an utterance to its endpoint.")
        self.final = self._latency("final", "From the last audio that was sent of an utterance to its settled text.")
        self.loop_stall = self._gauge(
            "loop_stall_seconds", "The longest stall of the event loop within a minute.", merge=Merge.MAX
        )
        self.requests = self._counter("http_requests", "Answered requests and handshakes.", "route", "method", "status")
        self.request_seconds = Histogram(
            "niyosha_http_request_seconds", "The duration of requests and handshakes.", ["route"],
            registry=self.registry, buckets=_REQUEST_SECONDS,
        )  # fmt: skip

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"niyosha_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str, merge: Merge = Merge.SUM) -> Gauge:
        self._merges[f"niyosha_{name}"] = merge
        return Gauge(f"niyosha_{name}", about, labels, registry=self.registry)

    def _latency(self, name: str, about: str) -> Histogram:
        return Histogram(f"niyosha_{name}_seconds", about, registry=self.registry, buckets=_LATENCY_SECONDS)

    def families(self) -> list[Family]:
        """Return all metrics, and how they are merged with those of other workers."""
        return families(self.registry, lambda name: self._merges.get(name, Merge.SUM))

    def merge_places(self, merge: Merge) -> None:
        """Set how the places of workers are merged: added up, unless all of them have the same."""
        for name in ("places", "places_taken", "places_free", "decodes_waiting"):
            self._merges[f"niyosha_{name}"] = merge

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def answered(self, route: str, method: str, status: int | None, seconds: float) -> None:
        """Count an answered request or handshake; `status` is None if the client left before the answer."""
        self.requests.labels(route, method, _DISCONNECTED if status is None else str(status)).inc()
        self.request_seconds.labels(route).observe(seconds)

    def refused(self, problem: str, protocol: str) -> None:
        """Count a request or a handshake that was answered with an error of the table."""
        self.refusals.labels(problem, protocol).inc()

    def add_audio(self, kind: str, totals: Totals) -> None:
        """Count the audio of an ended stream or recording."""
        fates = {
            "received": totals.received,
            "recognized": totals.recognized,
            "skipped": totals.skipped,
            "lost": totals.lost,
        }
        for fate, samples in fates.items():
            self.audio.labels(kind, fate).inc(samples / SAMPLE_RATE)

    @contextmanager
    def watching(self, outbox: Outbox) -> Iterator[None]:
        """Count the messages in an outbox while the context lasts."""
        self._outboxes.add(outbox)
        try:
            yield
        finally:
            self._outboxes.discard(outbox)
