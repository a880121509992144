"""Owns what PEM files must hold for TLS to work, and the sentence about those that do not."""

import ssl
from pathlib import Path


class PemError(Exception):
    """TLS is not possible with these files; the sentence names the file and what is wrong with it."""


def read_pem(path: Path) -> bytes:
    """The bytes of a file; raises PemError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PemError(f"{path} cannot be read: {error.strerror}") from None


def check_certificates(path: Path) -> None:
    """Raise PemError unless the file holds certificates."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except ssl.SSLError:
        raise PemError(f"{path} holds no certificate in PEM") from None


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS for a server with this certificate, and those that lead to its CA, and its key; raises PemError."""
    for path in (key, certificate):
        read_pem(path)
    check_certificates(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An encrypted key would make the library ask for a password on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise PemError(f"{key} is not the key of {certificate}") from None
        raise PemError(f"{key} holds no unencrypted private key in PEM") from None
    return context
