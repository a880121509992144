"""Find the numbers of a Persian text and write them in digits; everything else stays as it is.

- A number of several words, or one from 11 on, is written in digits.
- A single word up to ten, and a round hundred, thousand or million, stays: نه is "no" as well as nine, یک also "a".
- Ordinals stay, and numbers that are said as a guess: "two three thousand".
- Four or more single digits in a row, and a row that begins with zero, are one number: a telephone number or a code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

from stream.recognition.numbers.amounts import AND, FRACTIONS, POINT, Amount, is_number_word, is_ordinal, pieces_of
from stream.words import WORDS_KEPT, punctuation_around

_PERSIAN_DIGITS = str.maketrans("0123456789٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹" * 2)
_DECIMAL_POINT = "٫"
_LEAST_DIGITS_IN_A_ROW = 4
_LARGEST_UNIT = 10


@dataclass(frozen=True, slots=True)
class Run:
    """The words from `first` up to `end` become one, `text`."""

    first: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Number:
    """A number as it is spoken, in the words from `first` up to `end`."""

    first: int
    end: int
    digits: str
    amount: Amount

    @property
    def stays(self) -> bool:
        """Whether it is one word that may mean something else."""
        is_round = self.amount.value in {100, 1000}
        return (
            self.end - self.first == 1 and self.amount.words == 1 and (self.amount.value <= _LARGEST_UNIT or is_round)
        )

    @property
    def is_digit(self) -> bool:
        return self.stays and self.amount.value < _LARGEST_UNIT


@dataclass(frozen=True, slots=True)
class _Token:
    """A word without the punctuation around it, and the number words that it consists of."""

    before: str
    core: str
    after: str
    pieces: tuple[str, ...]


@lru_cache(WORDS_KEPT)
def _token(word: str) -> _Token:
    before, core, after = punctuation_around(word)
    return _Token(before, core, after, pieces_of(core))


def numbers_in(words: Sequence[str]) -> list[Run]:
    """Return the runs of words that are numbers, in order, each with its digits and the punctuation around it."""
    tokens = [_token(word) for word in words]
    runs: list[Run] = []
    position = 0
    while position < len(tokens):
        row = _row(tokens, position)
        if not row:
            if (digits := _in_persian_digits(tokens[position])) is not None:
                runs.append(Run(position, position + 1, digits))
            position += 1
            continue
        runs += [_run(tokens, number.first, number.end, number.digits) for number in _written(tokens, row)]
        position = row[-1].end
    return runs


def is_undecided(word: str) -> bool:
    """Whether what a text says after this word may change how the word is written."""
    return is_number_word(_token(word).core)


def _row(tokens: Sequence[_Token], position: int) -> list[_Number]:
    """Return the numbers from here on that follow each other without other words or punctuation."""
    row: list[_Number] = []
    while (number := _number(tokens, position)) is not None:
        row.append(number)
        position = number.end
        if tokens[position - 1].after or (position < len(tokens) and tokens[position].before):
            break
    return row


def _number(tokens: Sequence[_Token], first: int) -> _Number | None:
    """Return the longest number that begins with a word, decimals included."""
    whole = _integer(tokens, first)
    point = whole.end if whole is not None else first
    if whole is None or not _goes_on(tokens, point) or tokens[point].core != POINT:
        return whole
    position = point + 1
    zeros = 0
    while _goes_on(tokens, position) and tokens[position].core == "صفر":
        position, zeros = position + 1, zeros + 1
    fraction = _integer(tokens, position) if _goes_on(tokens, position) else None
    if fraction is None and not zeros:
        return whole
    digits = "0" * zeros + (fraction.digits if fraction is not None else "")
    end = fraction.end if fraction is not None else position
    if _goes_on(tokens, end) and (places := FRACTIONS.get(tokens[end].core)):
        digits, end = digits.zfill(places), end + 1
    return _Number(whole.first, end, f"{whole.digits}{_DECIMAL_POINT}{digits}", whole.amount)


def _goes_on(tokens: Sequence[_Token], position: int) -> bool:
    """Whether there is a word at a position, and no punctuation before it."""
    return position < len(tokens) and not tokens[position - 1].after and not tokens[position].before


def _integer(tokens: Sequence[_Token], first: int) -> _Number | None:
    found: _Number | None = None
    amount = Amount()
    for position in range(first, len(tokens)):
        if position > first and not _goes_on(tokens, position):
            break
        after = _after(amount, tokens[position].pieces)
        if after is None:
            break
        amount = after
        if not amount.expects:
            found = _Number(first, position + 1, str(amount.value), amount)
    return found


def _after(amount: Amount, pieces: Sequence[str]) -> Amount | None:
    """Return an amount after the pieces of a word; None if the word does not go on with it."""
    if not pieces:
        return None
    taken: Amount | None = amount
    for piece in pieces:
        taken = taken and taken.take(piece)
    return taken


def _written(tokens: Sequence[_Token], row: Sequence[_Number]) -> list[_Number]:
    """Return those of a row that are written in digits, joined where they are one number."""
    is_code = row[0].digits == "0" and len(row) > 1
    if is_code:
        return [_joined(row)]
    written: list[_Number] = []
    position = 0
    while position < len(row):
        digits = list(takewhile(lambda number: number.is_digit, row[position:]))
        if len(digits) >= _LEAST_DIGITS_IN_A_ROW:
            written.append(_joined(digits))
            position += len(digits)
            continue
        number = row[position]
        is_guess = position + 1 < len(row) and number.amount.words == 1 and row[position + 1].amount.has_coefficient
        if is_guess:
            position += 2
            continue
        if not number.stays and not _is_ordinal_next(tokens, number.end):
            written.append(number)
        position += 1
    return written


def _joined(numbers: Sequence[_Number]) -> _Number:
    digits = "".join(number.digits for number in numbers)
    return _Number(numbers[0].first, numbers[-1].end, digits, numbers[0].amount)


def _is_ordinal_next(tokens: Sequence[_Token], position: int) -> bool:
    """Whether an ordinal goes on with the number that ends here."""
    if _goes_on(tokens, position) and tokens[position].core == AND:
        position += 1
    return _goes_on(tokens, position) and is_ordinal(tokens[position].core)


def _run(tokens: Sequence[_Token], first: int, end: int, digits: str) -> Run:
    text = tokens[first].before + digits.translate(_PERSIAN_DIGITS) + tokens[end - 1].after
    return Run(first, end, text)


def _in_persian_digits(token: _Token) -> str | None:
    """Return a word of other digits in Persian ones; None for another word."""
    written = token.core.translate(_PERSIAN_DIGITS)
    is_number = bool(token.core) and all(letter.isdecimal() or letter in ".,٫٬:/" for letter in token.core)
    return token.before + written + token.after if is_number and written != token.core else None
