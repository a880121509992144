"""Check the Origin and Host headers of requests and handshakes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from starlette.requests import HTTPConnection

from stream.errors import ClientError, Problem, quoted
from stream.paths import is_loopback

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_SECURE_SCHEMES = frozenset({"https", "wss"})
_HOST = r"(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
# An origin has no user and no path; `null`, which browsers send for opaque origins, does not match.
_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://" + _HOST)
_AUTHORITY = re.compile(_HOST)


@dataclass(frozen=True, slots=True)
class Origin:
    """The scheme, host and port of a page, in lower case; the port is None where it is the default one."""

    scheme: str
    host: str
    port: str | None

    @classmethod
    def parsed(cls, text: str) -> Self | None:
        """Parse an Origin header; None for anything else."""
        found = _ORIGIN.fullmatch(text.lower())
        if found is None:
            return None
        scheme = found["scheme"]
        return cls(scheme, found["host"], _explicit_port(found["port"], scheme))

    def is_at(self, authority: str) -> bool:
        """Return whether a Host header names the host and port of this origin."""
        found = _AUTHORITY.fullmatch(authority.lower())
        if found is None:
            return False
        return (self.host, self.port) == (found["host"], _explicit_port(found["port"], self.scheme))


@dataclass(frozen=True, slots=True)
class OriginRules:
    """The pages that may connect: those of this machine, or with a key the server's own and the `allowed` ones."""

    is_keyed: bool = False
    allowed: frozenset[Origin] = field(default_factory=frozenset)

    @classmethod
    def parsed(cls, allowed: Iterable[str], *, is_keyed: bool) -> Self:
        """Parse origins that are allowed; what is no origin is left out."""
        origins = (Origin.parsed(text) for text in allowed)
        return cls(is_keyed, frozenset(origin for origin in origins if origin is not None))

    def allows(self, text: str) -> bool:
        """Return whether pages of another server's origin may connect."""
        origin = Origin.parsed(text)
        if origin is None:
            return False
        return origin in self.allowed if self.is_keyed else is_loopback(origin.host)


def check_origin(connection: HTTPConnection, rules: OriginRules) -> None:
    """Raise ClientError for a page that may not connect: its browser may be behind the firewall that protects us.

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
        return  # not a browser, or a GET of the server's own page
    if len(origins) > 1 or not (rules.allows(origins[0]) or _is_own(origins[0], host, connection)):
        raise foreign_origin(", ".join(origins))


def is_cross_origin(connection: HTTPConnection) -> bool:
    """Return whether a browser makes the request for a page of another origin, allowed or not."""
    origins = connection.headers.getlist("origin")
    if not origins:
        # Browsers send an Origin with every request that has a body; a proxy may have removed it.
        return connection.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    host = connection.headers.get("host", "")
    return len(origins) > 1 or not _is_own(origins[0], host, connection)


def foreign_origin(text: str) -> ClientError:
    """Return the error for a page that may not connect."""
    return ClientError(Problem.FORBIDDEN, f"Origin is {quoted(text)}; pages of other hosts may not connect")


def _is_own(text: str, host: str, connection: HTTPConnection) -> bool:
    origin = Origin.parsed(text)
    if origin is None or not origin.is_at(host):
        return False
    # Behind a proxy that ends TLS the scheme here may be `http` although the page came by https. The reverse is
    # refused: anybody on the line can alter a page that came by http.
    is_secure = connection.scope["scheme"] in _SECURE_SCHEMES
    return origin.scheme == "https" or (origin.scheme == "http" and not is_secure)


def _is_this_machine(host: str) -> bool:
    found = _AUTHORITY.fullmatch(host.lower())
    return found is not None and is_loopback(found["host"])


def _explicit_port(port: str | None, scheme: str) -> str | None:
    return None if port is None or port.lstrip("0") == _DEFAULT_PORTS.get(scheme) else port.lstrip("0")
