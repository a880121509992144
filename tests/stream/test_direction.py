"""The direction of a text, and the marks of lines whose first letter has another one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.direction import Direction, direction_of, first_direction, marked
from tests.support.tiers import examples

LEFT, RIGHT = Direction.LEFT_TO_RIGHT, Direction.RIGHT_TO_LEFT


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("سلام دنیا", RIGHT),
        ("Windows را می\u200cخواهیم.", RIGHT),
        ("سلام is a word of Persian.", LEFT),
        ("سلام hello", RIGHT),
        ("hello سلام", LEFT),
        ("(۲۵) «سلام»", RIGHT),
        ("שלום", RIGHT),
        ("۲۵ 12, …", None),
        ("", None),
    ],
)
def test_most_words_decide(text: str, direction: Direction | None) -> None:
    assert direction_of(text) is direction


@pytest.mark.parametrize(
    ("line", "direction", "expected"),
    [
        ("Windows را", RIGHT, "\u200fWindows را"),
        ("۲۵!", RIGHT, "\u200f۲۵!"),
        ("سلام Windows", RIGHT, "سلام Windows"),
        ("سلام is Persian", LEFT, "\u200eسلام is Persian"),
        ("12!", LEFT, "12!"),
        ("12!", None, "12!"),
    ],
)
def test_a_line_is_marked_if_its_first_letter_has_another_direction(
    line: str, direction: Direction | None, expected: str
) -> None:
    assert marked(line, direction) == expected


@examples(50)
@given(st.text(st.sampled_from("abپ‌س۲5 .«")))
def test_a_mark_changes_nothing_else_and_is_needed(text: str) -> None:
    direction = direction_of(text)
    line = marked(text, direction)
    assert line.removeprefix("\u200f").removeprefix("\u200e") == text
    if direction is not None:
        assert line != text or (first_direction(text) or LEFT) is direction
