"""The form of OpenAI's `POST /v1/audio/transcriptions`: its fields, and what they ask for."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from stream.errors import Problem, quoted
from stream.protocols.openai.errors import FieldError
from stream.protocols.openai.transcription_prompt import clean_phrases, phrases_in

# Repeated fields come as `name[]`, `name[0]` or `name`, the fields of an object as `name[key]`.
_NAME = re.compile(r"([^\[\]]+)(?:\[[^\[\]]*\])*")
# Asked for speakers, which the recognizer does not tell apart.
_OF_SPEAKERS = ("known_speaker_names", "known_speaker_references")
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_LANGUAGE = re.compile(r"[A-Za-z0-9]{2,32}(?:-[A-Za-z0-9]+)*")
_LONGEST_LANGUAGE = 35
_LOGPROBS = "logprobs"
MOST_TEMPERATURE = 1.0
_Kind = TypeVar("_Kind", bound=StrEnum)


class ResponseFormat(StrEnum):
    """The formats of an answer."""

    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VERBOSE_JSON = "verbose_json"
    VTT = "vtt"


class Granularity(StrEnum):
    """The times in a verbose answer."""

    WORD = "word"
    SEGMENT = "segment"


STREAMED_FORMATS = (ResponseFormat.JSON, ResponseFormat.TEXT, ResponseFormat.VERBOSE_JSON)
"""The formats that can be asked for with `stream`; events have one shape, so that subtitles cannot be streamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRequest:
    """What a form asks for.

    `languages` are those of which one is expected, none for the server's default; `phrases` are to be listened for.
    """

    model: str
    languages: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    response_format: ResponseFormat = ResponseFormat.JSON
    granularities: frozenset[Granularity] = frozenset({Granularity.SEGMENT})
    is_streamed: bool = False
    with_logprobs: bool = False


def transcription_request(fields: Iterable[tuple[str, str]]) -> TranscriptionRequest:
    """Read the texts of a form, in any order; an empty text is as none. Raises FieldError.

    Fields that are not known, or only tune quality, have no effect.
    """
    texts = _by_name(fields)
    for name in _OF_SPEAKERS:
        if name in texts:
            raise _refused(name, f"{name} is given, but speakers are not told apart; leave it out", "unsupported_value")
    model = _single(texts, "model")
    if not model:
        raise _refused("model", "model is missing; any name is taken, such as whisper-1", "missing_required_parameter")
    _check_temperature(_single(texts, "temperature"))
    request = TranscriptionRequest(
        model=model,
        languages=_languages(texts),
        phrases=clean_phrases((*texts.get("keywords", ()), *phrases_in(_single(texts, "prompt")))),
        response_format=_choice(ResponseFormat, "response_format", _single(texts, "response_format") or "json"),
        granularities=_granularities(texts),
        is_streamed=_truth("stream", _single(texts, "stream") or "false"),
        with_logprobs=_LOGPROBS in _included(texts),
    )
    _check_together(request, has_granularities="timestamp_granularities" in texts)
    return request


def _by_name(fields: Iterable[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    """Return the texts that are not empty by the names of their fields, without brackets."""
    texts: dict[str, list[str]] = {}
    for name, text in fields:
        found = _NAME.fullmatch(name)
        if text.strip() and found is not None:
            texts.setdefault(found[1], []).append(text.strip())
    return texts


def _single(texts: Mapping[str, Sequence[str]], name: str) -> str:
    """Return the text of a field that may be given once, "" for none."""
    given = texts.get(name, ())
    if len(given) > 1:
        raise _refused(name, f"{name} is given {len(given)} times; it may be given once")
    return given[0] if given else ""


def _languages(texts: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    language = _single(texts, "language")
    for name, given in (("language", (language,) if language else ()), ("languages", texts.get("languages", ()))):
        for one in given:
            if len(one) > _LONGEST_LANGUAGE or _LANGUAGE.fullmatch(one) is None:
                raise _refused(name, f"{name} is {quoted(one)}; it must be a language such as en or en-US")
    return (language,) if language else tuple(dict.fromkeys(texts.get("languages", ())))


def _check_temperature(text: str) -> None:
    """Refuse what is no temperature; the recognizer samples nothing, so that a temperature has no effect."""
    try:
        temperature = float(text or 0)
    except ValueError:
        temperature = math.nan
    if not 0 <= temperature <= MOST_TEMPERATURE:
        raise _refused("temperature", f"temperature is {quoted(text)}; it must be between 0 and {MOST_TEMPERATURE:g}")


def _included(texts: Mapping[str, Sequence[str]]) -> Sequence[str]:
    included = texts.get("include", ())
    for one in included:
        if one != _LOGPROBS:
            raise _refused("include", f"include is {quoted(one)}; it must be {_LOGPROBS}")
    return included


def _granularities(texts: Mapping[str, Sequence[str]]) -> frozenset[Granularity]:
    name = "timestamp_granularities"
    given = frozenset(_choice(Granularity, name, text) for text in texts.get(name, ()))
    return given or frozenset({Granularity.SEGMENT})


def _choice(kind: type[_Kind], name: str, text: str) -> _Kind:
    try:
        return kind(text)
    except ValueError:
        raise _refused(name, f"{name} is {quoted(text)}; it must be one of {', '.join(kind)}") from None


def _truth(name: str, text: str) -> bool:
    try:
        return _TRUTHS[text.lower()]
    except KeyError:
        raise _refused(name, f"{name} is {quoted(text)}; it must be true or false") from None


def _check_together(request: TranscriptionRequest, *, has_granularities: bool) -> None:
    """Refuse fields whose effect the format has no place for."""
    written = request.response_format
    if has_granularities and written is not ResponseFormat.VERBOSE_JSON:
        detail = f"response_format is {written}; with timestamp_granularities it must be verbose_json"
        raise _refused("response_format", detail)
    if request.is_streamed and written not in STREAMED_FORMATS:
        detail = f"response_format is {written}; with stream it must be one of {', '.join(STREAMED_FORMATS)}"
        raise _refused("response_format", detail)


def _refused(name: str, detail: str, code: str = "invalid_value") -> FieldError:
    return FieldError(Problem.INVALID_CONFIG, detail, param=name, code=code)
