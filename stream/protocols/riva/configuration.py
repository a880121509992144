"""The configuration of a call: Riva's RecognitionConfig as keys of ours."""

from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto.riva_audio_pb2 import AudioEncoding

from stream.configuration.config import KEYS
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
_MOST_CHANNELS = 2


def values_of(config: pb.RecognitionConfig) -> dict[str, object]:
    """Return the keys that a call sets; raises ClientError for what cannot be recognized as it is asked for.

    `maxAlternatives`, `boost` and `hangoverMs` have narrower ranges here than Riva's, and take the nearest value.
    """
    values: dict[str, object] = {
        "profanityFilter": config.profanity_filter,
        "punctuation": config.enable_automatic_punctuation,
        # The key is about Farsava's messages, which Riva's clients do not get; two channels need it.
        "extended": True,
    }
    if config.encoding != AudioEncoding.ENCODING_UNSPECIFIED:
        values["audioEncoding"] = _encoding(config.encoding)
    if config.sample_rate_hertz and config.encoding not in _HAS_OWN_RATE:
        values["sampleRateHertz"] = config.sample_rate_hertz
    if config.language_code:
        values["languageCode"] = config.language_code
    if config.max_alternatives:
        values["maxAlternatives"] = _nearest("maxAlternatives", config.max_alternatives)
    if config.speech_contexts:
        values |= _phrases(config)
    if config.audio_channel_count > 1:
        values |= _channels(config)
    if config.endpointing_config.stop_history > 0:
        values["hangoverMs"] = _nearest("hangoverMs", config.endpointing_config.stop_history)
    return values


def takes_first_channel(config: pb.RecognitionConfig) -> bool:
    """Whether only the first of two interleaved channels is recognized, as Riva does unless told otherwise.

    Files say themselves how many channels they have, and all of them are mixed.
    """
    is_raw = config.encoding in (AudioEncoding.LINEAR_PCM, AudioEncoding.ENCODING_UNSPECIFIED)
    is_mixed = not config.enable_separate_recognition_per_channel
    return is_raw and is_mixed and config.audio_channel_count == _MOST_CHANNELS


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
    if config.audio_channel_count > _MOST_CHANNELS:
        raise ClientError(
            Problem.INVALID_CONFIG,
            f"audio_channel_count is {config.audio_channel_count}; at most {_MOST_CHANNELS} are recognized",
        )
    return {"channels": _MOST_CHANNELS} if config.enable_separate_recognition_per_channel else {}


def _nearest(name: str, value: float) -> float:
    key = _RANGES[name]
    return max(key.minimum, min(value, key.maximum))
