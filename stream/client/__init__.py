"""The Python client: the live WebSocket, REST, and long recordings."""

from stream.client.live import (
    AddressError,
    Live,
    LiveError,
    LostError,
    Message,
    RecognitionError,
    RefusedError,
    UnreachableError,
    UnreadableError,
    Waits,
    connect,
    transcribe,
)
from stream.client.rest import RestClient, rest_client

__all__ = [
    "AddressError",
    "Live",
    "LiveError",
    "LostError",
    "Message",
    "RecognitionError",
    "RefusedError",
    "RestClient",
    "UnreachableError",
    "UnreadableError",
    "Waits",
    "connect",
    "rest_client",
    "transcribe",
]
