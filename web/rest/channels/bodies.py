"""Bodies of requests and answers about caption channels."""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from stream.errors import shown
from stream.vocabulary.training import clean
from web.live.publishing import NAME_PATTERN, NAME_RULE
from web.rest.request.structs import MISSING
from web.rest.response.fields import Timestamp, timestamp
from web.routes.schemas import in_path
from web.store.channels import Channel as StoredChannel

MOST_BYTES = 1 << 16
HOUR_SECONDS = 3600.0
_MOST_HOURS = 8760.0
_MOST_PHRASES, _LONGEST_PHRASE = 100, 100
_MOST_LANGUAGES = 8
_LANGUAGE_PATTERN = r"^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}(?!\n)$"

Phrase = Annotated[str, Meta(min_length=1, max_length=_LONGEST_PHRASE)]
Language = Annotated[
    str, Meta(pattern=_LANGUAGE_PATTERN, extra={"allowed": "the code of a language, such as fa or en-US"})
]
NAME = in_path("name", "the name of the channel", {"type": "string", "pattern": NAME_PATTERN})


Title = Annotated[
    str,
    Meta(
        max_length=255,
        description="for the audience; without one it is called by its name",
        extra={"allowed": "at most 255 characters"},
    ),
]
Languages = Annotated[
    list[Language],
    Meta(
        max_length=_MOST_LANGUAGES,
        description="the languages that are spoken, the main one first",
        extra={"allowed": f"a list of at most {_MOST_LANGUAGES} codes of languages"},
    ),
]
Public = Annotated[
    bool, Meta(description="whether anybody may read it; else a token of its owner with the scope `watch` may")
]
RetentionHours = Annotated[
    float, Meta(ge=0.1, le=_MOST_HOURS, description="how long text is kept after it was settled or corrected")
]
Glossary = Annotated[
    list[Phrase],
    Meta(
        max_length=_MOST_PHRASES,
        description="phrases to listen for, in every stream of the channel",
        extra={"allowed": f"a list of at most {_MOST_PHRASES} phrases of 1 to {_LONGEST_PHRASE} characters"},
    ),
]


class ChannelRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What a channel is."""

    name: Annotated[
        str,
        Meta(
            pattern=NAME_PATTERN,
            description=f"names it in addresses: {NAME_RULE}; unique on the server",
            extra={"allowed": NAME_RULE},
        ),
    ]
    title: Title = ""
    languages: Languages = []
    public: Public = False
    retention_hours: RetentionHours = 24.0
    glossary: Glossary = []


class Channel(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A caption channel."""

    name: Annotated[str, Meta(description="what `channel` in the query of a live connection takes")]
    title: Annotated[str, Meta(description="for the audience")]
    languages: Annotated[list[str], Meta(description="the languages that are spoken, the main one first")]
    public: Annotated[bool, Meta(description="whether anybody may read it")]
    retention_hours: Annotated[float, Meta(description="how long text is kept after it was settled or corrected")]
    glossary: Annotated[list[str], Meta(description="phrases to listen for, in every stream of the channel")]
    created_at: Timestamp
    began_at: Annotated[
        Timestamp | None, Meta(description="when the clock of its lines began, with the first audio; null before")
    ]
    paused: Annotated[bool, Meta(description="whether what is spoken now is left out")]
    ended_at: Annotated[Timestamp | None, Meta(description="when it was ended; null if it was not")]


EXAMPLE = {
    "name": "main-stage",
    "title": "Main stage",
    "languages": ["fa"],
    "public": True,
    "retentionHours": 24.0,
    "glossary": ["Niyosha"],
    "createdAt": "2026-11-22T06:45:23.294Z",
    "beganAt": None,
    "paused": False,
    "endedAt": None,
}


def shown_value(value: object) -> str:
    """Word a value of a request in a refusal."""
    return "missing" if value is MISSING else shown(value)


def cleaned_phrases(given: Iterable[str]) -> tuple[str, ...]:
    """Return phrases without what cannot be spoken, each once."""
    return tuple(dict.fromkeys(phrase for text in given if (phrase := clean(text))))


def channel_body(channel: StoredChannel) -> Channel:
    """Return what its owner gets of a channel."""
    return Channel(
        name=channel.name,
        title=channel.title,
        languages=list(channel.languages),
        public=channel.is_public,
        retention_hours=channel.retention_seconds / HOUR_SECONDS,
        glossary=list(channel.glossary),
        created_at=timestamp(channel.created_at),
        began_at=None if channel.began_at is None else timestamp(channel.began_at),
        paused=channel.is_paused,
        ended_at=None if channel.ended_at is None else timestamp(channel.ended_at),
    )
