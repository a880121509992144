import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.engine.model.hypotheses import DecodedWord, Hypothesis
from stream.engine.server.text_style import TextStyle
from tests.support.tiers import examples

PLAIN = TextStyle(punctuation=False)


def hypothesis_of(*texts: str) -> Hypothesis:
    return Hypothesis(
        tuple(
            DecodedWord(text=text, tokens=(index,), start_samples=index * 1000, end_samples=index * 1000 + 900)
            for index, text in enumerate(texts)
        )
    )


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("The quick, brown fox.", "the quick brown fox"),
        ('Don\'t "stop" (now)!', "don't stop now"),
        ("Well\u2014then...no", "well then no"),
        ("What?!Yes: no;maybe", "what yes no maybe"),
        ("A state-of-the-art idea \u2013 fine", "a state-of-the-art idea fine"),
        ("At 10:30 p.m. in the U.S.", "at 10:30 pm in the us"),
        ("$25,000, 3.5% and -5", "$25000 3.5% and -5"),
        ("1,2 and 1,234,567.89.", "1 2 and 1234567.89"),
        ("See example.com, C++ and AT&T.", "see example.com c++ and at&t"),
        ("\u266a La la \u266a", "la la"),
        (
            "Привет, мир!",
            "привет мир",
        ),
        (
            "سلام، دنیا؟",
            "سلام دنیا",
        ),
        ("...", ""),
        ("", ""),
        ("سلام،خوبی؟ می‌روم؛ ۵۰٪ از ۱٬۲۰۰.", "سلام خوبی می‌روم ۵۰٪ از ۱۲۰۰"),
    ],
)
def test_plain_text_is_in_lower_case_and_without_punctuation(text: str, plain: str) -> None:
    assert PLAIN.text(text) == plain
    assert TextStyle().text(text) == text


def test_a_word_keeps_its_time_and_shares_it_if_it_becomes_two() -> None:
    words = PLAIN.hypothesis(hypothesis_of("Hm", "-", "well\u2014no", "Yes.")).words
    assert [(word.text, word.start_samples, word.end_samples) for word in words] == [
        ("hm", 0, 900),
        ("well", 2000, 2600),
        ("no", 2600, 2900),
        ("yes", 3000, 3900),
    ]


def test_masked_words_stay_masked_without_punctuation() -> None:
    style = TextStyle(punctuation=False, masks_profanity=True)
    assert style.text("Oh, SHIT! Bullshit.") == "oh s*** b*******"
    assert style.hypothesis(hypothesis_of("Shit,")).text == "s***"
    assert TextStyle(masks_profanity=True).text("Oh, shit!") == "Oh, s***!"


@examples(100)
@given(st.text(alphabet=st.sampled_from("aZ9\u00e9 .,!?-'\u2014:%$()"), max_size=30))
def test_plain_words_are_those_of_the_plain_text(text: str) -> None:
    plain = PLAIN.text(text)
    assert PLAIN.hypothesis(hypothesis_of(*text.split())).text == plain
    assert plain == plain.lower()
    assert not set(plain) & set(",!?()\u2014")
    assert all(any(character.isalnum() for character in word) for word in plain.split())
    assert PLAIN.text(plain) == plain
