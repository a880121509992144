"""Probe an endpoint below gRPC, which reports every connection problem as UNAVAILABLE.

All functions block, for some seconds at most.
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
from stream.temporary import temporary_directory

_SECONDS = 3.0
_DAY_SECONDS = 86_400
# The connection preface of HTTP/2 with an empty SETTINGS frame; the first frame of a server is SETTINGS, too.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_FRAME_HEADER_BYTES = 9
_SETTINGS = 4
# The certificate authorities that gRPC trusts by default.
_ROOTS = Path(grpc.__file__).parent / "_cython" / "_credentials" / "roots.pem"


class Peer(Enum):
    """The protocol that an endpoint speaks."""

    HTTP2 = auto()
    TLS = auto()
    OTHER = auto()


class TlsFault(Enum):
    """Why a TLS handshake failed."""

    PLAINTEXT = auto()
    UNTRUSTED = auto()
    OTHER_NAME = auto()
    NOT_YET_VALID = auto()
    EXPIRED = auto()
    WANTS_CLIENT_CERTIFICATE = auto()
    NO_HTTP2 = auto()
    FAILED = auto()


# By OpenSSL's X509_V_ERR_* numbers; all others mean that no trusted authority signed it.
_CERTIFICATE_FAULTS = {
    9: TlsFault.NOT_YET_VALID,
    10: TlsFault.EXPIRED,
    62: TlsFault.OTHER_NAME,
    64: TlsFault.OTHER_NAME,
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint that an address resolves to; `name` is for people."""

    name: str
    family: socket.AddressFamily
    address: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A server certificate for the hosts `names`; `expires_at` is in seconds since 1970."""

    subject: str
    names: tuple[str, ...]
    issuer: str
    expires_at: int

    def days_left(self, now: float) -> int:
        """Return for how many whole days it is still valid at `now`, in seconds since 1970."""
        return int((self.expires_at - now) // _DAY_SECONDS)


@dataclass(frozen=True, slots=True)
class TlsProbe:
    """The result of a TLS handshake; `certificate` is None if the server sent none that can be read."""

    fault: TlsFault | None
    certificate: Certificate | None
    detail: str = ""


def resolve(address: Address) -> list[Endpoint]:
    """Resolve an address; raises OSError."""
    if address.path:
        return [Endpoint(address.uri, socket.AF_UNIX, address.path)]
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return [Endpoint(_written(sockaddr), family, sockaddr) for family, _, _, _, sockaddr in dict.fromkeys(found)]


def probe_connection(endpoint: Endpoint) -> None:
    """Connect and close; raises OSError."""
    _connected(endpoint).close()


def probe_plain(endpoint: Endpoint) -> Peer:
    """Return what answers an unencrypted client; raises OSError if nothing does."""
    with closing(_connected(endpoint)) as plain:
        if _speaks_http2(plain):
            return Peer.HTTP2
    # An untrusted certificate is TLS all the same.
    probe = probe_tls(endpoint, TlsOptions(), "localhost")
    return Peer.OTHER if probe.fault is TlsFault.PLAINTEXT else Peer.TLS


def probe_tls(endpoint: Endpoint, tls: TlsOptions, host: str) -> TlsProbe:
    """Connect with TLS as gRPC would, to a server that has to be `host`; raises OSError if nothing answers."""
    name = tls.server_name or host
    with closing(_connected(endpoint)) as plain:
        try:
            encrypted = _context(tls).wrap_socket(plain, server_hostname=name)
        except ssl.SSLCertVerificationError as error:
            fault = _CERTIFICATE_FAULTS.get(error.verify_code, TlsFault.UNTRUSTED)
            return TlsProbe(fault, _shown_certificate(endpoint, name), error.verify_message)
        except OSError as error:
            return TlsProbe(_handshake_fault(error), None, str(error))
    with closing(encrypted):
        certificate = _certificate(encrypted.getpeercert())
        if _speaks_http2(encrypted):
            return TlsProbe(None, certificate)
        # A server that rejects or requires a client certificate completes the handshake and then closes.
        is_refused = encrypted.selected_alpn_protocol() == "h2"
        return TlsProbe(TlsFault.WANTS_CLIENT_CERTIFICATE if is_refused else TlsFault.NO_HTTP2, certificate)


def _written(sockaddr: tuple[Any, ...]) -> str:
    host, port = sockaddr[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _connected(endpoint: Endpoint) -> socket.socket:
    connection = socket.socket(endpoint.family, socket.SOCK_STREAM)
    connection.settimeout(_SECONDS)
    try:
        connection.connect(endpoint.address)
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
    # As in gRPC, an intermediate authority is enough.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["h2"])
    # Python reads PEM from files only: temporary ones that only this user can read.
    with temporary_directory() as directory:
        ca = directory / "ca.pem"
        ca.write_bytes(tls.ca or _ROOTS.read_bytes())
        context.load_verify_locations(ca)
        if tls.certificate is not None and tls.key is not None:
            pair = directory / "client.pem"
            pair.write_bytes(tls.certificate + b"\n" + tls.key)
            context.load_cert_chain(pair)
    return context


def _handshake_fault(error: OSError) -> TlsFault:
    """Classify a failed handshake: only a TLS alert comes from a server that speaks TLS."""
    reason = getattr(error, "reason", None) or ""
    if "ALERT" not in reason:
        return TlsFault.PLAINTEXT
    is_about_ours = "CERTIFICATE" in reason or "UNKNOWN_CA" in reason
    return TlsFault.WANTS_CLIENT_CERTIFICATE if is_about_ours else TlsFault.FAILED


def _shown_certificate(endpoint: Endpoint, name: str) -> Certificate | None:
    """Read an untrusted certificate by trusting just that one; None if the connection fails all the same."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with closing(context.wrap_socket(_connected(endpoint), server_hostname=name)) as unverified:
            shown = unverified.getpeercert(binary_form=True) or b""
        context.load_verify_locations(cadata=shown)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        with closing(context.wrap_socket(_connected(endpoint), server_hostname=name)) as verified:
            return _certificate(verified.getpeercert())
    except (OSError, ValueError):
        return None


def _certificate(fields: Any) -> Certificate:
    """Read Python's fields of a verified certificate."""
    return Certificate(
        subject=_who(fields.get("subject", ())),
        names=tuple(name for _, name in fields.get("subjectAltName", ())),
        issuer=_who(fields.get("issuer", ())),
        expires_at=ssl.cert_time_to_seconds(fields["notAfter"]),
    )


def _who(name: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    """Return the common name of a distinguished name, else its organization."""
    parts = {key: value for part in name for key, value in part}
    return parts.get("commonName") or parts.get("organizationName") or "nobody"
