"""The protocol of the Vosk server: PCM in binary messages, exactly one reply to each of them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

import msgspec

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.protocol import Adapter, ClientProtocol, Handshake, Message, Opening, cause, close_code
from stream.protocols.vosk.messages import Config, Eof, Reset, ResultStyle, parse
from stream.protocols.vosk.replies import Replies
from stream.session.commands import ClientInput, Close, Configure, Finalize, Reply
from stream.session.events import ClientEvent, EndCause, Finalized, Finished, Settled, SpeechEnded, Unsettled

USUAL_RATE_HERTZ = 8000
"""What clients send that say nothing about it: telephones. The Vosk server's own default."""

# RFC 6455, section 5.5: a control frame has 125 bytes, two of which are the code.
_MOST_REASON_BYTES = 123


class Vosk(ClientProtocol):
    """The protocol of the Vosk server; keys of the configuration, such as the language, are in the query."""

    name: ClassVar[str] = "vosk"
    path: ClassVar[str] = "/vosk"

    def configured(self, config: SessionConfig, handshake: Handshake) -> SessionConfig:
        config = config.with_query(handshake.settings)
        if config.channels != 1:
            detail = f"channels is {config.channels}; with Vosk's protocol it must be 1"
            raise ClientError(Problem.INVALID_CONFIG, detail)
        if "audioTransfer" not in config.explicit:
            config = replace(config, audio_transfer="raw")
        # Not an explicit rate: the header of a WAV file may override it.
        is_explicit = "sampleRateHertz" in config.explicit
        return config if is_explicit else replace(config, sample_rate_hertz=USUAL_RATE_HERTZ)

    def refusal(self, error: ClientError) -> bytes:
        return msgspec.json.encode({"error": error.problem.value.type, "detail": error.detail})

    def open(self, opening: Opening) -> Adapter:
        return VoskAdapter()


class VoskAdapter(Adapter):
    """Answers each message of a client once; an error has no message, and closes the connection with its reason."""

    def __init__(self) -> None:
        self._replies = Replies()

    def read(self, message: Message) -> tuple[ClientInput, ...]:
        if isinstance(message, bytes):
            return (message, Reply(None))
        match parse(message):
            case Eof():
                return (Close(),)
            case Reset() as reset:
                return (Finalize(), Reply(reset))
            case Config() as config:
                # Nobody waits for an answer to a configuration.
                return (Configure(config.values), Reply(config))

    def write(self, event: ClientEvent | Reply, config: SessionConfig) -> tuple[Message, ...]:
        return tuple(self._written(event, config))

    def _written(self, event: ClientEvent | Reply, config: SessionConfig) -> Iterable[str]:
        replies = self._replies
        is_written = config.punctuation and "punctuation" in config.explicit
        if replies.style.is_written != is_written:
            replies.style = replace(replies.style, is_written=is_written)
        match event:
            case Reply(Config() as changed):
                replies.style = _changed(replies.style, changed)
            case Reply(content):
                return replies.reply(is_reset=isinstance(content, Reset))
            case Unsettled():
                replies.add_text(event)
            case SpeechEnded():
                replies.end_speech(event)
            case Settled():
                return replies.settle(event)
            case Finalized():
                return replies.finalize(event)
            case Finished(cause=ended):
                return replies.finish(is_owed=ended is EndCause.CLOSE)
        return ()

    def write_failure(self, problem: Problem, detail: str, config: SessionConfig) -> tuple[Message, ...]:
        return ()

    def closing(self, end: Finished | Problem) -> tuple[int, str]:
        reason = cause(end)
        if isinstance(end, Finished) and end.error is not None:
            reason = f"{reason}: {end.error.detail}"
        return close_code(end), reason.encode()[:_MOST_REASON_BYTES].decode(errors="ignore")


def _changed(style: ResultStyle, config: Config) -> ResultStyle:
    """Return the style after a configuration, which may set a part of it."""
    return replace(
        style,
        with_words=style.with_words if config.words is None else config.words,
        max_alternatives=style.max_alternatives if config.max_alternatives is None else config.max_alternatives,
    )
