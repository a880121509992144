"""The keys that tokens are verified with: the server's secret, or the public keys of another issuer (JWKS)."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from stream.errors import ClientError, Problem
from stream.lazy_import import lazy_import
from web.auth.token_issuer import ALGORITHM
from web.clock import Clock

if TYPE_CHECKING:
    import httpx
    import jwt
else:
    # Only keys of another issuer are fetched.
    httpx = lazy_import("httpx")
    jwt = lazy_import("jwt")

REFRESH_SECONDS = 30.0
"""The least time between two fetches, however many tokens name unknown keys."""
KEEP_SECONDS = 600.0
"""The age at which keys are fetched again, so that a key that the issuer has withdrawn is not accepted for longer."""
_FETCH_SECONDS = 5.0
_MOST_BYTES = 256 * 1024
_LEAST_RSA_BITS = 2048
# The algorithm of each kind of key, and its public parameters; private ones, should they be there, are not read.
_PARTS = {"RSA": ("RS256", ("n", "e")), "EC": ("ES256", ("crv", "x", "y"))}
_CURVE = "P-256"
_log = structlog.get_logger()

Load = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Key:
    """A key and its one algorithm."""

    key: Any
    algorithm: str


class TokenKeys(Protocol):
    """Looks up the keys that a token may be signed with."""

    async def keys_for(self, kid: str | None) -> tuple[Key, ...]:
        """Return the keys of this id, none if there is none; raises ClientError while no keys can be had."""
        ...


class KeysError(Exception):
    """The keys cannot be had; `str()` is the reason."""


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """The secrets of a server that makes tokens itself, the one for new tokens first."""

    secrets: tuple[str, ...]

    async def keys_for(self, kid: str | None) -> tuple[Key, ...]:
        """Return all secrets, whatever id the token names."""
        return tuple(Key(secret, ALGORITHM) for secret in self.secrets)


class PublicKeys:
    """The keys of a JWKS: kept while it cannot be fetched, fetched again when a token names an unknown key.

    Their age is counted on `loop_clock`, the event loop's.
    """

    def __init__(self, load: Load, loop_clock: Clock) -> None:
        self._load = load
        self._loop_clock = loop_clock
        self._keys: Mapping[str | None, Key] = {}
        self._loaded_at = self._asked_at = -float("inf")
        self._loading = asyncio.Lock()

    async def keys_for(self, kid: str | None) -> tuple[Key, ...]:
        """Return a key by its `kid`; a token without one uses the only key, if there is only one."""
        key = self._find(kid)
        is_old = self._loop_clock() - self._loaded_at >= KEEP_SECONDS
        # A caller whose key is known does not wait for a fetch that another caller began.
        if key is None or (is_old and not self._loading.locked()):
            await self._refresh()
            key = self._find(kid)
        if not self._keys:
            raise ClientError(
                Problem.OVERLOADED, "the keys that tokens are verified with cannot be had now; come again in a minute"
            )
        return () if key is None else (key,)

    def _find(self, kid: str | None) -> Key | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    async def _refresh(self) -> None:
        async with self._loading:
            if self._loop_clock() - self._asked_at < REFRESH_SECONDS:
                return
            self._asked_at = self._loop_clock()
            try:
                self._keys = parsed(await self._load())
                self._loaded_at = self._loop_clock()
            except KeysError as error:
                _log.warning("token_keys_not_loaded", reason=str(error))


def loader(where: str) -> Load:
    """Return what reads the JWKS of a setting: a file, or an https address."""

    async def fetched() -> bytes:
        return await _fetched(where)

    async def read() -> bytes:
        return await asyncio.to_thread(_read, Path(where))

    return fetched if "://" in where else read


async def check_file(where: str) -> None:
    """Raise KeysError for a file that cannot be used; an address is not tried, it may answer later."""
    if "://" not in where:
        parsed(await loader(where)())


def parsed(text: bytes) -> dict[str | None, Key]:
    """Return the signing keys of a JWKS by their `kid`; raises KeysError if there are none."""
    try:
        found = json.loads(text)["keys"]
        keys = {one.get("kid"): key for one in found if (key := _key(one)) is not None}
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise KeysError('it is no JWKS, a JSON object {"keys": [...]}') from None
    if not keys:
        raise KeysError(f"it has no key that is RSA of {_LEAST_RSA_BITS} bits or more, or EC on P-256, and for signing")
    return keys


def _key(jwk: Mapping[str, Any]) -> Key | None:
    """Return the key, None for one that is weak, or not for signing with RS256 or ES256."""
    kind = str(jwk.get("kty"))
    algorithm, names = _PARTS.get(kind, ("", ()))
    is_for_signing = jwk.get("use", "sig") == "sig" and jwk.get("alg", algorithm) == algorithm
    parts = {name: jwk.get(name) for name in names}
    if not names or not is_for_signing or parts.get("crv", _CURVE) != _CURVE:
        return None
    try:
        key = jwt.PyJWK({"kty": kind, **parts}, algorithm).key
    except (jwt.PyJWTError, TypeError, ValueError):
        return None
    is_weak = algorithm == "RS256" and key.key_size < _LEAST_RSA_BITS
    return None if is_weak else Key(key, algorithm)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise KeysError(f"it cannot be read: {error.strerror}") from None
    return _bounded(text)


async def _fetched(address: str) -> bytes:
    text = b""
    # A few compressed bytes could expand to any number.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    try:
        async with (
            asyncio.timeout(_FETCH_SECONDS),
            # Reading the authorities takes 20 ms and more, for which the event loop has no time.
            httpx.AsyncClient(headers=headers, verify=await asyncio.to_thread(httpx.create_ssl_context)) as client,
            client.stream("GET", address) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise KeysError(f"the address answers {response.status_code}")
            async for piece in response.aiter_raw():
                text = _bounded(text + piece)
    except TimeoutError:
        raise KeysError(f"the address takes longer than {_FETCH_SECONDS:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise KeysError(f"the address cannot be reached: {type(error).__name__}") from None
    return text


def _bounded(text: bytes) -> bytes:
    if len(text) > _MOST_BYTES:
        raise KeysError(f"it is larger than {_MOST_BYTES} bytes")
    return text
