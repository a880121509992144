"""What is set for the Riva servers, what contradicts itself, and what is never shown."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from stream.riva import RivaOptions, TlsOptions
from tests.support.places import DOCS
from web.backends.riva.options import riva_options
from web.backends.riva.settings import RivaSettings
from web.settings.settings import SettingsError, read_settings, setting_names

FAR = "riva.example:50051"


def options(**settings: object) -> RivaOptions:
    return riva_options(riva_settings(**settings))


def riva_settings(**settings: object) -> RivaSettings:
    section = read_settings(settings).backends["riva"]
    assert isinstance(section, RivaSettings)
    return section


def refusal(**settings: object) -> str:
    with pytest.raises(SettingsError) as caught:
        options(**settings)
    return str(caught.value)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with ca.pem, client.pem, client.key and other.key."""
    ca = trustme.CA()
    client = ca.issue_cert("gateway.example")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    ca.issue_cert("other.example").private_key_pem.write_to_path(tmp_path / "other.key")
    return tmp_path


def test_several_servers() -> None:
    assert options(riva_uri="a:1, b:2") == RivaOptions(uris=("a:1", "b:2"))


def test_without_an_address_there_is_no_server() -> None:
    assert riva_settings().addresses == ()


def test_a_wrong_address_is_refused() -> None:
    assert refusal(riva_uri="riva") == (
        "NIYOSHA_RIVA_URI is 'riva': riva has no port, which for Riva is mostly 50051; "
        "write host:port, [IPv6 address]:port, dns:///name:port or unix:/path"
    )


def test_the_hosted_service_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIYOSHA_RIVA_URI", "grpc.nvcf.nvidia.com:443")
    monkeypatch.setenv("NIYOSHA_RIVA_TLS", "1")
    monkeypatch.setenv("NIYOSHA_RIVA_FUNCTION_ID", "1598d209")
    monkeypatch.setenv("NIYOSHA_RIVA_API_KEY", "nvapi-canary")
    assert options() == RivaOptions(
        uris=("grpc.nvcf.nvidia.com:443",),
        tls=TlsOptions(),
        metadata=(("function-id", "1598d209"), ("authorization", "Bearer nvapi-canary")),
    )


def test_what_goes_to_the_server_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIYOSHA_RIVA_METADATA", '{"X-Team": "speech"}')
    monkeypatch.setenv("NIYOSHA_RIVA_CUSTOM_CONFIGURATION", '{"run_vad": "false"}')
    monkeypatch.setenv("NIYOSHA_RIVA_MODELS", '{"video": "parakeet"}')
    monkeypatch.setenv("NIYOSHA_RIVA_MOST_PHRASES", "7")
    monkeypatch.setenv("NIYOSHA_RIVA_MOST_SPEAKERS", "3")
    monkeypatch.setenv("NIYOSHA_RIVA_FORCE_EOU", '["default", "video"]')
    monkeypatch.setenv("NIYOSHA_RIVA_STOP_HISTORY_MS", "900")
    monkeypatch.setenv("NIYOSHA_RIVA_SESSIONS", "12")
    assert options(riva_uri=FAR) == RivaOptions(
        uris=(FAR,),
        metadata=(("x-team", "speech"),),
        most_phrases=7,
        most_speakers=3,
        force_eou=("default", "video"),
        stop_history_ms=900,
        sessions=12,
        models={"video": "parakeet"},
        custom_configuration={"run_vad": "false"},
    )


def test_every_setting_is_an_option_of_the_client_or_becomes_one() -> None:
    converted = {"uri", "ca", "client_cert", "client_key", "server_name", "function_id", "api_key"}
    assert RivaSettings.model_fields.keys() - {option.name for option in fields(RivaOptions)} == converted


@pytest.mark.parametrize(
    ("settings", "is_encrypted"),
    [
        ({}, False),
        ({"riva_tls": True}, True),
        ({"riva_server_name": "riva"}, True),
        ({"riva_ca": Path("ca.pem")}, True),
        ({"riva_client_cert": Path("c"), "riva_client_key": Path("k")}, True),
    ],
)
def test_whoever_names_certificates_wants_tls(settings: dict[str, object], is_encrypted: bool) -> None:
    assert riva_settings(riva_uri=FAR, **settings).is_encrypted is is_encrypted


def test_certificates_are_read(files: Path) -> None:
    tls = options(
        riva_uri=FAR,
        riva_ca=files / "ca.pem",
        riva_client_cert=files / "client.pem",
        riva_client_key=files / "client.key",
        riva_server_name="riva",
    ).tls
    assert tls == TlsOptions(
        ca=(files / "ca.pem").read_bytes(),
        certificate=(files / "client.pem").read_bytes(),
        key=(files / "client.key").read_bytes(),
        server_name="riva",
    )


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    assert refusal(riva_uri=FAR, riva_ca=path) == (
        f"NIYOSHA_RIVA_CA is {path}, which cannot be read: No such file or directory"
    )


@pytest.mark.parametrize("content", [b"", b"no certificate", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_an_authority_that_is_none_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    assert refusal(riva_uri=FAR, riva_ca=path) == f"NIYOSHA_RIVA_CA is {path}, which holds no certificate in PEM format"


@pytest.mark.parametrize(
    ("certificate", "key", "reason"),
    [
        ("client.pem", "other.key", "the key is not the one of the certificate"),
        ("client.pem", "locked.key", "the key is encrypted; store it without a password"),
        ("client.pem", "ca.pem", "one of them holds nothing in PEM format"),
        ("client.key", "client.key", "one of them holds nothing in PEM format"),
    ],
)
def test_a_client_certificate_that_cannot_be_used_is_told(certificate: str, key: str, reason: str, files: Path) -> None:
    loaded = serialization.load_pem_private_key((files / "client.key").read_bytes(), None)
    locked = loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    (files / "locked.key").write_bytes(locked)
    cert_path, key_path = files / certificate, files / key
    assert refusal(riva_uri=FAR, riva_client_cert=cert_path, riva_client_key=key_path) == (
        f"NIYOSHA_RIVA_CLIENT_CERT is {cert_path} and NIYOSHA_RIVA_CLIENT_KEY is {key_path}: {reason}"
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"riva_api_key": "k"},
            "NIYOSHA_RIVA_API_KEY is set, but NIYOSHA_RIVA_URI is not; say where the Riva server is",
        ),
        ({"riva_tls": True}, "NIYOSHA_RIVA_TLS is set, but NIYOSHA_RIVA_URI is not; say where the Riva server is"),
        (
            {"riva_ca": Path("ca.pem")},
            "NIYOSHA_RIVA_CA is set, but NIYOSHA_RIVA_URI is not; say where the Riva server is",
        ),
        (
            {"riva_uri": FAR, "riva_tls": False, "riva_ca": Path("ca.pem")},
            "NIYOSHA_RIVA_CA is set, but NIYOSHA_RIVA_TLS turns TLS off; leave one of them out",
        ),
        (
            {"riva_uri": FAR, "riva_client_cert": Path("c")},
            "NIYOSHA_RIVA_CLIENT_CERT is set, but NIYOSHA_RIVA_CLIENT_KEY is not; a client needs both",
        ),
        (
            {"riva_uri": FAR, "riva_client_key": Path("k")},
            "NIYOSHA_RIVA_CLIENT_KEY is set, but NIYOSHA_RIVA_CLIENT_CERT is not; a client needs both",
        ),
        (
            {"riva_uri": FAR, "riva_tls": True, "riva_api_key": "k", "riva_metadata": {"Authorization": "Bearer k"}},
            "NIYOSHA_RIVA_METADATA has the key authorization, which is what NIYOSHA_RIVA_API_KEY is for; "
            "leave one of them out",
        ),
        (
            {"riva_uri": FAR, "riva_function_id": "f", "riva_metadata": {"function-id": "f"}},
            "NIYOSHA_RIVA_METADATA has the key function-id, which is what NIYOSHA_RIVA_FUNCTION_ID is for; "
            "leave one of them out",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object], sentence: str) -> None:
    assert refusal(**settings) == sentence


@pytest.mark.parametrize("secret", [{"riva_api_key": "canary"}, {"riva_metadata": {"authorization": "canary"}}])
def test_a_key_goes_nowhere_without_encryption(secret: dict[str, object]) -> None:
    assert refusal(riva_uri=f"127.0.0.1:1,{FAR}", **secret) == (
        f"the key for Riva would go to {FAR} without encryption, for everybody on the way to read; "
        "set NIYOSHA_RIVA_TLS=1"
    )


@pytest.mark.parametrize("uri", ["127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/run/riva.sock"])
def test_a_key_may_stay_on_this_machine(uri: str) -> None:
    assert options(riva_uri=uri, riva_api_key="k").metadata == (("authorization", "Bearer k"),)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"riva_api_key": "canary\n"},
            "NIYOSHA_RIVA_API_KEY: must be printable ASCII, without space or line break at its ends",
        ),
        (
            {"riva_function_id": " f"},
            "NIYOSHA_RIVA_FUNCTION_ID is ' f': must be printable ASCII, without space or line break at its ends",
        ),
        (
            {"riva_metadata": {"grpc-timeout": "canary"}},
            "NIYOSHA_RIVA_METADATA: the key 'grpc-timeout' cannot be sent; keys are letters, digits, '_', '-' and "
            "'.', do not begin with grpc- and do not end with -bin",
        ),
        (
            {"riva_metadata": {"a b": "canary"}},
            "NIYOSHA_RIVA_METADATA: the key 'a b' cannot be sent; keys are letters, digits, '_', '-' and '.', "
            "do not begin with grpc- and do not end with -bin",
        ),
        (
            {"riva_metadata": {"token": "canary\r\nx: y"}},
            "NIYOSHA_RIVA_METADATA: the value of token must be printable ASCII, without space at its ends",
        ),
        (
            {"riva_metadata": {"token": ["canary"]}},
            "NIYOSHA_RIVA_METADATA_TOKEN: Input should be a valid string",
        ),
        ({"riva_metadata": ["canary"]}, "NIYOSHA_RIVA_METADATA: Input should be a valid dictionary"),
    ],
)
def test_what_cannot_be_sent_is_refused_and_not_repeated(settings: dict[str, object], sentence: str) -> None:
    assert refusal(riva_uri=FAR, riva_tls=True, **settings) == sentence


def test_metadata_that_is_no_json_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIYOSHA_RIVA_METADATA", "{canary")
    sentence = refusal(riva_uri=FAR)
    assert "riva_metadata" in sentence
    assert "canary" not in sentence


def test_secrets_are_not_shown() -> None:
    settings = {"riva_uri": FAR, "riva_tls": True, "riva_api_key": "canary", "riva_metadata": {"token": "canary"}}
    assert "canary" not in repr(read_settings(settings)) + repr(options(**settings))


def test_the_page_names_every_setting() -> None:
    page = (DOCS / "riva.md").read_text(encoding="utf-8")
    names = {f"NIYOSHA_{name.upper()}" for name in setting_names() if name.startswith("riva_")}
    assert names == set(re.findall(r"NIYOSHA_RIVA_[A-Z_]+", page))
