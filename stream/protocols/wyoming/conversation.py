"""A Wyoming connection between the sessions of its utterances: what is answered, and when a session begins."""

from dataclasses import dataclass

from stream.errors import ClientError, Problem
from stream.protocols.wyoming.framing import decode, encode
from stream.protocols.wyoming.messages import Transcription, error, pcm_format
from stream.protocols.wyoming.protocol import Service, Wyoming


@dataclass(frozen=True, slots=True)
class Answer:
    """An event to send, or None."""

    event: bytes | None


@dataclass(frozen=True, slots=True)
class Describe:
    """The service's `info` is to be sent, once it is known what the recognizer serves."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A session begins; `first` is the event that it reads first, None for the next one of the client."""

    protocol: Wyoming
    first: bytes | None


class Conversation:
    """Decides about the events that come while no session is open; one connection may have several, in turn."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._requested = Transcription()

    def receive(self, received: bytes) -> Answer | Describe | Begin:
        """Take a whole event; what is wrong with it is answered, and the next one may be right."""
        try:
            return self._receive(received)
        except ClientError as fault:
            return Answer(refused(fault))

    def _receive(self, received: bytes) -> Answer | Describe | Begin:
        event = decode(received)
        match event.type:
            case "describe":
                return Describe()
            case "transcribe":
                self._requested = self._service.transcription(event)
                return Answer(None)
            case "audio-start" | "audio-chunk":
                requested, self._requested = self._requested, Transcription()
                protocol = Wyoming(self._service, requested, pcm_format(event))
                return Begin(protocol, received if event.type == "audio-chunk" else None)
            case "audio-stop":
                raise ClientError(Problem.INVALID_MESSAGE, "audio-stop came without an audio-start before it")
            case _:
                answer = self._service.answer(event)
                return Answer(None if answer is None else encode(answer))


def refused(fault: ClientError) -> bytes:
    """Return the event for an error."""
    return encode(error(fault.problem, fault.detail))
