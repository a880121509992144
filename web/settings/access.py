"""Settings of access: the keys that tokens are verified with, what tokens must say, the origins that may connect."""

from collections.abc import Iterable
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from web.auth.origins import Origin
from web.section import Section

# RFC 7518, section 3.2: a key for HS256 is at least as long as the hash.
LEAST_SECRET_BYTES = 32


class AccessSettings(Section):
    """Who may connect, and from which pages."""

    secret_fields = frozenset({"token_secret", "token_old_secrets"})

    token_secret: SecretStr | None = None
    """With it every request needs a JWT that is signed with it by HS256; `niyosha token` makes them."""
    token_old_secrets: tuple[SecretStr, ...] = ()
    """Secrets before this one, as a JSON list: their tokens are still accepted, and no new ones are made with them."""
    token_jwks: str | None = None
    """Instead of a secret the keys of whoever makes the tokens (RS256, ES256): a JWKS file, or its https address."""
    token_issuer: str = Field(default="niyosha")
    """What tokens must have as `iss`."""
    token_audience: str = Field(default="niyosha")
    """What tokens must have as `aud`."""
    allowed_origins: tuple[str, ...] = ()
    """Pages of other hosts that may connect, as a JSON list such as ["https://app.example"]."""

    @field_validator("token_secret")
    @classmethod
    def _secret_is_long(cls, secret: SecretStr | None) -> SecretStr | None:
        _check_length(() if secret is None else (secret,))
        return secret

    @field_validator("token_old_secrets")
    @classmethod
    def _old_secrets_are_long(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        _check_length(secrets)
        return secrets

    @field_validator("token_jwks")
    @classmethod
    def _jwks_is_file_or_https(cls, where: str | None) -> str | None:
        if where is not None and "://" in where and urlsplit(where).scheme != "https":
            raise ValueError("keys that come over plain http could be anybody's; give an https address or a file")
        return where

    @field_validator("allowed_origins")
    @classmethod
    def _origins_are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parsed = Origin.parsed(origin)
            if parsed is None or parsed.scheme not in ("http", "https"):
                raise ValueError(
                    f"{origin!r} is no origin; write scheme, host and port only, as https://app.example:8443"
                )
        return origins

    @model_validator(mode="after")
    def _keys_agree(self) -> Self:
        if self.token_secret is not None and self.token_jwks is not None:
            raise ValueError(
                "NIYOSHA_TOKEN_SECRET and NIYOSHA_TOKEN_JWKS are both set; set the one that signs your tokens"
            )
        if self.token_old_secrets and self.token_secret is None:
            raise ValueError("NIYOSHA_TOKEN_OLD_SECRETS is set without NIYOSHA_TOKEN_SECRET, which makes new tokens")
        return self

    @property
    def is_keyed(self) -> bool:
        """Whether requests need a token."""
        return self.token_secret is not None or self.token_jwks is not None


def _check_length(secrets: Iterable[SecretStr]) -> None:
    for secret in secrets:
        length = len(secret.get_secret_value().encode())
        if length < LEAST_SECRET_BYTES:
            raise ValueError(f"it has {length} bytes; at least {LEAST_SECRET_BYTES} random ones are needed")
