"""What the OpenAPI document says of requests to Deepgram's listen API."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from web.fetch.uris import MOST_CHARACTERS
from web.routes.operations import JSON_TYPE, Media
from web.routes.schemas import in_query


class DeepgramUrl(msgspec.Struct, frozen=True):
    """Where the recording is."""

    url: Annotated[
        str,
        Meta(
            description="where the server fetches the recording; a public address",
            extra_json_schema={"format": "uri", "pattern": "^https?://", "maxLength": MOST_CHARACTERS},
        ),
    ]


_BOOLEAN: dict[str, Any] = {"enum": ["true", "false"], "default": "false"}


def _flag(name: str, description: str) -> dict[str, Any]:
    return in_query(name, description, _BOOLEAN)


def _texts(name: str, description: str) -> dict[str, Any]:
    phrase = {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^\\w+( \\w+)*$"}
    return in_query(name, description, {"type": "array", "items": phrase, "maxItems": 100})


PARAMETERS = (
    in_query("model", "any name; some are presets", {"type": "string", "maxLength": 100}),
    in_query("language", "a served tag, or `multi` for the server's language", {"type": "string", "examples": ["en"]}),
    in_query("encoding", "of bare samples", {"enum": ["linear16", "mulaw", "alaw", "flac", "opus", "ogg-opus", "mp3"]}),
    in_query("sample_rate", "of bare samples", {"type": "integer", "minimum": 8000, "maximum": 48_000}),
    in_query("channels", "of bare samples", {"type": "integer", "minimum": 1, "maximum": 2}),
    _flag("multichannel", "recognize each of two channels on its own"),
    _flag("punctuate", "punctuation and capitals"),
    _flag("smart_format", "the same, and paragraphs"),
    _flag("numerals", "Persian numbers in digits"),
    _flag("paragraphs", "the same"),
    _flag("profanity_filter", "all but the first letter becomes *"),
    _flag("utterances", "the utterances, too"),
    in_query("utt_split", "seconds between utterances", {"type": "number", "minimum": 0, "maximum": 1000}),
    _texts("keyterm", "words to listen for"),
    _texts("keywords", "the same, `word:intensifier`"),
    _texts("tag", "returned in the metadata"),
)
BODY = {
    "application/octet-stream": Media(bytes),
    JSON_TYPE: Media(DeepgramUrl, {"url": "https://media.example/talk.flac"}),
}
