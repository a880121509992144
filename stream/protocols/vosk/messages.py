"""The messages of the Vosk server's protocol: texts of a client parsed, results as JSON."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec

from stream.errors import ClientError, Problem, quoted, shown
from stream.protocols.farsava.commands import strict_json
from stream.protocols.units import seconds
from stream.session.events import Alternative, Hypothesis, Word
from stream.words import bare_word, word_key

MOST_ALTERNATIVES = 5
"""As many as the configuration's `maxAlternatives` takes; clients of Vosk ask for 10 or 20 and take fewer."""

# The recognizer's word for "none of the phrases" in a Vosk grammar.
_UNKNOWN_PHRASE = "[unk]"


@dataclass(frozen=True, slots=True)
class Eof:
    """No more audio follows; the last result is wanted."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The open utterance ends here, its result is wanted, and the stream goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A `config` message: `values` are keys of the session's configuration; None for what it does not set."""

    values: dict[str, object]
    words: bool | None = None
    max_alternatives: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultStyle:
    """What results hold: `with_words` their word times, `max_alternatives` above 0 a list of alternatives instead.

    `is_written` for text as it is written; otherwise it has neither capitals nor punctuation, as that of Vosk's models.
    """

    with_words: bool = True
    max_alternatives: int = 0
    is_written: bool = False


def parse(text: str) -> Eof | Reset | Config:
    """Read a text message; raises ClientError (`invalid_message`, `invalid_config`)."""
    try:
        message = strict_json(text)
    except (ValueError, RecursionError):
        raise _refused(text) from None
    match message:
        case {"config": dict(values)}:
            return _config(values)
        case {"config": value}:
            raise _invalid("config", value, "an object")
        case {"eof": 1}:
            return Eof()
        case {"reset": 1}:
            return Reset()
        case _:
            raise _refused(text)


def _refused(text: str) -> ClientError:
    return ClientError(
        Problem.INVALID_MESSAGE,
        f'{quoted(text)} is not understood; allowed are {{"config": {{...}}}}, {{"reset": 1}} and {{"eof": 1}}',
    )


def _config(config: dict[str, object]) -> Config:
    """Read what a configuration sets; keys that are not known, such as `model`, have no effect."""
    values: dict[str, object] = {}
    if "sample_rate" in config:
        values["sampleRateHertz"] = _rate(config["sample_rate"])
    if "phrase_list" in config:
        values["phrases"] = _phrases(config["phrase_list"])
    max_alternatives = None
    if "max_alternatives" in config:
        max_alternatives = min(_count(config["max_alternatives"]), MOST_ALTERNATIVES)
        values["maxAlternatives"] = max_alternatives
    words = _flag(config["words"]) if "words" in config else None
    return Config(values=values, words=words, max_alternatives=max_alternatives)


def _rate(value: object) -> int:
    try:
        rate = float(value) if isinstance(value, int | float | str) and type(value) is not bool else math.nan
    except (ValueError, OverflowError):
        rate = math.nan
    if not rate.is_integer():
        raise _invalid("sample_rate", value, "a whole number of hertz")
    return int(rate)


def _phrases(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(phrase, str) for phrase in value):
        raise _invalid("phrase_list", value, "a list of phrases")
    phrases = (" ".join(phrase.split()) for phrase in value)
    return [phrase for phrase in dict.fromkeys(phrases) if phrase not in ("", _UNKNOWN_PHRASE)]


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise _invalid("max_alternatives", value, "0 or a count of alternatives")
    return value


def _flag(value: object) -> bool:
    if value not in (True, False):
        raise _invalid("words", value, "true or false")
    return bool(value)


def _invalid(key: str, value: object, allowed: str) -> ClientError:
    return ClientError(Problem.INVALID_CONFIG, f"{key} is {shown(value)}; it must be {allowed}")


def partial(hypotheses: Sequence[Hypothesis], style: ResultStyle) -> str:
    """Return the message for text that may change."""
    words = chain.from_iterable(hypothesis.best.words for hypothesis in hypotheses)
    return _encoded({"partial": _text(words, style)})


def result(hypotheses: Sequence[Hypothesis], style: ResultStyle) -> str:
    """Return the message for settled utterances, joined to one; empty text for none."""
    if not style.max_alternatives:
        words = tuple(chain.from_iterable(hypothesis.best.words for hypothesis in hypotheses))
        timed = {"result": _words(words, style, with_confidence=True)} if style.with_words and words else {}
        return _encoded({**timed, "text": _text(words, style)})
    ranks = range(max([1, *(len(hypothesis.alternatives) for hypothesis in hypotheses)]))
    alternatives = [_joined(hypotheses, rank) for rank in ranks[: style.max_alternatives]]
    return _encoded({"alternatives": [_alternative(one, style) for one in alternatives]})


def _joined(hypotheses: Sequence[Hypothesis], rank: int) -> Alternative:
    """Join the alternatives of one rank; an utterance that has fewer gives its best one."""
    chosen = [one.alternatives[rank] if rank < len(one.alternatives) else one.best for one in hypotheses]
    words = tuple(chain.from_iterable(alternative.words for alternative in chosen))
    return Alternative(words, min((alternative.confidence for alternative in chosen), default=0.0))


def _alternative(alternative: Alternative, style: ResultStyle) -> dict[str, object]:
    words = _words(alternative.words, style, with_confidence=False)
    timed = {"result": words} if style.with_words and words else {}
    return {"confidence": round(alternative.confidence, 3), **timed, "text": _text(alternative.words, style)}


def _words(words: Sequence[Word], style: ResultStyle, *, with_confidence: bool) -> list[dict[str, object]]:
    return [
        {
            # A recognizer without confidences leaves 0.0, which clients would take for noise.
            **({"conf": round(word.confidence, 3) or 1.0} if with_confidence else {}),
            "end": seconds(word.end),
            "start": seconds(word.start),
            "word": text,
        }
        for word in words
        if (text := _word(word.text, style))
    ]


def _text(words: Sequence[Word] | chain[Word], style: ResultStyle) -> str:
    return " ".join(text for word in words if (text := _word(word.text, style)))


def _word(text: str, style: ResultStyle) -> str:
    """Return a word in the style; "" for punctuation alone, which models of Vosk do not write."""
    if style.is_written:
        return text
    return bare_word(text) if word_key(text) else ""


def _encoded(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()
