"""Phrases to listen for, from the `prompt` of a transcription.

OpenAI's models continue the style of a prompt; here it only helps to recognize the terms in it. A prompt may list
terms, or be a sentence with names in it, or the text of the recording before. Ordinary words of a sentence are not
taken as phrases, because they would be preferred to words that sound like them.
"""

import re
from collections.abc import Iterable, Iterator

from stream.vocabulary.vocabularies import LONGEST_PHRASE

MOST_PROMPT_PHRASES = 100
"""More phrases slow the recognizer down; a prompt of OpenAI's has at most 224 tokens."""
# Longer pieces between commas are clauses rather than terms.
_LONGEST_TERM_WORDS = 3
_SENTENCE_END = re.compile(r"[.!?؟。…]+(?=\s|$)|[\r\n]+")
_SEPARATOR = re.compile(r"""[,;،؛、"“”«»()\[\]{}|•]+|(?:^|(?<=\s))[-–—*](?=\s)""")
_LABEL = re.compile(r"^[^,;:]{1,60}:\s")


def phrases_in(prompt: str) -> tuple[str, ...]:
    """Return the terms of a prompt, each once, in their order: those of its lists, and names in its sentences."""
    return clean_phrases(term for sentence in _SENTENCE_END.split(prompt) for term in _terms(sentence))


def clean_phrases(phrases: Iterable[str]) -> tuple[str, ...]:
    """Return phrases that the configuration takes: not empty, not too long, each once, and not too many."""
    shortened = (" ".join(phrase.split()) for phrase in phrases)
    fitting = (phrase for phrase in shortened if 1 <= len(phrase) <= LONGEST_PHRASE)
    return tuple(dict.fromkeys(fitting))[:MOST_PROMPT_PHRASES]


def _terms(sentence: str) -> Iterator[str]:
    """Yield the pieces of a list, or the names in a sentence."""
    pieces = [piece.strip() for piece in _SEPARATOR.split(_LABEL.sub("", sentence.strip()))]
    if all(len(piece.split()) <= _LONGEST_TERM_WORDS for piece in pieces):
        yield from pieces
    else:
        yield from _names(pieces)


def _names(pieces: Iterable[str]) -> Iterator[str]:
    """Yield runs of words with capitals; the first word of a sentence has one anyway."""
    is_first = True
    for piece in pieces:
        run: list[str] = []
        for word in piece.split():
            if _is_name(word, is_first=is_first) and len(run) < _LONGEST_TERM_WORDS:
                run.append(word)
            else:
                yield " ".join(run)
                run = [word] if _is_name(word, is_first=is_first) else []
            is_first = False
        yield " ".join(run)


def _is_name(word: str, *, is_first: bool) -> bool:
    """Whether a word looks like a name: a capital inside, letters with digits, or a capital within the sentence."""
    letters = [character for character in word if character.isalpha()]
    if len(letters) < 2:
        return False
    has_digit = any(character.isdigit() for character in word)
    return has_digit or any(map(str.isupper, letters[1:])) or (letters[0].isupper() and not is_first)
