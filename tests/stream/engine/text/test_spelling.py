import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.engine.model.hypotheses import DecodedWord, Hypothesis, Tokens
from stream.engine.text.spelling import Spellings
from tests.support.tiers import examples

_WORDS = st.lists(st.text(string.ascii_letters + "0123456789éöß.,'-&+ ي\u200c", max_size=12), max_size=6)


def written(phrases: list[str], text: str, language: str = "en-US") -> str:
    return " ".join(Spellings(phrases).respelled(text.split(), language))


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        ("McDonald", "Ask mcdonald, or Mcdonald.", "Ask McDonald, or McDonald."),
        ("eBay", 'Ebay. EBAY (ebay) "ebay"', 'eBay. eBay (eBay) "eBay"'),
        ("NPM", "run npm", "run NPM"),
        ("npm", "run NPM, N.P.M. or N. P. M.", "run npm, npm or npm."),
        ("New York City", "a new york city cab", "a New York City cab"),
        ("IT Crowd", "the it crowd", "the IT Crowd"),
        ("McDonald", "McDonald's and mcdonald's", "McDonald's and McDonald's"),
    ],
)
def test_the_case_of_a_phrase_wins(phrase: str, text: str, expected: str) -> None:
    assert written([phrase], text) == expected


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("london", "London is in london."),
        ("new york", "New York, new york."),
        ("turn on", "Turn on the lamp."),
        ("Kubernetes", "Kubernetes"),
        ("C++", "C is not C++."),
        (".NET", "the net"),
        ("resumes", "my resume"),
    ],
)
def test_text_that_is_right_stays(phrase: str, text: str) -> None:
    assert written([phrase], text) == text


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("IT", "it is what it is"),
        ("US", "tell us"),
        ("May", "it may be"),
        ("WILL", "I will"),
        ("together", "to get her"),
        ("maybe", "it may be"),
    ],
)
def test_function_words_are_not_taken_for_names(phrase: str, text: str) -> None:
    assert written([phrase], text) == text


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        ("email", "an e mail, an E-mail", "an email, an Email"),
        ("email", "E mail me", "Email me"),
        ("e-mail", "an email", "an e-mail"),
        ("e mail", "an email!", "an e mail!"),
        ("GitHub", "git hub and Git-Hub", "GitHub and GitHub"),
        ("WhatsApp", "use What's App.", "use WhatsApp."),
        ("iPhone", "my I phone's", "my iPhone's"),
        ("iphone", "an I phone", "an iphone"),
        ("Jean-Luc", "jean luc", "Jean-Luc"),
        ("O'Brien", "Obrien", "O'Brien"),
        ("OBrien", "O'Brien", "OBrien"),
        ("DC", "Washington D.C. is DC. In D.C.", "Washington DC is DC. In DC."),
        ("D.C.", "in DC or DC.", "in D.C. or D.C."),
        ("Washington, DC", "Washington DC", "Washington, DC"),
    ],
)
def test_words_are_joined_and_split_as_in_the_phrase(phrase: str, text: str, expected: str) -> None:
    assert written([phrase], text) == expected


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        ("colour", "The color. Color it", "The colour. Colour it"),
        ("Harbor House", "at harbour house", "at Harbor House"),
        ("harbour house", "At Harbor House", "At Harbour House"),
        ("travelled", "we traveled", "we travelled"),
        ("Beyoncé", "Beyonce", "Beyoncé"),
        ("Müller", "Mueller or Muller", "Müller or Müller"),
        ("Løvgren", "Lovgren", "Løvgren"),
        ("resume", "a résumé", "a resume"),
        ("AT&T", "AT and T, ATT", "AT&T, AT&T"),
        ("C++", "C plus plus", "C++"),
        ("Node.js", "node js, node dot JS", "Node.js, Node.js"),
        (".NET", "dot net", ".NET"),
        ("platform four", "platform 4", "platform four"),
        ("Route 66", "route sixty-six", "Route 66"),
        ("CO2", "CO 2", "CO2"),
    ],
)
def test_the_spelling_of_a_phrase_wins(phrase: str, text: str, expected: str) -> None:
    assert written([phrase], text) == expected


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        ("Marc", "Ask Mark or Mark's son. Mark asks", "Ask Marc or Marc's son. Mark asks"),
        ("Haskel", "in Haskell code", "in Haskel code"),
        ("Catherine", "with Katherine.", "with Catherine."),
        ("Sarah", "to Sara", "to Sarah"),
        ("Sarah", "a sara", "a sara"),
        ("Bryan", "to Brian", "to Bryan"),
        ("Bloc", "a block", "a block"),
        ("Zara", "to Sarah", "to Sarah"),
    ],
)
def test_names_that_sound_the_same_are_written_as_the_phrase(phrase: str, text: str, expected: str) -> None:
    assert written([phrase], text) == expected
    assert written([text.split()[1].strip("."), phrase, phrase], text) == text


def test_accents_are_letters_of_their_own_in_other_languages() -> None:
    assert written(["schön"], "schon", "de") == "schon"
    assert written(["SCHÖN"], "schön", "de") == "SCHÖN"


@pytest.mark.parametrize(("phrase", "text"), [("سلام علیکم", "سلام عليكم"), ("می\u200cروم", "میروم")])
def test_persian_letters_of_other_keyboards_are_the_same(phrase: str, text: str) -> None:
    assert written([phrase], text, "fa") == phrase


@pytest.mark.parametrize("language", ["en", "en-US"])
def test_english_variants_are_those_of_any_english(language: str) -> None:
    assert written(["colour"], "a color", language) == "a colour"
    assert written(["colour"], "a color", "fr") == "a color"


def test_words_of_two_sentences_are_not_joined() -> None:
    assert written(["Bluebird"], "It is blue. Bird calls") == "It is blue. Bird calls"
    assert written(["Bluebird"], "a blue, bird") == "a blue, bird"


def test_the_longest_phrase_and_the_first_of_the_same_count() -> None:
    assert written(["New", "New York", "NEW YORK"], "new york, new") == "New York, New"


def test_new_words_share_the_times_of_the_old_ones() -> None:
    words = tuple(
        DecodedWord(text=text, tokens=(n,), start_samples=start, end_samples=end, confidence=confidence)
        for n, (text, start, end, confidence) in enumerate(
            [("an", 0, 10, 0.9), ("e", 10, 20, 0.5), ("mail.", 20, 60, 0.8)]
        )
    )

    def encode(text: str) -> Tokens:
        return tuple(map(ord, text))

    joined = Spellings(["email"]).rewrite(Hypothesis(words), "en", encode).words
    assert [(word.text, word.start_samples, word.end_samples) for word in joined] == [("an", 0, 10), ("email.", 10, 60)]
    assert joined[1].confidence == pytest.approx(0.75)
    assert joined[1].tokens == encode("email.")
    split = Spellings(["e mail"]).rewrite(Hypothesis(joined), "en", encode).words
    assert [(word.text, word.start_samples, word.end_samples) for word in split[1:]] == [
        ("e", 10, 18),
        ("mail.", 18, 60),
    ]
    assert Spellings(["email"]).rewrite(Hypothesis(words), "en", encode, kept_words=2).words == words


@given(_WORDS, _WORDS, st.sampled_from(["en", "de", "fa"]))
@examples(50)
def test_a_text_is_written_once(phrases: list[str], texts: list[str], language: str) -> None:
    words = [word for text in texts for word in text.split()]
    once = Spellings(phrases).respelled(words, language)
    assert all(word and word == word.strip() for word in once)
    assert Spellings(phrases).respelled(once, language) == once
    assert Spellings([]).respelled(words, language) == words
