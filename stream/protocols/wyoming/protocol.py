"""The session of one utterance of a Wyoming client, between its `audio-start` and its `audio-stop`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import msgspec

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.protocol import Adapter, ClientProtocol, Handshake, Message, Opening
from stream.protocols.wyoming.framing import Event, decode, encode
from stream.protocols.wyoming.messages import PcmFormat, Transcription, error, pcm_format, pong, transcription, unknown
from stream.session.commands import ClientInput, Close, Configure, Reply
from stream.session.events import ClientEvent, Finished, Ready, Settled, Unsettled

# Events that need no answer, and change nothing: there is one program only.
SILENT_TYPES = frozenset({"select-program"})


@dataclass(frozen=True, slots=True)
class Service:
    """What a connection answers about the service: its `info`, and how many phrases a stream may have."""

    info: Callable[[], Event]
    most_phrases: Callable[[], int]

    def answer(self, event: Event) -> Event | None:
        """Return the answer to an event that is no part of a transcription."""
        match event.type:
            case "describe":
                return self.info()
            case "ping":
                return pong(event)
            case kind if kind in SILENT_TYPES:
                return None
            case _:
                return unknown(event)

    def transcription(self, event: Event) -> Transcription:
        """Read a `transcribe`; raises ClientError."""
        return transcription(event, self.most_phrases())


class Wyoming(ClientProtocol):
    """The protocol of one session: audio of a format, and what was asked for before it."""

    name: ClassVar[str] = "wyoming"
    path: ClassVar[str] = ""  # it has a port of its own

    def __init__(self, service: Service, requested: Transcription, audio: PcmFormat) -> None:
        self._service = service
        self._requested = requested
        self._audio = audio

    def configured(self, config: SessionConfig, handshake: Handshake) -> SessionConfig:
        config = replace(config, audio_transfer="raw", audio_encoding="LINEAR16", channels=1)
        # The header that is put before samples of another format has their rate.
        rate: dict[str, object] = {"sampleRateHertz": self._audio.rate} if self._audio.is_plain else {}
        return config.with_message({**self._requested.values, **rate}, audio_began=False)

    def refusal(self, error: ClientError) -> bytes:
        return msgspec.json.encode({"text": error.detail, "code": error.problem.value.type})

    def open(self, opening: Opening) -> Adapter:
        return WyomingAdapter(self._service, self._audio)


class WyomingAdapter(Adapter):
    """Whole events in, whole events out; the text is sent as it grows, and never taken back."""

    def __init__(self, service: Service, audio: PcmFormat) -> None:
        self._service = service
        self._audio = audio
        self._header = b"" if audio.is_plain else audio.wav_header
        self._text = StreamedText()
        self._language = ""

    def read(self, message: Message) -> tuple[ClientInput, ...]:
        assert isinstance(message, bytes)  # noqa: S101
        event = decode(message)
        match event.type:
            case "audio-chunk":
                self._check_format(event)
                pcm, self._header = self._header + event.payload, b""
                return (pcm,)
            case "audio-start":
                self._check_format(event)
                return ()
            case "audio-stop":
                return (Close(),)
            case "transcribe":
                return (Configure(self._service.transcription(event).values),)
            case _:
                answer = self._service.answer(event)
                return () if answer is None else (Reply(answer),)

    def _check_format(self, event: Event) -> None:
        audio = pcm_format(event)
        if audio != self._audio:
            detail = (
                f"the audio is {_shown(audio)} after it began as {_shown(self._audio)}; send audio-stop between them"
            )
            raise ClientError(Problem.INVALID_AUDIO, detail)

    def write(self, event: ClientEvent | Reply, config: SessionConfig) -> tuple[Message, ...]:
        return tuple(encode(one) for one in self._written(event))

    def _written(self, event: ClientEvent | Reply) -> Iterator[Event]:
        match event:
            case Reply(Event() as answer):
                yield answer
            case Ready(language_code=language):
                self._language = language
            case Unsettled(is_next=True):
                yield from self._streamed(self._text.grow(event))
            case Settled():
                yield from self._streamed(self._text.settle(event))
            case Finished(error=ClientError() as fault):
                yield error(fault.problem, fault.detail)
            case Finished():
                yield from self._begun()
                yield Event("transcript", {"text": self._text.whole, "language": self._language})
                yield Event("transcript-stop")

    def _streamed(self, text: str) -> Iterator[Event]:
        if text:
            yield from self._begun()
            yield Event("transcript-chunk", {"text": text})

    def _begun(self) -> Iterator[Event]:
        if not self._text.is_begun:
            self._text.is_begun = True
            yield Event("transcript-start", {"language": self._language})

    def write_failure(self, problem: Problem, detail: str, config: SessionConfig) -> tuple[Message, ...]:
        return (encode(error(problem, detail)),)


class StreamedText:
    """Text that is only ever appended to: words as they become stable, the rest of an utterance once it is settled."""

    def __init__(self) -> None:
        self.is_begun = False
        self._utterances: list[str] = []
        self._sent_words = 0
        self._is_empty = True

    @property
    def whole(self) -> str:
        """The settled text of all utterances."""
        return " ".join(self._utterances)

    def grow(self, event: Unsettled) -> str:
        """Return the words that have become stable."""
        return self._next(event, event.hypothesis.stable_words)

    def settle(self, event: Settled) -> str:
        """Return the rest of the utterance."""
        text = event.hypothesis.best.transcript
        if text:
            self._utterances.append(text)
        rest = self._next(event, len(event.hypothesis.best.words))
        self._sent_words = 0
        return rest

    def _next(self, event: Unsettled | Settled, until_word: int) -> str:
        words = [word.text for word in event.hypothesis.best.words[self._sent_words : until_word]]
        if not words:
            return ""
        self._sent_words += len(words)
        space, self._is_empty = "" if self._is_empty else " ", False
        return space + " ".join(words)


def _shown(audio: PcmFormat) -> str:
    return f"{audio.rate} Hz, {audio.width} bytes, {audio.channels} channels"
