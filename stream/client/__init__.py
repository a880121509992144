"""The Python client: the live WebSocket, REST, and long recordings."""

from stream.client.errors import (
    AddressError,
    AnswerError,
    LiveError,
    LostError,
    RecognitionError,
    RefusedError,
    StalledError,
    UnreachableError,
    UnreadableError,
)
from stream.client.live import Live, Message, Waits, connect, transcribe
from stream.client.rest import RestClient, rest_client

__all__ = [
    "AddressError",
    "AnswerError",
    "Live",
    "LiveError",
    "LostError",
    "Message",
    "RecognitionError",
    "RefusedError",
    "RestClient",
    "StalledError",
    "UnreachableError",
    "UnreadableError",
    "Waits",
    "connect",
    "rest_client",
    "transcribe",
]
