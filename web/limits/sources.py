"""Owns whose handshake it is, as far as an address tells."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import HTTPConnection

# One subscriber has as many IPv6 addresses as they like, all with the same beginning.
_SUBSCRIBER_BITS = 64


def source_of(connection: HTTPConnection) -> str:
    """The address of a client; of IPv6 the network that is one subscriber's."""
    return source_of_host("" if connection.client is None else connection.client.host)


@lru_cache(4096)
def source_of_host(host: str) -> str:
    """The same for an address, which in a flood is asked for again and again."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), _SUBSCRIBER_BITS), strict=False))
