"""Find the digits or letters of a slot in hypotheses, whatever way the decoder wrote them."""

import math
from collections.abc import Iterable, Sequence

from stream.engine.model.hypotheses import Hypothesis
from stream.vocabulary.templates import SlotKind, SlotPhrase
from stream.words import spoken_form

_DIGITS = {
    word: str(digit)
    for digit, words in enumerate(
        ("zero oh o", "one won", "two to too", "three", "four for", "five", "six", "seven", "eight ate", "nine niner")
    )
    for word in words.split()
}
_TIMES = {"double": 2, "triple": 3}
# How letters are spelled when they are heard as words; the spelling alphabet has the first letter of each of its words.
_LETTERS = {
    word: letter
    for letter, words in {
        "a": "ay alpha alfa",
        "b": "be bee bravo",
        "c": "see sea charlie",
        "d": "dee delta",
        "e": "echo",
        "f": "ef eff foxtrot",
        "g": "gee golf",
        "h": "aitch haitch hotel",
        "i": "eye india",
        "j": "jay juliet juliett juliette",
        "k": "kay kilo",
        "l": "el ell lima",
        "m": "em mike",
        "n": "en november",
        "o": "oh oscar",
        "p": "pee pea papa",
        "q": "queue cue quebec",
        "r": "are romeo",
        "s": "ess sierra",
        "t": "tea tee tango",
        "u": "you uniform",
        "v": "vee victor",
        "w": "whiskey",
        "x": "ex xray",
        "y": "why yankee",
        "z": "zee zed zulu",
    }.items()
    for word in words.split()
}
# Of 24 numbers that were read as one with 8 digits, 17 of the 18 that had 8 were right, from 0.19 on; those with 7 or 9
# digits, and the wrong one, had 0.09 or less.
_LEAST_CHANCE = 0.12


def read_slot(text: str, phrase: SlotPhrase) -> str | None:
    """Return the characters of the slot if the text is the phrase, with the right number of them; else None."""
    words = spoken_form(text).split()
    before, after = (spoken_form(part).split() for part in (phrase.before, phrase.after))
    if words[: len(before)] != before or words[len(words) - len(after) :] != after:
        return None
    inside = words[len(before) : len(words) - len(after)]
    characters = _digits(inside) if phrase.slot.kind is SlotKind.DIGITS else _letters(inside)
    return characters if characters is not None and len(characters) == phrase.slot.n_places else None


def slot_chances(hypotheses: Sequence[Hypothesis], phrases: Iterable[SlotPhrase]) -> dict[str, float]:
    """Return each phrase with a filled slot, with the share of the hypotheses that have it by their probability.

    Small shares are left out: they have a digit too many or too few, to fit the slot.
    """
    logprobs = [hypothesis.logprob * max(1, len(hypothesis.tokens)) for hypothesis in hypotheses]
    highest = max(logprobs, default=0.0)
    weights = [math.exp(logprob - highest) for logprob in logprobs]
    whole = math.fsum(weights)
    chances: dict[str, float] = {}
    for phrase in phrases:
        for hypothesis, weight in zip(hypotheses, weights, strict=True):
            characters = read_slot(hypothesis.text, phrase)
            if characters is not None:
                text = phrase.write(characters)
                chances[text] = chances.get(text, 0.0) + weight / whole
    return {text: chance for text, chance in chances.items() if chance >= _LEAST_CHANCE}


def _digits(words: Sequence[str]) -> str | None:
    found, times = "", 1
    for word in words:
        if word in _TIMES and times == 1:
            times = _TIMES[word]
            continue
        digits = word if word.isdecimal() and word.isascii() else _DIGITS.get(word, "")
        if not digits:
            return None
        found += digits[0] * (times - 1) + digits
        times = 1
    return found if times == 1 else None


def _letters(words: Sequence[str]) -> str | None:
    found = ""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "ray" and found.endswith("X"):
            continue  # "X-ray"
        if word == "double" and rest and rest[0] in ("you", "u"):
            rest.pop(0)
            found += "W"
        elif word in _LETTERS:
            found += _LETTERS[word].upper()
        elif word.isascii() and word.isalpha() and (len(word) == 1 or len(words) == 1):
            found += word.upper()  # "ABC" is written as one word
        else:
            return None
    return found
