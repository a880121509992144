"""The query of Deepgram's listen API, checked, and the configuration that it stands for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from stream.audio.format import AudioTransfer, Encoding
from stream.audio.layout import MOST_CHANNELS
from stream.configuration.config import DIGITS, KEYS, SessionConfig
from stream.configuration.keys import IntegerKey
from stream.configuration.presets import PRESETS
from stream.errors import quoted, shown
from stream.protocols.deepgram.query import Query, parse_integer, parse_number, refused
from stream.vocabulary.vocabularies import MOST_BOOST, USUAL_BOOST

_KEYS = {key.name: key for key in KEYS}
# `opus` is Opus in Ogg here: bare packets have no beginning and no end in a stream of bytes.
_ENCODINGS = {
    "linear16": Encoding.LINEAR16,
    "mulaw": Encoding.MULAW,
    "alaw": Encoding.ALAW,
    "flac": Encoding.FLAC,
    "opus": Encoding.OGG_OPUS,
    "ogg-opus": Encoding.OGG_OPUS,
    "mp3": Encoding.MP3,
}
# G.711 is telephone sound.
_USUAL_HERTZ = {"mulaw": 8000, "alaw": 8000}
_WITHOUT_RATE = ("flac", "opus", "ogg-opus", "mp3")
_MOST_PAUSE_MS = 60_000
# Frameworks ask for 10 or 25 ms (LiveKit's default), after which Deepgram's model goes on with the sentence. Here such
# a pause would end the utterance between two words, and words at the cut get worse.
_LEAST_ENDPOINTING_MS = PRESETS["command_and_search"].hangover_ms
_PRESETS = {"phonecall": "phone_call", "voicemail": "phone_call", "video": "video"}
# What a result would lack without a word: such requests are refused.
_REFUSED = (
    *("callback", "custom_intent", "custom_topic", "detect_entities", "detect_language", "detect_topics", "dictation"),
    *("intents", "redact", "replace", "search", "sentiment", "summarize", "topics", "translate"),
)
_SPEAKERS = ("diarize", "diarize_model", "diarize_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenRequest:
    """A checked query.

    `values` are keys of the configuration; where it has no key for something, `changes` are fields of it. Words are
    punctuated if `is_formatted`. Results say where speech ends if it `finds_endpoints`, and messages of their own say
    where it begins with `vad_events`. `tags`, `utterances` and `paragraphs` are for recordings.
    """

    model: str = ""
    values: Mapping[str, object]
    changes: Mapping[str, object]
    is_formatted: bool = False
    finds_endpoints: bool = True
    vad_events: bool = False
    masks_profanity: bool | None = None
    tags: tuple[str, ...] = ()
    utterances: bool = False
    paragraphs: bool = False

    @property
    def wants_speakers(self) -> bool:
        """Whether words are to have the number of their speaker."""
        return bool(self.changes["wants_speakers"])

    def configured(self, config: SessionConfig) -> SessionConfig:
        """Return a configuration with what the query asks for; raises ClientError."""
        values = dict(self.values)
        if self.masks_profanity is not None or "profanityFilter" not in config.explicit:
            values["profanityFilter"] = bool(self.masks_profanity)
        if config.is_manual:
            # Its clients rely on pauses to end utterances, commands only come early.
            values["vad"] = SessionConfig().vad
        # The format of the audio is the client's alone.
        bare = replace(config, explicit=config.explicit - {"audioEncoding", "sampleRateHertz"})
        return replace(bare.with_message(values, audio_began=False), **self.changes)  # type: ignore[arg-type]


def listen_request(query: Iterable[tuple[str, str]]) -> ListenRequest:
    """Read the parameters of a query, in any order; raises ClientError, and ignores those that nobody knows."""
    parameters = _Parameters(query)
    parameters.checkrefused()
    smart_format, paragraphs = parameters.flag("smart_format"), parameters.flag("paragraphs")
    is_formatted = parameters.flag("punctuate") or smart_format or paragraphs
    pause_ms, finds_endpoints = parameters.endpointing()
    pause_ms = parameters.utterance_pause_ms() or pause_ms
    values: dict[str, object] = {
        "audioTransfer": AudioTransfer.RAW.value,
        "interimResults": parameters.flag("interim_results"),
        "punctuation": is_formatted,
        **({"numbers": DIGITS} if parameters.flag("numerals") else {}),
        **parameters.language(),
        **parameters.alternatives(),
        **parameters.phrases(),
        **parameters.preset(),
    }
    if pause_ms is not None:
        values["hangoverMs"] = pause_ms
    audio, changes = parameters.audio()
    changes["pause_ms"] = parameters.integer("utterance_end_ms", 1, _MOST_PAUSE_MS) or 0
    changes["wants_speakers"] = any(parameters.asks_for(name) for name in _SPEAKERS)
    return ListenRequest(
        model=parameters.one("model") or "",
        values=values | audio,
        changes=changes,
        is_formatted=is_formatted,
        finds_endpoints=finds_endpoints,
        vad_events=parameters.flag("vad_events"),
        masks_profanity=parameters.flag("profanity_filter") if parameters.one("profanity_filter") else None,
        tags=tuple(parameters.all("tag")),
        utterances=parameters.flag("utterances"),
        paragraphs=paragraphs or smart_format,
    )


class _Parameters(Query):
    """The parameters of a query, as the configuration has them."""

    def checkrefused(self) -> None:
        for name in _REFUSED:
            if self.asks_for(name):
                given = quoted(self.all(name)[0])
                raise refused(f"{name} is {given}, which this server does not do; leave {name} out")

    def endpointing(self) -> tuple[int | None, bool]:
        """Return the pause that ends an utterance in milliseconds, if it is given, and whether ends are reported."""
        text = (self.one("endpointing") or "true").lower()
        if text in ("true", "false", "0"):
            return None, text == "true"
        milliseconds = parse_integer(text)
        if milliseconds is None or milliseconds < 0:
            raise refused(f"endpointing is {quoted(text)}; it must be milliseconds, true or false")
        return _hangover_ms(max(milliseconds, _LEAST_ENDPOINTING_MS)), True

    def utterance_pause_ms(self) -> int | None:
        """Return the pause between the utterances of a recording, None where it is not given."""
        text = self.one("utt_split")
        if text is None:
            return None
        split_seconds = parse_number(text)
        if split_seconds is None or split_seconds < 0:
            raise refused(f"utt_split is {quoted(text)}; it must be seconds")
        return _hangover_ms(round(1000 * split_seconds))

    def language(self) -> dict[str, object]:
        text = self.one("language")
        # Any language means the server's own.
        if text is None or text.lower() == "multi":
            return {}
        return {"languageCode": _checked("languageCode", text, "language")}

    def alternatives(self) -> dict[str, object]:
        text = self.one("alternatives")
        if text is None:
            return {}
        return {
            "maxAlternatives": _checked("maxAlternatives", _KEYS["maxAlternatives"].from_text(text), "alternatives")
        }

    def preset(self) -> dict[str, object]:
        """Return the preset that the name of a model stands for; other names are all the same recognizer."""
        name = (self.one("model") or "").lower()
        return next(({"asrModel": preset} for part, preset in _PRESETS.items() if part in name), {})

    def phrases(self) -> dict[str, object]:
        """Return key terms, and keywords without their intensifiers, of which the greatest sets the boost."""
        phrases, boost = self.all("keyterm"), 0.0
        for text in self.all("keywords"):
            word, _, intensifier = text.rpartition(":")
            factor = parse_number(intensifier) if word else None
            if factor is None:
                phrases.append(text)
            elif factor > 0:
                # There is nothing against a word, only something for it.
                phrases.append(word)
                boost = max(boost, min(USUAL_BOOST * factor, MOST_BOOST))
        if not phrases:
            return {}
        checked = _checked("phrases", phrases, "keyterm or keywords")
        return {"phrases": checked, "boost": boost} if boost else {"phrases": checked}

    def audio(self) -> tuple[dict[str, object], dict[str, object]]:
        """Return the keys and the fields of the configuration that describe the audio."""
        name = (self.one("encoding") or "").lower()
        if name and name not in _ENCODINGS:
            raise refused(
                f"encoding is {quoted(name)}; it must be one of {', '.join(_ENCODINGS)}, or left out for a file"
            )
        channels = self.integer("channels", 1, MOST_CHANNELS)
        is_split = self.flag("multichannel")
        kept = (channels or (1 if name else 2)) if is_split else 1
        if kept > 2:
            raise refused(f"channels is {kept} with multichannel; at most 2 are recognized each on its own")
        values: dict[str, object] = {"channels": kept, "extended": True}
        changes: dict[str, object] = {"needs_header": not name, "interleaved_channels": channels or 1}
        if not name:
            return values, changes | {"audio_encoding": Encoding.LINEAR16.value}
        values["audioEncoding"] = _ENCODINGS[name].value
        if name not in _WITHOUT_RATE:
            values["sampleRateHertz"] = self._hertz(name)
        return values, changes

    def _hertz(self, encoding: str) -> object:
        text = self.one("sample_rate")
        if text is None:
            usual = _USUAL_HERTZ.get(encoding)
            if usual is None:
                raise refused(f"sample_rate is missing; encoding {encoding} needs it")
            return usual
        return _checked("sampleRateHertz", _KEYS["sampleRateHertz"].from_text(text), "sample_rate")


def _checked(key_name: str, value: object, name: str) -> object:
    """Check a value of a key of the configuration that is a parameter of this name."""
    key = _KEYS[key_name]
    if not key.accepts(value):
        raise refused(f"{name} is {shown(value)}; it must be {key.allowed}")
    return value


def _hangover_ms(milliseconds: int) -> int:
    """Return the pause that ends an utterance, within its bounds."""
    bounds = _KEYS["hangoverMs"]
    assert isinstance(bounds, IntegerKey)  # noqa: S101
    return max(bounds.minimum, min(milliseconds, bounds.maximum))
