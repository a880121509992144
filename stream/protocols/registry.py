"""The protocols that a server serves over WebSockets."""

from stream.protocols.farsava.protocol import Farsava
from stream.protocols.protocol import ClientProtocol

PROTOCOLS: tuple[ClientProtocol, ...] = (Farsava(),)
