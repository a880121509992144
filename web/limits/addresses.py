"""The address of a client: what counts as one, and which addresses are refused for now."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import HTTPConnection

# One subscriber of an IPv6 provider has a whole /64 (RFC 6177), and may use any number of its addresses.
_SUBSCRIBER_BITS = 64
# Beyond so many the oldest is forgotten; its next handshake is counted, and refused again.
_MOST_REFUSED = 4096


def source_of(connection: HTTPConnection) -> str:
    """Return the address of a client; for IPv6 the network of its subscriber."""
    return source_of_host("" if connection.client is None else connection.client.host)


@lru_cache(4096)  # a flood of handshakes asks for the same address again and again
def source_of_host(host: str) -> str:
    """Return the same for an address as text."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), _SUBSCRIBER_BITS), strict=False))


class RefusedSources:
    """Addresses that are refused until a time, so that their next handshakes need not be counted."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, source: str, until: float) -> None:
        """Refuse an address until then."""
        self._until.pop(source, None)
        if len(self._until) >= _MOST_REFUSED:
            del self._until[next(iter(self._until))]
        self._until[source] = until

    def holds(self, source: str, now: float) -> bool:
        """Return whether an address is refused now."""
        until = self._until.get(source)
        if until is not None and until <= now:
            del self._until[source]
        return until is not None and now < until
