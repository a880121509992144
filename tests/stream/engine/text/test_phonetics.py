import numpy as np
import pytest

from stream.engine.text.phonetics import likeness, sounds, spoken


@pytest.mark.parametrize(
    ("text", "heard"),
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
def test_the_ear_knows_no_capitals_marks_or_accents(text: str, heard: str) -> None:
    assert spoken(text) == heard


def test_where_words_begin_and_end_does_not_count() -> None:
    assert likeness(sounds(["wayne hem", "ASK"]), sounds(["Waynehem", "a sk"])).diagonal().tolist() == [1, 1]


def test_what_sounds_alike_is_more_alike_than_what_is_only_spelled_so() -> None:
    alike = likeness(sounds(["dostovsky", "knock on murat"]), sounds(["Dostoevsky", "Nakamura", "Lagrange"]))
    assert alike.shape == (2, 3)
    assert alike.dtype == np.float32
    assert alike[0, 0] > 0.85
    assert alike[1, 1] > 0.55
    assert alike[:, 2].max() < 0.3
    nickel, fickle = likeness(sounds(["nikel"]), sounds(["nickel", "fikel"]))[0]
    assert nickel > fickle


def test_digits_do_not_all_sound_the_same() -> None:
    assert likeness(sounds(["2024"]), sounds(["1999"]))[0, 0] == 0


def test_other_scripts_are_told_by_their_letters() -> None:
    alike = likeness(sounds(["اصفهان"]), sounds(["اصفهان", "اصفهانی", "Isfahan"]))[0]
    assert alike[0] == 1
    assert 0.8 < alike[1] < 1
    assert alike[2] == 0


def test_nothing_is_like_nothing() -> None:
    assert likeness(sounds([]), sounds(["Isfahan"])).shape == (0, 1)
    assert likeness(sounds(["Isfahan"]), sounds([])).shape == (1, 0)
