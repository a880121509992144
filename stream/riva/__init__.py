"""The gateway's side of NVIDIA Riva's protocol; with `stream.engine` the only user of grpc."""

from stream.riva.options import RivaOptions, TlsOptions
from stream.riva.recognizer import RivaRecognizer

__all__ = ["RivaOptions", "RivaRecognizer", "TlsOptions"]
