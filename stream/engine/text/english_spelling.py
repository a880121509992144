"""English words that are spelled in several ways: one form for American and British spellings, and for numbers."""

import re
from functools import lru_cache

from stream.words import WORDS_KEPT

_FUNCTION_WORDS = """
a about after all am an and any are as at be been but by can could did do does done for from get go had has have he her
here hers him his how i id if ill im in into is it its ive just may me might must my no nor not now of off oh on or our
out over own she should so some than that thats the their them then there these they theyre this those to too up us was
we were what whats when where which who whom whose why will with would yes you your youre
"""
# Endings that may follow "travell", "counsell", "jewell" or "marvell", and "colour".
_L_ENDINGS = "(?:ed|ing|ings|er|ers|or|ors|ous|ously|ery|est|ist|ists)"
_OUR_ENDINGS = "(?:s|ed|ing|ings|able|ably|ite|ites|ful|less|hood|hoods|ly|al|ally|er|ers|y|ies)?"
# Of the 117,000 words of a pronouncing dictionary no two that sound different have the same form, but for six pairs of
# spellings of one word and two pairs of surnames.
_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # "colour", "neighbourhood", "armoury", but not "four" and "scour"
        (rf"(?<=[aeiou][^aeiou])our(?={_OUR_ENDINGS}$)", "or"),
        (rf"(?<=[aeiou][^aeiou][^aeiou])our(?={_OUR_ENDINGS}$)", "or"),
        (rf"(?<=ghb)our(?={_OUR_ENDINGS}$)", "or"),
        (rf"(?<=[vh]i)our(?={_OUR_ENDINGS}$)", "or"),
        # "organise", "organisation", but not "rise" and "wise"
        (r"(?<=[a-z]{4})is(?=(?:e|ed|es|er|ers|ing|ation|ations|ational)$)", "iz"),
        (r"(?<=[a-z]{2})lys(?=(?:e|ed|er|ers|ing)$)", "lyz"),
        # "centre", "fibre"
        (r"(?<=[a-z]{2}[bt])re(?=s?$)", "er"),
        (r"(?<=[a-z]{2}[bt])red$", "ered"),
        (r"(?<=[a-z]{2}[bt])ring$", "ering"),
        (r"(?<=[a-z]{2})logue(?=s?$)", "log"),
        (r"(?<=[a-z]{2})ence(?=s?$)", "ense"),
        # "travelled", "fuelled", "pencilled", but not "filled"
        (rf"(?<=[a-z][aeiou][^aeiou][ae])ll(?={_L_ENDINGS}$)", "l"),
        (rf"(?<=[aeiou][^aeiou]{{2}}[ae])ll(?={_L_ENDINGS}$)", "l"),
        (rf"(?<=[a-z][aeiou][ae])ll(?={_L_ENDINGS}$)", "l"),
        (rf"(?<=nci)ll(?={_L_ENDINGS}$)", "l"),
        # "anaemia", "encyclopaedia", "foetus", but not "Michael" and "Gaetz"
        (r"(^h|^p|^f|^c|an|arch|gyn|euk|clop|hop|ur|isch|mendi)ae(?=[cdmnost])", r"\1e"),
        (r"^ae(?=st)", "e"),
        (r"^oe(?=d|str|so)", "e"),
        (r"(^f|^c|rh|am|om)oe(?=tus|tal|lia|a|b|op)", r"\1e"),
        (r"sulph", "sulf"),
    )
)
# Spellings of names: "Marc" and "Mark", "Philip" and "Filip", "Bryan" and "Brian", "Ann" and "Anne".
# Of the pairs with the same form in a pronouncing dictionary, a third differ in sound, mostly in one vowel.
_NAME_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"ph", "f"),
        (r"ck$|c(?![eiyhzk])", "k"),
        (r"(?<=[bcdfgklmnprstvxz])y(?=[a-z])", "i"),
        (r"(?<=[aeiou])h$", ""),
        (r"(ll|nn|rr|ss|tt|dd|gg|ff|zz)e?$", lambda match: match[0][0]),
        (r"(?<=[bdfgklmnprst][bdfgkmnpt])e$", ""),
        (r"tth", "th"),
    )
)
_OTHER_WORDS = """
amour amours autre chartres contour contours demetre detour detours devour devoured devouring devours entre notre
paramour petre pompadour satre silvestre tambour timbre troubadour velour votre
"""
_PAIRS = """
acknowledgement/acknowledgment ageing/aging artefact/artifact artefacts/artifacts axe/ax carburettor/carburetor
cosy/cozy doughnut/donut doughnuts/donuts dr/doctor enrol/enroll enrolment/enrollment fulfil/fulfill
fulfilment/fulfillment glamour/glamor grey/gray greys/grays instalment/installment instalments/installments
jewellery/jewelry judgement/judgment judgements/judgments likeable/likable manoeuvre/maneuver manoeuvres/maneuvers
mediaeval/medieval mould/mold moulds/molds mouldy/moldy moustache/mustache moustaches/mustaches mr/mister okay/ok
omelette/omelet omelettes/omelets plough/plow ploughs/plows practise/practice practised/practiced
practising/practicing programme/program programmes/programs pyjamas/pajamas sceptic/skeptic sceptical/skeptical
sceptics/skeptics skilful/skillful vs/versus whisky/whiskey wilful/willful woollen/woolen woollens/woolens
yoghurt/yogurt yoghurts/yogurts
"""
_UNITS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen
"""
_TENS = """
twenty thirty forty fifty sixty seventy eighty ninety
"""
_FUNCTION_WORD_SET = frozenset(_FUNCTION_WORDS.split())
_EXCEPTIONS = frozenset(_OTHER_WORDS.split())
_SAME = {one: other for one, _, other in (pair.partition("/") for pair in _PAIRS.split())}
_UNIT_WORDS = tuple(_UNITS.split())
_TENS_WORDS = tuple(_TENS.split())


def is_function_word(spoken: str) -> bool:
    """Whether a word in its spoken form is one of those that hold sentences together."""
    return spoken in _FUNCTION_WORD_SET


@lru_cache(WORDS_KEPT)
def english_form(word: str) -> str:
    """Return the form that a word in its spoken form shares with its other spelling: "color" for "colour"."""
    if word in _SAME:
        return _SAME[word]
    if len(word) < 5 or word in _EXCEPTIONS:
        return word
    for pattern, replacement in _RULES:
        word = pattern.sub(replacement, word)
    return word


@lru_cache(WORDS_KEPT)
def name_form(name: str) -> str:
    """Return the form that a name in its spoken form shares with others that sound the same: "mark" for "Marc"."""
    for pattern, replacement in _NAME_RULES:
        name = pattern.sub(replacement, name)
    return name


def number_words(digits: str) -> str:
    """Return a number below 100 in words without spaces, "twentytwo" for "22"; longer numbers as they are."""
    if len(digits) > 2 or (len(digits) == 2 and digits[0] == "0"):
        return digits
    number = int(digits)
    if number < len(_UNIT_WORDS):
        return _UNIT_WORDS[number]
    tens, units = divmod(number, 10)
    return _TENS_WORDS[tens - 2] + (_UNIT_WORDS[units] if units else "")
