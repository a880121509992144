"""Which audio a call sends, from the encoding, the rate and the channels of Riva's RecognitionConfig."""

from dataclasses import dataclass

from riva.client.proto import riva_asr_pb2, riva_audio_pb2

from stream.audio.format import AudioFormat, AudioTransfer, Encoding
from stream.audio.layout import MOST_CHANNELS
from stream.configuration.config import SAMPLE_RATES_HERTZ
from vad import SAMPLE_RATE

_ENCODINGS = {
    riva_audio_pb2.AudioEncoding.ENCODING_UNSPECIFIED: Encoding.LINEAR16,
    riva_audio_pb2.AudioEncoding.LINEAR_PCM: Encoding.LINEAR16,
    riva_audio_pb2.AudioEncoding.FLAC: Encoding.FLAC,
    riva_audio_pb2.AudioEncoding.MULAW: Encoding.MULAW,
    riva_audio_pb2.AudioEncoding.OGGOPUS: Encoding.OGG_OPUS,
    riva_audio_pb2.AudioEncoding.ALAW: Encoding.ALAW,
}
_DETECTED_ENCODINGS = frozenset({Encoding.FLAC, Encoding.OGG_OPUS})
SERVED_ENCODINGS = "LINEAR_PCM, FLAC, MULAW, OGGOPUS and ALAW are served"


@dataclass(frozen=True, slots=True)
class AudioOptions:
    """The format of a call's audio, and Riva's name of its encoding, "" if that is left out.

    Without a name a FLAC or Ogg file is decoded by its own first bytes.
    """

    audio_format: AudioFormat
    encoding_name: str


def audio_options(config: riva_asr_pb2.RecognitionConfig) -> AudioOptions:
    """Read what the audio of a call is; raises ValueError with a sentence for the client."""
    encoding = _ENCODINGS.get(config.encoding)
    if encoding is None:
        raise ValueError(f"encoding is {_name(config.encoding)}; {SERVED_ENCODINGS}")
    rate, lowest, highest = config.sample_rate_hertz, SAMPLE_RATES_HERTZ.start, SAMPLE_RATES_HERTZ.stop - 1
    if rate and rate not in SAMPLE_RATES_HERTZ:
        raise ValueError(f"sample_rate_hertz is {rate}; it must be from {lowest} to {highest}, or 0 for {SAMPLE_RATE}")
    channels = config.audio_channel_count
    if not 0 <= channels <= MOST_CHANNELS:
        raise ValueError(f"audio_channel_count is {channels}; it must be from 1 to {MOST_CHANNELS}, or 0 for 1")
    if channels > 1 and config.enable_separate_recognition_per_channel:
        raise ValueError(
            "enable_separate_recognition_per_channel is true; it must be false, and the first channel is recognized"
        )
    audio_format = AudioFormat(
        encoding=encoding,
        transfer=AudioTransfer.RAW,
        sample_rate_hertz=rate or SAMPLE_RATE,
        interleaved_channels=channels or 1,
        first_channel_only=True,
        # Samples of G.711 may look like text. A WAV header may say anything where PCM is declared.
        encoding_is_explicit=encoding is not Encoding.LINEAR16,
        detected_encodings=frozenset() if config.encoding else _DETECTED_ENCODINGS,
    )
    return AudioOptions(audio_format, _name(config.encoding) if config.encoding else "")


def _name(encoding: int) -> str:
    encodings = riva_audio_pb2.AudioEncoding
    return encodings.Name(encoding) if encoding in encodings.values() else str(encoding)
