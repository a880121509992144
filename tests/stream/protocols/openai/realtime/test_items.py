from collections.abc import Iterable

from stream.protocols.openai.realtime.items import (
    Cleared,
    Committed,
    Completed,
    Failed,
    ItemEvent,
    Items,
    TextAdded,
)
from stream.session.events import (
    Alternative,
    Discarded,
    Hypothesis,
    Reason,
    Settled,
    SpeechEnded,
    SpeechStarted,
    Unsettled,
    Word,
)


def _hypothesis(text: str, stable: int) -> Hypothesis:
    words = tuple(Word(word) for word in text.split())
    return Hypothesis((Alternative(words),) if words else (), stable_words=stable)


def shown(utterance_id: int, text: str, stable: int) -> Unsettled:
    return Unsettled(utterance_id, _hypothesis(text, stable), 0, 0.0)


def settled(utterance_id: int, text: str, reason: Reason = Reason.FINALIZE) -> Settled:
    return Settled(utterance_id, _hypothesis(text, 0), reason, 160 * utterance_id, 0.0, was_shown=False, start=0)


def manual(utterance_id: int) -> SpeechStarted:
    return SpeechStarted(utterance_id, 0, is_detected=False)


def follow(items: Items, *events: SpeechStarted | SpeechEnded | Unsettled | Settled | Discarded) -> list[ItemEvent]:
    return [item_event for event in events for item_event in items.follow(event)]


def texts(events: Iterable[ItemEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, TextAdded)]


def test_only_stable_words_are_sent_before_the_final() -> None:
    events = follow(Items("i"), SpeechStarted(1, 0), shown(1, "a b", 0), shown(1, "a b c", 1), settled(1, "a b c."))
    assert texts(events) == ["a", " b c."]


def test_the_text_of_a_later_utterance_waits_for_that_of_the_earlier_one() -> None:
    items = Items("i")
    before = follow(items, manual(1), shown(1, "a", 1), manual(2), shown(2, "c d", 2))
    assert texts(before) == ["a"]
    after = follow(items, settled(1, "a b"), shown(2, "c", 1), settled(2, "c d"))
    assert texts(after) == [" b", " c", " d"]
    assert list(items.commit()) == [Committed("i1", None), Completed("i1", "a b c d", 480, _words("a b c d"))]


def test_a_final_that_differs_takes_nothing_back() -> None:
    events = follow(Items("i"), SpeechStarted(1, 0), shown(1, "a b", 2), SpeechEnded(1, 1), settled(1, "x y z"))
    assert texts(events) == ["a b", " z"]
    assert events[-1] == Completed("i1", "x y z", 160, _words("x y z"))


def test_an_item_completes_after_those_before_it() -> None:
    items = Items("i")
    follow(items, manual(1))
    first, second = list(items.commit()), list(items.commit())
    assert (first, second) == ([Committed("i1", None)], [Committed("i2", "i1")])
    completed = follow(items, settled(1, "a"))[1:]
    assert [event.item_id for event in completed if isinstance(event, Completed)] == ["i1", "i2"]


def test_a_gap_without_words_fails_and_one_with_words_completes() -> None:
    items = Items("i")
    events = follow(items, SpeechStarted(1, 0), SpeechEnded(1, 1), settled(1, "", Reason.GAP))
    assert events[-1] == Failed("i1")
    events = follow(items, SpeechStarted(2, 0), SpeechEnded(2, 1), settled(2, "a", Reason.GAP))
    assert isinstance(events[-1], Completed)


def test_nothing_comes_of_what_was_discarded() -> None:
    items = Items("i")
    assert follow(items, manual(1), manual(2), Discarded()) == [Cleared()]
    assert follow(items, settled(1, "a"), shown(2, "b", 1), settled(2, "b")) == []
    assert not items.is_open


def test_speech_that_a_detector_finds_ends_an_item_without_one() -> None:
    items = Items("i")
    events = follow(items, manual(1), settled(1, "a"), SpeechStarted(2, 0))
    assert [type(event).__name__ for event in events] == ["TextAdded", "Committed", "Completed", "Started"]


def _words(text: str) -> tuple[Word, ...]:
    return tuple(Word(word) for word in text.split())
