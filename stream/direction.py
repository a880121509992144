"""The direction of a text, and marks for lines whose first letter would give them the wrong one.

Programs that show a text without its language, such as players of subtitles, take the direction of its first letter
(Unicode's bidirectional algorithm, rules P2 and P3): a Persian line that begins with a Latin name would be shown left
to right, with its punctuation at the wrong end.
"""

import unicodedata
from enum import Enum

LEFT_TO_RIGHT_MARK, RIGHT_TO_LEFT_MARK = "\u200e", "\u200f"
# Where Unicode keeps scripts that are written from right to left (DerivedBidiClass.txt, the defaults R and AL).
_RIGHT_TO_LEFT = ((0x590, 0x8FF), (0xFB1D, 0xFDFF), (0xFE70, 0xFEFF))
# Later planes have no script in which captions are written, and each version of Unicode adds letters to them.
_LAST_LETTER = "\uffff"


class Direction(Enum):
    """How a text is written, and the mark that gives a line this direction."""

    LEFT_TO_RIGHT = LEFT_TO_RIGHT_MARK
    RIGHT_TO_LEFT = RIGHT_TO_LEFT_MARK


def direction_of(text: str) -> Direction | None:
    """Return the direction of most of the words of a text, that of the first one for a tie; None without letters."""
    directions = [found for word in text.split() if (found := first_direction(word)) is not None]
    if not directions:
        return None
    # The largest keeps the order in which they come.
    return max(dict.fromkeys(directions), key=directions.count)


def first_direction(text: str) -> Direction | None:
    """Return the direction of the first letter of a text, of Unicode's first plane; None without letters."""
    letter = next((one for one in text if one <= _LAST_LETTER and unicodedata.category(one).startswith("L")), None)
    if letter is None:
        return None
    is_right_to_left = any(first <= ord(letter) <= last for first, last in _RIGHT_TO_LEFT)
    return Direction.RIGHT_TO_LEFT if is_right_to_left else Direction.LEFT_TO_RIGHT


def marked(line: str, direction: Direction | None) -> str:
    """Return a line of a text with a mark before it if its first letter does not give it the direction of the text.

    Left to right is the usual direction of a line without letters, which needs no mark.
    """
    usual = Direction.LEFT_TO_RIGHT
    if direction is None or (first_direction(line) or usual) is direction:
        return line
    return direction.value + line
