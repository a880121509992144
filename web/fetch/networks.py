"""Tell public addresses from others, and parse hosts that are written as addresses."""

import socket
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The only part of IPv6 that global unicast addresses are allocated from; the NAT64 prefixes below are outside of it.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Not known to every version of `ipaddress`, or global according to it and yet not public.
_SPECIAL = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments, and the metadata of one cloud
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv4Network("168.63.129.16/32"),  # the host of a virtual machine in Azure, whose address looks public
    IPv6Network("2001::/23"),  # protocol assignments; Teredo, which reaches into private networks, is one
    IPv6Network("3fff::/20"),  # documentation
)
# A gateway takes the IPv4 address from the last 32 bits (RFC 6052). In the rest of the local-use 64:ff9b:1::/48 it may
# be elsewhere, and only the gateway knows where; here any other reading is in 0.0.0.0/8, which is not routed.
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/96"))


class NotPublicError(Exception):
    """An address is neither public nor allowed. It is not named, which would reveal the internal network."""


def check_addresses(addresses: Iterable[Address], networks: Collection[Network]) -> None:
    """Raise NotPublicError unless each address, or the IPv4 address in it, is public or in one of `networks`."""
    if not all(_is_allowed(address, networks) for address in addresses):
        raise NotPublicError


def literal_address(host: str) -> Address | None:
    """Parse a host of a URL as an address, in every notation that systems accept; None for a name.

    Raises ValueError for a host that looks like an address but is none.
    """
    digits = host.removesuffix(".")
    try:
        return ip_address(digits)
    except ValueError:
        if not _ends_in_a_number(digits):
            return None
    try:
        # As inet_aton does: one to four parts, each decimal, octal or hexadecimal.
        return IPv4Address(socket.inet_aton(digits))
    except OSError:
        raise ValueError(f"{host} is no address") from None


def _ends_in_a_number(host: str) -> bool:
    last = host.rpartition(".")[2].lower()
    return last.isdecimal() or last.startswith("0x")


def _is_allowed(address: Address, networks: Collection[Network]) -> bool:
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    if any(address in network for network in networks):
        return True
    inner = _inner(address)
    return _is_public(address) if inner is None else _is_allowed(inner, networks)


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or any(address in network for network in _SPECIAL):
        return False
    return address.version == 4 or address in _GLOBAL_UNICAST


def _inner(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address is translated to, None for others."""
    if isinstance(address, IPv4Address):
        return None
    if any(address in network for network in _NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
