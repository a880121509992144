import pytest

from stream.engine.model.hypotheses import DecodedWord, Hypothesis
from stream.engine.text.slots import read_slot, slot_chances
from stream.vocabulary.templates import SlotPhrase, closed_phrases


def phrase(text: str) -> SlotPhrase:
    (found,) = closed_phrases([text]).slot_phrases
    return found


def hypothesis(text: str, logprob: float) -> Hypothesis:
    return Hypothesis((DecodedWord(text=text, tokens=(1,)),), logprob)


@pytest.mark.parametrize(
    ("text", "slot", "characters"),
    [
        ("5 5 5, 0123.", "{digits:7}", "5550123"),
        ("555-0123", "{digits:7}", "5550123"),
        ("Five, oh, two", "{digits:3}", "502"),
        ("double seven", "{digits:2}", "77"),
        ("triple 9 one", "{digits:4}", "9991"),
        ("Call 12 now!", "call {digits:2} now", "12"),
        ("A B C", "{letters:3}", "ABC"),
        ("V-V-A-E-S", "{letters:5}", "VVAES"),
        ("bee see why", "{letters:3}", "BCY"),
        ("Alpha, Bravo, X-ray", "{letters:3}", "ABX"),
        ("double you", "{letters:1}", "W"),
        ("hello", "{letters:5}", "HELLO"),
    ],
)
def test_digits_and_letters_are_read_however_they_are_written(text: str, slot: str, characters: str) -> None:
    assert read_slot(text, phrase(slot)) == characters


@pytest.mark.parametrize(
    ("text", "slot"),
    [
        ("555012", "{digits:7}"),
        ("55501234", "{digits:7}"),
        ("seven double", "{digits:1}"),
        ("five dogs", "{digits:1}"),
        ("12 now", "call {digits:2} now"),
        ("call 12", "call {digits:2} now"),
        ("hello there", "{letters:10}"),
        ("", "{digits:1}"),
    ],
)
def test_other_text_does_not_fit(text: str, slot: str) -> None:
    assert read_slot(text, phrase(slot)) is None


def test_chances_add_up_over_spellings_and_small_ones_are_left_out() -> None:
    hypotheses = [hypothesis("1 2 3", -1.0), hypothesis("123", -1.0), hypothesis("1 2", -1.0), hypothesis("124", -9.0)]
    chances = slot_chances(hypotheses, [phrase("{digits:3}")])
    assert chances == {"123": pytest.approx(2 / 3, abs=0.01)}
    assert slot_chances([], [phrase("{digits:3}")]) == {}
