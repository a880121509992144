"""The Python client: the live WebSocket, long recordings over REST, and caption channels.

`stream.client.blocking` has the same for programs without asyncio.
"""

from stream.client.channels import (
    Channel,
    ChannelEvent,
    Connected,
    Deleted,
    Line,
    Publishing,
    correct_line,
    create_channel,
    delete_channel,
    list_channels,
    read_channel,
)
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
from stream.client.http import Transcription, Utterance
from stream.client.live import Live, Message, Waits, connect, transcribe
from stream.client.recordings import follow, recognize_file, recognize_uri
from stream.client.rest import RestClient, RestWaits, rest_client

__all__ = [
    "AddressError",
    "AnswerError",
    "Channel",
    "ChannelEvent",
    "Connected",
    "Deleted",
    "Line",
    "Live",
    "LiveError",
    "LostError",
    "Message",
    "Publishing",
    "RecognitionError",
    "RefusedError",
    "RestClient",
    "RestWaits",
    "StalledError",
    "Transcription",
    "UnreachableError",
    "UnreadableError",
    "Utterance",
    "Waits",
    "connect",
    "correct_line",
    "create_channel",
    "delete_channel",
    "follow",
    "list_channels",
    "read_channel",
    "recognize_file",
    "recognize_uri",
    "rest_client",
    "transcribe",
]
