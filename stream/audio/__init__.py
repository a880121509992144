"""Bytes as the client sends them become 16 kHz PCM16 for each channel, whatever the cuts, the transfer or the rate."""

from stream.audio.decoder import AudioDecoder, Samples
from stream.audio.format import AudioFormat, AudioTransfer, Encoding

__all__ = ["AudioDecoder", "AudioFormat", "AudioTransfer", "Encoding", "Samples"]
