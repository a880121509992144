"""Owns what can be said of a client's audio: its encoding, its transfer, its rate and its channels."""

from dataclasses import dataclass
from enum import Enum


class Encoding(Enum):
    """What the samples are wrapped in."""

    LINEAR16 = "LINEAR16"
    FLAC = "FLAC"
    MP3 = "MP3"
    MULAW = "MULAW"
    ALAW = "ALAW"
    OGG_OPUS = "OGG_OPUS"
    WEBM_OPUS = "WEBM_OPUS"


class AudioTransfer(Enum):
    """How audio travels inside binary messages."""

    AUTO = "auto"
    RAW = "raw"
    BASE64 = "base64"


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What the configuration says of the audio; what the client did not name yields to a header.

    `channels` is how many are recognized: 1 mixes whatever comes, 2 keeps two interleaved ones apart. `is_recording`:
    a whole file, whose own first bytes tell what it is.
    """

    encoding: Encoding = Encoding.LINEAR16
    transfer: AudioTransfer = AudioTransfer.AUTO
    sample_rate_hertz: int = 16_000
    channels: int = 1
    encoding_is_explicit: bool = False
    rate_is_explicit: bool = False
    is_recording: bool = False
