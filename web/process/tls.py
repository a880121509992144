"""TLS of the server: certificate and key from PEM files, or a self-signed certificate that is made and kept."""

import ssl
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from filelock import FileLock

from stream.lazy_import import lazy_import
from stream.tls import PemError, server_context
from web.settings.server import ServerSettings

if TYPE_CHECKING:
    from web.process import self_signed
else:
    self_signed = lazy_import("web.process.self_signed")

_LOCK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ServerTls:
    """TLS as the settings want it, with its PEM files.

    A certificate of our own is at `self_signed`, and browsers show its fingerprint.
    """

    context: ssl.SSLContext
    certificate: Path
    key: Path
    self_signed: Path | None = None
    fingerprint: str | None = None


def server_tls(settings: ServerSettings, now: datetime, directory: Path | None = None) -> ServerTls | None:
    """Read the certificate, or make one; None where the server speaks plain HTTP. Raises PemError.

    `now` has a time zone.
    """
    if settings.tls_cert is not None and settings.tls_key is not None:
        return ServerTls(
            _modern(server_context(settings.tls_cert, settings.tls_key)), settings.tls_cert, settings.tls_key
        )
    if not settings.tls_self_signed:
        return None
    directory = directory or platformdirs.user_data_path("niyosha") / "tls"
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Two servers that start at once must not mix their files.
        with FileLock(directory / "lock", timeout=_LOCK_SECONDS, mode=0o600):
            if not self_signed.is_usable(certificate, key, now):
                self_signed.make(certificate, key, settings.host, now)
            context = server_context(certificate, key)
            der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    except OSError as error:
        raise PemError(f"a certificate cannot be kept in {directory}: {error.strerror or error}") from None
    return ServerTls(_modern(context), certificate, key, certificate, sha256(der).digest().hex(":").upper())


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
