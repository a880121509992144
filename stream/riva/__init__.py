"""The client of NVIDIA Riva's protocol; only it and `stream.engine` use gRPC."""

from stream.riva.options import RivaOptions, TlsOptions
from stream.riva.recognizer import RivaRecognizer

__all__ = ["RivaOptions", "RivaRecognizer", "TlsOptions"]
