"""The settings of a Realtime transcription session: what an update changes, and keys of the configuration for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stream.configuration.config import ADAPTIVE, KEYS, MANUAL, OFF, SessionConfig
from stream.configuration.keys import IntegerKey
from stream.configuration.presets import PRESETS
from stream.errors import Problem, shown
from stream.protocols.openai.errors import FieldError
from stream.protocols.openai.transcription_prompt import clean_phrases, phrases_in

PCM_HERTZ = 24_000
"""The rate of PCM where a client names none."""
USUAL_MODEL = "whisper-1"
"""The model that is shown where a client names none; every name stands for the recognizer of the server."""
LOGPROBS = "item.input_audio_transcription.logprobs"
_BOUNDS = {key.name: key for key in KEYS if isinstance(key, IntegerKey)}
_G711_HERTZ = 8000
# GA and beta names: the encoding of each, and its rate where none is given.
_FORMATS = {
    "audio/pcm": ("LINEAR16", PCM_HERTZ),
    "audio/pcmu": ("MULAW", _G711_HERTZ),
    "audio/pcma": ("ALAW", _G711_HERTZ),
    "pcm16": ("LINEAR16", PCM_HERTZ),
    "g711_ulaw": ("MULAW", _G711_HERTZ),
    "g711_alaw": ("ALAW", _G711_HERTZ),
}
# OpenAI's own threshold is 0.5 where a client sets none; it gets our strictest detector, as other protocols do, and
# lower thresholds the three that find more speech.
USUAL_THRESHOLD = 0.5
_MOST_AGGRESSIVE = _BOUNDS["vadAggressiveness"].maximum
# Eager means the pause of commands, medium that of dictation. The low one is twice that of dictation.
_EAGERNESS_MS = {
    "high": PRESETS["command_and_search"].hangover_ms,
    "medium": PRESETS["default"].hangover_ms,
    "auto": PRESETS["default"].hangover_ms,
    "low": 2 * PRESETS["default"].hangover_ms,
}
_DETECTIONS = ("server_vad", "semantic_vad")
# OpenAI's models that have no turn detection: their clients commit, and send no `turn_detection`.
_COMMITTED_MODELS = ("gpt-realtime-whisper", "gpt-live-transcribe")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """What a session shows to its client besides the configuration in force; only `has_logprobs` has an effect.

    `threshold` is None where the client gave none, `eagerness` where no semantic detection is asked for.
    """

    model: str
    language: str | None = None
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    noise_reduction: str | None = None
    threshold: float | None = None
    eagerness: str | None = None
    has_logprobs: bool = False


def first_settings(config: SessionConfig, model: str | None = None) -> SessionSettings:
    """Return the settings of a session that begins with a configuration."""
    language = config.language_code if "languageCode" in config.explicit else None
    return SessionSettings(model=model or USUAL_MODEL, language=language)


def is_committed(model: str | None) -> bool:
    """Whether clients of a model commit their audio, unless they ask for a detector."""
    return model is not None and model.startswith(_COMMITTED_MODELS)


@dataclass(frozen=True, slots=True)
class SettingsUpdate:
    """A change of settings, and the keys of the configuration that it sets."""

    changes: Mapping[str, object]
    values: Mapping[str, object]

    def applied(self, settings: SessionSettings) -> SessionSettings:
        """Return the settings after the change."""
        return replace(settings, **self.changes)  # type: ignore[arg-type]


class UpdateReader:
    """Reads the `session` of an update, in the GA or the beta shape; fields that are not known have no effect.

    Where a client takes a setting back, that of `config` holds again, with which the connection began.
    """

    def __init__(self, config: SessionConfig, model: str | None = None) -> None:
        """Take the configuration, and the model that the client named before, if any."""
        self._model = model
        self._config = config
        self._terms: dict[str, tuple[str, ...]] = {"prompt": (), "keywords": ()}
        self._has_detection = False

    @property
    def _usual_vad(self) -> str:
        return self._detector if is_committed(self._model) else self._config.vad

    @property
    def _detector(self) -> str:
        return self._config.vad if self._config.vad not in (MANUAL, OFF) else SessionConfig().vad

    def read(self, session: Mapping[str, object]) -> SettingsUpdate:
        """Return what an update asks for; raises FieldError naming the field."""
        kind = session.get("type", "transcription")
        if kind != "transcription":
            raise _refused("session.type", kind, "transcription, all that this server does", "unsupported_value")
        changes: dict[str, object] = {}
        values: dict[str, object] = {}
        fields = _Fields.of(session)
        if "format" in fields.values:
            values |= _format(fields.values["format"], fields.path("format"))
        if isinstance(transcription := fields.object("transcription"), Mapping):
            self._transcription(transcription, fields.path("transcription"), changes, values)
        if "turn_detection" in fields.values:
            self._has_detection = True
            detection = fields.object("turn_detection")
            self._detection(detection, fields.path("turn_detection"), changes, values)
        if "noise_reduction" in fields.values:
            changes["noise_reduction"] = _noise_reduction(fields)
        if "include" in session:
            changes["has_logprobs"] = LOGPROBS in _included(session["include"])
        return SettingsUpdate(changes, values)

    def _transcription(
        self, given: Mapping[str, object], path: str, changes: dict[str, object], values: dict[str, object]
    ) -> None:
        if isinstance(model := given.get("model"), str):
            changes["model"] = model
            if model in PRESETS:
                values["asrModel"] = model
            if not self._has_detection:
                values["vad"] = MANUAL if is_committed(model) else self._usual_vad
        if "language" in given or "languages" in given:
            language = _language(given, path)
            changes["language"] = language
            values["languageCode"] = language or self._config.language_code
        if "prompt" in given:
            prompt = _text(given["prompt"], f"{path}.prompt")
            changes["prompt"] = prompt
            self._terms["prompt"] = phrases_in(prompt)
        if "keywords" in given:
            keywords = tuple(_texts(given["keywords"], f"{path}.keywords"))
            changes["keywords"] = keywords
            self._terms["keywords"] = keywords
        if "prompt" in given or "keywords" in given:
            terms = clean_phrases((*self._terms["keywords"], *self._terms["prompt"]))
            values["phrases"] = list(dict.fromkeys((*self._config.phrases, *terms)))

    def _detection(
        self, given: Mapping[str, object] | None, path: str, changes: dict[str, object], values: dict[str, object]
    ) -> None:
        changes |= {"threshold": None, "eagerness": None}
        if given is None:
            values["vad"] = MANUAL
            return
        config = self._config
        kind = given.get("type", "server_vad")
        if kind not in _DETECTIONS:
            raise _refused(f"{path}.type", kind, f"null, or one of {', '.join(_DETECTIONS)}")
        values["vad"] = self._detector
        threshold, eagerness = _threshold(given, path), None
        pause_ms = _span_ms(given, "silence_duration_ms", path, "hangoverMs", config.hangover_ms)
        if kind == "semantic_vad":
            eagerness = given.get("eagerness") or "auto"
            if eagerness not in _EAGERNESS_MS:
                raise _refused(f"{path}.eagerness", eagerness, f"one of {', '.join(_EAGERNESS_MS)}")
            pause_ms = _EAGERNESS_MS[str(eagerness)]
        changes |= {"threshold": threshold, "eagerness": eagerness}
        values |= {
            "endpointing": config.endpointing if eagerness is None else ADAPTIVE,
            "hangoverMs": pause_ms,
            "prerollMs": _span_ms(given, "prefix_padding_ms", path, "prerollMs", config.preroll_ms),
            "vadAggressiveness": config.vad_aggressiveness if threshold is None else _aggressiveness(threshold),
        }


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of the audio by their GA names, and where a client gave them."""

    values: Mapping[str, object]
    paths: Mapping[str, str]

    @classmethod
    def of(cls, session: Mapping[str, object]) -> "_Fields":
        """Find the fields in either shape; GA has them in `audio.input`, beta in the session itself."""
        beta = {
            "format": "input_audio_format",
            "transcription": "input_audio_transcription",
            "turn_detection": "turn_detection",
            "noise_reduction": "input_audio_noise_reduction",
        }
        values = {name: session[field] for name, field in beta.items() if field in session}
        paths = {name: f"session.{beta[name]}" for name in values}
        audio = _object(session.get("audio"), "session.audio") or {}
        given = _object(audio.get("input"), "session.audio.input") or {}
        for name in beta.keys() & given.keys():
            values[name] = given[name]
            paths[name] = f"session.audio.input.{name}"
        return cls(values, paths)

    def path(self, name: str) -> str:
        return self.paths[name]

    def object(self, name: str) -> Mapping[str, object] | None:
        """Return an object, None where it is null or missing."""
        return _object(self.values[name], self.paths[name]) if name in self.values else None


def clamped(name: str, value: int) -> int:
    """Return the nearest value that an integer key of the configuration takes."""
    return max(_BOUNDS[name].minimum, min(value, _BOUNDS[name].maximum))


def _format(given: object, path: str) -> dict[str, object]:
    rate: object = None
    kind = given
    if isinstance(given, Mapping):
        kind, rate = given.get("type", "audio/pcm"), given.get("rate")
    if not isinstance(kind, str) or kind not in _FORMATS:
        raise _refused(path, kind, f"one of {', '.join(_FORMATS)}")
    encoding, usual = _FORMATS[kind]
    if rate is None or encoding != "LINEAR16":
        rate = usual
    key = _BOUNDS["sampleRateHertz"]
    if not key.accepts(rate):
        raise _refused(f"{path}.rate", rate, key.allowed)
    return {"audioEncoding": encoding, "sampleRateHertz": rate}


def _language(given: Mapping[str, object], path: str) -> str | None:
    """Return the language, or the first of several; None for the server's own."""
    if given.get("language"):
        return _text(given["language"], f"{path}.language")
    several = _texts(given.get("languages") or [], f"{path}.languages")
    return several[0] if several else None


def _noise_reduction(fields: _Fields) -> str | None:
    """Return the kind of noise reduction; there is none, because the recognizer is trained on noise."""
    given = fields.object("noise_reduction")
    kind = None if given is None else given.get("type")
    return kind if isinstance(kind, str) else None


def _included(given: object) -> Sequence[str]:
    included = _texts(given or [], "session.include")
    for one in included:
        if one != LOGPROBS:
            raise _refused("session.include", one, LOGPROBS)
    return included


def _threshold(given: Mapping[str, object], path: str) -> float | None:
    threshold = given.get("threshold")
    if threshold is None:
        return None
    if not isinstance(threshold, int | float) or isinstance(threshold, bool) or not 0 <= threshold <= 1:
        raise _refused(f"{path}.threshold", threshold, "between 0 and 1")
    return float(threshold)


def _aggressiveness(threshold: float) -> int:
    return min(_MOST_AGGRESSIVE, round(_MOST_AGGRESSIVE * threshold / USUAL_THRESHOLD))


def _span_ms(given: Mapping[str, object], name: str, path: str, key: str, usual: int) -> int:
    """Return milliseconds within the bounds of a key, which only tune the result."""
    span = given.get(name)
    if span is None:
        return usual
    if not isinstance(span, int | float) or isinstance(span, bool) or not 0 <= span < 1e9:
        raise _refused(f"{path}.{name}", span, "milliseconds, 0 or more")
    return clamped(key, int(span))


def _object(given: object, path: str) -> Mapping[str, object] | None:
    if given is not None and not isinstance(given, Mapping):
        raise _refused(path, given, "an object")
    return given


def _text(given: object, path: str) -> str:
    if given is None:
        return ""
    if not isinstance(given, str):
        raise _refused(path, given, "a text")
    return given


def _texts(given: object, path: str) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise _refused(path, given, "a list of texts")
    return given


def _refused(param: str, value: object, allowed: str, code: str = "invalid_value") -> FieldError:
    detail = f"{param} is {shown(value)}; it must be {allowed}"
    return FieldError(Problem.INVALID_CONFIG, detail, param=param, code=code)
