"""A self-signed certificate of this machine: made when it is missing or ends soon."""

import socket
from contextlib import suppress
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stream.tls import PemError, server_context

# Apple's systems take no certificate for longer than 825 days, others none for longer than 398.
_LASTS = timedelta(days=397)
# It is renewed this long before its end, because a server may run for weeks.
_SPARE = timedelta(days=60)
# Reserved for documentation (RFC 5737): nothing is sent there, the system only picks the address to send from.
_ELSEWHERE = ("192.0.2.1", 9)


def is_usable(certificate: Path, key: Path, now: datetime) -> bool:
    """Whether the files hold a certificate and its key, good for a while after `now`, which has a time zone."""
    try:
        server_context(certificate, key)
        ends = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (PemError, ValueError):
        return False
    return ends - _SPARE > now


def make(certificate: Path, key: Path, host: str, now: datetime) -> None:
    """Make a key and a self-signed certificate for this machine's names and addresses, and for `host`."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Niyosha, self-signed")])
    names, addresses = _names(), _addresses(host)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        # A clock that is a little behind must not call it not yet valid.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LASTS)
        .add_extension(
            x509.SubjectAlternativeName(
                [*map(x509.DNSName, names), *(x509.IPAddress(ip_address(one)) for one in addresses)]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    _write(
        key,
        private.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    _write(certificate, made.public_bytes(encoding))


def _write(path: Path, content: bytes) -> None:
    """Write a file for this user only, as a whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600, exist_ok=False)
    fresh.write_bytes(content)
    fresh.replace(path)


def _names() -> list[str]:
    """`localhost` and what this machine is called, alone and in the local network; odd names are left out."""
    own = socket.gethostname().lower()
    names = ["localhost", own, f"{own.partition('.')[0]}.local"]
    return [
        name for name in dict.fromkeys(names) if name.isascii() and name.replace("-", "").replace(".", "").isalnum()
    ]


def _addresses(host: str) -> list[str]:
    """Loopback, the address to listen on if it is one, and those by which others reach this machine."""
    found = ["127.0.0.1", "::1", host.strip("[]"), *_outgoing()]
    with suppress(OSError):  # a name that resolves to nothing here
        found += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None)]
    return [one for one in dict.fromkeys(found) if _is_own(one)]


def _outgoing() -> list[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return []  # no network
        return [str(probe.getsockname()[0])]


def _is_own(text: str) -> bool:
    try:
        return not ip_address(text).is_unspecified
    except ValueError:
        return False
