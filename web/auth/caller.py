"""Owns who makes a request: whose things are theirs, and what their token lets them do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from stream.configuration.config import SessionConfig
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
    configuration that the token sets. The token itself is good until `expires_at`; one that is good for one use
    only is known by its `use_id`.
    """

    owner: str
    scopes: frozenset[Scope] = ORDINARY
    streams: int | None = None
    minutes: float | None = None
    ends_at: float | None = None
    config: Mapping[str, object] = field(default_factory=dict)
    expires_at: float | None = None
    use_id: str | None = None

    def configured(self, config: SessionConfig) -> SessionConfig:
        """Return the server's configuration with what the token sets; raises ClientError for a wrong token."""
        try:
            return config.with_message(self.config, audio_began=False)
        except ClientError as error:
            raise ClientError(error.problem, f"the token's config is wrong: {error.detail}") from None

    def check(self, scope: Scope) -> None:
        """Raise ClientError unless the token is for this."""
        if scope not in self.scopes:
            allowed = " ".join(sorted(self.scopes)) or "nothing"
            raise ClientError(Problem.FORBIDDEN, f"the token is for {allowed}; this needs the scope {scope}")


def scopes_in(text: str) -> frozenset[Scope]:
    """The scopes that a `scope` claim names; what this server does not know is for others."""
    names = text.split()
    return frozenset(scope for scope in Scope if scope in names)
