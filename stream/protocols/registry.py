"""The protocols that a server serves over WebSockets."""

from stream.protocols.deepgram.protocol import Deepgram
from stream.protocols.farsava.protocol import Farsava
from stream.protocols.nim.protocol import Nim
from stream.protocols.openai.realtime.protocol import OpenAIRealtime
from stream.protocols.protocol import ClientProtocol
from stream.protocols.vosk.protocol import Vosk

PROTOCOLS: tuple[ClientProtocol, ...] = (Farsava(), Deepgram(), OpenAIRealtime(), Nim(), Vosk())
