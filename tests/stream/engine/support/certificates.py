"""Certificates for a server on the loopback and for its callers, as files."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """`certificate` and `key` are the server's; the client's are from a CA of their own."""

    ca: Path
    certificate: Path
    key: Path
    client_ca: Path
    client_certificate: Path
    client_key: Path


def issue(directory: Path) -> Certificates:
    def write(blob: trustme.Blob, name: str) -> Path:
        path = directory / name
        blob.write_to_path(path)
        return path

    ca, client_ca = trustme.CA(), trustme.CA()
    server = ca.issue_cert("127.0.0.1", "localhost")
    client = client_ca.issue_cert("caller")
    return Certificates(
        ca=write(ca.cert_pem, "ca.pem"),
        certificate=write(server.cert_chain_pems[0], "certificate.pem"),
        key=write(server.private_key_pem, "key.pem"),
        client_ca=write(client_ca.cert_pem, "client_ca.pem"),
        client_certificate=write(client.cert_chain_pems[0], "client_certificate.pem"),
        client_key=write(client.private_key_pem, "client_key.pem"),
    )
