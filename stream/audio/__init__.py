"""Decode audio: from a client's bytes, cut anywhere, in any transfer, format or rate, to 16 kHz PCM16 by channel."""

from stream.audio.format import AudioFormat, AudioTransfer, Encoding

__all__ = ["AudioFormat", "AudioTransfer", "Encoding"]
