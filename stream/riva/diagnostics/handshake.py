"""Owns a look at a port from below gRPC, which calls every trouble there UNAVAILABLE.

Everything here blocks, for some seconds at most.
"""

import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

import grpc

from stream.riva.options import TlsOptions
from stream.riva.servers.addresses import Address
from stream.scratch import scratch_directory

_SECONDS = 3.0
_DAY_SECONDS = 86_400
# How a client of HTTP/2 begins, with an empty SETTINGS frame; a server's first frame is SETTINGS too.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_FRAME_HEADER_BYTES = 9
_SETTINGS = 4
# The authorities that gRPC trusts when it is told of none.
_ROOTS = Path(grpc.__file__).parent / "_cython" / "_credentials" / "roots.pem"


class Peer(Enum):
    """What is at a port."""

    HTTP2 = auto()
    TLS = auto()
    OTHER = auto()


class TlsFault(Enum):
    """Why there is no encrypted connection."""

    PLAINTEXT = auto()
    UNTRUSTED = auto()
    OTHER_NAME = auto()
    NOT_YET_VALID = auto()
    EXPIRED = auto()
    WANTS_CLIENT_CERTIFICATE = auto()
    NO_HTTP2 = auto()
    FAILED = auto()


# By OpenSSL's numbers, X509_V_ERR_*; all others mean that nobody trusted vouches for it.
_CERTIFICATE_FAULTS = {
    9: TlsFault.NOT_YET_VALID,
    10: TlsFault.EXPIRED,
    62: TlsFault.OTHER_NAME,
    64: TlsFault.OTHER_NAME,
}


@dataclass(frozen=True, slots=True)
class Place:
    """One place that an address leads to; `name` is how people write it."""

    name: str
    family: socket.AddressFamily
    address: Any


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate; `names` are the hosts that it is for, `ends_at` is in seconds since 1970."""

    subject: str
    names: tuple[str, ...]
    issuer: str
    ends_at: int

    def days_left(self, now: float) -> int:
        """How many whole days it is still valid at `now`, in seconds since 1970."""
        return int((self.ends_at - now) // _DAY_SECONDS)


@dataclass(frozen=True, slots=True)
class TlsLook:
    """What TLS came to; `certificate` is None where the server showed none that can be read."""

    fault: TlsFault | None
    certificate: Certificate | None
    detail: str = ""


def places(address: Address) -> list[Place]:
    """Resolve an address; raises OSError."""
    if address.path:
        return [Place(address.uri, socket.AF_UNIX, address.path)]
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return [Place(_written(sockaddr), family, sockaddr) for family, _, _, _, sockaddr in dict.fromkeys(found)]


def reach(place: Place) -> None:
    """Connect and hang up; raises OSError."""
    _connected(place).close()


def look_plain(place: Place) -> Peer:
    """See what answers a client that does not encrypt; raises OSError when nobody is there."""
    with closing(_connected(place)) as plain:
        if _speaks_http2(plain):
            return Peer.HTTP2
    # A certificate that nobody trusts is one all the same.
    look = look_tls(place, TlsOptions(), "localhost")
    return Peer.OTHER if look.fault is TlsFault.PLAINTEXT else Peer.TLS


def look_tls(place: Place, tls: TlsOptions, host: str) -> TlsLook:
    """Connect as gRPC would, to a server that has to be `host`; raises OSError when nobody is there."""
    name = tls.server_name or host
    with closing(_connected(place)) as plain:
        try:
            encrypted = _context(tls).wrap_socket(plain, server_hostname=name)
        except ssl.SSLCertVerificationError as error:
            fault = _CERTIFICATE_FAULTS.get(error.verify_code, TlsFault.UNTRUSTED)
            return TlsLook(fault, _shown_certificate(place, name), error.verify_message)
        except OSError as error:
            return TlsLook(_handshake_fault(error), None, str(error))
    with closing(encrypted):
        certificate = _certificate(encrypted.getpeercert())
        if _speaks_http2(encrypted):
            return TlsLook(None, certificate)
        # A server that refuses the client's certificate, or misses it, agrees on everything and then hangs up.
        is_refused = encrypted.selected_alpn_protocol() == "h2"
        return TlsLook(TlsFault.WANTS_CLIENT_CERTIFICATE if is_refused else TlsFault.NO_HTTP2, certificate)


def _written(sockaddr: tuple[Any, ...]) -> str:
    host, port = sockaddr[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _connected(place: Place) -> socket.socket:
    connection = socket.socket(place.family, socket.SOCK_STREAM)
    connection.settimeout(_SECONDS)
    try:
        connection.connect(place.address)
    except OSError:
        connection.close()
        raise
    return connection


def _speaks_http2(connection: socket.socket) -> bool:
    try:
        connection.sendall(_PREFACE)
        header = connection.recv(_FRAME_HEADER_BYTES)
    except OSError:
        return False
    return len(header) == _FRAME_HEADER_BYTES and header[3] == _SETTINGS


def _context(tls: TlsOptions) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Like gRPC: an intermediate authority is enough.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2"])
    # Python reads PEM from files only: these are this user's alone and gone at once.
    with scratch_directory() as directory:
        ca = directory / "ca.pem"
        ca.write_bytes(tls.ca or _ROOTS.read_bytes())
        context.load_verify_locations(ca)
        if tls.certificate is not None and tls.key is not None:
            pair = directory / "client.pem"
            pair.write_bytes(tls.certificate + b"\n" + tls.key)
            context.load_cert_chain(pair)
    return context


def _handshake_fault(error: OSError) -> TlsFault:
    """An alert is an answer in TLS; anything else, and none at all, comes from a server that does not speak it."""
    reason = getattr(error, "reason", None) or ""
    if "ALERT" not in reason:
        return TlsFault.PLAINTEXT
    is_about_ours = "CERTIFICATE" in reason or "UNKNOWN_CA" in reason
    return TlsFault.WANTS_CLIENT_CERTIFICATE if is_about_ours else TlsFault.FAILED


def _shown_certificate(place: Place, name: str) -> Certificate | None:
    """Read a certificate that was not trusted, by trusting just that one; None where even so it is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with closing(context.wrap_socket(_connected(place), server_hostname=name)) as unverified:
            shown = unverified.getpeercert(binary_form=True) or b""
        context.load_verify_locations(cadata=shown)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        with closing(context.wrap_socket(_connected(place), server_hostname=name)) as verified:
            return _certificate(verified.getpeercert())
    except (OSError, ValueError):
        return None


def _certificate(fields: Any) -> Certificate:
    """Read what Python tells of a certificate that it has verified."""
    return Certificate(
        subject=_who(fields.get("subject", ())),
        names=tuple(name for _, name in fields.get("subjectAltName", ())),
        issuer=_who(fields.get("issuer", ())),
        ends_at=ssl.cert_time_to_seconds(fields["notAfter"]),
    )


def _who(name: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    """The common name, else the organization, of a distinguished name."""
    parts = {key: value for part in name for key, value in part}
    return parts.get("commonName") or parts.get("organizationName") or "nobody"
