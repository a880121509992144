"""Build what decides who may come, and how much they may have, from the settings."""

from contextlib import AbstractAsyncContextManager

from web.auth.authenticator import Authenticator, Verification
from web.auth.claims import Expected
from web.auth.keys import PublicKeys, SecretKeys, TokenKeys, loader
from web.auth.one_time_tokens import SharedUsedTokens, UseShared
from web.auth.origins import OriginRules
from web.auth.token_issuer import TokenIssuer
from web.clock import Clock
from web.limits.limits import Amounts, Limits, limiting
from web.limits.store import Store
from web.settings.access import AccessSettings
from web.settings.settings import Settings


def origin_rules(access: AccessSettings) -> OriginRules:
    """Return which pages may connect."""
    return OriginRules.parsed(access.allowed_origins, is_keyed=access.is_keyed)


def token_issuer(access: AccessSettings) -> TokenIssuer | None:
    """Return what makes tokens with the settings' secret; None where there is none."""
    if access.token_secret is None:
        return None
    return TokenIssuer(access.token_secret.get_secret_value(), _expected(access))


def authenticator(
    access: AccessSettings, *, clock: Clock, loop_clock: Clock, use_shared: UseShared | None
) -> Authenticator:
    """Return what verifies tokens: they expire by `clock`, and keys age by the event loop's."""
    keys: TokenKeys | None = None
    if access.token_secret is not None:
        keys = SecretKeys(
            tuple(secret.get_secret_value() for secret in (access.token_secret, *access.token_old_secrets))
        )
    elif access.token_jwks is not None:
        keys = PublicKeys(loader(access.token_jwks), loop_clock)
    return Authenticator(
        origin_rules(access),
        None if keys is None else Verification(keys, _expected(access)),
        clock=clock,
        shared_used_tokens=None if use_shared is None else SharedUsedTokens(use_shared, loop_clock),
    )


def counted_limits(
    settings: Settings, loop_clock: Clock, of_workers: Store | None = None
) -> AbstractAsyncContextManager[Limits]:
    """Count limits while the context lasts: in Redis where the settings name one, else with the workers of the server.

    Without workers they are counted in this process.
    """
    limits = settings.limits
    amounts = Amounts(
        streams=limits.streams,
        # A server without a key has one owner only, whom `streams` limits.
        streams_per_owner=limits.streams_per_owner if settings.access.is_keyed else None,
        handshakes_per_second=limits.handshakes_per_second,
        minutes_per_day=limits.minutes_per_day,
    )
    return limiting(amounts, limits.limits_url, loop_clock, of_workers)


def _expected(access: AccessSettings) -> Expected:
    return Expected(access.token_issuer, access.token_audience)
