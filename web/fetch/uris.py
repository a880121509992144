"""Check URIs before a download, and show them without their secrets."""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from stream.errors import quoted
from stream.lazy_import import lazy_import
from web.fetch.networks import Network, check_addresses, literal_address

if TYPE_CHECKING:
    import httpx
else:
    # It takes 0.1 s and memory at the start, which only addresses of recordings need.
    httpx = lazy_import("httpx")

MOST_CHARACTERS = 2048
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\.?")


class UriError(Exception):
    """A URI that cannot be downloaded; `str()` continues a sentence that begins with the URI."""


def parsed_uri(uri: str, networks: Collection[Network]) -> "httpx.URL":
    """Parse a URI without any lookup; raises UriError, or NotPublicError for an address that is not allowed."""
    if len(uri) > MOST_CHARACTERS:
        raise UriError(f"has {len(uri)} characters, and at most {MOST_CHARACTERS} are allowed")
    if _CONTROL.search(uri):
        raise UriError("has control characters")
    try:
        url = httpx.URL(uri)
    except (httpx.InvalidURL, ValueError):
        raise UriError("is not a URI") from None
    if url.scheme not in ("http", "https"):
        raise UriError("is neither http nor https")
    if url.userinfo:
        raise UriError("has a user name or a password, which are not sent")
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise UriError("has a port outside of 1 to 65535")
    _check_host(host_of(url), networks)
    return url


def host_of(url: "httpx.URL") -> str:
    """Return the host in its ASCII form, as it is looked up."""
    return url.raw_host.decode()


def shown(uri: str) -> str:
    """Show scheme, host and path: a query may hold a signature, and the part before an @ a password."""
    head = re.split(r"[?#]", uri, maxsplit=1)[0]
    scheme, slashes, rest = head.partition("://")
    authority, slash, path = rest.partition("/")
    if not authority:
        return quoted(head.rpartition("@")[2])
    return quoted(f"{scheme}{slashes}{authority.rpartition('@')[2]}{slash}{path}")


def _check_host(host: str, networks: Collection[Network]) -> None:
    try:
        literal = literal_address(host)
    except ValueError:
        raise UriError("has a host that is neither a name nor an address") from None
    if literal is not None:
        check_addresses([literal], networks)
    elif not _NAME.fullmatch(host):
        raise UriError("has no host, or one that is neither a name nor an address")
