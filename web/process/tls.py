"""Owns the server's TLS: certificate and key from PEM files, or a self-signed certificate that is made and kept."""

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

import platformdirs
from filelock import FileLock

from stream.tls import PemError, server_context
from web.settings.settings import Settings

# Apple's systems take no certificate for longer than 825 days, others none for longer than 398.
_LASTS = timedelta(days=397)
# Renewed so long before: a server may run for weeks.
_SPARE = timedelta(days=60)
_LOCK_SECONDS = 10.0
# Reserved for documentation: nothing is sent there, only asked from which address one would.
_ELSEWHERE = ("192.0.2.1", 9)


@dataclass(frozen=True, slots=True)
class ServerTls:
    """TLS as the settings want it; a certificate of our own is at `self_signed`, and browsers show its fingerprint."""

    context: ssl.SSLContext
    self_signed: Path | None = None
    fingerprint: str | None = None


def server_tls(settings: Settings, now: datetime, directory: Path | None = None) -> ServerTls | None:
    """Read the certificate, or make one; None where the server speaks plain HTTP. Raises PemError.

    `now` has a time zone.
    """
    if settings.tls_cert is not None and settings.tls_key is not None:
        return ServerTls(_modern(server_context(settings.tls_cert, settings.tls_key)))
    if not settings.tls_self_signed:
        return None
    directory = directory or platformdirs.user_data_path("niyosha") / "tls"
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Two servers that start at once must not mix their files.
        with FileLock(directory / "lock", timeout=_LOCK_SECONDS, mode=0o600):
            if not _is_usable(certificate, key, now):
                _make(certificate, key, settings.host, now)
            context = server_context(certificate, key)
            der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    except OSError as error:
        raise PemError(f"a certificate cannot be kept in {directory}: {error.strerror or error}") from None
    return ServerTls(_modern(context), certificate, sha256(der).digest().hex(":").upper())


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _is_usable(certificate: Path, key: Path, now: datetime) -> bool:
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415  only such servers pay for it

    try:
        server_context(certificate, key)
        ends = load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (PemError, ValueError):
        return False
    return ends - _SPARE > now


def _make(certificate: Path, key: Path, host: str, now: datetime) -> None:
    """Make a key and a certificate that says of itself that it is this machine's."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: PLC0415

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
