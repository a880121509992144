"""Owns the settings of who may come: tokens, origins, TLS, proxies, limits, and what watches all that."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from stream.paths import is_loopback
from web.settings.riva import RivaSettings

# RFC 7518: a key for HS256 is at least as long as the hash.
LEAST_SECRET_BYTES = 32


class AccessSettings(RivaSettings):
    """Who may connect, from where, over which wire, and how much."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    token_secret: SecretStr | None = None
    """With it every request needs a JWT that is signed with it by HS256; `niyosha token` makes them."""
    token_jwks: str | None = None
    """Instead of a secret the keys of whoever makes the tokens (RS256, ES256): a JWKS file, or its https address."""
    token_issuer: str = "niyosha"  # noqa: S105 - a name
    """What tokens must have as `iss`."""
    token_audience: str = "niyosha"  # noqa: S105
    """What tokens must have as `aud`."""
    allowed_origins: tuple[str, ...] = ()
    """Pages of other hosts that may connect, as a JSON list such as ["https://app.example"]."""
    tls_cert: Path | None = None
    """PEM file of the server's certificate, with the intermediate ones."""
    tls_key: Path | None = None
    """PEM file of its key, not encrypted."""
    tls_self_signed: bool = False
    """Make a certificate for this machine's names: browsers warn once, and give pages the microphone."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks whose X-Forwarded-For and X-Forwarded-Proto are believed, as a JSON list."""
    limits_url: str = "memory://"
    """Where limits are counted: memory:// or, for several servers together, redis://host:port."""
    streams: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Live connections at once."""
    streams_per_owner: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Live connections of one `sub` at once, where its token does not say `streams`."""
    handshakes_per_second: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Live handshakes of one address in a second."""
    connections_per_address: Annotated[int, Field(ge=16, le=100_000)] = 1024
    """Open connections of one address, which is not a trusted proxy's; a new one closes the oldest idle one."""
    minutes_per_day: Annotated[float, Field(gt=0)] | None = None
    """Minutes of audio of one `sub` in a day, live and recorded, where its token does not say `minutes`."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Serve metrics on a loopback port of their own, to anybody there; without one /metrics wants a token."""
    tracing_endpoint: str | None = None
    """Where spans are sent by OTLP over gRPC, such as http://127.0.0.1:4317; without it nothing is traced."""

    @field_validator("token_secret")
    @classmethod
    def _secret_is_long(cls, secret: SecretStr | None) -> SecretStr | None:
        length = 0 if secret is None else len(secret.get_secret_value().encode())
        if secret is not None and length < LEAST_SECRET_BYTES:
            raise ValueError(f"it has {length} bytes; at least {LEAST_SECRET_BYTES} random ones are needed")
        return secret

    @field_validator("token_jwks")
    @classmethod
    def _jwks_can_be_had(cls, where: str | None) -> str | None:
        if where is not None and "://" in where and urlsplit(where).scheme != "https":
            raise ValueError("keys that come over plain http could be anybody's; give an https address or a file")
        return where

    @field_validator("allowed_origins")
    @classmethod
    def _origins_are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if not origins:
            return origins
        from web.auth.origins import Origin  # noqa: PLC0415  the engine's process has no such setting

        for origin in origins:
            parsed = Origin.parsed(origin)
            if parsed is None or parsed.scheme not in ("http", "https"):
                raise ValueError(
                    f"{origin!r} is no origin; write scheme, host and port only, as https://app.example:8443"
                )
        return origins

    @field_validator("limits_url")
    @classmethod
    def _limits_are_counted_somewhere(cls, url: str) -> str:
        if urlsplit(url).scheme not in ("memory", "redis", "rediss"):
            raise ValueError("must be memory://, redis://host:port or rediss://host:port")
        return url

    @field_validator("tracing_endpoint")
    @classmethod
    def _spans_go_somewhere(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
            raise ValueError("must be http://host:port or https://host:port")
        return url

    @model_validator(mode="after")
    def _access_agrees(self) -> Self:
        if self.token_secret is not None and self.token_jwks is not None:
            raise ValueError(
                "NIYOSHA_TOKEN_SECRET and NIYOSHA_TOKEN_JWKS are both set; set the one that signs your tokens"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("NIYOSHA_TLS_CERT and NIYOSHA_TLS_KEY belong together; set both or neither")
        if self.tls_self_signed and self.tls_cert is not None:
            raise ValueError(
                "NIYOSHA_TLS_SELF_SIGNED makes a certificate although NIYOSHA_TLS_CERT is set; set one of them"
            )
        if not self.is_keyed and not is_loopback(self.host):
            raise ValueError(
                f"NIYOSHA_HOST is {self.host!r}, which other machines can reach, and nobody would be asked for a key. "
                "Set NIYOSHA_TOKEN_SECRET to at least 32 random bytes (`niyosha token --new-secret` makes some), or "
                "keep to 127.0.0.1 and put a proxy that authenticates in front"
            )
        return self

    @property
    def is_keyed(self) -> bool:
        """Whether requests need a token."""
        return self.token_secret is not None or self.token_jwks is not None
