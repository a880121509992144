"""The configuration of a call: Riva's RecognitionConfig as keys of ours."""

from dataclasses import replace

from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto.riva_audio_pb2 import AudioEncoding

from stream.audio.format import AudioTransfer
from stream.audio.layout import MOST_CHANNELS
from stream.configuration.config import KEYS, SessionConfig
from stream.configuration.keys import IntegerKey, NumberKey
from stream.errors import ClientError, Problem

_ENCODINGS = {
    AudioEncoding.LINEAR_PCM: "LINEAR16",
    AudioEncoding.FLAC: "FLAC",
    AudioEncoding.MULAW: "MULAW",
    AudioEncoding.OGGOPUS: "OGG_OPUS",
    AudioEncoding.ALAW: "ALAW",
}
# Files of these have their own rate, and clients send the recognizer's.
_HAS_OWN_RATE = frozenset({AudioEncoding.FLAC, AudioEncoding.OGGOPUS})
_RANGES = {key.name: key for key in KEYS if isinstance(key, IntegerKey | NumberKey)}
_MOST_SEPARATED = 2


def configured(config: SessionConfig, asked: pb.RecognitionConfig, **values: object) -> SessionConfig:
    """Return a configuration with what a call asks for, and `values`; raises ClientError.

    `maxAlternatives`, `boost` and `hangoverMs` have narrower ranges here than Riva's, and take the nearest value. Of
    several channels the first is recognized, unless they are to be separated.
    """
    is_separate = asked.enable_separate_recognition_per_channel
    return replace(
        config.with_message(_values_of(asked) | values, audio_began=False),
        interleaved_channels=asked.audio_channel_count,
        first_channel_only=not is_separate,
    )


def _values_of(asked: pb.RecognitionConfig) -> dict[str, object]:
    values: dict[str, object] = {
        "audioTransfer": AudioTransfer.RAW.value,
        "profanityFilter": asked.profanity_filter,
        "punctuation": asked.enable_automatic_punctuation,
        # The key is about Farsava's messages, which Riva's clients do not get; two channels need it.
        "extended": True,
    }
    if asked.encoding != AudioEncoding.ENCODING_UNSPECIFIED:
        values["audioEncoding"] = _encoding(asked.encoding)
    if asked.sample_rate_hertz and asked.encoding not in _HAS_OWN_RATE:
        values["sampleRateHertz"] = asked.sample_rate_hertz
    if asked.language_code:
        values["languageCode"] = asked.language_code
    if asked.max_alternatives:
        values["maxAlternatives"] = _nearest("maxAlternatives", asked.max_alternatives)
    if asked.speech_contexts:
        values |= _phrases(asked)
    if asked.audio_channel_count > 1:
        values |= _channels(asked)
    if asked.endpointing_config.stop_history > 0:
        values["hangoverMs"] = _nearest("hangoverMs", asked.endpointing_config.stop_history)
    return values


def _encoding(encoding: int) -> str:
    name = _ENCODINGS.get(encoding)
    if name is None:
        allowed = ", ".join(AudioEncoding.Name(one) for one in _ENCODINGS)
        raise ClientError(Problem.INVALID_CONFIG, f"encoding is {encoding}; it must be one of {allowed}")
    return name


def _phrases(config: pb.RecognitionConfig) -> dict[str, object]:
    """Join the phrases of all contexts; the largest boost holds for all."""
    phrases = [phrase for context in config.speech_contexts for phrase in context.phrases]
    boost = max(context.boost for context in config.speech_contexts)
    values: dict[str, object] = {"phrases": phrases}
    return values | {"boost": _nearest("boost", boost)} if boost else values


def _channels(config: pb.RecognitionConfig) -> dict[str, object]:
    count, is_separate = config.audio_channel_count, config.enable_separate_recognition_per_channel
    most = _MOST_SEPARATED if is_separate else MOST_CHANNELS
    if count > most:
        separated = " and recognized separately" if is_separate else ""
        raise ClientError(
            Problem.INVALID_CONFIG, f"audio_channel_count is {count}{separated}; it must be at most {most}"
        )
    return {"channels": count} if is_separate else {}


def _nearest(name: str, value: float) -> float:
    key = _RANGES[name]
    return max(key.minimum, min(value, key.maximum))
