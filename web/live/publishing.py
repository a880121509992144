"""The parameters of a handshake that name a caption channel, whatever the protocol of the connection."""

import re
from dataclasses import dataclass, replace

from stream.errors import ClientError, Problem, quoted
from stream.protocols.protocol import Handshake
from stream.vocabulary.training import clean
from web.routes.schemas import Schema, in_query

CHANNEL, SPEAKER = "channel", "speaker"
# `$` alone would let a line break pass at the end.
NAME_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?!\n)$"
NAME_RULE = "1 to 63 letters a to z, digits and hyphens, the first and the last no hyphen"
LONGEST_SPEAKER = 40
SPEAKER_RULE = f"1 to {LONGEST_SPEAKER} characters"
_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """The channel that a connection publishes to, and the label of its speaker, empty for none."""

    channel: str
    speaker: str = ""


def publishing_query() -> tuple[Schema, ...]:
    """Describe the parameters in a query."""
    name = {"type": "string", "pattern": NAME_PATTERN}
    label = {"type": "string", "minLength": 1, "maxLength": LONGEST_SPEAKER}
    return (
        in_query(CHANNEL, "the caption channel to publish to, which needs the scope `publish`", name),
        in_query(SPEAKER, "the name of the speaker for its readers; only with `channel`", label),
    )


def publishing(handshake: Handshake) -> tuple[Publishing | None, Handshake]:
    """Return what a handshake publishes to, None for nothing, and the handshake without that; raises ClientError."""
    name = handshake.parameter(CHANNEL)
    if name is None:
        return None, handshake
    if not _NAME.match(name):
        raise ClientError(Problem.INVALID_CONFIG, f"{CHANNEL} is {quoted(name)}; it must be {NAME_RULE}")
    rest = tuple((key, value) for key, value in handshake.query if key not in (CHANNEL, SPEAKER))
    return Publishing(channel=name, speaker=_speaker(handshake.parameter(SPEAKER))), replace(handshake, query=rest)


def _speaker(text: str | None) -> str:
    if text is None:
        return ""
    label = clean(text)
    if not 1 <= len(label) <= LONGEST_SPEAKER:
        raise ClientError(Problem.INVALID_CONFIG, f"{SPEAKER} is {quoted(text)}; it must be {SPEAKER_RULE}")
    return label
