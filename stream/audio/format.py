"""The declared format of audio: its encoding, transfer, rate and channels."""

from dataclasses import dataclass
from enum import Enum


class Encoding(Enum):
    """The encoding of the samples."""

    LINEAR16 = "LINEAR16"
    FLAC = "FLAC"
    MP3 = "MP3"
    MULAW = "MULAW"
    ALAW = "ALAW"
    OGG_OPUS = "OGG_OPUS"
    WEBM_OPUS = "WEBM_OPUS"


class AudioTransfer(Enum):
    """How binary messages contain the audio."""

    AUTO = "auto"
    RAW = "raw"
    BASE64 = "base64"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """The audio format of a configuration; a header overrides what is not explicit.

    `channels` is how many are recognized: 1 mixes all channels, or takes the `first_channel_only`; 2 separates two
    interleaved ones. `interleaved_channels` is how many channels headerless samples have, 0 for `channels`.
    `is_recording` is for a whole file, which its own first bytes identify; so they do where live audio `needs_header`,
    and headerless samples are refused then. `detected_encodings` are those that they may identify in other live audio.
    """

    encoding: Encoding = Encoding.LINEAR16
    transfer: AudioTransfer = AudioTransfer.AUTO
    sample_rate_hertz: int = 16_000
    channels: int = 1
    encoding_is_explicit: bool = False
    rate_is_explicit: bool = False
    is_recording: bool = False
    interleaved_channels: int = 0
    first_channel_only: bool = False
    needs_header: bool = False
    detected_encodings: frozenset[Encoding] = frozenset()
