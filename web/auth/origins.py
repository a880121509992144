"""Owns from which pages and under which names the server may be reached."""

import re
from dataclasses import dataclass, field
from typing import Self

from starlette.requests import HTTPConnection

from stream.errors import ClientError, Problem, quoted
from stream.paths import is_loopback
from web.settings.access import AccessSettings

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_SECURE_SCHEMES = frozenset({"https", "wss"})
_HOST = r"(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
# Nothing else is an origin: no user, no path, not two of them, and `null` is nobody's.
_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://" + _HOST)
_AUTHORITY = re.compile(_HOST)


@dataclass(frozen=True, slots=True)
class Origin:
    """A page's scheme, host and port, in small letters; a default port is left out."""

    scheme: str
    host: str
    port: str | None

    @classmethod
    def parsed(cls, text: str) -> Self | None:
        """Read an origin as browsers write it, None for anything else."""
        found = _ORIGIN.fullmatch(text.lower())
        if found is None:
            return None
        scheme = found["scheme"]
        return cls(scheme, found["host"], _told_port(found["port"], scheme))

    def is_at(self, authority: str) -> bool:
        """Whether this is the page of the server that a Host header names."""
        found = _AUTHORITY.fullmatch(authority.lower())
        if found is None:
            return False
        return (self.host, self.port) == (found["host"], _told_port(found["port"], self.scheme))


@dataclass(frozen=True, slots=True)
class OriginRules:
    """Which pages may connect: on a server without a key this machine's, else the server's own and those `allowed`."""

    is_keyed: bool = False
    allowed: frozenset[Origin] = field(default_factory=frozenset)

    @classmethod
    def of(cls, settings: AccessSettings) -> Self:
        """The rules that the settings make; they have checked the origins."""
        origins = (Origin.parsed(text) for text in settings.allowed_origins)
        return cls(settings.is_keyed, frozenset(origin for origin in origins if origin is not None))

    def allows(self, text: str) -> bool:
        """Whether pages of another server's origin may connect here."""
        origin = Origin.parsed(text)
        if origin is None:
            return False
        return origin in self.allowed if self.is_keyed else is_loopback(origin.host)


def check_origin(connection: HTTPConnection, rules: OriginRules) -> None:
    """Refuse pages that are not allowed, whose browser carries them past every firewall; raises ClientError.

    Without a key the Host header is checked besides the Origin: a foreign name that resolves to this machine
    would otherwise count as the same origin (DNS rebinding). With a key such a page has no token.
    """
    host = connection.headers.get("host", "")
    if not rules.is_keyed and not _is_this_machine(host):
        raise ClientError(
            Problem.FORBIDDEN, f"Host is {quoted(host)}; this server answers to this machine's names only"
        )
    origins = connection.headers.getlist("origin")
    if not origins:
        return  # no browser, or a page's own GET
    if len(origins) > 1 or not (rules.allows(origins[0]) or _is_own(origins[0], host, connection)):
        raise foreign_origin(", ".join(origins))


def is_cross_origin(connection: HTTPConnection) -> bool:
    """Whether a browser makes the request for a page of another origin, however welcome that page is."""
    origins = connection.headers.getlist("origin")
    if not origins:
        # Browsers send an Origin with every request that has a body; this is for one that a proxy took it from.
        return connection.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    host = connection.headers.get("host", "")
    return len(origins) > 1 or not _is_own(origins[0], host, connection)


def foreign_origin(text: str) -> ClientError:
    """The refusal of a page that is not allowed."""
    return ClientError(Problem.FORBIDDEN, f"Origin is {quoted(text)}; pages of other hosts may not connect")


def _is_own(text: str, host: str, connection: HTTPConnection) -> bool:
    origin = Origin.parsed(text)
    if origin is None or not origin.is_at(host):
        return False
    # A proxy that ends TLS may leave `http` here although the page came by https; the other way about, anybody on
    # the line could have written the page.
    is_secure = connection.scope["scheme"] in _SECURE_SCHEMES
    return origin.scheme == "https" or (origin.scheme == "http" and not is_secure)


def _is_this_machine(host: str) -> bool:
    found = _AUTHORITY.fullmatch(host.lower())
    return found is not None and is_loopback(found["host"])


def _told_port(port: str | None, scheme: str) -> str | None:
    return None if port is None or port.lstrip("0") == _DEFAULT_PORTS.get(scheme) else port.lstrip("0")
