"""The session object of NVIDIA's realtime protocol: how it is shown, and keys of the configuration for what it sets.

Clients get the object over HTTP, change what they want in it, and send all of it back in an update.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from stream.configuration.config import KEYS, SessionConfig
from stream.configuration.keys import IntegerKey, PhrasesKey
from stream.configuration.presets import PRESETS
from stream.errors import Problem, shown
from stream.protocols.openai.errors import FieldError
from stream.protocols.openai.realtime.session_settings import clamped
from stream.protocols.openai.transcription_prompt import clean_phrases, phrases_in
from stream.vocabulary.vocabularies import MOST_BOOST

PCM, CONTAINER = "pcm16", "none"
_ENCODINGS = {PCM: "LINEAR16", "mulaw": "MULAW", "g711_ulaw": "MULAW", "alaw": "ALAW", "g711_alaw": "ALAW"}
_FORMATS = (*_ENCODINGS, CONTAINER)
_BOUNDS = {key.name: key for key in KEYS if isinstance(key, IntegerKey)}
_MOST_PHRASES = next(key.most_phrases for key in KEYS if isinstance(key, PhrasesKey))


@dataclass(frozen=True, slots=True, kw_only=True)
class NimSettings:
    """What a session shows besides the configuration in force; nothing of it has another effect.

    `num_channels` is that of a file, `boosted` the list of boosted words as the client sent it.
    """

    audio_format: str = PCM
    model: str = ""
    prompt: str = ""
    num_channels: int = 1
    boosted: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class NimUpdate:
    """A change of settings, and the keys of the configuration that it sets."""

    settings: NimSettings
    values: Mapping[str, object] = field(default_factory=dict)


def session_object(
    session_id: str, settings: NimSettings, config: SessionConfig, secret: Mapping[str, object] | None = None
) -> dict[str, object]:
    """Return the session as clients see it, with the values in force; `secret` opens its WebSocket."""
    return {
        "id": session_id,
        "object": "realtime.transcription_session",
        "modalities": ["text"],
        "input_audio_format": settings.audio_format,
        "input_audio_transcription": {
            "language": config.language_code,
            "model": settings.model,
            "prompt": settings.prompt,
        },
        "input_audio_params": {"sample_rate_hz": config.sample_rate_hertz, "num_channels": settings.num_channels},
        "recognition_config": {
            "max_alternatives": config.max_alternatives,
            "enable_automatic_punctuation": config.punctuation,
            "enable_word_time_offsets": True,
            "enable_profanity_filter": config.profanity_filter,
            "enable_verbatim_transcripts": False,
        },
        "speaker_diarization": {"enable_speaker_diarization": False, "max_speaker_count": 0},
        "word_boosting": {
            "enable_word_boosting": bool(settings.boosted),
            "word_boosting_list": [dict(one) for one in settings.boosted],
        },
        "endpointing_config": {
            "start_history": 0,
            "start_threshold": 0,
            "stop_history": config.hangover_ms,
            "stop_threshold": 0,
            "stop_history_eou": 0,
            "stop_threshold_eou": 0,
        },
        "client_secret": secret,
    }


class NimUpdateReader:
    """Reads the session of an update; sections and fields that are not known have no effect."""

    def __init__(self, config: SessionConfig) -> None:
        """Take the configuration with which the session begins."""
        self._config = config

    def read(self, session: Mapping[str, object], settings: NimSettings) -> NimUpdate:
        """Return what an update makes of settings; raises FieldError naming the field."""
        values: dict[str, object] = {}
        settings = self._audio(session, settings, values)
        transcription = _Section.of(session, "input_audio_transcription")
        if language := transcription.text("language"):
            values["languageCode"] = language
        model = transcription.text("model")
        if model in PRESETS:
            values["asrModel"] = model
        prompt = transcription.text("prompt")
        settings = replace(settings, model=settings.model if model is None else model)
        settings = replace(settings, prompt=settings.prompt if prompt is None else prompt)
        self._recognition(session, values)
        boosting = _Section.of(session, "word_boosting")
        if boosting.fields:
            settings = replace(settings, boosted=_boosted(boosting))
            boosts = [boost for one in settings.boosted if isinstance(boost := one["boost"], int | float) and boost > 0]
            values |= {"boost": min(max(boosts), MOST_BOOST)} if boosts else {}
        terms = [*_phrases(settings.boosted), *clean_phrases(phrases_in(settings.prompt))]
        if prompt is not None or boosting.fields:
            values["phrases"] = list(dict.fromkeys((*self._config.phrases, *terms)))[:_MOST_PHRASES]
        return NimUpdate(settings, values)

    def _audio(self, session: Mapping[str, object], settings: NimSettings, values: dict[str, object]) -> NimSettings:
        kind = session.get("input_audio_format", settings.audio_format)
        if not isinstance(kind, str) or kind not in _FORMATS:
            raise _refused("session.input_audio_format", kind, f"one of {', '.join(_FORMATS)}")
        parameters = _Section.of(session, "input_audio_params")
        channels = parameters.whole("num_channels") or settings.num_channels
        if kind != CONTAINER and channels != 1:
            raise _refused("session.input_audio_params.num_channels", channels, f"1 for {kind}")
        rate = parameters.whole("sample_rate_hz")
        if rate is not None and not _BOUNDS["sampleRateHertz"].accepts(rate):
            raise _refused("session.input_audio_params.sample_rate_hz", rate, _BOUNDS["sampleRateHertz"].allowed)
        if kind != CONTAINER:
            values["audioEncoding"] = _ENCODINGS[kind]
        # The header of a file counts, unless its client has changed the rate that the session had.
        if rate is not None and (kind != CONTAINER or rate != self._config.sample_rate_hertz):
            values["sampleRateHertz"] = rate
        return replace(settings, audio_format=kind, num_channels=channels)

    def _recognition(self, session: Mapping[str, object], values: dict[str, object]) -> None:
        wanted = _Section.of(session, "recognition_config")
        alternatives = wanted.whole("max_alternatives")
        if alternatives is not None:
            values["maxAlternatives"] = clamped("maxAlternatives", alternatives)
        for name, key in (
            ("enable_automatic_punctuation", "punctuation"),
            ("enable_profanity_filter", "profanityFilter"),
        ):
            if (flag := wanted.flag(name)) is not None:
                values[key] = flag
        if _Section.of(session, "speaker_diarization").flag("enable_speaker_diarization"):
            name = "session.speaker_diarization.enable_speaker_diarization"
            allowed = "false; words have a speaker_tag where the recognizer distinguishes speakers"
            raise _refused(name, True, allowed, "unsupported_value")
        pause_ms = _Section.of(session, "endpointing_config").whole("stop_history")
        if pause_ms:
            values["hangoverMs"] = clamped("hangoverMs", pause_ms)


@dataclass(frozen=True, slots=True)
class _Section:
    """One object of a session, and its name."""

    name: str
    fields: Mapping[str, object]

    @classmethod
    def of(cls, session: Mapping[str, object], name: str) -> "_Section":
        fields = session.get(name)
        if fields is not None and not isinstance(fields, Mapping):
            raise _refused(f"session.{name}", fields, "an object")
        return cls(name, fields or {})

    def text(self, name: str) -> str | None:
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            raise self.refused(name, value, "a text")
        return value

    def whole(self, name: str) -> int | None:
        value = self.fields.get(name)
        if value is not None and (type(value) is not int or not 0 <= value < 1 << 31):
            raise self.refused(name, value, "a whole number, 0 or more")
        return value

    def flag(self, name: str) -> bool | None:
        value = self.fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.refused(name, value, "true or false")
        return value

    def refused(self, name: str, value: object, allowed: str) -> FieldError:
        return _refused(f"session.{self.name}.{name}", value, allowed)


def _boosted(boosting: _Section) -> tuple[Mapping[str, object], ...]:
    """Return the boosted words, each entry with its `phrases` and its `boost`; none where boosting is off."""
    if not boosting.flag("enable_word_boosting"):
        return ()
    listed = boosting.fields.get("word_boosting_list") or []
    if not isinstance(listed, list):
        raise boosting.refused("word_boosting_list", listed, "a list")
    entries = []
    for entry in listed:
        phrases = entry.get("phrases") if isinstance(entry, Mapping) else None
        boost = entry.get("boost", 0) if isinstance(entry, Mapping) else None
        is_boost = isinstance(boost, int | float) and not isinstance(boost, bool)
        if not isinstance(phrases, list) or not all(isinstance(phrase, str) for phrase in phrases) or not is_boost:
            raise boosting.refused("word_boosting_list", entry, "objects with phrases, a list of texts, and boost")
        entries.append({"phrases": phrases, "boost": boost})
    return tuple(entries)


def _phrases(boosted: Iterable[Mapping[str, object]]) -> list[str]:
    texts: list[str] = []
    for entry in boosted:
        listed = entry["phrases"]
        texts += listed if isinstance(listed, list) else []
    return [" ".join(text.split()) for text in texts if text.strip()]


def _refused(param: str, value: object, allowed: str, code: str = "invalid_value") -> FieldError:
    detail = f"{param} is {shown(value)}; it must be {allowed}"
    return FieldError(Problem.INVALID_CONFIG, detail, param=param, code=code)
