"""The output of a session: its orders and events, and the counts that they report."""

from dataclasses import dataclass

from stream.session.channel import Channel
from stream.session.events import START, AudioEnded, ClientEvent, Finished, Order, Origin, Progress, Settled, Totals
from stream.session.transcript import SettledUtterances
from stream.session.utterance import Utterance


@dataclass(slots=True)
class SampleCounts:
    """What became of the samples of all channels so far."""

    received: int = 0
    recognized: int = 0
    skipped: int = 0
    lost: int = 0


class SessionOutput:
    """Collects what follows from a session's input, until the caller takes it.

    `inference_seconds` is how long finals have been waited for in all.
    """

    def __init__(self, origin: Origin = START) -> None:
        self._origin = origin
        self.samples = SampleCounts()
        self.inference_seconds = 0.0
        self._settled = SettledUtterances()
        for settled in origin.settled:
            self._settled.add(settled)
        self._orders: list[Order] = []
        self._events: list[ClientEvent] = []

    def begin(self, n_channels: int) -> None:
        """Count what an earlier session received; what it did not recognize was skipped."""
        received = self._origin.samples * n_channels
        recognized = sum(settled.processed - settled.start for settled in self._origin.settled)
        self.samples = SampleCounts(received, recognized, received - recognized)

    def take_orders(self) -> list[Order]:
        """Return the orders since the last call."""
        orders, self._orders = self._orders, []
        return orders

    def take_events(self) -> list[ClientEvent]:
        """Return the events since the last call."""
        events, self._events = self._events, []
        return events

    def order(self, order: Order) -> None:
        """Add an order for a recognizer."""
        self._orders.append(order)

    def emit(self, event: ClientEvent) -> None:
        """Add an event for the client."""
        self._events.append(event)

    def emit_unsettled(self, channel: Channel, progress: Progress) -> None:
        """Emit what is new in the unsettled text of a channel."""
        for number, utterance in enumerate(channel.unsettled):
            is_next = number == 0
            if not utterance.is_settled and utterance.has_news(is_next=is_next):
                self.emit(utterance.unsettled(self.inference_seconds, progress, is_next=is_next))

    def emit_settled(self, utterance: Utterance, progress: Progress) -> Settled:
        """Emit the final text of an utterance, and count its samples; return the event."""
        self.samples.recognized += utterance.length - utterance.lost
        self.samples.lost += utterance.lost
        settled = utterance.settled(self.inference_seconds, progress)
        if settled.hypothesis.best.words:
            self._settled.add(settled)
        # The end of a stream may have nothing behind the last segment that the recognizer settled by itself.
        if settled.hypothesis.best.words or utterance.length or utterance.revision:
            self.emit(settled)
        return settled

    def emit_finished(self, received: int, ending: AudioEnded) -> None:
        """Emit the end, with everything that was settled; `received` is a position on the connection's clock."""
        counts = self.samples
        totals = Totals(counts.received, counts.recognized, counts.skipped, counts.lost)
        self.emit(Finished(self._settled.all(), totals, received, self.inference_seconds, ending.cause, ending.error))
