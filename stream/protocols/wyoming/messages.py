"""The events of a speech-to-text service: what clients ask for, and what they are sent."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from stream.errors import ClientError, Problem, shown
from stream.protocols.wyoming.framing import Event
from stream.vocabulary.vocabularies import LONGEST_PHRASE, MOST_PHRASES

NAME = "niyosha"
_ATTRIBUTION = {"name": "Niyosha", "url": ""}
_WIDTHS = (2, 3, 4)
_MOST_CHANNELS = 2
# Clients of streaming WAV files write this where the length is not known.
_UNKNOWN_LENGTH = 0xFFFFFFFF
_WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


@dataclass(frozen=True, slots=True, kw_only=True)
class PcmFormat:
    """The format of audio events: samples a second, bytes a sample (signed integers), interleaved channels."""

    rate: int = 16_000
    width: int = 2
    channels: int = 1

    @property
    def is_plain(self) -> bool:
        """Whether the session takes the samples as they are."""
        return self.width == 2 and self.channels == 1

    @property
    def wav_header(self) -> bytes:
        """The header of an endless WAV file of these samples."""
        frame_bytes = self.width * self.channels
        rates = self.channels, self.rate, self.rate * frame_bytes, frame_bytes, 8 * self.width
        riff, form = (b"RIFF", _UNKNOWN_LENGTH, b"WAVE"), (b"fmt ", 16, 1)
        return _WAV_HEADER.pack(*riff, *form, *rates, b"data", _UNKNOWN_LENGTH)


@dataclass(frozen=True, slots=True)
class Transcription:
    """What a `transcribe` asks for, as keys of the configuration."""

    values: dict[str, object] = field(default_factory=dict)


def transcription(event: Event, most_phrases: int) -> Transcription:
    """Read a `transcribe`; raises ClientError. The model's name and the context have no effect.

    Names and terms are phrases to prefer; those beyond `most_phrases`, of the recognizer, are left out.
    """
    values: dict[str, object] = {}
    match event.data.get("language"):
        case None | "":
            pass
        case language:
            values["languageCode"] = language
    names, terms = (_texts(event, key) for key in ("transcript_names", "transcript_terms"))
    phrases = [phrase for phrase in dict.fromkeys((*names, *terms)) if phrase]
    if phrases:
        values["phrases"] = phrases[: min(most_phrases, MOST_PHRASES)]
    return Transcription(values)


def _texts(event: Event, key: str) -> Sequence[str]:
    """Return the names to prefer, without those that are too long to be spoken: they only tune the recognition."""
    match event.data.get(key):
        case None:
            return ()
        case list(texts) if all(isinstance(text, str) for text in texts):
            return [phrase for text in texts if len(phrase := " ".join(text.split())) <= LONGEST_PHRASE]
        case other:
            raise _invalid(key, other, "a list of texts")


def pcm_format(event: Event) -> PcmFormat:
    """Read the format of an audio event; raises ClientError for what is not taken."""
    rate, width, channels = (_number(event, key) for key in ("rate", "width", "channels"))
    if width not in _WIDTHS:
        raise _invalid("width", width, f"one of {', '.join(map(str, _WIDTHS))} bytes of signed samples")
    if not 1 <= channels <= _MOST_CHANNELS:
        raise _invalid("channels", channels, f"between 1 and {_MOST_CHANNELS}")
    return PcmFormat(rate=rate, width=width, channels=channels)


def _number(event: Event, key: str) -> int:
    value = event.data.get(key)
    if type(value) is not int:
        raise _invalid(key, value, "an integer")
    return value


def _invalid(key: str, value: object, allowed: str) -> ClientError:
    return ClientError(Problem.INVALID_CONFIG, f"{key} is {shown(value)}; it must be {allowed}")


def info(languages: Sequence[str], version: str) -> Event:
    """Return the description of the service; its model is not installed while no language is served."""
    model = {
        "name": NAME,
        "attribution": _ATTRIBUTION,
        "installed": bool(languages),
        "description": "The recognizer behind this server",
        "version": version,
        "languages": list(languages),
    }
    program = {
        "name": NAME,
        "attribution": _ATTRIBUTION,
        "installed": True,
        "description": "Real-time speech recognition",
        "version": version,
        "models": [model],
        "supports_transcript_streaming": True,
        "requires_external_vad": True,
        # Quiet speech is levelled here, and noise is part of what the recognizer was trained with.
        "prefers_auto_gain_enabled": False,
        "prefers_noise_reduction_enabled": False,
    }
    return Event("info", {"asr": [program]})


def pong(ping: Event) -> Event:
    """Return the answer to a ping, with its text."""
    return Event("pong", {"text": ping.data.get("text")})


def error(problem: Problem, detail: str) -> Event:
    """Return the event for an error of the table."""
    return Event("error", {"text": detail, "code": problem.value.type})


def unknown(event: Event) -> Event:
    """Return the answer to an event of another kind of service."""
    known = "describe, ping, transcribe, audio-start, audio-chunk and audio-stop"
    detail = f"type is {shown(event.type)}, which is not served; this service takes {known}"
    return error(Problem.INVALID_MESSAGE, detail)
