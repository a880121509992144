import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.vocabulary.templates import (
    MOST_EXPANDED,
    ClosedPhrases,
    Slot,
    SlotKind,
    SlotPhrase,
    TemplateError,
    closed_phrases,
)
from tests.support.tiers import examples


def test_alternatives_are_written_out_in_order_and_once() -> None:
    assert closed_phrases(["turn {on,off} the {lamp, fan}", "stop", "{stop,go}"]).texts == (
        "turn on the lamp",
        "turn on the fan",
        "turn off the lamp",
        "turn off the fan",
        "stop",
        "go",
    )


def test_an_alternative_may_be_empty() -> None:
    assert closed_phrases(["{,please} stop {now,}"]).texts == ("stop now", "stop", "please stop now", "please stop")


def test_a_slot_keeps_the_words_around_it() -> None:
    closed = closed_phrases(["{call,dial} {digits:7} now", "{letters:2}"])
    assert closed.texts == ()
    assert closed.slot_phrases == (
        SlotPhrase(before="call", slot=Slot(SlotKind.DIGITS, 7), after="now"),
        SlotPhrase(before="dial", slot=Slot(SlotKind.DIGITS, 7), after="now"),
        SlotPhrase(before="", slot=Slot(SlotKind.LETTERS, 2), after=""),
    )
    assert closed.slot_phrases[0].write("5550123") == "call 5550123 now"


@pytest.mark.parametrize(
    ("phrase", "message"),
    [
        ("a {b", "the braces of 'a {b' do not match; they must be in pairs, and not nested"),
        ("a }b{", "the braces of 'a }b{' do not match; they must be in pairs, and not nested"),
        ("{a,{b,c}}", "the braces of '{a,{b,c}}' do not match; they must be in pairs, and not nested"),
        (
            "{a} b",
            "{a} in '{a} b' is no choice; braces must have alternatives separated by commas, {digits:N} or {letters:N}",
        ),
        ("{digits:0}", "{digits:0} in '{digits:0}' has 0 places; it must have 1 to 20"),
        ("{letters:21}", "{letters:21} in '{letters:21}' has 21 places; it must have 1 to 20"),
        (
            "{digits:1} {digits:2}",
            "'{digits:1} {digits:2}' has several slots of digits or letters; at most one is taken",
        ),
        (
            "{a,b}" * 9,
            "the phrases stand for more than 500 with their alternatives written out; at most 500 are taken",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(phrase: str, message: str) -> None:
    with pytest.raises(TemplateError) as refused:
        closed_phrases([phrase])
    assert str(refused.value) == message


@examples(200)
@given(st.lists(st.text("a {},:digts1 ", max_size=40), max_size=5))
def test_any_phrases_are_refused_or_bounded(phrases: list[str]) -> None:
    try:
        closed = closed_phrases(phrases)
    except TemplateError:
        return
    assert isinstance(closed, ClosedPhrases)
    assert len(closed.texts) + len(closed.slot_phrases) <= MOST_EXPANDED
    assert not any("{" in text or "}" in text for text in closed.texts)
