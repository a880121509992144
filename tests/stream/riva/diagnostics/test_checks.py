"""What an examination finds on the way to a server and there; gRPC says UNAVAILABLE to most of it."""

import asyncio
import contextlib
import datetime
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from stream.recognition.check_results import CheckResult, Verdict, failed, listed, noted, passed
from stream.riva import RivaOptions, TlsOptions
from stream.riva.diagnostics import handshake
from stream.riva.diagnostics.checks import check_server
from stream.riva.diagnostics.connectivity import check_connectivity
from stream.riva.diagnostics.handshake import Endpoint
from stream.riva.servers.addresses import Address
from tests.stream.riva.scripted_riva import ScriptedRiva, client_tls, listening, row, server_credentials, serving
from tests.support.processes import STUCK_SECONDS

OK, NOTE, FAULT = Verdict.OK, Verdict.NOTE, Verdict.FAULT
READY = passed("health", "the server says that it is ready")
NOW = datetime.datetime.now(datetime.UTC)
OTHER_PORT = "check the port: this one belongs to something else than a Riva server"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever answers is waited for, however busy this machine is."""
    monkeypatch.setattr(handshake, "_SECONDS", STUCK_SECONDS)


async def found(uri: str, tls: TlsOptions | None = None, **options: Any) -> list[CheckResult]:
    return [result async for result in check_server(RivaOptions(uris=(uri,), tls=tls, **options), uri, NOW.timestamp())]


async def fault(uri: str, tls: TlsOptions | None = None, **options: Any) -> CheckResult:
    results = await found(uri, tls, **options)
    assert [result.verdict for result in results[:-1]].count(FAULT) == 0
    assert results[-1].verdict is FAULT
    return results[-1]


async def test_a_server_that_is_as_it_has_to_be() -> None:
    rows = [row("en-US", name="parakeet"), row("de-DE", name="parakeet"), row("fa-IR", "offline", "whisper")]
    async with serving(ScriptedRiva(rows=rows)) as server:
        assert await found(f"localhost:{server.port}") == [
            passed("name", f"localhost is {', '.join(_written(server.port))}"),
            passed("port", f"{server.address} answers"),
            passed("TLS", "off on both sides"),
            READY,
            passed("models", "parakeet, online: en-US, de-DE; whisper, offline: fa-IR"),
        ]


async def test_a_model_is_listed_with_its_license() -> None:
    licensed = row("fa", name="shenava", license="cc-by-nc-4.0")
    async with serving(ScriptedRiva(rows=[licensed])) as server:
        results = await found(f"localhost:{server.port}")
    assert results[-1] == passed("models", "shenava, online, cc-by-nc-4.0: fa")


def _written(port: int) -> list[str]:
    return [endpoint.name for endpoint in handshake.resolve(Address(uri="", host="localhost", port=port))]


async def test_an_address_in_numbers_has_no_name_to_resolve() -> None:
    async with serving(ScriptedRiva()) as server:
        assert [result.subject for result in await found(server.address)] == ["port", "TLS", "health", "models"]


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "riva.sock"
    async with serving(ScriptedRiva(), path=str(path)):
        assert (await found(f"unix:{path}"))[0] == passed("port", f"unix:{path} answers")
    assert await fault(f"unix:{tmp_path}/nobody") == failed(
        "port",
        f"unix:{tmp_path}/nobody cannot be reached: No such file or directory",
        "check the path, whether the server runs, and whether this user may open its socket",
    )


async def test_a_name_that_nobody_knows() -> None:
    result = await fault("nowhere.invalid:50051")
    assert result.sentence.startswith("nowhere.invalid has no address: ")
    assert result.advice == "check the name in NIYOSHA_RIVA_URI and whether this machine's DNS knows it"


async def test_a_closed_port() -> None:
    assert await fault("127.0.0.1:1") == failed(
        "port",
        "127.0.0.1:1 cannot be reached: Connection refused",
        "check the port, whether the server runs and listens on that address, and the firewalls in between",
    )


async def test_one_of_several_machines_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(ScriptedRiva()) as server:
        machines = [
            Endpoint("127.0.0.1:1", socket.AF_INET, ("127.0.0.1", 1)),
            Endpoint(server.address, socket.AF_INET, ("127.0.0.1", server.port)),
        ]
        monkeypatch.setattr(handshake, "resolve", lambda _: machines)
        address = Address(uri="dns:///riva.example:50051", host="riva.example", port=50051)
        results = [
            result async for result in check_connectivity(RivaOptions(uris=(address.uri,)), address, NOW.timestamp())
        ]
    assert results == [
        passed("name", f"riva.example is 127.0.0.1:1, {server.address}"),
        passed("port", f"{server.address} answers"),
        noted(
            "port",
            "127.0.0.1:1 cannot be reached: Connection refused",
            "only the rest is used; check the port, whether the server runs and listens on that address, "
            "and the firewalls in between",
        ),
        passed("TLS", "off on both sides"),
    ]


async def test_a_machine_that_swallows_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait_in_vain(_: Endpoint) -> None:
        raise TimeoutError

    monkeypatch.setattr(handshake, "probe_connection", wait_in_vain)
    assert (await fault("127.0.0.1:1")).sentence == "127.0.0.1:1 does not answer"


@pytest.mark.parametrize("tls", [None, TlsOptions()], ids=["plain", "TLS"])
async def test_a_server_that_goes_in_the_meantime(tls: TlsOptions | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "probe_connection", lambda _: None)
    result = await fault("127.0.0.1:1", tls)
    assert (result.subject, result.sentence) == ("port", "127.0.0.1:1 is gone again: Connection refused")


# --- TLS ---


async def test_a_certificate_that_is_trusted() -> None:
    ca = trustme.CA(organization_name="Example CA")
    async with serving(ScriptedRiva(), credentials=server_credentials(ca)) as server:
        results = await found(f"localhost:{server.port}", client_tls(ca))
    certificate = _certificate_finding(results)
    assert certificate.verdict is OK
    assert certificate.sentence.startswith(
        "on, chain verified: certificate of trustme v1.2.1 for localhost, 127.0.0.1, issued by Example CA, "
    )
    assert certificate.sentence.endswith(" days left")
    assert results[-2:] == [READY, passed("models", "without a name, online: en-US")]


def _certificate_finding(results: list[CheckResult]) -> CheckResult:
    (result,) = (result for result in results if result.subject == "TLS")
    return result


async def test_a_certificate_that_ends_soon() -> None:
    ca = trustme.CA()
    async with serving_with(ca, "localhost", not_after=NOW + datetime.timedelta(days=3, hours=1)) as uri:
        certificate = _certificate_finding(await found(uri, client_tls(ca)))
    assert certificate.verdict is NOTE
    assert certificate.sentence.endswith(", 3 days left")
    assert certificate.advice == "have the server's certificate renewed soon"


@asynccontextmanager
async def serving_with(ca: trustme.CA, *names: str, **validity: Any) -> AsyncIterator[str]:
    certificate = ca.issue_cert(*names, **validity)
    pair = certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes()
    async with serving(ScriptedRiva(), credentials=grpc.ssl_server_credentials([pair])) as server:
        yield f"localhost:{server.port}"


@pytest.mark.parametrize("ca", [trustme.CA(), None], ids=["another", "public"])
async def test_a_certificate_of_an_authority_that_is_not_trusted(ca: trustme.CA | None) -> None:
    signer = trustme.CA(organization_name="Example CA")
    async with serving_with(signer, "localhost") as uri:
        result = await fault(uri, client_tls(ca) if ca else TlsOptions())
    assert result.sentence.startswith(
        "no trusted authority vouches for the certificate: certificate of trustme v1.2.1 for localhost, "
        "issued by Example CA, "
    )
    assert result.advice == "set NIYOSHA_RIVA_CA to the PEM file of the authority that signed it"


async def test_without_an_authority_those_of_grpc_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "roots.pem")
    assert b"BEGIN CERTIFICATE" in handshake._ROOTS.read_bytes()
    monkeypatch.setattr(handshake, "_ROOTS", tmp_path / "roots.pem")
    async with serving_with(ca, "localhost") as uri:
        assert _certificate_finding(await found(uri, TlsOptions())).verdict is OK


async def test_a_certificate_for_another_name() -> None:
    ca = trustme.CA()
    names = [f"riva{number}.example" for number in range(6)]
    async with serving_with(ca, *names) as uri:
        result = await fault(uri, client_tls(ca))
        right = await found(uri, client_tls(ca, server_name="riva3.example"))
    assert result.sentence.startswith(
        "the certificate is for another name: certificate of trustme v1.2.1 for riva0.example, riva1.example, "
        "riva2.example, riva3.example and 2 more, issued by "
    )
    assert result.advice == "write one of its names in NIYOSHA_RIVA_URI, or set NIYOSHA_RIVA_SERVER_NAME to one"
    assert right[-1].verdict is OK


@pytest.mark.parametrize(
    ("validity", "sentence"),
    [
        ({"not_after": NOW - datetime.timedelta(days=1)}, "the certificate has expired"),
        ({"not_before": NOW + datetime.timedelta(days=1)}, "the certificate is not valid yet"),
    ],
)
async def test_a_certificate_out_of_its_time(validity: dict[str, datetime.datetime], sentence: str) -> None:
    ca = trustme.CA()
    async with serving_with(ca, "localhost", **validity) as uri:
        result = await fault(uri, client_tls(ca))
    assert result.sentence.startswith(sentence)
    assert "clock" in result.advice


async def test_a_client_certificate_that_is_missing_wrong_or_right() -> None:
    ca, client_ca = trustme.CA(), trustme.CA()
    credentials = server_credentials(ca, client_ca=client_ca)
    async with serving(ScriptedRiva(), credentials=credentials) as server:
        uri = f"localhost:{server.port}"
        assert await fault(uri, client_tls(ca)) == failed(
            "TLS",
            "the server hung up where a client certificate could have been shown",
            "set NIYOSHA_RIVA_CLIENT_CERT and NIYOSHA_RIVA_CLIENT_KEY",
        )
        assert await fault(uri, client_tls(ca, trustme.CA().issue_cert("gateway"))) == failed(
            "TLS",
            "the server hung up after it saw the client certificate",
            "set NIYOSHA_RIVA_CLIENT_CERT to one from an authority that the server trusts",
        )
        assert (await found(uri, client_tls(ca, client_ca.issue_cert("gateway"))))[-1].verdict is OK


async def test_the_server_encrypts_and_we_do_not() -> None:
    async with serving_with(trustme.CA(), "localhost") as uri:
        assert await fault(uri) == failed("TLS", "off here, but the server encrypts", "set NIYOSHA_RIVA_TLS=1")


async def test_we_encrypt_and_the_server_does_not() -> None:
    async with serving(ScriptedRiva()) as server:
        assert await fault(server.address, TlsOptions()) == failed(
            "TLS",
            "on here, but the server does not encrypt",
            "leave NIYOSHA_RIVA_TLS and the certificates out, or turn TLS on at the server",
        )


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["HTTP/1.1", "silence"])
@pytest.mark.parametrize("tls", [None, TlsOptions()], ids=["plain", "TLS"])
async def test_something_else_is_at_the_port(
    answer: bytes, tls: TlsOptions | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not answer:
        monkeypatch.setattr(handshake, "_SECONDS", 0.05)
    async with answering(answer) as uri:
        assert await fault(uri, tls) == failed("TLS", "the port speaks neither HTTP/2 nor TLS", OTHER_PORT)


@asynccontextmanager
async def answering(answer: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that says the same whatever it is told."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await reader.read()

    async with listening(say, context) as port:
        yield f"localhost:{port}"


async def test_a_web_server_is_no_grpc_server() -> None:
    ca = trustme.CA()
    context = _web_server_context(ca)
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n", context) as uri:
        result = await fault(uri, client_tls(ca))
    assert result.sentence.startswith("what answers is encrypted, but no gRPC server")
    assert result.advice == "check the port: this one belongs to something else"


def _web_server_context(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    return context


async def test_a_server_that_wants_an_encryption_of_its_own() -> None:
    ca = trustme.CA()
    context = _web_server_context(ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES256-SHA:@SECLEVEL=0")
    async with refusing(context) as uri:
        result = await fault(uri, client_tls(ca))
    assert result.sentence.startswith("the server refuses to encrypt with this client: [SSL: SSLV3_ALERT_HANDSHAKE")
    assert result.advice == "look into the server's log: it knows why"


async def test_a_server_that_says_what_it_thinks_of_the_client_certificate() -> None:
    ca = trustme.CA()
    context = _web_server_context(ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    async with refusing(context) as uri:
        result = await fault(uri, client_tls(ca, trustme.CA().issue_cert("gateway")))
    assert result.sentence == "the server hung up after it saw the client certificate"


@asynccontextmanager
async def refusing(context: ssl.SSLContext) -> AsyncIterator[str]:
    """A server that says what is wrong with a handshake, where asyncio's own and gRPC's just hang up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(asyncio.to_thread(_refuse, listener, context))
        yield f"localhost:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        await task


def _refuse(listener: socket.socket, context: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                context.wrap_socket(connection, server_side=True).close()


# --- health and models ---


async def test_a_server_that_is_not_ready() -> None:
    async with serving(ScriptedRiva()) as server:
        await server.say(is_serving=False)
        assert await fault(server.address) == failed(
            "health",
            "the server says that it is not ready",
            "wait until it has loaded its models, and look into its log if that takes long",
        )


async def test_a_server_without_a_health_service() -> None:
    async with serving(ScriptedRiva(), has_health_service=False) as server:
        results = await found(server.address)
    assert results[-2] == passed("health", "the server tells nothing of its health, which is fine")


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "check NIYOSHA_RIVA_API_KEY"),
        (
            grpc.StatusCode.PERMISSION_DENIED,
            "check NIYOSHA_RIVA_API_KEY and whether it may use NIYOSHA_RIVA_FUNCTION_ID",
        ),
        (grpc.StatusCode.NOT_FOUND, "check NIYOSHA_RIVA_FUNCTION_ID"),
        (grpc.StatusCode.INTERNAL, "look into the server's log"),
    ],
)
async def test_a_server_that_does_not_answer_us(code: grpc.StatusCode, advice: str) -> None:
    async with serving(ScriptedRiva(config_fault=code)) as server:
        result = await fault(server.address, metadata=(("authorization", "Bearer canary"),))
    assert result == failed("health", f"the server cannot be asked: {code.name}: as the script says", advice)


async def test_a_grpc_server_of_something_else() -> None:
    async with serving(None) as server:
        result = await fault(server.address)
    assert result.sentence.startswith("the server cannot be asked: UNIMPLEMENTED: ")
    assert result.advice == "check the address: this is a gRPC server, but not one for speech recognition"


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "none"),
        ([row("fa-IR", "offline", "whisper")], "none recognizes while people talk: whisper, offline: fa-IR"),
        ([row("", "offline")], "none recognizes while people talk: without a name, offline: no language"),
    ],
)
async def test_a_server_without_a_live_model(rows: list[dict[str, str]], sentence: str) -> None:
    async with serving(ScriptedRiva(rows=rows)) as server:
        assert await fault(server.address) == failed(
            "models",
            sentence,
            "deploy a streaming model on the server, or leave NIYOSHA_RIVA_URI out to use the embedded engine",
        )


def test_long_lists_are_cut() -> None:
    assert listed(("a", "b", "c"), 2) == "a, b and 1 more"
    assert listed(("a", "b"), 2) == "a, b"
    assert listed((), 2) == ""
