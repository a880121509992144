"""The messages of Deepgram's listen API; their field names are those of its reference."""

from functools import cache
from importlib.metadata import version
from typing import Annotated

import msgspec
from msgspec import Meta

from stream.protocols.deepgram.errors import ErrorMessage

Seconds = Annotated[float, Meta(description="seconds from the first sample")]
MODEL_ID = "7b1a0d1c-2f2a-5a6e-9d0c-3a4f0e6b8c11"
"""The id of the only model: that of the recognizer, whatever name a client gives it."""


class DeepgramWord(msgspec.Struct, frozen=True):
    """`start` and `end` are seconds from the first sample; `word` is in lower case, without punctuation.

    `speaker` counts from 0.
    """

    word: Annotated[str, Meta(description="in lower case, without punctuation")]
    start: Seconds
    end: Seconds
    confidence: float
    punctuated_word: Annotated[str | msgspec.UnsetType, Meta(description="as it is written")] = msgspec.UNSET
    speaker: Annotated[int | msgspec.UnsetType, Meta(description="counts from 0", extra_json_schema={"minimum": 0})] = (
        msgspec.UNSET
    )


class Alternative(msgspec.Struct, frozen=True):
    """One text; `confidence` is from 0 to 1, 0 where it is not known."""

    transcript: str
    confidence: float
    words: list[DeepgramWord]


class ChannelResult(msgspec.Struct, frozen=True):
    """The texts of a channel, best first."""

    alternatives: list[Alternative]


class DeepgramModelInfo(msgspec.Struct, frozen=True):
    """A model: its name as the client gave it, and our version."""

    name: Annotated[str, Meta(description="as the client gave it")]
    version: Annotated[str, Meta(description="of this server")]
    arch: Annotated[str, Meta(description="this server")]


class ResultsMetadata(msgspec.Struct, frozen=True):
    """What every result has."""

    request_id: str
    model_info: DeepgramModelInfo
    model_uuid: str


class Results(msgspec.Struct, frozen=True, kw_only=True, tag="Results", tag_field="type"):
    """The text from `start` on, for `duration` seconds; it will not change if `is_final`.

    `channel_index` is the channel and how many there are. `speech_final` where the speech ends, too.
    """

    channel_index: list[int]
    duration: float
    start: float
    is_final: bool
    speech_final: bool
    from_finalize: bool = False
    channel: ChannelResult
    metadata: ResultsMetadata


class SpeechStarted(msgspec.Struct, frozen=True, tag="SpeechStarted", tag_field="type"):
    """Speech was found in a channel; `timestamp` in seconds."""

    channel: list[int]
    timestamp: float


class UtteranceEnd(msgspec.Struct, frozen=True, tag="UtteranceEnd", tag_field="type"):
    """No word followed for `utterance_end_ms`; `last_word_end` in seconds."""

    channel: list[int]
    last_word_end: float


class Metadata(msgspec.Struct, frozen=True, kw_only=True, tag="Metadata", tag_field="type"):
    """The end: `sha256` of all audio bytes, `created` at the handshake, `duration` in seconds."""

    transaction_key: str = "deprecated"
    request_id: str
    sha256: str
    created: str
    duration: float
    channels: int
    models: list[str]
    model_info: dict[str, DeepgramModelInfo]


class ConfigureSuccess(msgspec.Struct, frozen=True, tag="ConfigureSuccess", tag_field="type"):
    """The answer to a `Configure` that was applied; with the key terms if it replaced them."""

    request_id: str
    keyterms: list[str] | msgspec.UnsetType = msgspec.UNSET


class ConfigureFailure(msgspec.Struct, frozen=True, tag="ConfigureFailure", tag_field="type"):
    """The answer to a `Configure` that was not applied; everything stays as it was."""

    request_id: str
    code: str
    description: str


Message = Results | SpeechStarted | UtteranceEnd | Metadata | ConfigureSuccess | ConfigureFailure | ErrorMessage


def model_info(name: str) -> DeepgramModelInfo:
    """Return what is said of the model that a client calls so."""
    return DeepgramModelInfo(name or "default", _version(), "niyosha")


def encode(message: Message) -> str:
    """Write a message as JSON."""
    return msgspec.json.encode(message).decode()


@cache
def _version() -> str:
    return version("niyosha")
