from stream.protocols.deepgram.messages import Alternative, DeepgramWord
from stream.protocols.deepgram.results import alternative, alternatives, placed
from stream.session import events

HELLO = events.Alternative((events.Word("Hello,", 8000, 16_000, 0.91237, 1), events.Word("Bob!", 16_000, 24_000)), 0.8)


def test_formatted_words_have_their_punctuation_in_a_field_of_their_own() -> None:
    made = alternative(HELLO, is_formatted=True)
    assert made.transcript == "Hello, Bob!"
    assert made.words == [DeepgramWord("hello", 0.5, 1.0, 0.9124, "Hello,"), DeepgramWord("bob", 1.0, 1.5, 0.0, "Bob!")]


def test_text_without_formatting_has_neither_punctuation_nor_capitals() -> None:
    made = alternative(HELLO, is_formatted=False)
    assert made.transcript == "hello bob"
    assert made.words == [DeepgramWord("hello", 0.5, 1.0, 0.9124), DeepgramWord("bob", 1.0, 1.5, 0.0)]


def test_speakers_count_from_zero_and_only_where_they_are_wanted() -> None:
    words = alternative(HELLO, is_formatted=False, has_speakers=True).words
    assert words == [DeepgramWord("hello", 0.5, 1.0, 0.9124, speaker=0), DeepgramWord("bob", 1.0, 1.5, 0.0)]


def test_there_is_always_an_alternative() -> None:
    assert alternatives((), is_formatted=True) == [Alternative("", 0.0, [])]


def test_unsettled_words_share_the_time_of_their_text() -> None:
    words = (events.Word("a"), events.Word("bcd"))
    (made,) = placed([events.Alternative(words)], 1000, 5000)
    assert [(word.start, word.end) for word in made.words] == [(1000, 2000), (2000, 5000)]
    (made,) = placed([events.Alternative(words)], 1000, 900)
    assert [(word.start, word.end) for word in made.words] == [(1000, 1000), (1000, 1000)]
