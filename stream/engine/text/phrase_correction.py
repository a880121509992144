"""Find corrections of a text: places that sound like an expected phrase, and what to put there."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from stream.engine.text.phonetics import PhoneticForms, phonetic_forms, similarity
from stream.words import spoken_form

# Measured with 123 phrases on 36 sentences with 55 rare words and on 36 sentences that only sound like phrases.
_RELATED = 0.47  # least similarity of misrecognized names: "his friend" for "Isfahan" has 0.47
_SIMILAR = 0.55  # least similarity of a phrase that the decoder did not propose itself
_PROPOSED = 0.45  # least similarity of a text that the biased decoder proposed
_MOST_RELATED = 6  # phrases of one utterance: more cost time and correct nothing
_LONGEST_SPAN_WORDS = 6  # "me to proud old wise" for "Metoprolol twice"
_FEWEST_LETTERS = 3  # shorter phrases sound like half of all words
_MARKS = ".,;:!?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A `text` for the words from `first_word` up to `end_word` of a text, and the similarity of both."""

    first_word: int
    end_word: int
    text: str
    similarity: float

    def overlaps(self, other: "Correction") -> bool:
        """Whether both replace the same word."""
        return self.first_word < other.end_word and other.first_word < self.end_word

    def replaced(self, words: Sequence[str]) -> slice:
        """Return which of the words become others: all, less those at both ends that the new text has as well."""
        old = [spoken_form(word) for word in words[self.first_word : self.end_word]]
        new = spoken_form(self.text).split()
        most = min(len(old) - 1, len(new))
        before = next((n for n in range(most) if old[n] != new[n]), most)
        most -= before
        after = next((n for n in range(most) if old[-1 - n] != new[-1 - n]), most)
        return slice(self.first_word + before, self.end_word - after)


class Phrases:
    """The expected phrases; those too short for a phonetic comparison are left out."""

    def __init__(self, phrases: Iterable[str]) -> None:
        texts: dict[str, str] = {}
        for phrase in phrases:
            if len((spoken := spoken_form(phrase)).replace(" ", "")) >= _FEWEST_LETTERS:
                texts.setdefault(spoken, " ".join(phrase.split()))
        self._texts = tuple(texts.values())
        self._spoken = tuple(texts)
        self._phonetic_forms = phonetic_forms(texts)

    def related(self, words: Sequence[str]) -> list[str]:
        """Return the few phrases that a part of the text sounds like, the most similar first, without those in it."""
        if not words or not self._texts:
            return []
        best = similarity(_phonetic_forms(words, _spans(words)), self._phonetic_forms).max(axis=0)
        order = (int(index) for index in (-best).argsort(kind="stable") if best[index] >= _RELATED)
        whole = _spaced(" ".join(words))
        return [self._texts[index] for index in order if f" {self._spoken[index]} " not in whole][:_MOST_RELATED]

    def removes_any(self, words: Sequence[str], correction: Correction) -> bool:
        """Whether a correction would remove a phrase that is in the text."""
        old, new = _spaced(" ".join(words[correction.first_word : correction.end_word])), _spaced(correction.text)
        return any(f" {phrase} " in old and f" {phrase} " not in new for phrase in self._spoken)


def find_corrections(plain: Sequence[str], biased: Sequence[str], phrases: Sequence[str]) -> list[Correction]:
    """Return the corrections of the plain text: what the biased decoder proposes, and phrases that sound alike."""
    replacements = _replacements(plain, phrases)
    spelled = list(biased)
    for one in sorted(without_overlaps(_replacements(biased, phrases)), key=lambda one: -one.first_word):
        spelled[one.first_word : one.end_word] = one.text.split()
    proposed = _differences(plain, spelled, phrases)
    if spelled != list(biased):
        proposed += _differences(plain, biased, phrases)
    return list(dict.fromkeys([*proposed, *replacements]))


def without_overlaps(corrections: Iterable[Correction]) -> list[Correction]:
    """Leave out every correction that overlaps one before it."""
    kept: list[Correction] = []
    for correction in corrections:
        if not any(correction.overlaps(other) for other in kept):
            kept.append(correction)
    return kept


def has_phrase(text: str, phrase: str) -> bool:
    """Whether a text contains a phrase as whole words."""
    return _spaced(phrase) in _spaced(text)


def _spans(words: Sequence[str]) -> list[tuple[int, int]]:
    return [
        (first, end)
        for first in range(len(words))
        for end in range(first + 1, min(len(words), first + _LONGEST_SPAN_WORDS) + 1)
    ]


def _phonetic_forms(words: Sequence[str], spans: Sequence[tuple[int, int]]) -> PhoneticForms:
    return phonetic_forms(" ".join(words[first:end]) for first, end in spans)


def _replacements(words: Sequence[str], phrases: Sequence[str]) -> list[Correction]:
    """Return each phrase at the span that is most similar to it; the punctuation at the end of the span stays."""
    spans = _spans(words)
    if not spans:
        return []
    similarities = similarity(_phonetic_forms(words, spans), phonetic_forms(phrases))
    found: list[Correction] = []
    for number, phrase in sorted(enumerate(phrases), key=lambda pair: -similarities[:, pair[0]].max()):
        found += _corrections(words, phrase, [spans[int(similarities[:, number].argmax())]], _SIMILAR)
    return found


def _corrections(
    words: Sequence[str], phrase: str, spans: Iterable[tuple[int, int]], least: float
) -> Iterator[Correction]:
    """Yield a phrase in the place of each span that is at least so similar; the punctuation at its end stays."""
    places = sorted(spans)
    similarities = similarity(_phonetic_forms(words, places), phonetic_forms([phrase]))
    for (first, end), alike in zip(places, similarities[:, 0].tolist(), strict=True):
        if least <= alike < 1:
            mark = "" if phrase[-1] in _MARKS else _mark_after(words[end - 1])
            yield Correction(first_word=first, end_word=end, text=phrase + mark, similarity=alike)


def _differences(plain: Sequence[str], biased: Sequence[str], phrases: Sequence[str]) -> list[Correction]:
    """Return each phrase of the biased text at the words that it replaces, if it sounds like them.

    The other words of the biased text are left out: with phrases in mind the decoder changes words that were right.
    """
    before, after = ([spoken_form(word) for word in words] for words in (plain, biased))
    found: list[Correction] = []
    for phrase in phrases:
        for place in _places(after, spoken_form(phrase).split()):
            if span := _replaced(before, after, place):
                found += _corrections(plain, phrase, {span, _most_similar(plain, phrase, span)}, _PROPOSED)
    return found


def _places(words: Sequence[str], phrase: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where words are the phrase."""
    for first in range(len(words) - len(phrase) + 1):
        if words[first : first + len(phrase)] == phrase:
            yield first, first + len(phrase)


def _replaced(before: Sequence[str], after: Sequence[str], place: tuple[int, int]) -> tuple[int, int] | None:
    """Return the words before that became those at a place after: those with at least half of their letters in it."""
    begin, end = (len("".join(after[:edge])) for edge in place)
    old, new = "".join(before), "".join(after)
    inside = [False] * len(old)
    for code in Levenshtein.opcodes(old, new):
        for letter in range(code.src_start, code.src_end):
            # Of an equal part each letter has its own place, of a replaced one any.
            first = code.dest_start + letter - code.src_start if code.tag == "equal" else code.dest_start
            last = first + 1 if code.tag == "equal" else code.dest_end
            inside[letter] = first < end and last > begin
    words = [
        number for number, (first, last) in enumerate(_letters(before)) if 2 * sum(inside[first:last]) >= last - first
    ]
    return (words[0], words[-1] + 1) if words else None


def _most_similar(words: Sequence[str], phrase: str, span: tuple[int, int]) -> tuple[int, int]:
    """Return the span that sounds most like the phrase, of those that share a word with a span."""
    spans = [other for other in _spans(words) if other[0] < span[1] and span[0] < other[1]]
    similarities = similarity(_phonetic_forms(words, spans), phonetic_forms([phrase]))
    return spans[int(similarities[:, 0].argmax())]


def _letters(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the place of the letters of each word in all of them."""
    place = 0
    for word in words:
        yield place, place + len(word)
        place += len(word)


def _spaced(text: str) -> str:
    return f" {spoken_form(text)} "


def _mark_after(word: str) -> str:
    return word[len(word.rstrip(_MARKS)) :]
