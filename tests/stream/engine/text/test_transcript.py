from stream.engine.model.hypotheses import DecodedWord
from stream.engine.text.transcript import Transcript, Words


def words(text: str) -> Words:
    """Each word is one token, the same word the same token."""
    return tuple(DecodedWord(text=word, tokens=(token_of(word),)) for word in text.split())


def token_of(word: str) -> int:
    return sum(ord(letter) << 8 * place for place, letter in enumerate(word))


def settled(*texts: str) -> Transcript:
    transcript = Transcript()
    for text in texts:
        transcript.settle(words(text))
    return transcript


def shown(*texts: str, ended: bool = False) -> str:
    """What is shown after these decodes."""
    transcript = Transcript()
    for text in texts:
        stable, tail = transcript.show(words(text), ended=ended and text == texts[-1])
    return stable + tail


def test_four_decodes_settle_what_they_agree_on_short_of_the_sealing_and_the_last_word() -> None:
    assert settled(*["a b c d e"] * 3).stable_words == 0
    transcript = settled(*["a b c d e"] * 4)
    assert transcript.stable_words == 3
    assert transcript.prefix == tuple(map(token_of, "abcd"))


def test_decodes_that_disagree_settle_only_what_comes_before() -> None:
    assert settled("a b c d e", "a b X d e", "a b c d e", "a b c d e").stable_words == 1


def test_a_shorter_agreement_takes_nothing_back() -> None:
    transcript = settled(*["a b c d e"] * 4, *["a b c"] * 4)
    assert (transcript.stable_words, transcript.prefix) == (3, tuple(map(token_of, "abcd")))


def test_the_settled_words_come_first_and_the_rest_reads_on() -> None:
    transcript = settled(*["a b c d e"] * 4)
    transcript.show(words("a b c d e"), ended=False)
    assert transcript.show(words("a b c d e"), ended=False) == ("a b c", " d e")


def test_the_first_text_is_shown_without_its_last_word() -> None:
    assert shown("a b") == "a"
    assert shown("a") == ""


def test_thanks_at_the_end_are_shown_once_two_decodes_have_them_or_speech_has_ended() -> None:
    assert shown("Thank you all.") == ""
    assert shown("can do Thank you very much") == "can do"
    assert shown("can do Thank you very much", "can do Thank you very much") == "can do Thank you very much"
    assert shown("Thank you.", ended=True) == "Thank you."
    assert shown("Thank you for the kind words") == "Thank you for the kind"


def test_a_decode_without_words_takes_back_none() -> None:
    assert shown("a b c", "", "") == "a b"


def test_words_at_the_end_are_shown_once_two_decodes_have_them() -> None:
    assert shown("a b c", "a b c d e") == "a b c"
    assert shown("a b c", "a b c d e", "a b c d e f") == "a b c d e"
    assert shown("a b", "a b") == "a b"


def test_when_speech_has_ended_every_word_is_shown() -> None:
    assert shown("a b c", "a b c d e", ended=True) == "a b c d e"


def test_a_word_that_one_decode_hears_otherwise_stays() -> None:
    assert shown("a b c d e", "a X Y Z d") == "a b c d"
    assert shown("a b c d e", "a X Y Z", "a b c d e f g h") == "a b c d e f"


def test_a_word_that_two_decodes_hear_otherwise_is_taken_back() -> None:
    assert shown("a b c d e", "a X Y Z d", "a X Y Z d e") == "a X Y Z d"


def test_case_and_punctuation_may_change_at_once() -> None:
    assert shown("a b c d", "A, b. c d e") == "A, b. c d"
