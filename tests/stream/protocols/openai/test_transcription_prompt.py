"""Terms that are found in prompts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.configuration.config import SessionConfig
from stream.protocols.openai.transcription_prompt import MOST_PROMPT_PHRASES, clean_phrases, phrases_in


@pytest.mark.parametrize(
    ("prompt", "phrases"),
    [
        ("", ()),
        ("Mahalanobis", ("Mahalanobis",)),
        ("Digique Plus, VortiQore V8, B.R.I.C.K., RAPT.", ("Digique Plus", "VortiQore V8", "B.R.I.C.K.", "RAPT")),
        ("Glossary: ctranslate, pre-roll; mu-law", ("ctranslate", "pre-roll", "mu-law")),
        ("lazy dog\nbrown fox\n", ("lazy dog", "brown fox")),
        ("- lazy dog\n- brown fox", ("lazy dog", "brown fox")),
        ("«کوه دماوند»، رودخانه", ("کوه دماوند", "رودخانه")),
        ("RAPT, RAPT, RAPT", ("RAPT",)),
        (
            "We computed what Mahalanobis proposed and not what Dmitri Shostakovich composed.",
            ("Mahalanobis", "Dmitri Shostakovich"),
        ),
        ("So the iPhone and the covid19 numbers were shown to everybody there.", ("iPhone", "covid19")),
        ("This is only an ordinary sentence, and nothing in it is a name.", ()),
    ],
)
def test_terms_of_lists_and_names_in_sentences_are_phrases(prompt: str, phrases: tuple[str, ...]) -> None:
    assert phrases_in(prompt) == phrases


def test_more_names_in_a_row_than_a_phrase_has_are_several_phrases() -> None:
    found = phrases_in("today we met Anna Berta Carla Dora Emma and also all of the others")
    assert found == ("Anna Berta Carla", "Dora Emma")


def test_phrases_are_bounded_in_number_and_length() -> None:
    assert clean_phrases(["x" * 101, "  two   words ", "", "y" * 100]) == ("two words", "y" * 100)
    assert len(clean_phrases(f"word{n}" for n in range(1000))) == MOST_PROMPT_PHRASES


@given(st.text(max_size=300))
def test_whatever_a_prompt_holds_its_phrases_are_taken(prompt: str) -> None:
    phrases = list(phrases_in(prompt))
    SessionConfig().with_message({"phrases": phrases}, audio_began=False)
    assert len(set(phrases)) == len(phrases) <= MOST_PROMPT_PHRASES
