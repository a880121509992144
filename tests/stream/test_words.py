import pytest

from stream.words import bare_word, ends_sentence, spoken_form, word_key


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Lyme  Regis.", "lyme regis"),
        ("Malmö", "malmo"),
        ("STRASSE Straße", "strasse strasse"),
        ("Jean-Luc", "jean luc"),
        ("PO. SD, GRUSQL!", "po sd grusql"),
        ("كتاب", "كتاب"),
        ("?!", ""),
    ],
)
def test_the_spoken_form_has_no_capitals_marks_or_accents(text: str, spoken: str) -> None:
    assert spoken_form(text) == spoken


@pytest.mark.parametrize(
    ("word", "key"), [("Yes,", "yes"), ("don't", "dont"), ("STRASSE", "strasse"), ("Straße", "strasse"), ("?!", "")]
)
def test_the_key_of_a_word_is_its_letters_and_digits(word: str, key: str) -> None:
    assert word_key(word) == key


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Hello,", "hello"),
        ("don't", "don't"),
        ("'Tis", "tis"),
        ("U.S.", "u.s"),
        ("$5.00", "$5.00"),
        ("50%.", "50%"),
        ("f***", "f***"),
        ("«Ja!»", "ja"),
        ("¿Qué?", "qué"),
        ("Straße?!", "straße"),
        ("سلام،", "سلام"),
        ("--", "--"),
        ("", ""),
    ],
)
def test_a_bare_word_is_in_lower_case_without_the_punctuation_around_it(text: str, bare: str) -> None:
    assert bare_word(text) == bare


@pytest.mark.parametrize("text", ["It is.", "Is it?", "“It is!”", "(It is.)", "好的。", "این خوب است؟"])
def test_a_sentence_ends_with_its_mark(text: str) -> None:
    assert ends_sentence(text)


@pytest.mark.parametrize("text", ["", "It is", "It is,", "It is...", "It is…", "It is…”", "3.5 of"])
def test_other_marks_end_no_sentence(text: str) -> None:
    assert not ends_sentence(text)
