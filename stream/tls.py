"""Load PEM files for TLS, with clear errors for those that cannot be used."""

import ssl
from pathlib import Path


class PemError(Exception):
    """TLS is not possible with these files; the message names the file and what is wrong with it."""


def read_pem(path: Path) -> bytes:
    """Read a file; raises PemError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PemError(f"{path} cannot be read: {error.strerror}") from None


def check_certificates(path: Path) -> None:
    """Raise PemError unless the file contains certificates."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except ssl.SSLError:
        raise PemError(f"{path} holds no certificate in PEM") from None


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Make the TLS context of a server with a certificate chain and its key; raises PemError."""
    for path in (key, certificate):
        read_pem(path)
    check_certificates(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # For an encrypted key the library would prompt for a password on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise PemError(f"{key} is not the key of {certificate}") from None
        raise PemError(f"{key} holds no unencrypted private key in PEM") from None
    return context
