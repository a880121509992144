import pytest

from stream.engine.text.english_spelling import english_form, is_function_word, number_words

VARIANTS = """
colour/color neighbourhood/neighborhood behavioural/behavioral armoury/armory organise/organize
organisation/organization realising/realizing analysed/analyzed centre/center centred/centered fibres/fibers
dialogue/dialog defence/defense travelled/traveled counsellor/counselor fuelled/fueled dialling/dialing
pencilled/penciled jeweller/jeweler marvellous/marvelous anaemia/anemia encyclopaedia/encyclopedia paediatric/pediatric
foetus/fetus oestrogen/estrogen diarrhoea/diarrhea archaeology/archeology aesthetic/esthetic sulphur/sulfur grey/gray
programme/program whisky/whiskey
"""
OTHERS = """
four/for hours/hors scour/scor flour/flor devour/devor amour/amor timbre/timber chartres/charters entre/enter
filled/filed rise/rize wise/wize analyses/analyzes michael/michel shoes/shes poet/pet gaetz/getz cheque/check kerb/curb
"""


@pytest.mark.parametrize("pair", VARIANTS.split())
def test_american_and_british_spellings_share_a_form(pair: str) -> None:
    british, american = pair.split("/")
    assert english_form(british) == english_form(american)


@pytest.mark.parametrize("pair", OTHERS.split())
def test_other_words_do_not(pair: str) -> None:
    one, other = pair.split("/")
    assert english_form(one) != english_form(other)


@pytest.mark.parametrize(
    ("digits", "words"),
    [("0", "zero"), ("7", "seven"), ("13", "thirteen"), ("20", "twenty"), ("66", "sixtysix"), ("07", "07")],
)
def test_numbers_below_a_hundred_have_words(digits: str, words: str) -> None:
    assert number_words(digits) == words


def test_longer_numbers_stay() -> None:
    assert number_words("100") == "100"


def test_function_words_are_known_in_their_spoken_form() -> None:
    assert is_function_word("it")
    assert is_function_word("whats")
    assert not is_function_word("lamp")
