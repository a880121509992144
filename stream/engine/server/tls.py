"""TLS credentials of the engine's server, with or without client certificates."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from stream.tls import PemError, check_certificates, read_pem, server_context


class TlsError(Exception):
    """TLS is not possible with these options; the message names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """PEM files: the server's `certificate` with its chain, and its `key`; None for no TLS.

    With `client_ca` only clients with a certificate from that CA are served.
    """

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None


def server_credentials(options: TlsOptions) -> grpc.ServerCredentials | None:
    """Read the files; return None if TLS is off. Raises TlsError."""
    if options == TlsOptions():
        return None
    if options.certificate is None or options.key is None:
        missing = "certificate" if options.certificate is None else "key"
        raise TlsError(f"TLS needs a certificate and its key, and the {missing} is missing")
    try:
        # Python's loader says what is wrong with a file; gRPC only says that it cannot bind.
        server_context(options.certificate, options.key)
        client_ca = None if options.client_ca is None else read_pem(options.client_ca)
        if options.client_ca is not None:
            check_certificates(options.client_ca)
        pair = read_pem(options.key), read_pem(options.certificate)
    except PemError as error:
        raise TlsError(str(error)) from None
    return grpc.ssl_server_credentials([pair], root_certificates=client_ca, require_client_auth=client_ca is not None)
