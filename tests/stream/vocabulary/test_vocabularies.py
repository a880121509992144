import subprocess
import sys

import pytest
from unicode_rbnf import RbnfEngine

from stream.vocabulary import vocabularies
from stream.vocabulary.vocabularies import LONGEST_PHRASE, MOST_PHRASES, NAMES, VocabularyLanguageError, vocabulary
from tests.support.tiers import tiered

WITH_PHRASES = [name for name in NAMES if name != "general"]


def languages_of(name: str) -> tuple[str, ...]:
    """Every language of a vocabulary, as the refusal of one that does not exist tells."""
    with pytest.raises(VocabularyLanguageError) as refusal:
        vocabulary(name, "xx")
    return refusal.value.languages


def assert_usable(phrases: tuple[str, ...], least: int) -> None:
    assert least <= len(phrases) <= MOST_PHRASES
    assert len(set(phrases)) == len(phrases)
    for phrase in phrases:
        assert 0 < len(phrase) <= LONGEST_PHRASE
        assert phrase == " ".join(phrase.split())
        assert not set(phrase) & set("()&,،\N{SOFT HYPHEN}\t")


@pytest.mark.parametrize(
    ("name", "least"), [("yesno", 4), ("numbers", 14), ("country", 190), ("city", 400), ("career", 200)]
)
def test_every_language_of_a_vocabulary_keeps_the_limits(name: str, least: int) -> None:
    languages = languages_of(name)
    assert {"en", "fa"} <= set(languages)
    for language in {"en", "fa", *languages[:: tiered(6, 1)]}:
        phrases = vocabulary(name, language)
        if language not in ("en", "fa"):
            # What CLDR writes for the eye is put right only in the languages that we can read.
            phrases = tuple(phrase.replace("&", "") for phrase in phrases)
            phrases = tuple(" ".join(phrase.split()) for phrase in phrases)
        assert_usable(phrases, least)


@pytest.mark.parametrize("language_code", ["en", "fa-IR", "xx"])
def test_general_has_none_in_any_language(language_code: str) -> None:
    assert vocabulary("general", language_code) == ()


@pytest.mark.parametrize(
    ("name", "language_code", "members"),
    [
        ("yesno", "en-GB", {"yes", "yeah", "yep", "no", "nope"}),
        ("yesno", "fa", {"بله", "آره", "نه", "خیر"}),
        ("numbers", "en", {"zero", "seven", "twenty", "ninety", "hundred", "thousand", "million", "and"}),
        ("numbers", "fa-IR", {"صفر", "هفت", "بیست", "و", "صد", "دویست", "هزار", "میلیون", "شونزده"}),
        ("numbers", "de", {"einundzwanzig", "siebenundneunzig", "Millionen", "Milliarde"}),
        ("country", "en-US", {"Iran", "Bolivia", "South Korea", "Saint Lucia", "Hong Kong", "Ivory Coast", "America"}),
        ("country", "fa", {"ایران", "بولیوی", "کره جنوبی", "آمریکا", "انگلیس", "آفریقای جنوبی", "هنگ‌کنگ"}),
        ("country", "nb-NO", {"Norge", "Sverige"}),
        ("city", "en", {"Tehran", "Mashhad", "London", "New York", "São Paulo"}),
        ("city", "fa", {"تهران", "مشهد", "لندن", "نیویورک", "قائم‌شهر"}),
        ("career", "en", {"teacher", "nurse", "software engineer"}),
        ("career", "fa", {"معلم", "پرستار", "مهندس نرم‌افزار"}),
    ],
)
def test_what_people_say_is_in_it(name: str, language_code: str, members: set[str]) -> None:
    assert members - set(vocabulary(name, language_code)) == set()


@pytest.mark.parametrize("language_code", ["en", "fa"])
def test_no_country_is_spelled_as_a_treaty_spells_it(language_code: str) -> None:
    for country in vocabulary("country", language_code):
        assert not any(mark in country for mark in (".", " - ", "(", "،", "\N{ARABIC HAMZA ABOVE}", "’"))


@pytest.mark.parametrize("number", [0, 7, 16, 21, 99, 101, 342, 2019, 1_942, 70_015, 1_000_001, 999_999_999])
@pytest.mark.parametrize("language", ["en", "fa", "ar", "es", "fr", "hi", "ru", "tr"])
def test_the_words_of_numbers_compose_any_number(number: int, language: str) -> None:
    spelled = RbnfEngine.for_language(language).format_number(number).text.replace("\N{SOFT HYPHEN}", "")
    assert set(spelled.replace("-", " ").split()) - set(vocabulary("numbers", language)) == set()


def test_persian_is_written_with_persian_letters() -> None:
    for name in WITH_PHRASES:
        assert not any(arabic in phrase for phrase in vocabulary(name, "fa") for arabic in "يكىة")


def test_a_language_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(VocabularyLanguageError, match=r"^the vocabulary city has no de; it has en, fa$") as refusal:
        vocabulary("city", "de-DE")
    assert (refusal.value.name, refusal.value.language) == ("city", "de")
    assert refusal.value.languages == ("en", "fa")


def test_another_name_is_refused() -> None:
    with pytest.raises(KeyError, match=r"^'planet'$"):
        vocabulary("planet", "en")


def test_the_case_of_the_tag_does_not_matter_and_the_list_is_made_once() -> None:
    assert vocabulary("country", "EN-us") is vocabulary("country", "en")


def test_the_packages_are_loaded_by_whom_they_serve() -> None:
    script = (
        "import sys; from stream.vocabulary.vocabularies import vocabulary;"
        "vocabulary('yesno', 'en'); vocabulary('city', 'fa'); vocabulary('career', 'en');"
        "print([name for name in ('babel', 'unicode_rbnf') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_lists_have_a_phrase_for_each_language_on_every_line() -> None:
    english, persian = (vocabularies.vocabulary("city", language) for language in ("en", "fa"))
    assert len(english) == len(persian)
