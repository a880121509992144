"""Read an amount from Persian number words, one word after the other."""

from dataclasses import dataclass, replace

ZWNJ = "\u200c"
AND = "و"
POINT = "ممیز"
_UNITS = (
    "صفر یک دو سه چهار|چار پنج شش|شیش هفت هشت نه ده یازده دوازده سیزده چهارده پانزده|پونزده شانزده|شونزده "
    "هفده|هیفده هجده|هیجده|هژده نوزده"
)
_TENS = "بیست سی چهل پنجاه شصت هفتاد هشتاد نود"
_HUNDREDS = "صد|یکصد دویست|دویس سیصد چهارصد|چارصد پانصد|پونصد ششصد|شیشصد هفتصد هشتصد نهصد"
_SCALES = {"هزار": 10**3, "میلیون": 10**6, "ملیون": 10**6, "میلیارد": 10**9, "بیلیون": 10**9}
_THOUSAND, _BILLION = 10**3, 10**9
_ORDINAL_ENDINGS = ("مین", "م", "اُم", "ام", "امین")
FRACTIONS = {"دهم": 1, "صدم": 2, "هزارم": 3}
"""How many digits after the point a denominator stands for."""


def _values(words: str, first: int, step: int) -> dict[str, int]:
    """Return the value of each word; `|` separates words of one value."""
    return {word: first + step * index for index, same in enumerate(words.split()) for word in same.split("|")}


_VALUES = _values(_UNITS, 0, 1) | _values(_TENS, 20, 10) | _values(_HUNDREDS, 100, 100)
# Arabic letters that keyboards and models write for the Persian ones.
_PERSIAN_LETTERS = str.maketrans("يىك", "ییک")


@dataclass(frozen=True, slots=True)
class Amount:
    """The number that some words stand for, and what may follow: `part` waits for a scale such as thousand.

    `expects` a further value after "and"; `words` counts number words. The methods return None for a word that does
    not go on with the number.
    """

    total: int = 0
    part: int = 0
    scale: int | None = None
    expects: bool = False
    words: int = 0
    has_coefficient: bool = False

    @property
    def value(self) -> int:
        return self.total + self.part

    def take(self, piece: str) -> "Amount | None":
        """Return the amount after a further word, "and" included."""
        if piece == AND:
            return None if self.expects or not self.value else replace(self, expects=True)
        if piece in _SCALES:
            return self._multiplied(_SCALES[piece])
        value = _VALUES.get(piece)
        if value is None or not self._fits(value):
            return None
        return replace(self, part=self.part + value, expects=False, words=self.words + 1)

    def _fits(self, value: int) -> bool:
        if not self.words:
            return True
        if not self.expects or not value:
            return False
        if value >= 100:
            return not self.part
        if value >= 10:
            return not self.part % 100
        return not self.part % 10 and self.part % 100 != 10

    def _multiplied(self, scale: int) -> "Amount | None":
        is_first = self.words == 0 or (self.expects and not self.part)
        if self.words and not self.value:
            return None
        if self.scale == _THOUSAND and scale == _BILLION and not self.expects:
            # "Thousand milliards" is how a billion of the long scale is said.
            total = self.value * scale
        elif self.scale is not None and scale >= self.scale:
            return None
        elif self.part and not self.expects:
            total = self.total + self.part * scale
        elif is_first and scale == _THOUSAND:
            total = self.total + scale
        else:
            return None
        return Amount(total, 0, scale, False, self.words + 1, has_coefficient=self.has_coefficient or self.part > 0)


def is_number_word(core: str) -> bool:
    """Whether a word without punctuation may be a part of a number, "and", point and ordinals included."""
    return bool(pieces_of(core)) or is_ordinal(core)


def pieces_of(core: str) -> tuple[str, ...]:
    """Return the number words that one word consists of, "and" and point included; nothing for another word.

    Half-spaces join them ("بیست‌وپنج"), and "and" is written together with what follows it.
    """
    pieces: list[str] = []
    for part in core.translate(_PERSIAN_LETTERS).split(ZWNJ):
        if _is_piece(part):
            pieces.append(part)
        elif part.startswith(AND) and _is_piece(part[1:]):
            pieces += (AND, part[1:])
        else:
            return ()
    return tuple(pieces)


def is_ordinal(core: str) -> bool:
    """Whether a word without punctuation is an ordinal or a denominator: "fifth", "thirtieth", "thousandth"."""
    text = core.translate(_PERSIAN_LETTERS).removeprefix(AND).replace(ZWNJ, "")
    if text in _ORDINAL_ENDINGS:
        return True
    stems = (text.removesuffix(ending) for ending in _ORDINAL_ENDINGS if text.endswith(ending))
    return any(stem == "سو" or _is_piece(stem) for stem in stems)


def _is_piece(word: str) -> bool:
    return word in _VALUES or word in _SCALES or word in {AND, POINT}
