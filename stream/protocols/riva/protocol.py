"""Riva's recognition calls as protocols: `StreamingRecognize` and `Recognize`."""

from dataclasses import replace
from typing import Any, ClassVar

from google.protobuf.message import DecodeError
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_common_pb2

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.protocol import Adapter, ClientProtocol, Handshake, Message, Opening
from stream.protocols.riva.configuration import configured
from stream.protocols.riva.errors import ENDS, STATUS_OF_PROBLEM
from stream.protocols.riva.responses import ResponseWriter
from stream.session.commands import ClientInput, Close, Finalize, KeepAlive, Reply
from stream.session.events import ClientEvent, Finished, Settled, Unsettled

END = "end"
"""The text message that stands for the client's half-close."""
SERVICE = "nvidia.riva.asr.RivaSpeechRecognition"
_END_UTTERANCE = "force_eou"


class RivaStreaming(ClientProtocol):
    """`StreamingRecognize`: the first message is the configuration, the others are audio."""

    name: ClassVar[str] = "riva"
    path: ClassVar[str] = f"/{SERVICE}/StreamingRecognize"

    def configured(self, config: SessionConfig, handshake: Handshake) -> SessionConfig:
        streaming = _streaming_config(handshake)
        return configured(config, streaming.config, interimResults=streaming.interim_results)

    def refusal(self, error: ClientError) -> bytes:
        return error.detail.encode()

    def open(self, opening: Opening) -> Adapter:
        request = _request(opening.handshake.first_message)
        config = request.streaming_config.config
        return StreamingAdapter(ResponseWriter(config, _id(request)))


class RivaRecognize(ClientProtocol):
    """`Recognize`: one request with the configuration and the whole audio, one response."""

    name: ClassVar[str] = "riva"
    path: ClassVar[str] = f"/{SERVICE}/Recognize"

    def configured(self, config: SessionConfig, handshake: Handshake) -> SessionConfig:
        asked = whole_request(handshake.first_message).config
        return replace(configured(config, asked, interimResults=False), is_file=True)

    def refusal(self, error: ClientError) -> bytes:
        return error.detail.encode()

    def open(self, opening: Opening) -> Adapter:
        request = whole_request(opening.handshake.first_message)
        return WholeAdapter(ResponseWriter(request.config, _id(request)))


class _RivaAdapter(Adapter):
    """What both calls have in common; it closes with a gRPC status and its message."""

    def __init__(self, writer: ResponseWriter) -> None:
        self._writer = writer

    def write_failure(self, problem: Problem, detail: str, config: SessionConfig) -> tuple[Message, ...]:
        return ()

    def closing(self, end: Finished | Problem) -> tuple[int, str]:
        match end:
            case Problem():
                return STATUS_OF_PROBLEM[end], "the call failed through a fault of the server"
            case Finished(error=ClientError() as error):
                return STATUS_OF_PROBLEM[error.problem], error.detail
            case Finished(cause=cause):
                return ENDS[cause]


class StreamingAdapter(_RivaAdapter):
    """Translates serialized StreamingRecognizeRequests and -Responses."""

    def read(self, message: Message) -> tuple[ClientInput, ...]:
        if message == END:
            return (Close(),)
        request = _request(message)
        if request.HasField("streaming_config"):
            raise ClientError(Problem.INVALID_MESSAGE, "streaming_config may only be the first message of a stream")
        self._writer.request_id = _id(request) or self._writer.request_id
        inputs: tuple[ClientInput, ...] = (request.audio_content,) if request.audio_content else ()
        if request.runtime_config.get(_END_UTTERANCE, "").lower() == "true":
            inputs += (Finalize(),)
        return inputs or (KeepAlive(),)

    def write(self, event: ClientEvent | Reply, config: SessionConfig) -> tuple[Message, ...]:
        match event:
            case Unsettled(is_next=True):
                return (self._writer.interim(event),)
            case Settled() if event.hypothesis.best.words or event.was_shown:
                return (self._writer.final(event),)
            case _:
                return ()


class WholeAdapter(_RivaAdapter):
    """Takes the audio as it is, and writes one serialized RecognizeResponse at the end."""

    def read(self, message: Message) -> tuple[ClientInput, ...]:
        return (message,) if isinstance(message, bytes) else (Close(),)

    def write(self, event: ClientEvent | Reply, config: SessionConfig) -> tuple[Message, ...]:
        match event:
            case Finished(error=None):
                return (self._writer.whole(event.settled),)
            case _:
                return ()


def whole_request(message: Message) -> pb.RecognizeRequest:
    """Parse the request of `Recognize`; raises ClientError."""
    return _parsed(pb.RecognizeRequest, message)


def _request(message: Message) -> pb.StreamingRecognizeRequest:
    return _parsed(pb.StreamingRecognizeRequest, message)


def _parsed(kind: Any, message: Message) -> Any:
    try:
        return kind.FromString(message)
    except (DecodeError, TypeError):
        raise ClientError(Problem.INVALID_MESSAGE, f"a message is no {kind.DESCRIPTOR.name}") from None


def _streaming_config(handshake: Handshake) -> pb.StreamingRecognitionConfig:
    request = _request(handshake.first_message)
    if not request.HasField("streaming_config"):
        raise ClientError(Problem.INVALID_MESSAGE, "the first message of a stream must be streaming_config")
    return request.streaming_config


def _id(request: Any) -> riva_common_pb2.RequestId | None:
    return request.id if request.HasField("id") else None
