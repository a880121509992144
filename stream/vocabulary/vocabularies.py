"""The vocabularies of `languageModel`: lists of likely phrases by language."""

import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from stream.lazy_import import lazy_import

if TYPE_CHECKING:
    import babel
    import unicode_rbnf
else:
    # 33 MB of locales, and the rules of numbers, which only some vocabularies need.
    babel = lazy_import("babel")
    unicode_rbnf = lazy_import("unicode_rbnf")

MOST_PHRASES = 500
"""How many phrases a recognizer accepts, and a client may send."""
LONGEST_PHRASE = 100
"""Characters of a phrase."""
USUAL_BOOST: float = 20
"""The default boost of phrases, on Riva's scale."""
MOST_BOOST: float = 100

_SAME_LANGUAGE = {"nb": "no"}  # Riva's tag for Norwegian Bokmål, which the packages call Norwegian

_YES_NO = {
    "en": "yes, yeah, yep, yup, sure, okay, right, correct, of course, no, nope, nah, wrong, not really, no thanks",
    "fa": "بله, بلی, آره, آری, باشه, درسته, حتما, البته, نه, نخیر, نه خیر, خیر, اصلا, هرگز",
    "ar": "نعم, أجل, بلى, أكيد, صحيح, لا, كلا, أبدا",
    "de": "ja, jawohl, doch, genau, richtig, nein, nee, nö, falsch",
    "es": "sí, claro, vale, correcto, por supuesto, no, nunca, para nada",
    "fr": "oui, ouais, si, d'accord, bien sûr, non, pas du tout",
    "it": "sì, certo, esatto, va bene, no, per niente",
    "pt": "sim, claro, certo, isso, não, de jeito nenhum",
    "ru": "да, ага, конечно, верно, нет, неа, неверно",
    "tr": "evet, tabii, doğru, tamam, hayır, yok, yanlış",
}

# Numbers are unlimited, so the list has the words that compose them: those of 0 to 119 (0 to 99 are irregular in many
# languages), of the hundreds, of what follows a hundred or a thousand (Arabic joins "and" to it), and of the scales
# after 1, 2 and 5 (Slavic plurals) up to a billion, including lakh and crore. Languages in which two-digit numbers are
# one word, such as German or Hindi, thus have all hundred.
_NUMBERS = (
    *range(120),
    *range(200, 2000, 100),
    *(times * 10**power for power in (3, 5, 6, 7, 9) for times in (1, 2, 5)),
    *(10**power + 1 for power in (3, 6, 9)),
)
# The CLDR rule sets for counting, without ordinals, years, cases and banknotes.
_COUNTING = {
    "spellout-numbering",
    "spellout-cardinal",
    "spellout-cardinal-masculine",
    "spellout-cardinal-feminine",
    "spellout-cardinal-neuter",
}
_SPOKEN_NUMBERS = {
    "en": "and, oh, a hundred, a thousand, a million",
    "fa": "هزار, شیش, چار, پونزده, شونزده, هیفده, هیجده, هژده, بیلیون",
}

# The languages of Whisper for which CLDR has all country names. A constant, because a query of CLDR loads 312 languages
# and would block all streams for half a second.
_COUNTRY_LANGUAGES = (
    "af am ar as az be bg bn br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha he hi hr hu hy id is it ja ka"
    " kk km kn ko ln lo lt lv mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sd si sk sl so sq sr sv sw ta te"
    " tg th tk tr tt ug uk ur uz vi yo yue zh"
)
# CLDR codes of unions, outlying or uninhabited territories, and pseudo-regions.
_NO_COUNTRIES = "AC AQ BV CP CQ DG EA EU EZ GS HM IC IO QO TA TF UM UN XA XB ZZ"
# Spoken forms of CLDR's spellings; for Persian also without marks that are rarely typed.
_REWRITTEN = {
    "en": (
        ("&", "and"),
        ("St. ", "Saint "),
        ("U.S. ", "US "),
        (" SAR China", ""),
        ("and Grenadines", "and the Grenadines"),
        ("Congo - Kinshasa", "Democratic Republic of the Congo"),
        ("Congo - Brazzaville", "Republic of the Congo"),
    ),
    "fa": (
        ("\N{ARABIC HAMZA ABOVE}", ""),
        ("\N{ARABIC DAMMA}", ""),
        ("\N{ARABIC KASRA}", ""),
        ("افریقا", "آفریقا"),
        ("امریکا", "آمریکا"),
        ("کنگو - کینشاسا", "جمهوری دموکراتیک کنگو"),
        ("کنگو - برازویل", "جمهوری کنگو"),
        ("تیمور-لسته", "تیمور شرقی"),
    ),
}
_ALSO_CALLED = {
    "en": "United States of America, America, Great Britain, Britain, England, Scotland, Wales, Northern Ireland, "
    "Holland, Turkey, Burma, Czech Republic, Ivory Coast, Swaziland, Congo, East Timor, Palestine, Macedonia, Korea, "
    "Emirates",
    "fa": "آمریکا, ایالات متحده آمریکا, انگلستان, انگلیس, اسکاتلند, ولز, ایرلند شمالی, هندوستان, امارات, عربستان, "
    "آذربایجان, جمهوری چک, برمه, کنگو, کره, فلسطین, مقدونیه, سوازیلند",
}


class VocabularyLanguageError(ValueError):
    """A vocabulary does not have a language; `languages` are those that it has."""

    def __init__(self, name: str, language: str, languages: Iterable[str]) -> None:
        self.name = name
        self.language = language
        self.languages = tuple(sorted(languages))
        super().__init__(name, language, self.languages)

    def __str__(self) -> str:
        return f"the vocabulary {self.name} has no {self.language}; it has {', '.join(self.languages)}"


def vocabulary(name: str, language_code: str) -> tuple[str, ...]:
    """Return the phrases of one of `NAMES` in the language of a BCP-47 tag, by its primary subtag.

    There are at most `MOST_PHRASES`, each once, of at most `LONGEST_PHRASE` characters; `general` has none in any
    language. Raises KeyError for another name and VocabularyLanguageError for a language that it does not have.
    """
    language = language_code.partition("-")[0].lower()
    return _phrases(name, _SAME_LANGUAGE.get(language, language))


@cache
def _phrases(name: str, language: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_SOURCES[name](name, language)))


def _general(_name: str, _language: str) -> Iterable[str]:
    return ()


def _yes_no(name: str, language: str) -> Iterable[str]:
    _check(name, language, _YES_NO)
    return _YES_NO[language].split(", ")


def _numbers(name: str, language: str) -> Iterable[str]:
    _check(name, language, (code for code in unicode_rbnf.RbnfEngine.get_supported_languages() if "_" not in code))
    engine = unicode_rbnf.RbnfEngine.for_language(language)
    words = [
        word
        for number in _NUMBERS
        for rule, text in engine.format_number(number).text_by_ruleset.items()
        if rule in _COUNTING
        for word in text.replace("\N{SOFT HYPHEN}", "").replace("-", " ").replace(",", " ").split()
    ]
    return [*words, *_also(_SPOKEN_NUMBERS, language)]


def _countries(name: str, language: str) -> Iterable[str]:
    _check(name, language, _COUNTRY_LANGUAGES.split())
    outside = _NO_COUNTRIES.split()
    # Numbers are the codes of continents and regions.
    territories = [
        (code, country)
        for code, country in babel.Locale.parse(language).territories.items()
        if isinstance(code, str) and isinstance(country, str) and len(code) == 2 and code not in outside
    ]
    countries = (_as_said(country, language) for _, country in sorted(territories))
    return [*countries, *_also(_ALSO_CALLED, language)]


def _as_said(country: str, language: str) -> str:
    """Return the spoken name of a country, without qualifiers: `Myanmar (Burma)`, `Hong Kong, China`."""
    for written, said in _REWRITTEN.get(language, ()):
        country = country.replace(written, said)
    country = re.sub(r"\s*[(（][^)）]*[)）]", "", country)
    country = re.split(r"[,،]", country)[0]
    return country.replace(" - ", " ").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").strip()


def _listed(name: str, language: str) -> Iterable[str]:
    """Read a column of our own lists, which have a phrase in each line and a language in each column."""
    file = {"city": "cities.tsv", "career": "careers.tsv"}[name]
    text = resources.files("stream").joinpath("lists", file).read_text(encoding="utf-8")
    header, *rows = (line.split("\t") for line in text.splitlines())
    _check(name, language, header)
    return (row[header.index(language)] for row in rows)


def _also(lists: dict[str, str], language: str) -> list[str]:
    return lists[language].split(", ") if language in lists else []


def _check(name: str, language: str, languages: Iterable[str]) -> None:
    known = tuple(languages)
    if language not in known:
        raise VocabularyLanguageError(name, language, known)


_SOURCES: dict[str, Callable[[str, str], Iterable[str]]] = {
    "general": _general,
    "yesno": _yes_no,
    "numbers": _numbers,
    "country": _countries,
    "city": _listed,
    "career": _listed,
}
NAMES = tuple(_SOURCES)
