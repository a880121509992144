import pytest

from stream.engine.model.hypotheses import DecodedWord, Hypothesis
from stream.engine.text.profanity import mask, mask_hypothesis


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("What the fuck is this?", "What the f*** is this?"),
        ("Fucking hell.", "F****** hell."),
        ("SHIT! Shit, shit's", "S***! S***, s***'s"),
        ("You motherfucker", "You m***********"),
        ("a mother-fucking show", "a mother-f****** show"),
        ("that son-of-a-bitch", "that son-of-a-b****"),
        ("bullshit", "b*******"),
        ("F**k!", "F***!"),
        ("goddamn assholes", "g****** a*******"),
    ],
)
def test_swear_words_keep_their_first_letter_and_their_length(said: str, shown: str) -> None:
    assert mask(said) == shown


@pytest.mark.parametrize(
    "clean",
    [
        "He lives in Scunthorpe, near Penistone.",
        "The classic assassin passed the class with a cocktail.",
        "Shiitake, shitake and mishit; a shih tzu in Matsushita.",
        "Dick Whittington and Moby Dick, said Mr. Cockburn to Mrs. Hancock.",
        "Raccoons, a therapist, an analyst, the Essex canal, titles and Titanic.",
        "Hell, damn, God, sex, womb, breast and rape are words for news and doctors.",
        "Dial 2 * 3, * 4 and a * b.",
        "سلام دنیا",
        "",
    ],
)
def test_nothing_is_found_inside_clean_words(clean: str) -> None:
    assert mask(clean) == clean


def test_a_masked_reading_keeps_tokens_times_and_confidence() -> None:
    words = (
        DecodedWord(text="Oh", tokens=(1,), start_samples=0, end_samples=100, confidence=0.9),
        DecodedWord(text="shit.", tokens=(2, 3), start_samples=100, end_samples=300, confidence=0.8),
    )
    masked = mask_hypothesis(Hypothesis(words, -0.5))
    assert masked == Hypothesis(
        (words[0], DecodedWord(text="s***.", tokens=(2, 3), start_samples=100, end_samples=300, confidence=0.8)), -0.5
    )
    assert masked.tokens == (1, 2, 3)
