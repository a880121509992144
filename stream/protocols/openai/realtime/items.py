"""The items of a Realtime conversation: utterances of the session as what a client committed, or its detector did."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from stream.session.events import Discarded, Reason, Settled, SpeechEnded, SpeechStarted, Unsettled, Word
from vad import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Started:
    """Speech of an item was detected from sample `onset` on."""

    item_id: str
    onset: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """The speech of an item ended before sample `end`."""

    item_id: str
    end: int


@dataclass(frozen=True, slots=True)
class Committed:
    """The audio of an item is complete; `previous_id` is None for the first one."""

    item_id: str
    previous_id: str | None


@dataclass(frozen=True, slots=True)
class TextAdded:
    """More text of an item, to be appended to the text before."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Completed:
    """The text of an item, once; `samples` is the length of its audio."""

    item_id: str
    transcript: str
    samples: int
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """The audio of an item could not be recognized."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Cleared:
    """The audio that was not committed was dropped."""


ItemEvent = Started | Stopped | Committed | TextAdded | Completed | Failed | Cleared


@dataclass(slots=True)
class _Item:
    """One item; `waiting` are the utterances that are not settled, `sent_words` those of the first of them."""

    item_id: str
    is_detected: bool
    waiting: deque[int] = field(default_factory=deque)
    has_gap: bool = False
    sent_words: int = 0
    has_text: bool = False
    samples: int = 0
    words: list[Word] = field(default_factory=list)


class Items:
    """Follows the utterances of a session; the text of an item is only ever appended to.

    An item of detected speech is one utterance, committed at its end. Otherwise an item is everything up to the
    client's commit, in however many utterances.
    """

    def __init__(self, prefix: str) -> None:
        """Take the `prefix` of the ids of items."""
        self._prefix = prefix
        self._count = 0
        self._last_id: str | None = None
        self._open: _Item | None = None
        self._committed: deque[_Item] = deque()
        self._by_utterance: dict[int, _Item] = {}

    @property
    def is_open(self) -> bool:
        """Whether there is audio that was not committed, of detected speech or for a commit to come."""
        return self._open is not None

    def follow(self, event: SpeechStarted | SpeechEnded | Unsettled | Settled | Discarded) -> Iterator[ItemEvent]:
        """Yield what an event of the session means for its item."""
        match event:
            case SpeechStarted():
                yield from self._start(event)
            case SpeechEnded(utterance_id, end):
                item = self._by_utterance.get(utterance_id)
                if item is not None and item.is_detected:
                    yield Stopped(item.item_id, end)
                    yield from self._commit(item)
            case Unsettled():
                yield from self._show(event)
            case Settled():
                yield from self._settle(event)
            case Discarded():
                self._discard()
                yield Cleared()

    def commit(self) -> Iterator[ItemEvent]:
        """Commit the open item, or one without speech."""
        item = self._open or self._new(is_detected=False)
        yield from self._commit(item)

    def commit_manual(self) -> Iterator[ItemEvent]:
        """Commit the open item, if it is one that no detector will."""
        if self._open is not None and not self._open.is_detected:
            yield from self._commit(self._open)

    def _start(self, event: SpeechStarted) -> Iterator[ItemEvent]:
        item = self._open
        if item is None or item.is_detected or event.is_detected:
            yield from self.commit_manual()
            item = self._open = self._new(is_detected=event.is_detected)
        item.waiting.append(event.utterance_id)
        self._by_utterance[event.utterance_id] = item
        if event.is_detected:
            yield Started(item.item_id, event.onset)

    def _new(self, *, is_detected: bool) -> _Item:
        self._count += 1
        return _Item(f"{self._prefix}{self._count}", is_detected)

    def _commit(self, item: _Item) -> Iterator[ItemEvent]:
        if item is self._open:
            self._open = None
        self._committed.append(item)
        yield Committed(item.item_id, self._last_id)
        self._last_id = item.item_id
        yield from self._complete()

    def _show(self, event: Unsettled) -> Iterator[ItemEvent]:
        item = self._by_utterance.get(event.utterance_id)
        if item is not None and item.waiting[0] == event.utterance_id:
            hypothesis = event.hypothesis
            yield from self._add(item, hypothesis.best.words[: hypothesis.stable_words])

    def _settle(self, event: Settled) -> Iterator[ItemEvent]:
        item = self._by_utterance.pop(event.utterance_id, None)
        if item is None:
            return
        words = event.hypothesis.best.words
        yield from self._add(item, words)
        item.waiting.remove(event.utterance_id)
        item.words += words
        item.sent_words = 0
        item.samples += event.processed - event.start
        item.has_gap = item.has_gap or event.reason is Reason.GAP
        yield from self._complete()

    def _add(self, item: _Item, words: tuple[Word, ...]) -> Iterator[ItemEvent]:
        more = words[item.sent_words :]
        if not more:
            return
        text = " ".join(word.text for word in more)
        yield TextAdded(item.item_id, f" {text}" if item.has_text else text)
        item.sent_words = len(words)
        item.has_text = True

    def _complete(self) -> Iterator[ItemEvent]:
        """Complete committed items whose utterances are settled, in the order in which they were committed."""
        while self._committed and not self._committed[0].waiting:
            item = self._committed.popleft()
            words = tuple(item.words)
            if item.has_gap and not words:
                yield Failed(item.item_id)
            else:
                yield Completed(item.item_id, " ".join(word.text for word in words), item.samples, words)

    def _discard(self) -> None:
        item, self._open = self._open, None
        if item is not None:
            for utterance_id in item.waiting:
                del self._by_utterance[utterance_id]


def logprobs(words: tuple[Word, ...]) -> list[dict[str, object]]:
    """Return the words whose confidence is known as OpenAI's tokens, with the logarithms of their confidences."""
    tokens = [(word.text if not number else f" {word.text}", word.confidence) for number, word in enumerate(words)]
    return [
        {"token": token, "logprob": math.log(confidence), "bytes": list(token.encode())}
        for token, confidence in tokens
        if confidence > 0
    ]


def milliseconds(samples: int) -> int:
    """Return a position on the connection's clock in whole milliseconds."""
    return samples * 1000 // SAMPLE_RATE
