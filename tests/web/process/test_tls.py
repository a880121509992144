"""The server over TLS: with a certificate that somebody gave it, and with one of its own."""

import json
import ssl
import stat
import threading
import urllib.request
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.x509 import DNSName, IPAddress, SubjectAlternativeName, load_pem_x509_certificate

from tests.stream.engine.support.certificates import Certificates, issue
from tests.support.processes import niyosha, started
from tests.support.recognizers import ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.web.support.sockets import converse
from web.process.listening import StartError
from web.process.serve import running
from web.process.tls import ServerTls, server_tls
from web.settings.settings import Settings

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("certificates"))


def self_signed(directory: Path, host: str = "127.0.0.1", now: datetime = NOW) -> ServerTls:
    tls = server_tls(Settings(tls_self_signed=True, host=host, token_secret="s" * 32).server, now, directory)
    assert tls is not None
    return tls


async def test_with_a_certificate_everything_is_served_over_tls(
    given: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(given.ca))
    settings = Settings(port=0, tls_cert=given.certificate, tls_key=given.key)
    async with running(settings, ScriptedRecognizer()) as server:
        assert server.url.startswith("https://127.0.0.1:")
        conversation = await converse(server.url, clip_pcm("quick.wav"), "close")
    assert conversation.close_code == 1000
    assert conversation.transcript.startswith("w0 w1 w2")


@pytest.mark.parametrize("name", ["missing", "empty", "mismatched"])
async def test_files_that_cannot_be_used_are_told_in_a_sentence(name: str, given: Certificates, tmp_path: Path) -> None:
    certificate, key = given.certificate, given.key
    match name:
        case "missing":
            certificate = tmp_path / "missing.pem"
            sentence = f"{certificate} cannot be read: No such file or directory"
        case "empty":
            certificate = tmp_path / "empty.pem"
            certificate.touch()
            sentence = f"{certificate} holds no certificate in PEM"
        case _:
            key = given.client_key
            sentence = f"{key} is not the key of {certificate}"
    with pytest.raises(StartError) as caught:
        async with running(Settings(port=0, tls_cert=certificate, tls_key=key), ScriptedRecognizer()):
            raise AssertionError("it started")
    assert str(caught.value) == f"TLS is not possible: {sentence}"


def test_a_certificate_of_its_own_is_for_this_machines_names_and_this_user_only(tmp_path: Path) -> None:
    tls = self_signed(tmp_path / "tls", "192.0.2.77")
    assert tls.self_signed == tmp_path / "tls" / "certificate.pem"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").iterdir()}
    assert modes["key.pem"] == modes["certificate.pem"] == 0o600
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    names = load_pem_x509_certificate(tls.self_signed.read_bytes()).extensions.get_extension_for_class(
        SubjectAlternativeName
    )
    assert "localhost" in names.value.get_values_for_type(DNSName)
    addresses = {str(one) for one in names.value.get_values_for_type(IPAddress)}
    assert {"127.0.0.1", "::1", "192.0.2.77"} <= addresses


def test_it_is_kept_until_shortly_before_its_end(tmp_path: Path) -> None:
    first = self_signed(tmp_path)
    assert self_signed(tmp_path).fingerprint == first.fingerprint
    assert self_signed(tmp_path, now=NOW + timedelta(days=336)).fingerprint == first.fingerprint
    renewed = self_signed(tmp_path, now=NOW + timedelta(days=337))
    assert renewed.fingerprint != first.fingerprint
    assert renewed.self_signed is not None
    ends = load_pem_x509_certificate(renewed.self_signed.read_bytes()).not_valid_after_utc
    assert ends == NOW.replace(microsecond=0) + timedelta(days=337 + 397)


@pytest.mark.parametrize("name", ["certificate.pem", "key.pem"])
def test_one_whose_files_are_spoiled_is_made_anew(tmp_path: Path, name: str, given: Certificates) -> None:
    first = self_signed(tmp_path)
    spoiled = given.certificate if name == "certificate.pem" else given.key
    (tmp_path / name).write_bytes(spoiled.read_bytes())
    second = self_signed(tmp_path)
    (tmp_path / name).write_bytes(b"nothing")
    third = self_signed(tmp_path)
    assert len({first.fingerprint, second.fingerprint, third.fingerprint}) == 3


def test_servers_that_start_together_have_the_same(tmp_path: Path) -> None:
    made: list[str | None] = []
    threads = [threading.Thread(target=lambda: made.append(self_signed(tmp_path).fingerprint)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(made) == 8
    assert len(set(made)) == 1


async def test_a_place_where_nothing_can_be_kept_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "niyosha").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(StartError, match=r"a certificate cannot be kept in .*/niyosha/tls: Not a directory"):
        async with running(Settings(port=0, tls_self_signed=True), ScriptedRecognizer()):
            raise AssertionError("it started")


def test_serve_tells_the_fingerprint_and_the_commands_say_whom_to_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    clip = "tests/clips/quick.wav"
    with started("serve", "--port", "0", "--quiet", "--tls-self-signed") as (process, line):
        url = next(word for word in line.split() if word.startswith("https://"))
        certificate = tmp_path / "niyosha" / "tls" / "certificate.pem"
        assert f"SSL_CERT_FILE={certificate} " in line
        refused = niyosha("transcribe", "--server", url, clip)
        assert refused.returncode == 1
        assert "set SSL_CERT_FILE to a copy of that file" in refused.stderr
        for how in ([], ["--remote"]):
            heard = niyosha("transcribe", *how, "--server", url, clip, SSL_CERT_FILE=str(certificate))
            assert heard.stdout == "The quick brown fox jumps over the lazy dog.\n", heard.stderr
        trusted = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(f"{url}/v1/speech/healthcheck", timeout=10, context=trusted) as answer:  # noqa: S310
            assert json.load(answer)["status"] == "Running"
        process.terminate()
        assert process.wait(20) == 0
        assert process.stderr is not None
        told = process.stderr.read()
    fingerprint = sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest()
    assert fingerprint in told.replace(":", "").lower()
