"""Train a language model: select phrases from phrases, sentences and transcripts."""

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from stream.vocabulary.vocabularies import LONGEST_PHRASE

MOST_CHARACTERS = 2_000_000
"""How much of the sentences and the transcripts is used, some 35 hours of speech."""
MOST_PHRASE_WORDS = 5
"""A longer entry is a sentence; so is one with more than two words that ends like a sentence."""
_ENDS = (".", "!", "?", "؟", "۔", "。", "！", "？")
# Titles with a period that ends no sentence: a name follows.
_TITLES = {"mr", "mrs", "ms", "dr", "prof", "st"}
_LINES = re.compile(r"[\n\r\u2028\u2029。！？]+")  # noqa: RUF100
_GAPS = re.compile(r"[\s\x00-\x1f\x7f-\x9f,;،؛、\"“”„«»()\[\]{}<>|/\\—–…]+")
_MARKS = ".:!?؟۔'’‘`´-_*~=^%$€£&@•·\u200b\u200c\u200e\u200f"
_SHORTENED = re.compile("'(t|ll|re|ve|m|d)$")
# Letters that differ between keyboards, and marks that are often left out.
_FOLDED = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "’": "'", **dict.fromkeys("ـ\u200b\u200c\u200d\u200e\u200f")})
# A lower-case word of so many letters may be distinctive; scripts without capitals do not write short vowels.
_LONG_LETTERS, _LONG_UNCASED_LETTERS, _SHORT_LETTERS = 7, 6, 3
_NAMED_WEIGHT = 3.0
_EN = """
a about above after again against all almost also although always am an and another any anything are around as ask
asked at away back be because become been before began being believe below best better between big both but by call
came can cannot come comes could day days did different do does doing done down during each early easy either else
end enough even ever every everybody everyone everything example exactly far few find first for found four from full
gave get gets getting give given go goes going gone good got great had half happen happened hard has have having he
hello help her here hers herself high him himself his hour hours how however hundred i if important in instead into
is it its itself just keep kind knew know known large last later least leave left less let like little long look
looking lot made mainly make makes making man many may maybe me mean men might million minute minutes more morning
most much must my myself need never new next night no nobody nor not nothing now number of off often oh okay old on
once one only open or other others our out over own part people perhaps person place please point possible probably
problem put question quite rather read really right said same saw say saying says second see seem seems seen several
shall she should show similar since small so some somebody someone something sometimes soon sorry still such sure take
takes taken talk tell than thank thanks that the their them themselves then there therefore these they thing things
think this those though thought thousand three through time times to today together told tomorrow too took toward
turn two under understand until up upon us use used using usually very want wanted was way we week weeks well went
were what whatever when where whether which while who whole whom whose why will with within without woman women word
words work working world would yeah year years yes yesterday yet you young your yours yourself
"""
_FA = """
از به با در که را و یا تا بر برای هم هر این آن اون اینها آنها ها های من تو او ما شما ایشان خود خودش خودم چه چی چرا
کی کجا چگونه چطور چند چون اگر اگه ولی اما پس نیز همه همین همان همچنین هیچ هنوز حالا الان اکنون امروز دیروز فردا دیگر
دیگه دیگری بسیار خیلی کم بیش بیشتر کمتر باید شاید نباید نه بله آره خیر است هست نیست بود نبود باشد شد شده شود شدن کرد
کرده کند کنند کنم کنید کردن دارد داره دارند دارم داشت داشته دهد داد داده گفت گفته گوید رفت آمد خواهد خواست توان تواند
توانست یک دو سه چهار پنج اول دوم آخر بعد قبل پیش زیر روی بالا پایین میان بین داخل خارج کنار بدون مثل مانند طور نوع
کار چیز کس کسی جا وقت زمان روز شب سال ماه هفته ساعت دقیقه مرد زن نفر مردم بزرگ کوچک خوب بد جدید چنین چنان البته یعنی
باز فقط حتی درباره توسط علیه سپس آنجا اینجا وی نظر مورد طی بار لطفا ممنون سلام خداحافظ خواهش هزار صد میلیون
"""
# The Persian prefixes of the present tense; a word with one is a verb and no name.
_VERB_PREFIXES = ("می\u200c", "نمی\u200c")
_COMMON = frozenset(f"{_EN} {_FA}".split()) | _TITLES


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """A word of a sentence; `is_named` if it is a name, a code or an abbreviation by its letters alone."""

    text: str
    key: str
    is_named: bool
    is_common: bool


@dataclass(slots=True, kw_only=True)
class _Candidate:
    """A possible phrase: how often it was `seen`, in how many `sentences`, and how often as a name (`named`).

    `text` is its first spelling, or the first as a name.
    """

    text: str
    seen: int = 0
    sentences: int = 0
    last_sentence: int = -1
    named: int = 0

    def add(self, text: str, sentence: int, *, is_named: bool) -> None:
        if is_named and not self.named:
            self.text = text
        self.seen += 1
        self.sentences += sentence != self.last_sentence
        self.last_sentence = sentence
        self.named += is_named

    @property
    def is_name(self) -> bool:
        return 2 * self.named > self.seen

    def score(self, n_sentences: int) -> float:
        """Return how distinctive it is: `(1 + ln seen) * ln((1 + all sentences) / sentences with it)^2`.

        A name has three times the weight, and counts as rare however many sentences contain it.
        """
        weight, sentences = (_NAMED_WEIGHT, 1) if self.is_name else (1.0, self.sentences)
        return weight * (1 + math.log(self.seen)) * math.log((1 + n_sentences) / sentences) ** 2


def select(corpora: Sequence[str], transcripts: Iterable[str], most_phrases: int) -> tuple[str, ...]:
    """Select at most so many phrases of 1 to `LONGEST_PHRASE` characters, each once; the result is deterministic.

    First come the entries of `corpora` that are phrases, the most frequent ones first, then words and pairs of words
    from its sentences and from the transcripts, by `_Candidate.score`. Common words are never selected. Others are
    if they are names (with a capital inside a sentence, several capitals, or letters with digits), long, or in several
    sentences; pairs are if both words are names, or if the pair is in several sentences.
    """
    given: dict[str, _Candidate] = {}
    sentences: list[str] = []
    for entry in corpora:
        phrase = clean(entry)
        if _is_phrase(phrase):
            given.setdefault(_key(phrase), _Candidate(text=phrase)).add(phrase, 0, is_named=False)
        else:
            sentences.append(entry)
    # The sort is stable: entries with the same frequency stay in their order.
    explicit = sorted(given, key=lambda key: -given[key].seen)
    phrases = {key: given[key].text for key in explicit[:most_phrases]}
    if len(phrases) < most_phrases:
        for key, text in _distinctive([*sentences, *transcripts]):
            if len(phrases) == most_phrases:
                break
            phrases.setdefault(key, text)
    return tuple(phrases.values())


def clean(text: str) -> str:
    """Normalize a text: one space between words, no control characters, composed letters (NFC)."""
    kept = "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text)
    return unicodedata.normalize("NFC", " ".join(kept.split()))


def _key(text: str) -> str:
    """Return the key of a phrase, which is the same for all its spellings."""
    if text.isascii():
        return text.lower()
    return " ".join(unicodedata.normalize("NFKC", text).casefold().translate(_FOLDED).split())


def _is_phrase(entry: str) -> bool:
    words = entry.split()
    if len(entry) > LONGEST_PHRASE or not any(map(str.isalnum, _key(entry))):
        return False
    return len(words) <= 2 or (len(words) <= MOST_PHRASE_WORDS and not entry.endswith(_ENDS))


def _distinctive(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield keys and spellings of distinctive words and pairs, the most distinctive first."""
    sentences = [sentence for text in _first(texts) for sentence in _sentences(text)]
    words = _words_of(sentences)
    candidates = words | _pairs_of(sentences, words)
    for key in sorted(candidates, key=lambda key: -candidates[key].score(len(sentences))):
        yield key, candidates[key].text


def _first(texts: Iterable[str]) -> Iterator[str]:
    left = MOST_CHARACTERS
    for text in texts:
        yield text[:left]
        left -= len(text)
        if left <= 0:
            return


def _words_of(sentences: Sequence[Sequence[_Word]]) -> dict[str, _Candidate]:
    counts: dict[str, _Candidate] = {}
    for number, sentence in enumerate(sentences):
        for word in sentence:
            if not word.is_common:
                count = counts.setdefault(word.key, _Candidate(text=word.text))
                count.add(word.text, number, is_named=word.is_named)
                if word.text.islower() and not count.named:
                    count.text = word.text  # the capital was that of a sentence; results are written as phrases are
    return {key: count for key, count in counts.items() if count.is_name or _tells(key, count.sentences)}


def _pairs_of(sentences: Sequence[Sequence[_Word]], words: dict[str, _Candidate]) -> dict[str, _Candidate]:
    counts: dict[str, _Candidate] = {}
    for number, sentence in enumerate(sentences):
        for first, second in pairwise(sentence):
            are_names = first.is_named and second.is_named and not (first.is_common and second.is_common)
            text = f"{first.text} {second.text}"
            if (are_names or (first.key in words and second.key in words)) and len(text) <= LONGEST_PHRASE:
                pair = counts.setdefault(_key(text), _Candidate(text=text))
                pair.add(text, number, is_named=are_names)
    return {key: count for key, count in counts.items() if count.is_name or count.sentences > 1}


def _tells(key: str, sentences: int) -> bool:
    letters = sum(map(str.isalpha, key))
    long = _LONG_LETTERS if key[0].upper() != key[0].lower() else _LONG_UNCASED_LETTERS
    return letters >= long or (letters >= _SHORT_LETTERS and sentences > 1)


def _sentences(text: str) -> Iterator[list[_Word]]:
    for line in _LINES.split(text):
        sentence: list[str] = []
        for token in _GAPS.split(unicodedata.normalize("NFC", line)):
            word = token.strip(_MARKS).lstrip("#+")
            if word and len(word) <= LONGEST_PHRASE:
                sentence.append(word)
            if token.endswith(_ENDS) and len(word) > 1 and word.lower() not in _TITLES:
                yield _judged(sentence)
                sentence = []
        yield _judged(sentence)


def _judged(sentence: Sequence[str]) -> list[_Word]:
    # The first word is always capitalized, and if all others are, capitals have no meaning.
    tells_names = any(word[0].islower() for word in sentence[1:])
    return [_word(text, tells_names, is_first=place == 0) for place, text in enumerate(sentence)]


def _word(written: str, tells_names: bool, *, is_first: bool) -> _Word:
    text = re.sub("['’]s$", "", written)
    key = _key(text)
    has_letter = any(map(str.isalpha, key))
    has_digit = any(map(str.isdigit, text))
    has_inner_capital = any(map(str.isupper, text[1:])) and (tells_names or any(map(str.islower, text)))
    is_capital = tells_names and text[:1].isupper() and not is_first and key != "i"
    is_named = has_letter and (has_digit or has_inner_capital or is_capital)
    is_common = not has_letter or key in _COMMON or bool(_SHORTENED.search(key)) or text.startswith(_VERB_PREFIXES)
    return _Word(text=text, key=key, is_named=is_named, is_common=is_common)
