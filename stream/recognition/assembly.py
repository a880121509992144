"""Assemble the hypothesis of a stream from those of all attempts to recognize it; pure."""

from collections.abc import Iterable
from dataclasses import replace

from stream.recognition.repeats import Repeats
from stream.recognition.replay import Placement
from stream.session.events import Alternative, Hypothesis, RecognitionOptions, Word
from vad import SAMPLE_RATE

# A server may settle less than it has processed: audio that follows the last word by more is not settled.
_AFTER_LAST_WORD = SAMPLE_RATE * 3 // 10
# Nothing can be said in so little, and servers count in blocks.
_NEGLIGIBLE = SAMPLE_RATE // 5


class Assembly:
    """Turns the hypotheses of one attempt after the other into those of the whole stream.

    Where a stream is one utterance, what the recognizer settles on the way is joined, and each hypothesis holds all
    of it. Where the recognizer finds the endpoints, each of its finals settles a stretch of the stream. `settled` is
    the sample before which no audio needs to be recognized again.
    """

    def __init__(self, options: RecognitionOptions) -> None:
        self.settled = 0
        self.processed = 0
        self._options = options
        self._finals: list[tuple[Alternative, ...]] = []
        self._last_words: tuple[Word, ...] = ()
        self._last_word_end = 0
        self._finalized: int | None = None
        self._unsettled = Hypothesis()
        self._repeats = Repeats()

    def take(self, hypothesis: Hypothesis, placement: Placement) -> Hypothesis | None:
        """Return the stream's hypothesis after this one; None if it repeats or is older than what was known."""
        return self._final(hypothesis, placement) if hypothesis.is_final else self._interim(hypothesis, placement)

    def settle_rest(self, end: int) -> Hypothesis:
        """The recognizer has dealt with everything before `end`: return what is settled by that.

        The last unsettled text is settled too: some servers never mark anything as final.
        """
        if words := self._unsettled.best.words:
            self._finals.append((Alternative(words, self._unsettled.best.confidence),))
        self._unsettled = Hypothesis()
        self.settled = self.processed = end
        settled = Hypothesis(
            self._joined_finals()[: self._options.max_alternatives], is_final=True, stability=1.0, processed=end
        )
        if self._finds_endpoints:
            self._finals = []
        return settled

    def is_settled_to(self, end: int) -> bool:
        """Whether the recognizer has settled everything before `end`."""
        return self._finalized is not None and self._finalized >= end - _NEGLIGIBLE

    def known_to(self, sent: int) -> int:
        """Return up to which sample there is text; `sent`, everything, where it has no position."""
        if self.has_unsettled_words:
            return self.processed if self._unsettled.processed else sent
        return self.settled if self._finalized is None else self._finalized

    @property
    def has_unsettled_words(self) -> bool:
        return bool(self._unsettled.best.words)

    def speaks_of(self, end: int) -> bool:
        """Whether its unsettled text is about everything before `end`; one without a position is taken for that."""
        return self.has_unsettled_words and (not self._unsettled.processed or self.processed >= end - _NEGLIGIBLE)

    @property
    def _finds_endpoints(self) -> bool:
        return self._options.finds_endpoints_ms is not None

    def _final(self, hypothesis: Hypothesis, placement: Placement) -> Hypothesis | None:
        processed = placement.stream_position(hypothesis.processed) if hypothesis.processed else placement.sent
        alternatives = tuple(_placed(alternative, placement) for alternative in hypothesis.alternatives)
        words = alternatives[0].words if alternatives else ()
        if self._is_known(words, processed, placement, has_position=bool(hypothesis.processed)):
            return None
        self._last_words = words
        self._repeats.settled(words, processed, placement)
        if words and words[-1].end:
            self._last_word_end = words[-1].end
            self.settled = max(words[-1].end, min(processed, words[-1].end + _AFTER_LAST_WORD))
        else:
            self.settled = max(self.settled, processed)
        self._finalized = max(self._finalized or 0, processed)
        self.processed = max(self.processed, processed)
        self._unsettled = Hypothesis()
        if self._finds_endpoints:
            return replace(hypothesis, alternatives=alternatives, is_segment_final=True, processed=self.settled)
        self._finals.append(alternatives)
        return self._so_far()

    def _is_known(self, words: tuple[Word, ...], processed: int, placement: Placement, *, has_position: bool) -> bool:
        """Whether a final only repeats what is settled."""
        if words and words[-1].end:
            return words[-1].end <= self._last_word_end
        if not has_position:
            return self._repeats.is_said_again(words, processed, placement)
        is_new = self._finalized is None or processed > self._finalized
        return not is_new and words in {(), self._last_words}

    def _interim(self, hypothesis: Hypothesis, placement: Placement) -> Hypothesis | None:
        processed = placement.stream_position(hypothesis.processed) if hypothesis.processed else placement.sent
        if hypothesis.processed:
            if processed < self.processed:
                return None
            self.processed = processed
        new_part = self._repeats.new_part(hypothesis, processed, placement)
        if new_part is None:
            return None
        self._unsettled = new_part
        return self._so_far()

    def _so_far(self) -> Hypothesis:
        """Everything settled, and the unsettled text behind it."""
        unsettled, best = self._unsettled, self._unsettled.best
        settled = tuple(word for final in self._finals if final for word in final[0].words)
        words = settled + best.words
        return Hypothesis(
            (Alternative(words, best.confidence),) if words else (),
            stability=unsettled.stability if best.words else 1.0,
            stable_words=len(settled) + unsettled.stable_words,
            processed=self.processed,
            first_word=unsettled.first_word,
        )

    def _joined_finals(self) -> tuple[Alternative, ...]:
        """A single final keeps its readings; of several the best ones are put in a row."""
        spoken = [final for final in self._finals if final]
        return spoken[0] if len(spoken) == 1 else joined(final[0] for final in spoken)


def _placed(alternative: Alternative, placement: Placement) -> Alternative:
    """Move word times from the attempt's clock to the stream's."""
    return replace(alternative, words=tuple(_moved(word, placement) for word in alternative.words))


def _moved(word: Word, placement: Placement) -> Word:
    if word.end <= 0:
        return word
    return replace(word, start=placement.stream_position(word.start), end=placement.stream_position(word.end))


def joined(stretches: Iterable[Alternative]) -> tuple[Alternative, ...]:
    """Put settled stretches in a row; the confidence is the mean over the words of those that have one."""
    spoken = [stretch for stretch in stretches if stretch.words]
    words = tuple(word for stretch in spoken for word in stretch.words)
    known = [stretch for stretch in spoken if stretch.confidence]
    weight = sum(len(stretch.words) for stretch in known)
    confidence = sum(stretch.confidence * len(stretch.words) for stretch in known) / weight if known else 0.0
    return (Alternative(words, confidence),) if words else ()
