"""Parse the addresses of Riva servers; pure."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from stream.paths import is_loopback

_UNIX = "unix:"
_ALL_MACHINES = "dns:///"
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?", re.IGNORECASE)
_MOST_PORT = 65535
_HOW = "write host:port, [IPv6 address]:port, dns:///name:port or unix:/path"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address; `uri` is for gRPC. A Unix socket has a `path`, any other address a `host` and a `port`."""

    uri: str
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_local(self) -> bool:
        """Whether data that is sent there stays on this machine."""
        return bool(self.path) or is_loopback(self.host)


def parse_addresses(text: str) -> tuple[Address, ...]:
    """Parse addresses separated by commas; raises ValueError with a message for people."""
    addresses = tuple(parse_address(part.strip()) for part in text.split(","))
    for number, address in enumerate(addresses):
        if address in addresses[:number]:
            raise ValueError(f"{address.uri} is there twice")
    return addresses


def parse_address(uri: str) -> Address:
    """Parse one address; raises ValueError with a message for people."""
    if not uri:
        raise ValueError(f"an address is empty; {_HOW}")
    if uri.startswith(_UNIX):
        return _unix(uri)
    place = uri.removeprefix(_ALL_MACHINES)
    if "://" in place:
        raise ValueError(
            f"{uri} begins with a scheme; write host:port, and for an encrypted connection set NIYOSHA_RIVA_TLS=1"
        )
    host, colon, port = place.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{uri} has no port, which for Riva is mostly 50051; {_HOW}")
    if not port.isascii() or not port.isdecimal() or not 0 < int(port) <= _MOST_PORT:
        raise ValueError(f"the port of {uri} is no number from 1 to {_MOST_PORT}; {_HOW}")
    if not _is_host(host):
        raise ValueError(f"{uri} has no valid host; {_HOW}")
    return Address(uri=uri, host=host.strip("[]"), port=int(port))


def _unix(uri: str) -> Address:
    path = uri.removeprefix(_UNIX)
    if not path.startswith("/"):
        raise ValueError(f"{uri} has no absolute path; write unix:/path")
    # unix:///path is the same in gRPC.
    return Address(uri=uri, path="/" + path.lstrip("/"))


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return _NAME.fullmatch(host) is not None
    try:
        return host.endswith("]") and ip_address(host[1:-1]).version == 6
    except ValueError:
        return False
