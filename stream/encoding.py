"""Owns what a recording is taken for where the client does not say: its own first bytes tell."""

from dataclasses import replace

from stream.audio.sniff import encoding_of, foreign_format, is_text
from stream.config import SessionConfig
from stream.errors import ClientError, Problem


def agreed(config: SessionConfig, head: bytes) -> SessionConfig:
    """The configuration with the encoding that the recording shows, unless the client named one.

    `head` are the first `SNIFF_BYTES` of it, or all there are. Raises ClientError for a well-known format that is not
    taken, and for text.
    """
    foreign = foreign_format(head)
    if foreign is not None:
        raise ClientError(
            Problem.UNSUPPORTED_MEDIA, f"the audio is {foreign}; send WAV, FLAC, MP3, Ogg or WebM Opus, or bare samples"
        )
    if "audioEncoding" in config.explicit:
        return config
    found = encoding_of(head)
    if found is None and is_text(head):
        raise ClientError(
            Problem.UNSUPPORTED_MEDIA,
            "the audio is a text; if it is bare samples all the same, name their kind in audioEncoding",
        )
    return config if found is None else replace(config, audio_encoding=found.value)
