import pytest
from hypothesis import given
from hypothesis import strategies as st
from riva.client.proto import riva_asr_pb2 as pb

from stream.riva.responses.words import scale, timed_words, words_in
from stream.session.events import Word
from tests.support.tiers import examples

MS = 16


def said(transcript: str, *words: str, confidence: float = 0.5) -> pb.SpeechRecognitionAlternative:
    """Word n lasts from 100 n + 40 to 100 n + 120 ms."""
    infos = [
        pb.WordInfo(word=word, start_time=100 * n + 40, end_time=100 * n + 120, confidence=confidence)
        for n, word in enumerate(words)
    ]
    return pb.SpeechRecognitionAlternative(transcript=transcript, words=infos)


def times(alternative: pb.SpeechRecognitionAlternative) -> list[tuple[str, int, int]]:
    """Each word with its start and end in milliseconds."""
    return [(word.text, word.start // MS, word.end // MS) for word in timed_words(alternative, scale([0.5]))]


@pytest.mark.parametrize(
    ("transcript", "words"),
    [
        (" ? What is", ["What", "is"]),
        (" , okay", ["okay"]),
        (" . ", []),
        ("? ! \u2026 ", []),
        ("?What is,", ["What", "is,"]),
        ("\u061f \u0633\u06cc\u060c \u062e\u0628\u061b", ["\u0633\u06cc\u060c", "\u062e\u0628\u061b"]),
        ("\u060c\u0633\u06cc", ["\u0633\u06cc"]),
        ("Comment \u00e7a va ?", ["Comment", "\u00e7a", "va?"]),
        ("okay. . so", ["okay.", "so"]),
        ("- see you \u2014 then", ["see", "you", "then"]),
        ("rock & roll, 5 % of .NET", ["rock", "&", "roll,", "5", "%", "of", ".NET"]),
        (".5 percent", [".5", "percent"]),
        ("\u00bfqu\u00e9 tal?", ["\u00bfqu\u00e9", "tal?"]),
        ("\u0968 \u0964", ["\u0968\u0964"]),
        ("", []),
    ],
)
def test_words_have_a_letter_a_digit_or_a_symbol(transcript: str, words: list[str]) -> None:
    assert words_in(transcript) == words


def test_stray_marks_cost_no_word_its_time() -> None:
    assert times(said(" ? What is it ?", "what", "is", "it")) == [
        ("What", 40, 120),
        ("is", 140, 220),
        ("it?", 240, 320),
    ]


def test_marks_with_a_time_of_their_own_are_no_words() -> None:
    assert times(said("? Hello , world .", "?", "hello", ",", "world", ".")) == [
        ("Hello,", 140, 220),
        ("world.", 340, 420),
    ]


def test_words_that_were_written_together_share_their_time() -> None:
    assert times(said("It is $5.20 now.", "it", "is", "five", "dollars", "twenty", "now")) == [
        ("It", 40, 120),
        ("is", 140, 220),
        ("$5.20", 240, 520),
        ("now.", 540, 620),
    ]


def test_a_word_that_is_missing_shares_the_time_of_its_neighbour() -> None:
    assert times(said("hello world again", "hello", "world")) == [
        ("hello", 40, 120),
        ("world", 140, 180),
        ("again", 180, 220),
    ]
    assert times(said("oh hello", "hello"))[-1][2] == 120


def test_a_word_that_the_transcript_lacks_is_left_out() -> None:
    assert times(said("hello world", "hello", "uh", "world")) == [("hello", 40, 120), ("world", 240, 320)]


def test_one_word_without_a_time_takes_none_from_the_others() -> None:
    alternative = said("one two three", "one", "two", "three")
    alternative.words[1].start_time = alternative.words[1].end_time = 0
    told = times(alternative)
    assert [told[0][1], told[-1]] == [40, ("three", 240, 320)]
    assert all(end > 0 for _, _, end in told)


def test_without_any_time_words_have_none() -> None:
    assert timed_words(said("hello world"), scale([])) == (Word("hello"), Word("world"))
    alternative = said("hello", "hello")
    alternative.words[0].end_time = 0
    assert timed_words(alternative, scale([0.5])) == (Word("hello", 0, 0, 0.5),)


def test_words_that_share_a_time_share_the_mean_confidence() -> None:
    alternative = said("$5 now", "five", "dollars", "now")
    alternative.words[0].confidence = 0.25
    alternative.words[2].confidence = 0.0
    words = timed_words(alternative, scale([0.25, 0.5, 0.0]))
    assert [word.confidence for word in words] == [0.375, 0.0]


def test_speakers_go_with_the_words() -> None:
    alternative = said("$5 now and then", "five", "dollars", "now", "and", "then")
    for info, tag in zip(alternative.words, (2, 2, 0, 1, -1), strict=True):
        info.speaker_tag = tag
    assert [word.speaker for word in timed_words(alternative, scale([0.5]))] == [2, 0, 1, 0]


TEXT = st.text(st.sampled_from("ab\u0633\u0967,.\u061f&- "), max_size=12)


@examples(100)
@given(TEXT, st.lists(st.tuples(TEXT, st.integers(-5, 3000), st.integers(-5, 3000)), max_size=8))
def test_whatever_words_come_the_transcript_stays_and_times_are_all_or_none(
    transcript: str, infos: list[tuple[str, int, int]]
) -> None:
    words = [pb.WordInfo(word=word, start_time=start, end_time=end) for word, start, end in infos]
    alternative = pb.SpeechRecognitionAlternative(transcript=transcript, words=words)
    told = timed_words(alternative, scale([]))
    assert [word.text for word in told] == words_in(transcript)
    assert len({word.end > 0 for word in told}) <= 1
    assert all(0 <= word.start <= word.end or not word.end for word in told)
