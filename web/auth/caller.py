"""The caller of a request: the owner of what it stores, and what its token allows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem

LOCAL_OWNER = "local"
"""The owner of everything on a server that asks for no tokens."""


class Scope(StrEnum):
    """What a token may be for, as its `scope` claim names it."""

    LIVE = "live"
    RECORDINGS = "recordings"
    MODELS = "models"
    TOKENS = "tokens"
    METRICS = "metrics"
    CHANNELS = "channels"
    PUBLISH = "publish"
    WATCH = "watch"
    WEBHOOKS = "webhooks"


ORDINARY = frozenset({Scope.LIVE, Scope.RECORDINGS, Scope.MODELS})
"""The scopes of a token without a `scope` claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The caller of a request; nobody else sees what is stored for its `owner`.

    `streams` at once and `minutes` of audio a day are the token's own limits, None for the server's. A live
    connection ends at `ends_at`, in seconds since 1970, None for never. `config` holds keys of the configuration that
    the token sets. The token itself expires at `expires_at`; `use_id` identifies a token that is for one use only.
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
        """Return the server's configuration with the keys that the token sets; raises ClientError for wrong ones."""
        try:
            return config.with_message(self.config, audio_began=False)
        except ClientError as error:
            raise ClientError(error.problem, f"the token's config is wrong: {error.detail}") from None

    def check(self, scope: Scope) -> None:
        """Raise ClientError unless the token has this scope."""
        if scope not in self.scopes:
            allowed = " ".join(sorted(self.scopes)) or "nothing"
            raise ClientError(Problem.FORBIDDEN, f"the token is for {allowed}; this needs the scope {scope}")


def scopes_in(text: str) -> frozenset[Scope]:
    """Return the scopes that a `scope` claim names; names that this server does not know are left out."""
    names = text.split()
    return frozenset(scope for scope in Scope if scope in names)
