"""Metrics of one live connection, counted from the events that are sent to its client."""

from stream.session.commands import Reply
from stream.session.events import ClientEvent, Finished, Reason, Settled, Warned
from vad import SAMPLE_RATE
from web.observability.metrics import Metrics


class LiveMetrics:
    """Counts the events of a connection, in the order in which they are sent."""

    def __init__(self, metrics: Metrics, protocol: str) -> None:
        self._metrics = metrics
        self._protocol = protocol
        metrics.streams_opened.labels(protocol).inc()
        metrics.live_streams.labels(protocol).inc()

    def count(self, event: ClientEvent | Reply, *, is_sent: bool) -> None:
        """Count an event, and a warning only if the client's protocol has a message for it."""
        match event:
            case Settled():
                self._settled(event)
            case Warned(code) if is_sent:
                self._metrics.warnings.labels(code).inc()
            case Finished():
                self._metrics.add_audio("live", event.totals)

    def close(self, cause: str) -> None:
        """Count the end of the connection; `cause` is one of the session, or a kind of error."""
        self._metrics.live_streams.labels(self._protocol).dec()
        self._metrics.streams_closed.labels(self._protocol, cause).inc()

    def _settled(self, event: Settled) -> None:
        metrics = self._metrics
        metrics.utterances.labels(event.reason.value).inc()
        if event.prefix_violated:
            metrics.contradicted.inc()
        if event.reason is not Reason.GAP:
            metrics.endpoint.observe(event.endpoint / SAMPLE_RATE)
            metrics.final.observe(event.latency.recognizer_seconds)
