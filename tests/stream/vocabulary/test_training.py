import csv
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.vocabulary import training
from stream.vocabulary.training import MOST_CHARACTERS, MOST_PHRASE_WORDS, clean, select
from stream.vocabulary.vocabularies import LONGEST_PHRASE
from tests.support.places import CLIPS
from tests.support.tiers import examples, tiered

MIXED = (
    "the of Metoprolol metoprolol METOPROLOL Nowruzi's A320 PostgreSQL in Lyme Regis takes twice. Dr. 2024 don't "
    "بیمارستان میلاد از می‌رود كتاب کتاب x ـ ! \N{COMBINING ACUTE ACCENT} ǆ İstanbul ﬁnal 北京 Straße STRASSE"
)
WORDS = st.sampled_from(MIXED.split())
TEXTS = st.one_of(st.lists(WORDS, max_size=20).map(" ".join), st.text(max_size=80))
CORPORA = st.lists(TEXTS, max_size=12)
SHORT = st.lists(WORDS, min_size=1, max_size=2).map(" ".join)


def same(text: str) -> str:
    """What two phrases have in common that differ in case and white space only."""
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


@examples(25)
@given(CORPORA, CORPORA, st.integers(0, 40))
def test_phrases_are_bounded_different_short_and_always_the_same(
    corpora: list[str], transcripts: list[str], most: int
) -> None:
    selected = select(corpora, transcripts, most)
    assert len(selected) <= most
    assert len({same(phrase) for phrase in selected}) == len(selected)
    for phrase in selected:
        assert 0 < len(phrase) <= LONGEST_PHRASE
        assert phrase == clean(phrase)
        assert any(map(str.isalnum, phrase))
    assert select(corpora, iter(transcripts), most) == selected


@examples(25)
@given(st.lists(SHORT, max_size=30), CORPORA, st.integers(0, 60))
def test_words_of_sentences_never_displace_phrases_that_fit(
    explicit: list[str], transcripts: list[str], most: int
) -> None:
    alone = select(explicit, [], len(explicit))
    sentences = ["Long sentences hold Sweynheym and Pannartz, who printed at Subiaco in Lazio."]
    together = select([*sentences, *explicit], transcripts, most)
    assert together[: len(alone)] == alone[:most]


@examples(25)
@given(CORPORA, CORPORA, st.integers(0, 20))
def test_with_more_room_nothing_that_was_there_goes(corpora: list[str], transcripts: list[str], most: int) -> None:
    assert select(corpora, transcripts, most + 5)[:most] == select(corpora, transcripts, most)


def test_phrases_are_taken_as_they_are_the_most_frequent_first() -> None:
    corpora = ["Lyme  Regis", "the end", "lyme\tregis", "Apple Inc.", "LYME REGIS", "the end "]
    assert select(corpora, [], 10) == ("Lyme Regis", "the end", "Apple Inc.")
    assert select(corpora, [], 2) == ("Lyme Regis", "the end")


@pytest.mark.parametrize(
    ("first", "second"),
    [("كتاب عربي", "کتاب عربی"), ("می\u200cروم", "میروم"), ("STRASSE", "Straße"), ("cafe\u0301", "caf\u00e9")],
)
def test_spellings_of_one_phrase_are_one(first: str, second: str) -> None:
    assert select([first, second], [], 10) == (clean(first),)


def test_what_sentences_hold_too_stays_as_it_was_given() -> None:
    assert select(["lyme regis", "He lives in Lyme Regis with us."], [], 10) == ("lyme regis", "Lyme", "Regis")


def test_a_phrase_has_few_words_and_does_not_end_like_a_sentence() -> None:
    five = "deploy it with blue ansible"
    assert len(five.split()) == MOST_PHRASE_WORDS
    assert select([five], [], 10) == (five,)
    assert select([f"{five} today"], [], 10) == ("ansible",)
    assert select([f"{five}."], [], 10) == ("ansible",)
    assert select(["a" * LONGEST_PHRASE], [], 10) == ("a" * LONGEST_PHRASE,)
    assert select(["a" * (LONGEST_PHRASE + 1)], [], 10) == ()


@pytest.mark.parametrize("text", ["", " ", "!?", "\u200c", "\x00", "ـ"])
def test_what_nobody_can_say_is_no_phrase(text: str) -> None:
    assert select([text], [text], 10) == ()


def test_a_short_transcript_is_no_phrase() -> None:
    assert select([], ["yes", "take it"], 10) == ()


def test_the_rare_words_of_sentences_are_found() -> None:
    with (CLIPS / "hard" / "manifest.tsv").open(encoding="utf-8") as manifest:
        sentences = [row["text"] for row in csv.DictReader(manifest, delimiter="\t")]
    rare = (CLIPS / "hard" / "phrases.txt").read_text(encoding="utf-8").splitlines()
    spoken = {phrase for phrase in rare if any(phrase in sentence for sentence in sentences)}
    selected = select(sentences, [], 500)
    # Short ones that begin a sentence, or are written small, look like any other word.
    assert spoken - set(selected) == {"Grieg", "Higgs boson", "muons"}
    assert len(selected) < 2 * len(spoken)
    assert {"the", "The", "takes", "Did", "We"}.isdisjoint(selected)


def test_capitals_inside_a_sentence_mark_names() -> None:
    assert select([], ["Then Dr. Rao met Mr. Kim there. Ask Rao's son."], 10) == ("Rao", "Kim", "Dr Rao", "Mr Kim")


def test_capitals_tell_nothing_where_every_word_has_one() -> None:
    assert select([], ["THEN KIM MET RAO", "Well Kim Met Rao"], 10) == ("KIM", "MET", "RAO", "KIM MET", "MET RAO")
    assert select([], ["THEN KIM MET RAO AGAIN"], 10) == ()


def test_a_word_is_a_name_if_it_is_mostly_written_so() -> None:
    assert select([], ["he took the Boat, that boat, a boat"], 10) == ()
    assert select([], ["khan was there. Then Khan saw Khan."], 10) == ("Khan",)


def test_pairs_are_no_longer_than_phrases() -> None:
    first, second = "A" + "b" * 60, "C" + "d" * 60
    assert select([], [f"they met {first} {second} there"], 10) == (first, second)


@pytest.mark.parametrize("word", ["A320", "H2O", "eGFR", "NATO"])
def test_codes_and_abbreviations_are_distinctive(word: str) -> None:
    assert select([], [f"{word} is what we saw there today."], 10) == (word,)


def test_numbers_and_shortened_words_are_not() -> None:
    assert select([], ["Mightn't we meet at 19:30:25 or 2024-11-22? They couldn't've."], 10) == ()


def test_short_words_are_taken_when_several_sentences_have_them() -> None:
    assert select([], ["the graft was red", "was it a graft"], 10) == ("graft",)
    assert select([], ["the graft of a graft was red"], 10) == ()


def test_pairs_are_taken_when_several_sentences_have_them() -> None:
    assert select([], ["a bone graft was red", "was it the bone graft"], 10) == ("bone", "graft", "bone graft")
    assert select([], ["a chronic dysgeusia was there"], 10) == ("chronic", "dysgeusia")


def test_names_may_hold_a_common_word() -> None:
    assert "New York" in select([], ["He went to New York on foot."], 10)
    assert "York He" not in select([], ["He went to New York. He left."], 10)


def test_persian_words_are_found_without_capitals() -> None:
    sentence = "دکتر در بیمارستان کار می‌کند و داروی متوپرولول تجویز کرد، می‌نویسند، لطفا به او بگویید."
    assert select([sentence], [], 10) == ("بیمارستان", "متوپرولول", "بگویید")
    repeated = ["عمل قلب باز در میلاد است", "او از درد قلب گفت و رفت به خانه خود"]
    assert "قلب" in select(repeated, [], 10)


def test_what_is_in_every_sentence_tells_less_than_what_is_in_one() -> None:
    sentences = [f"the patient said nothing about {name} here" for name in ("wroclaws", "mahalano", "szymbors")]
    assert select([], sentences, 3) == ("wroclaws", "mahalano", "szymbors")


def test_names_come_before_words_that_are_only_long() -> None:
    assert select([], ["They prescribed amoxicillin to Rao before breakfast."], 1) == ("Rao",)


def test_what_is_said_often_comes_first() -> None:
    sentences = ["he has dysgeusia", "she has bruxisms", "it is dysgeusia", *["so it goes on"] * 20]
    assert select([], sentences, 1) == ("dysgeusia",)


def test_common_words_are_written_as_they_are_compared() -> None:
    assert {word for word in training._COMMON if training._key(word) != word} == set()


def test_so_much_is_read_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_CHARACTERS == 2_000_000
    monkeypatch.setattr(training, "MOST_CHARACTERS", 20_000)
    filler = "so it goes " * (20_000 // 11)
    assert select([], [f"He met Rao. {filler}", "He met Kim there."], 10) == ("Rao",)


def test_no_word_of_much_text_is_looked_at_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0
    score = training._Candidate.score

    def counted(candidate: training._Candidate, n_sentences: int) -> float:
        nonlocal looked_at
        looked_at += 1
        return score(candidate, n_sentences)

    monkeypatch.setattr(training._Candidate, "score", counted)
    n_words = tiered(5_000, MOST_CHARACTERS // 8)
    assert len(select([], [" ".join(f"w{number}x" for number in range(n_words))], 500)) == 500
    # Each word and each pair of neighbours once.
    assert looked_at == 2 * n_words - 1


def test_a_capital_at_the_beginning_of_a_sentence_is_not_learned() -> None:
    assert select(["Carburetors leak here.", "We clean carburetors there."], [], 1) == ("carburetors",)
    assert select(["Wittgenstein wrote here.", "We read Wittgenstein there."], [], 1) == ("Wittgenstein",)
