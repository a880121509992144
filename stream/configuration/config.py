"""The configuration of a session: its keys, their defaults, and which of them may change once audio has begun."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from stream import extras
from stream.audio import AudioFormat, AudioTransfer, Encoding
from stream.configuration.keys import (
    BooleanKey,
    ChoiceKey,
    DetectorKey,
    IntegerKey,
    Key,
    LanguageKey,
    LanguageModelKey,
    NumberKey,
    PhrasesKey,
)
from stream.configuration.presets import PRESETS
from stream.errors import ClientError, Problem, quoted
from stream.vocabulary.vocabularies import LONGEST_PHRASE, MOST_BOOST, MOST_PHRASES, USUAL_BOOST
from vad import SegmenterOptions, frames_in

SILERO, MANUAL, OFF = "silero", "manual", "off"
FIXED, ADAPTIVE = "fixed", "adaptive"
VAD_KINDS = ("webrtc", SILERO, MANUAL, OFF)
SAMPLE_RATES_HERTZ = range(8000, 48_001)
"""The rates of headerless samples."""
MOST_CHANNELS = 2
"""How many channels may be recognized each on its own."""
OPEN_VOCABULARY, CLOSED_VOCABULARY = "open", "closed"
AS_RECOGNIZED, DIGITS = "recognized", "digits"
LANGUAGE_MODELS = ("general", "numbers", "yesno", "country", "city", "career")

KEYS: tuple[Key, ...] = (
    ChoiceKey("audioEncoding", "audio_encoding", "what the audio is", True, tuple(e.value for e in Encoding)),
    IntegerKey(
        "sampleRateHertz",
        "sample_rate_hertz",
        "the rate of headerless samples",
        True,
        SAMPLE_RATES_HERTZ.start,
        SAMPLE_RATES_HERTZ.stop - 1,
    ),
    LanguageKey("languageCode", "language_code", "the tag itself, else one of the same language", False),
    IntegerKey("maxAlternatives", "max_alternatives", "hypotheses of an utterance; 0 means 1", False, 0, 5),
    BooleanKey("profanityFilter", "profanity_filter", "all but the first letter becomes *", False),
    ChoiceKey("asrModel", "asr_model", "the kind of sound; see the presets", False, tuple(PRESETS)),
    LanguageModelKey("languageModel", "language_model", "what is expected to be said", False, LANGUAGE_MODELS),
    BooleanKey("interimResults", "interim_results", "send unsettled text too", False),
    BooleanKey("extended", "extended", "the messages of extended mode", True),
    BooleanKey("wholeSeconds", "whole_seconds", "`duration` and `inferenceTime` as integers", True),
    ChoiceKey(
        "audioTransfer",
        "audio_transfer",
        "samples as they are, or as base64 text",
        True,
        tuple(t.value for t in AudioTransfer),
    ),
    DetectorKey(
        "vad",
        "vad",
        "what finds speech; `manual` leaves the ends to `finalize`, at any time, `off` to the recognizer",
        True,
        VAD_KINDS,
        MANUAL,
        OFF,
    ),
    IntegerKey(
        "vadAggressiveness", "vad_aggressiveness", "from 0, nearly all is speech, to 3, most is noise", False, 0, 3
    ),
    IntegerKey("prerollMs", "preroll_ms", "audio kept from before the onset of speech", False, 0, 1000),
    IntegerKey("hangoverMs", "hangover_ms", "the pause that ends an utterance", False, 100, 5000),
    ChoiceKey(
        "endpointing",
        "endpointing",
        "`adaptive`: half of `hangoverMs` after a complete sentence, twice after an unfinished one",
        False,
        (FIXED, ADAPTIVE),
    ),
    IntegerKey("maxUtteranceMs", "max_utterance_ms", "the longest utterance", False, 2000, 30000),
    PhrasesKey("phrases", "phrases", "words to listen for; repeated in a query", False, MOST_PHRASES, LONGEST_PHRASE),
    ChoiceKey(
        "vocabulary",
        "vocabulary",
        "`closed`: nothing but the `phrases` is recognized",
        False,
        (OPEN_VOCABULARY, CLOSED_VOCABULARY),
    ),
    NumberKey("boost", "boost", "how much the phrases are preferred", False, 0, MOST_BOOST),
    BooleanKey("punctuation", "punctuation", "where the recognizer has it", False),
    ChoiceKey(
        "numbers",
        "numbers",
        "`digits`: spoken numbers in digits, in Persian; other languages are left as the recognizer writes them",
        False,
        (AS_RECOGNIZED, DIGITS),
    ),
    IntegerKey("channels", "channels", "2 recognizes each channel on its own (extended mode)", True, 1, MOST_CHANNELS),
    BooleanKey("store", "store", "keep the transcription", True),
    IntegerKey("asrStatus", "asr_status", "the status with which `POST /v1/speech/asr` answers", True, 200, 201),
)
_KEYS = {key.name: key for key in KEYS}
# What a voice activity detector needs and a recognizer that finds the endpoints itself does not.
_DETECTOR_KEYS = ("prerollMs", "maxUtteranceMs", "vadAggressiveness")
# An endless segment of sound: longer than any connection may last.
_ENDLESS = SegmenterOptions(
    onset_frames=0, preroll_frames=0, hangover_frames=1 << 40, longest_frames=1 << 41, longest_search_frames=0
)


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The configuration in force; `explicit` names the keys that somebody set.

    `trained_phrases` is what a trained `language_model` stands for, once it was looked up; `is_file` when nobody
    waits for each word. Protocols with other keys set the last five. `interleaved_channels`, `first_channel_only` and
    `needs_header` are those of `AudioFormat`; a session reports pauses of `pause_ms` between words, 0 for none. Where
    the recognizer does not distinguish speakers, `wants_speakers` is refused.
    """

    audio_encoding: str = "LINEAR16"
    sample_rate_hertz: int = 16_000
    language_code: str = "en"
    max_alternatives: int = 1
    profanity_filter: bool = True
    asr_model: str = "default"
    language_model: str = "general"
    interim_results: bool = True
    extended: bool = False
    whole_seconds: bool = False
    audio_transfer: str = "auto"
    vad: str = "webrtc"
    vad_aggressiveness: int = PRESETS["default"].vad_aggressiveness
    preroll_ms: int = 300
    hangover_ms: int = PRESETS["default"].hangover_ms
    endpointing: str = FIXED
    max_utterance_ms: int = 20_000
    phrases: tuple[str, ...] = ()
    vocabulary: str = OPEN_VOCABULARY
    boost: float = USUAL_BOOST
    punctuation: bool = True
    numbers: str = AS_RECOGNIZED
    channels: int = 1
    store: bool = True
    asr_status: int = 201
    explicit: frozenset[str] = field(default=frozenset())
    trained_phrases: tuple[str, ...] = ()
    is_file: bool = False
    interleaved_channels: int = 0
    first_channel_only: bool = False
    needs_header: bool = False
    pause_ms: int = 0
    wants_speakers: bool = False

    @property
    def names_trained_model(self) -> bool:
        return self.language_model not in LANGUAGE_MODELS

    @property
    def set_values(self) -> dict[str, object]:
        """The keys that somebody set; `with_message` makes the same configuration of them again."""
        return {key.name: getattr(self, key.attribute) for key in KEYS if key.name in self.explicit}

    @property
    def audio_format(self) -> AudioFormat:
        return AudioFormat(
            encoding=Encoding(self.audio_encoding),
            transfer=AudioTransfer(self.audio_transfer),
            sample_rate_hertz=self.sample_rate_hertz,
            channels=self.channels,
            encoding_is_explicit="audioEncoding" in self.explicit,
            rate_is_explicit="sampleRateHertz" in self.explicit,
            interleaved_channels=self.interleaved_channels,
            first_channel_only=self.first_channel_only,
            needs_header=self.needs_header,
        )

    @property
    def is_manual(self) -> bool:
        """Whether utterances end at the client's command only, or where they are too long."""
        return self.vad == MANUAL

    @property
    def is_adaptive(self) -> bool:
        """Whether the text of an utterance decides which pause ends it: nobody waits for the end of one in a file."""
        return self.endpointing == ADAPTIVE and self.vad not in (MANUAL, OFF) and not self.is_file

    @property
    def segmenter_options(self) -> SegmenterOptions:
        if self.vad == OFF:
            return _ENDLESS
        longest = frames_in(self.max_utterance_ms)
        # The last 2 s before the limit, but never so much that no utterance could pass it.
        longest_search = min(200, longest // 4)
        if self.is_manual:
            return replace(_ENDLESS, longest_frames=longest, longest_search_frames=longest_search)
        return SegmenterOptions(
            preroll_frames=frames_in(self.preroll_ms),
            hangover_frames=frames_in(self.hangover_ms),
            longest_frames=longest,
            longest_search_frames=longest_search,
        )

    def on_wire(self) -> dict[str, object]:
        """Every key with the value in force."""
        return {key.name: getattr(self, key.attribute) for key in KEYS}

    def with_query(self, parameters: Iterable[tuple[str, str]]) -> "SessionConfig":
        """Apply the query string of the handshake; raises ClientError."""
        texts: dict[str, list[str]] = {}
        for name, text in parameters:
            texts.setdefault(name, []).append(text)
        return self._with({name: _key(name).from_texts(values) for name, values in texts.items()})

    def with_message(self, values: Mapping[str, object], *, audio_began: bool) -> "SessionConfig":
        """Apply a config message; raises ClientError, also for a key that the first audio froze."""
        changed = self._with(values)
        for name in values:
            key = _key(name)
            before, after = getattr(self, key.attribute), getattr(changed, key.attribute)
            if audio_began and key.is_frozen(before, after):
                raise ClientError(
                    Problem.INVALID_CONFIG,
                    f"{name} is {after} after the first audio was received with {before}; it must be set before",
                )
        return changed

    def _with(self, values: Mapping[str, object]) -> "SessionConfig":
        checked = {_key(name).attribute: _key(name).check(value) for name, value in values.items()}
        explicit = self.explicit | values.keys()
        preset = PRESETS[str(checked.get("asr_model", self.asr_model))]
        if "hangoverMs" not in explicit:
            checked["hangover_ms"] = preset.hangover_ms
        if "vadAggressiveness" not in explicit:
            checked["vad_aggressiveness"] = preset.vad_aggressiveness
        changed = replace(self, explicit=explicit, **checked)  # type: ignore[arg-type]
        changed._check_together()
        return changed

    def _check_together(self) -> None:
        """Refuse keys that contradict each other."""
        if self.channels == 2 and not self.extended:
            raise ClientError(Problem.INVALID_CONFIG, "channels is 2, which needs extended to be true")
        if self.vad == SILERO and (missing := extras.SILERO.missing):
            raise ClientError(Problem.INVALID_CONFIG, f"vad is silero, and on this server {missing}")
        if self.endpointing == ADAPTIVE and self.vad == OFF:
            raise ClientError(
                Problem.INVALID_CONFIG, "endpointing is adaptive although vad is off; set it with webrtc or silero only"
            )
        for name in _DETECTOR_KEYS:
            if self.vad == OFF and name in self.explicit:
                raise ClientError(
                    Problem.INVALID_CONFIG, f"{name} is set although vad is off; set it with webrtc or silero only"
                )


def _key(name: str) -> Key:
    try:
        return _KEYS[name]
    except KeyError:
        known = ", ".join(_KEYS)
        raise ClientError(Problem.INVALID_CONFIG, f"{quoted(name)} is not a key; known are {known}") from None
