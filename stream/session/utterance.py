"""One utterance: its latest hypothesis, and where its words lie on the connection's clock."""

from dataclasses import dataclass, field, replace

from stream.session.events import (
    Alternative,
    Hypothesis,
    Latency,
    Progress,
    Reason,
    Settled,
    Unsettled,
    Word,
    untimed_word,
)
from stream.session.stable_prefix import StablePrefix
from stream.session.turns import SpeechLevels, Verdict


@dataclass(slots=True)
class Utterance:
    """A segment and its recognition; positions are samples on the connection's clock.

    `origin` is the first sample of its stream, from which the recognizer counts; `start` is the same unless
    the recognizer settled earlier utterances of that stream. `onset` is the first sample of its speech, None where
    no detector looks for it. `is_forced` once it was asked to settle this one, `lost` is how many samples at its end
    were given up. `levels` are those of its sound where endpointing is adaptive; `verdict` is on the present pause in
    its speech, None before there is an early text; `has_eager_end` once an eager end of its turn was emitted.
    """

    utterance_id: int
    stream_id: int
    channel: int
    start: int
    origin: int
    end: int = 0
    speech_end: int = 0
    reason: Reason | None = None
    hypothesis: Hypothesis = field(default_factory=Hypothesis)
    latency: Latency = field(default_factory=Latency)
    emitted: tuple[tuple[Word, ...], int] = ((), 0)
    was_emitted_next: bool = False
    revision: int = 0
    is_settled: bool = False
    is_forced: bool = False
    lost: int = 0
    stable_prefix: StablePrefix = field(default_factory=StablePrefix)
    onset: int | None = None
    levels: SpeechLevels | None = None
    verdict: Verdict | None = None
    has_eager_end: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether its audio has ended."""
        return self.reason is not None

    def has_news(self, *, is_next: bool) -> bool:
        """Whether there are words, and not the same as before, or all earlier utterances are settled only now."""
        words = self.hypothesis.best.words
        if not words:
            return False
        return (words, self.hypothesis.stable_words) != self.emitted or (is_next and not self.was_emitted_next)

    @property
    def length(self) -> int:
        return self.end - self.start

    def receive(self, hypothesis: Hypothesis, latency: Latency) -> None:
        """Take a newer hypothesis; a final one settles the utterance."""
        self.hypothesis = hypothesis if hypothesis.is_final else self.stable_prefix.applied(hypothesis)
        self.latency = latency
        self.is_settled = hypothesis.is_final

    def lose(self, settled: int) -> None:
        """Settle it with what is known, although its audio from `settled` on was not recognized."""
        self.reason = Reason.GAP
        self.is_settled = True
        self.lost = self.end - max(self.start, min(settled, self.end))

    def unsettled(self, inference_seconds: float, progress: Progress, *, is_next: bool) -> Unsettled:
        """Return the event for unsettled text: words only, as times and confidences are still to come."""
        text = self.hypothesis.best.words, self.hypothesis.stable_words
        is_repeated = text == self.emitted
        self.emitted = text
        self.was_emitted_next = self.was_emitted_next or is_next
        self.revision += not is_repeated
        alternatives = tuple(
            Alternative(tuple(untimed_word(word.text) for word in alternative.words))
            for alternative in self.hypothesis.alternatives
        )
        return Unsettled(
            self.utterance_id,
            self.hypothesis.with_alternatives(alternatives),
            self.origin + self.hypothesis.processed,
            inference_seconds,
            self.revision,
            self.channel,
            self.latency,
            progress,
            is_next=is_next,
            is_repeated=is_repeated,
        )

    def settled(self, inference_seconds: float, progress: Progress) -> Settled:
        """The last word on it; every word has a time."""
        alternatives = tuple(
            replace(alternative, words=self._placed(alternative.words)) for alternative in self.hypothesis.alternatives
        )
        return Settled(
            self.utterance_id,
            replace(self.hypothesis, alternatives=alternatives, is_final=True),
            self.reason or Reason.ENDPOINT,
            self.end,
            inference_seconds,
            self.was_emitted_next,
            self.start,
            max(0, self.end - self.speech_end),
            self.channel,
            self.latency,
            progress,
            prefix_violated=not self.stable_prefix.begins(self.hypothesis.best.words),
        )

    def _placed(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        """Move the words onto the connection's clock; without times they are spread over the utterance."""
        if any(word.end <= 0 for word in words):
            return spread(words, self.start, self.length)
        return tuple(
            replace(word, start=self._clamped(self.origin + word.start), end=self._clamped(self.origin + word.end))
            for word in words
        )

    def _clamped(self, position: int) -> int:
        return max(self.start, min(position, self.end))


def spread(words: tuple[Word, ...], start: int, length: int) -> tuple[Word, ...]:
    """Give each word a share of the `length` samples from `start` on, in proportion to its letters."""
    letters = sum(len(word.text) for word in words) or 1
    spread = []
    before = 0
    for word in words:
        begin = start + length * before // letters
        before += len(word.text)
        spread.append(replace(word, start=begin, end=start + length * before // letters))
    return tuple(spread)
