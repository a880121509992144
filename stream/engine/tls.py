"""Owns the engine's TLS: its certificate and key, and whose certificates its callers must have."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc


class TlsError(Exception):
    """TLS is not possible with these options; the sentence names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """PEM files: the server's `certificate`, with those that lead to its CA, and its `key`; None for no TLS.

    With a `client_ca` only callers with a certificate from it are served.
    """

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None


def server_credentials(options: TlsOptions) -> grpc.ServerCredentials | None:
    """Read the files, None where no TLS is asked for. Raises TlsError."""
    if options == TlsOptions():
        return None
    if options.certificate is None or options.key is None:
        missing = "certificate" if options.certificate is None else "key"
        raise TlsError(f"TLS needs a certificate and its key, and the {missing} is missing")
    files = [_read(path) for path in (options.key, options.certificate, options.client_ca) if path is not None]
    _check(options.certificate, options.key, options.client_ca)
    key, certificate, *client_ca = files
    return grpc.ssl_server_credentials(
        [(key, certificate)],
        root_certificates=client_ca[0] if client_ca else None,
        require_client_auth=bool(client_ca),
    )


def _check(certificate: Path, key: Path, client_ca: Path | None) -> None:
    """Load the files as a server would: gRPC itself says no more than that it cannot bind."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for path in filter(None, (certificate, client_ca)):
        try:
            context.load_verify_locations(path)
        except ssl.SSLError:
            raise TlsError(f"{path} holds no certificate in PEM") from None
    try:
        # An encrypted key would make the library ask for a password on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsError(f"{key} is not the key of {certificate}") from None
        raise TlsError(f"{key} holds no unencrypted private key in PEM") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"{path} cannot be read: {error.strerror}") from None
