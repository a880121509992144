"""The replies of a Vosk connection: one for each message, and each settled utterance in exactly one of them."""

from collections import deque
from dataclasses import dataclass

from stream.protocols.vosk.messages import ResultStyle, partial, result
from stream.session.events import Finalized, Hypothesis, Settled, SpeechEnded, Unsettled

# A client that sends 20 ms at a time without reading has so many messages under way while a final takes five seconds.
MOST_WAITING_REPLIES = 256


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A reply that waits until the utterance `after` is settled; `is_reset` for the one to a reset."""

    after: int
    is_reset: bool


class Replies:
    """Decides what each reply is, from the events of a session with one channel, in their order.

    The reply to audio that ends an utterance waits for its result, as Vosk's own server answers when it has decoded a
    message; those to later messages wait behind it. Each result is then one utterance, whatever the client's speed and
    cuts are. A client that goes on sending for too long gets partial replies meanwhile, and the result later.
    """

    def __init__(self) -> None:
        self.style = ResultStyle()
        self._waiting: deque[_Waiting] = deque()
        self._open: dict[int, Hypothesis] = {}
        self._unreported: deque[Hypothesis] = deque()
        self._last_ended = self._last_settled = 0
        # Whether a finalization ended since the last reply, and none is under way.
        self._is_finalized = False

    def add_text(self, event: Unsettled) -> None:
        """Note text that may change."""
        self._open[event.utterance_id] = event.hypothesis

    def end_speech(self, event: SpeechEnded) -> None:
        """Note an utterance whose final will come."""
        self._last_ended = event.utterance_id

    def settle(self, event: Settled) -> list[str]:
        """Note a settled utterance; return the replies that waited for it."""
        self._last_settled = event.utterance_id
        self._open.pop(event.utterance_id, None)
        if event.hypothesis.best.words:
            self._unreported.append(event.hypothesis)
        return self._released()

    def finalize(self, _: Finalized) -> list[str]:
        """Return the replies that waited for the end of a finalization."""
        self._is_finalized = True
        return self._released()

    def reply(self, *, is_reset: bool) -> list[str]:
        """Add the reply to a message; return those that can be sent now."""
        self._waiting.append(_Waiting(self._last_ended, is_reset))
        overdue = [self._next()] if len(self._waiting) > MOST_WAITING_REPLIES else []
        sent = overdue + self._released()
        self._is_finalized = False
        return sent

    def finish(self, *, is_owed: bool) -> list[str]:
        """Return all replies that waited, then the last result: if one `is_owed`, even an empty one."""
        sent = [self._next() for _ in range(len(self._waiting))]
        return [*sent, self._rest()] if is_owed or self._unreported else sent

    def _released(self) -> list[str]:
        sent = []
        while self._waiting and self._is_due(self._waiting[0]):
            sent.append(self._next())
        return sent

    def _is_due(self, waiting: _Waiting) -> bool:
        return waiting.after <= self._last_settled and (self._is_finalized or not waiting.is_reset)

    def _next(self) -> str:
        if self._waiting.popleft().is_reset:
            return self._rest()
        if self._unreported:
            return result([self._unreported.popleft()], self.style)
        return partial(list(self._open.values()), self.style)

    def _rest(self) -> str:
        hypotheses = list(self._unreported)
        self._unreported.clear()
        return result(hypotheses, self.style)
