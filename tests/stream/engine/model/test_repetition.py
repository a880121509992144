import pytest

from stream.engine.model.repetition import is_repetitive, most_tokens


@pytest.mark.parametrize(
    "text",
    [
        "Yes. Yes. Yes.",
        "bye, bye",
        "No, nope, stock it... No, nope, stock it... No, nope",
        "I said very very very good",
        "I think that we should go now I think that we should go now and then",
        "la" * 200,
    ],
)
def test_texts_that_say_the_same_again_are_loops(text: str) -> None:
    assert is_repetitive(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one",
        "very very good",
        "No, no, stop it.",
        "The more the merrier, the more the better.",
        "Ask not what your country can do for you, ask what you can do for your country.",
        "One one two, one three one.",
    ],
)
def test_speech_is_no_loop(text: str) -> None:
    assert not is_repetitive(text)


def test_long_sound_may_have_many_tokens_and_short_sound_some() -> None:
    assert most_tokens(0.1) > 20
    assert most_tokens(10) > 200
