from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from stream.engine.server.tls import TlsError, TlsOptions, server_credentials
from tests.stream.engine.support.certificates import Certificates


def refusal(certificate: Path | None, key: Path | None, client_ca: Path | None = None) -> str:
    with pytest.raises(TlsError) as caught:
        server_credentials(TlsOptions(certificate, key, client_ca))
    return str(caught.value)


def test_without_options_there_is_no_tls() -> None:
    assert server_credentials(TlsOptions()) is None


def test_a_certificate_and_its_key_are_read_from_one_file_or_two(certificates: Certificates, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(
        "# für localhost\n".encode() + certificates.certificate.read_bytes() + certificates.key.read_bytes()
    )
    assert server_credentials(TlsOptions(both, both))
    assert server_credentials(TlsOptions(certificates.certificate, certificates.key, certificates.client_ca))


def test_a_certificate_needs_a_key_and_a_key_a_certificate(certificates: Certificates) -> None:
    sentence = "TLS needs a certificate and its key, and the {} is missing"
    assert refusal(certificates.certificate, None) == sentence.format("key")
    assert refusal(None, certificates.key) == sentence.format("certificate")
    assert refusal(None, None, certificates.client_ca) == sentence.format("certificate")


@pytest.mark.parametrize("name", ["certificate", "key", "client_ca"])
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    certificates: Certificates, name: str, tmp_path: Path
) -> None:
    files = {each: getattr(certificates, each) for each in ("certificate", "key", "client_ca")}
    missing = tmp_path / "missing.pem"
    assert refusal(**files | {name: missing}) == f"{missing} cannot be read: No such file or directory"
    assert refusal(**files | {name: tmp_path}) == f"{tmp_path} cannot be read: Is a directory"


def test_a_file_that_holds_something_else_is_named(certificates: Certificates, tmp_path: Path) -> None:
    certificate, key = certificates.certificate, certificates.key
    empty = tmp_path / "empty.pem"
    empty.touch()
    for wrong in (empty, key):
        assert refusal(wrong, key) == f"{wrong} holds no certificate in PEM"
        assert refusal(certificate, key, wrong) == f"{wrong} holds no certificate in PEM"
    for wrong in (empty, certificate):
        assert refusal(certificate, wrong) == f"{wrong} holds no unencrypted private key in PEM"


def test_a_key_with_a_password_is_refused_without_asking_for_it(certificates: Certificates, tmp_path: Path) -> None:
    key = load_pem_private_key(certificates.key.read_bytes(), None)
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    assert refusal(certificates.certificate, encrypted) == f"{encrypted} holds no unencrypted private key in PEM"


def test_the_key_of_another_certificate_is_refused(certificates: Certificates) -> None:
    certificate, key = certificates.certificate, certificates.client_key
    assert refusal(certificate, key) == f"{key} is not the key of {certificate}"
