"""Owns who makes a request: whose things are theirs, and what their token lets them do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from stream.errors import ClientError, Problem

# Who everybody is where nobody is asked for a token.
LOCAL_OWNER = "local"


class Scope(StrEnum):
    """What a token may be for, as its `scope` claim names it."""

    LIVE = "live"
    RECORDINGS = "recordings"
    MODELS = "models"
    TOKENS = "tokens"
    METRICS = "metrics"


# What a token is for that does not say it.
ORDINARY = frozenset({Scope.LIVE, Scope.RECORDINGS, Scope.MODELS})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request; what is stored for an `owner` nobody else gets to see.

    `streams` at once and `minutes` of audio a day are the token's own limits, None for the server's. A live
    connection ends at `ends_at`, in seconds of the Unix clock, None for never. `config` holds keys of the
    configuration that the token sets.
    """

    owner: str
    scopes: frozenset[Scope] = ORDINARY
    streams: int | None = None
    minutes: float | None = None
    ends_at: float | None = None
    config: Mapping[str, object] = field(default_factory=dict)

    def check(self, scope: Scope) -> None:
        """Raise ClientError unless the token is for this."""
        if scope not in self.scopes:
            allowed = " ".join(sorted(self.scopes)) or "nothing"
            raise ClientError(Problem.FORBIDDEN, f"the token is for {allowed}; this needs the scope {scope}")
