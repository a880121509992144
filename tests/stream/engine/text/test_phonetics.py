import numpy as np

from stream.engine.text.phonetics import phonetic_forms, similarity


def test_where_words_begin_and_end_does_not_count() -> None:
    assert similarity(
        phonetic_forms(["wayne hem", "ASK"]), phonetic_forms(["Waynehem", "a sk"])
    ).diagonal().tolist() == [1, 1]


def test_what_sounds_alike_is_more_alike_than_what_is_only_spelled_so() -> None:
    alike = similarity(
        phonetic_forms(["dostovsky", "knock on murat"]), phonetic_forms(["Dostoevsky", "Nakamura", "Lagrange"])
    )
    assert alike.shape == (2, 3)
    assert alike.dtype == np.float32
    assert alike[0, 0] > 0.85
    assert alike[1, 1] > 0.55
    assert alike[:, 2].max() < 0.3
    nickel, fickle = similarity(phonetic_forms(["nikel"]), phonetic_forms(["nickel", "fikel"]))[0]
    assert nickel > fickle


def test_digits_do_not_all_sound_the_same() -> None:
    assert similarity(phonetic_forms(["2024"]), phonetic_forms(["1999"]))[0, 0] == 0


def test_other_scripts_are_compared_by_their_letters() -> None:
    alike = similarity(phonetic_forms(["اصفهان"]), phonetic_forms(["اصفهان", "اصفهانی", "Isfahan"]))[0]
    assert alike[0] == 1
    assert 0.8 < alike[1] < 1
    assert alike[2] == 0


def test_nothing_is_like_nothing() -> None:
    assert similarity(phonetic_forms([]), phonetic_forms(["Isfahan"])).shape == (0, 1)
    assert similarity(phonetic_forms(["Isfahan"]), phonetic_forms([])).shape == (1, 0)
