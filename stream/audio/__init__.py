"""Bytes as the client sends them become 16 kHz mono PCM16, whatever the cuts, the transfer or the rate."""

from stream.audio.decoder import AudioDecoder, AudioFormat, AudioTransfer

__all__ = ["AudioDecoder", "AudioFormat", "AudioTransfer"]
