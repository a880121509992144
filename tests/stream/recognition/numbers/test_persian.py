"""Spoken numbers of Persian in digits: every amount, what stays in words, and what follows from a part of a text."""

from functools import cache

import pytest
import unicode_rbnf
from hypothesis import given
from hypothesis import strategies as st

from stream.recognition.numbers.persian import is_undecided, numbers_in
from tests.support.tiers import examples

PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
ZWNJ = "\u200c"
# Whatever may begin, continue or end a number, and other words.
WORDS = st.sampled_from(
    f"صفر یک دو پنج نه ده یازده بیست سی نود صد دویست هزار میلیون میلیارد و ممیز صدم پنجم سوم ام وپنج "
    f"بیست{ZWNJ}و{ZWNJ}دو سی{ZWNJ}ام پنج، «بیست دو. روز درصد می{ZWNJ}خواهم سلام 12 ۳۴ 1,200 MP3".split()
)


@cache
def spelled(number: int) -> str:
    """Spell a number by the rules of Unicode's CLDR."""
    return str(unicode_rbnf.RbnfEngine.for_language("fa").format_number(number).text)


def written(text: str) -> str:
    words = text.split()
    parts: list[str] = []
    position = 0
    for run in numbers_in(words):
        parts += [*words[position : run.first], run.text]
        position = run.end
    return " ".join([*parts, *words[position:]])


AMOUNTS = st.one_of(
    st.integers(11, 99).filter(lambda number: number != 100),
    st.integers(101, 9999).filter(lambda number: number != 1000),
    st.integers(10_000, 10**12 - 1),
    st.builds(lambda number: number * 10**9, st.integers(1000, 999_999)).filter(lambda n: n // 10**9 % 1000 == 0),
)


@examples(60)
@given(AMOUNTS)
def test_every_amount_is_written_as_it_is_spelled(number: int) -> None:
    assert written(spelled(number)) == str(number).translate(PERSIAN)
    assert written(f"حدود {spelled(number)} نفر.") == f"حدود {str(number).translate(PERSIAN)} نفر."


@examples(100)
@given(AMOUNTS)
def test_half_spaces_join_the_words_of_a_number(number: int) -> None:
    assert written(spelled(number).replace(" ", ZWNJ)) == str(number).translate(PERSIAN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("سال هزار و سیصد و نود و پنج.", "سال ۱۳۹۵."),
        ("«بیست و دو»، سی", "«۲۲»، ۳۰"),
        ("بیست وپنج تا", "۲۵ تا"),
        ("بیست و پنج درصد", "۲۵ درصد"),
        ("شصت و شیش", "۶۶"),
        ("هیفده هزار و پونصد تومن", "۱۷۵۰۰ تومن"),
        ("سي و يك", "۳۱"),
        ("پنج هزار میلیارد و یک", "۵۰۰۰۰۰۰۰۰۰۰۰۱"),
        ("بیست سی", "۲۰ ۳۰"),
        ("بیست و سی", "۲۰ و ۳۰"),
        ("بیست، و پنج", "۲۰، و پنج"),
        ("سه ممیز چهارده", "۳٫۱۴"),
        ("سه ممیز صفر پنج", "۳٫۰۵"),
        ("سه ممیز پنج صدم", "۳٫۰۵"),
        ("صفر ممیز دو", "۰٫۲"),
        ("یک دو سه چهار", "۱۲۳۴"),
        ("صفر نهصد و دوازده سیصد و چهل و پنج شصت و هفت هشتاد و نه", "۰۹۱۲۳۴۵۶۷۸۹"),
        ("25 تا 1,200 و ٧", "۲۵ تا ۱,۲۰۰ و ۷"),
    ],
)
def test_numbers_become_digits(text: str, expected: str) -> None:
    assert written(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "یک روز نه نه",
        "ده نفر",
        "دو سه روز",
        "صد بار هزار بار",
        "دو سه هزار تومان",
        "بیست سی هزار نفر",
        "بیست و پنجم مهر",
        "سی ام و سی\u200cام و دو هزارم",
        "هزار هزار",
        "میلیون و ممیز و",
        "MP3 4G کد_12",
        "",
    ],
)
def test_what_may_mean_something_else_stays(text: str) -> None:
    assert written(text) == text


@examples(60)
@given(st.lists(WORDS, max_size=12))
def test_runs_are_in_order_and_leave_other_words_alone(words: list[str]) -> None:
    runs = numbers_in(words)
    ends = [0, *(run.end for run in runs)]
    assert all(end <= run.first < run.end <= len(words) for end, run in zip(ends, runs, strict=False))


@examples(100)
@given(st.lists(WORDS, max_size=10), st.lists(WORDS, max_size=6))
def test_what_is_decided_never_changes(words: list[str], later: list[str]) -> None:
    while words and is_undecided(words[-1]):
        words = words[:-1]
    decided, whole = written(" ".join(words)), written(" ".join([*words, *later]))
    assert whole == decided or whole.startswith(f"{decided} ") or not decided
