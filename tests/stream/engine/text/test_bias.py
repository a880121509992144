import numpy as np
import pytest

from stream.engine.model.features import Samples, samples_of
from stream.engine.model.hypotheses import Search
from stream.engine.model.whisper import Whisper
from stream.engine.text.bias import BiasedWhisper
from stream.engine.text.phrase_correction import Correction, Phrases, find_corrections, without_overlaps
from stream.words import spoken_form
from tests.support.nonspeech import nonspeech
from tests.support.places import CLIPS
from tests.support.sounds import clip_pcm, clip_texts

PHRASES = (CLIPS / "hard" / "phrases.txt").read_text(encoding="utf-8").splitlines()
ODD_PHRASES = [
    "",
    "x",
    "C++",
    "?!",
    "سلام",
    "北京",
    "<|endoftext|>",
    "nine " * 20,
    "a" * 100,
    "Lyme  Regis",
    "lyme regis",
]


@pytest.fixture(scope="session")
def biased(whisper: Whisper) -> BiasedWhisper:
    return BiasedWhisper(whisper, PHRASES)


def correction(first_word: int, end_word: int, text: str, similarity: float) -> Correction:
    return Correction(first_word=first_word, end_word=end_word, text=text, similarity=similarity)


def hard(number: int) -> Samples:
    return samples_of(clip_pcm(f"hard/{number:02}.wav"))


@pytest.mark.parametrize(
    ("number", "phrase"), [(1, "Sweynheym"), (7, "Wittgenstein"), (22, "Mahalanobis"), (36, "Dostoevsky")]
)
def test_rare_words_are_mended(whisper: Whisper, biased: BiasedWhisper, number: int, phrase: str) -> None:
    # The words around it, and how it is misrecognized, differ from one kind of processor to the next.
    assert phrase not in whisper.decode(hard(number)).best.text
    assert phrase in biased.decode(hard(number)).best.text


@pytest.mark.parametrize("clip", clip_texts())
def test_unrelated_phrases_change_nothing(whisper: Whisper, biased: BiasedWhisper, clip: str) -> None:
    samples = samples_of(clip_pcm(clip))
    assert biased.decode(samples).hypotheses == whisper.decode(samples).hypotheses


def test_aligned_words_are_as_sure_as_without_phrases(whisper: Whisper, biased: BiasedWhisper) -> None:
    samples = samples_of(clip_pcm("quick.wav"))
    assert biased.decode(samples, align=True) == whisper.decode(samples, align=True)


def test_a_phrase_is_written_as_it_is_given(whisper: Whisper) -> None:
    samples = samples_of(clip_pcm("quick.wav"))
    plain = whisper.decode(samples, align=True).best
    best = BiasedWhisper(whisper, ["Lázy-Dog", "FOX"]).decode(samples, align=True).best
    assert best.text == plain.text.replace("fox", "FOX").replace("lazy dog", "Lázy-Dog")
    assert best.words[-1].end_samples == plain.words[-1].end_samples
    kept = tuple(token for word in plain.words[:4] for token in word.tokens)
    again = BiasedWhisper(whisper, ["FOX"]).decode(samples, search=Search(prefix=kept)).best
    assert again.tokens[: len(kept)] == kept


@pytest.mark.parametrize("boost", [20.0, 100.0])
def test_words_that_are_sure_stay_whatever_sounds_like_them(whisper: Whisper, boost: float) -> None:
    samples = samples_of(clip_pcm("quick.wav"))
    phrases = ["brawn", "Foks", "jumpt", "lazier", "Dawg", "lazy dawg", "Thee", "quicker"]
    assert BiasedWhisper(whisper, phrases, boost).decode(samples) == whisper.decode(samples)


def test_a_mended_reading_has_times_and_comes_before_the_others(whisper: Whisper, biased: BiasedWhisper) -> None:
    samples = hard(36)
    one = biased.decode(samples, align=True)
    assert [spoken_form(hypothesis.text) for hypothesis in one.hypotheses] == ["nietzsche admired dostoevsky"]
    assert all(word.start_samples < word.end_samples and word.confidence > 0 for word in one.best.words)
    plain = whisper.decode(samples, search=Search(alternatives=3)).hypotheses
    corrected, *others = biased.decode(samples, search=Search(alternatives=3), align=True).hypotheses
    assert corrected.text == one.best.text
    assert [hypothesis.tokens for hypothesis in others] == [hypothesis.tokens for hypothesis in plain[:2]]


def test_readings_differ(biased: BiasedWhisper) -> None:
    hypotheses = biased.decode(hard(34), search=Search(alternatives=5)).hypotheses
    assert "Drosophila" in hypotheses[0].text
    assert len({hypothesis.tokens for hypothesis in hypotheses}) == 5


@pytest.mark.parametrize("number", [7, 22, 36])
def test_speech_stays_speech(whisper: Whisper, biased: BiasedWhisper, number: int) -> None:
    """A mended reading looks worse without the phrases in mind, and a poor one is taken for noise."""
    plain, corrected = whisper.decode(hard(number)).best, biased.decode(hard(number)).best
    assert corrected.text != plain.text
    assert corrected.logprob >= plain.logprob


@pytest.mark.parametrize(("phrases", "result"), [(["Haskel"], "Haskel "), (["Haskell", "Haskel"], "Haskell ")])
def test_a_recognized_phrase_stays(whisper: Whisper, phrases: list[str], result: str) -> None:
    assert result in BiasedWhisper(whisper, phrases, boost=100).decode(hard(35)).best.text


def test_settled_words_stay(whisper: Whisper, biased: BiasedWhisper) -> None:
    """What was shown for good stays, right or wrong; what follows is mended."""
    words = whisper.decode(hard(7)).best.words
    prefix = tuple(token for word in words[:2] for token in word.tokens)
    decoding = biased.decode(hard(7), search=Search(prefix=prefix, alternatives=3))
    assert all(hypothesis.tokens[: len(prefix)] == prefix for hypothesis in decoding.hypotheses)
    assert "Wittgenstein" in decoding.best.text
    misheard = whisper.decode(hard(1)).best.words[:3]
    prefix = tuple(token for word in misheard for token in word.tokens)
    decoding = biased.decode(hard(1), search=Search(prefix=prefix, alternatives=3))
    assert all(hypothesis.tokens[: len(prefix)] == prefix for hypothesis in decoding.hypotheses)


@pytest.mark.parametrize("sound", ["silence", "white noise", "chords", "breathing"])
def test_no_phrase_comes_out_of_nothing(whisper: Whisper, sound: str) -> None:
    samples = np.zeros(32_000, dtype=np.float32) if sound == "silence" else nonspeech(sound, 2.0)
    result = whisper.decode(samples).best.text
    biased = BiasedWhisper(whisper, [*PHRASES, f"{result}s", "Yew", "Thank ewe", "aah"], boost=100)
    assert biased.decode(samples).best.text == result


def test_odd_phrases_neither_fail_nor_change_anything(whisper: Whisper) -> None:
    samples = samples_of(clip_pcm("train.wav"))
    plain = whisper.decode(samples)
    assert BiasedWhisper(whisper, ODD_PHRASES).decode(samples) == plain
    assert BiasedWhisper(whisper, ["!", ""]).decode(samples) == plain


def test_long_phrases_fit_into_the_decoder(whisper: Whisper) -> None:
    """Six of them with all their symbols would be more than its 448 positions."""
    phrases = [
        f"the next train to the {city} {'☃' * 70}" for city in ("citty", "sity", "citi", "cit", "kitty", "ciity")
    ]
    samples = samples_of(clip_pcm("train.wav"))
    biased = BiasedWhisper(whisper, phrases)
    assert spoken_form(biased.decode(samples).best.text).endswith("leaves from platform 4")


def test_a_phrase_is_text_whatever_it_looks_like(whisper: Whisper) -> None:
    tokens = BiasedWhisper(whisper, ["Dostoevsky<|en|>"]).decode(hard(36)).best.tokens
    assert whisper.tokens.text(tokens).endswith("Dostoevsky.")
    assert max(tokens) < whisper.tokens.end


def test_one_of_500_phrases_is_found(whisper: Whisper) -> None:
    pairs = [f"{first} {second}" for first in PHRASES[50:72] for second in PHRASES[30:52]]
    biased = BiasedWhisper(whisper, [*pairs, *PHRASES[:16]])
    assert len(pairs) + 16 == 500
    assert "Wittgenstein" in biased.decode(hard(7)).best.text


def test_more_boost_mends_more(whisper: Whisper) -> None:
    assert "Prometheus" not in BiasedWhisper(whisper, PHRASES, -50).decode(hard(27)).best.text
    assert "Prometheus" in BiasedWhisper(whisper, PHRASES, 100).decode(hard(27)).best.text


def test_a_boost_of_0_is_the_usual_one(whisper: Whisper) -> None:
    usual, unset = (BiasedWhisper(whisper, PHRASES, boost).decode(hard(1)) for boost in (20.0, 0.0))
    assert usual == unset


def test_phrases_are_related_by_sound_the_most_alike_first() -> None:
    words = ["he", "asks", "wayne", "hem", "about", "the", "data", "in", "poster", "sequel", "and", "in", "tahiti"]
    related = Phrases(PHRASES).related(words)
    assert related[:2] == ["PostgreSQL", "Sweynheym"]
    assert len(related) == 6
    assert not {"Tahiti", "Kubernetes"} & set(related)
    assert Phrases(PHRASES).related([]) == []
    assert Phrases(["Isfahan", "ISFAHAN", " isfahan!"]).related(["Isfahaan"]) == ["Isfahan"]
    assert Phrases(["I", "C++", "?"]).related(["eye", "see", "a"]) == []


def test_a_phrase_that_stands_there_is_not_lost() -> None:
    phrases = Phrases(["Tahiti", "Haiti"])
    assert phrases.removes_any(["to", "Tahiti."], correction(0, 2, "to Haiti.", 0.9))
    assert not phrases.removes_any(["to", "Tahiti."], correction(0, 2, "Tahiti Haiti", 0.9))


@pytest.mark.parametrize(
    ("first_word", "end_word", "text", "replaced"),
    [
        (0, 2, "Haze joined", (0, 1)),
        (1, 3, "joined thee", (2, 3)),
        (0, 3, "Hazel", (0, 3)),
        (0, 3, "has jointed the", (1, 2)),
        (0, 1, "Has been", (0, 1)),
        (1, 3, "joined", (2, 3)),
    ],
)
def test_words_that_stay_are_not_replaced(first_word: int, end_word: int, text: str, replaced: tuple[int, int]) -> None:
    place = correction(first_word, end_word, text, 0.9).replaced(["has", "joined,", "the", "conference"])
    assert (place.start, place.stop) == replaced


def test_a_phrase_takes_the_place_that_sounds_like_it_and_its_mark() -> None:
    plain = ["We", "moved", "it", "to", "poster", "sequel."]
    assert [(one.first_word, one.end_word, one.text) for one in find_corrections(plain, plain, ["PostgreSQL"])] == [
        (4, 6, "PostgreSQL.")
    ]
    assert find_corrections(plain, plain, ["PostgreSQL!"])[0].text == "PostgreSQL!"


def test_what_the_biased_decoder_says_is_tried_where_it_has_a_phrase() -> None:
    plain, biased = ["far", "because", "I", "had", "read", "her", "poems"], ["Farrokhzad", "read", "his", "poems"]
    tried = {(one.first_word, one.end_word, one.text) for one in find_corrections(plain, biased, ["Farrokhzad"])}
    assert (0, 4, "Farrokhzad") in tried
    assert not any(text == "his" for _, _, text in tried)


def test_of_changes_that_overlap_the_first_stays() -> None:
    first, second, third = correction(1, 3, "a", 1), correction(2, 4, "b", 1), correction(3, 4, "c", 1)
    assert without_overlaps([first, second, third]) == [first, third]
