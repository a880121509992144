"""Check the connectivity to a server: its name, port and TLS."""

import asyncio

from stream.recognition.check_results import CheckResult, CheckResults, failed, listed, noted, passed
from stream.riva.diagnostics import handshake
from stream.riva.diagnostics.handshake import Certificate, Endpoint, Peer, TlsFault, TlsProbe
from stream.riva.options import RivaOptions, TlsOptions
from stream.riva.servers.addresses import Address

_MOST_NAMES = 4
_FEW_DAYS = 14

_NAME_ADVICE = "check the name in NIYOSHA_RIVA_URI and whether this machine's DNS knows it"
_PORT_ADVICE = "check the port, whether the server runs and listens on that address, and the firewalls in between"
_SOCKET_ADVICE = "check the path, whether the server runs, and whether this user may open its socket"


async def check_connectivity(options: RivaOptions, address: Address, now: float) -> CheckResults:
    """Check the connectivity at `now`, in seconds since 1970; nothing is yielded after the first fault."""
    try:
        resolve = await asyncio.to_thread(handshake.resolve, address)
    except OSError as error:
        yield failed("name", f"{address.host} has no address: {error.strerror}", _NAME_ADVICE)
        return
    if resolve[0].name != address.uri:
        yield passed("name", f"{address.host} is {', '.join(endpoint.name for endpoint in resolve)}")
    outcomes = await asyncio.gather(*(asyncio.to_thread(_problem, endpoint) for endpoint in resolve))
    problems = [problem for problem in outcomes if problem]
    answering = [endpoint for endpoint, problem in zip(resolve, outcomes, strict=True) if not problem]
    if not answering:
        advice = _SOCKET_ADVICE if address.path else _PORT_ADVICE
        yield failed("port", "; ".join(problems), advice)
        return
    yield passed("port", f"{', '.join(endpoint.name for endpoint in answering)} answers")
    if problems and not address.is_local:
        yield noted("port", "; ".join(problems), f"only the rest is used; {_PORT_ADVICE}")
    yield await asyncio.to_thread(_encryption, options, address, answering[0], now)


def _problem(endpoint: Endpoint) -> str:
    """Say why an endpoint does not answer; "" if it does."""
    try:
        handshake.probe_connection(endpoint)
    except TimeoutError:
        return f"{endpoint.name} does not answer"
    except OSError as error:
        return f"{endpoint.name} cannot be reached: {error.strerror}"
    return ""


_SOMETHING_ELSE = failed(
    "TLS",
    "the port speaks neither HTTP/2 nor TLS",
    "check the port: this one belongs to something else than a Riva server",
)
# The sentence and the advice for each fault.
_TLS_FAULTS = {
    TlsFault.UNTRUSTED: (
        "no trusted authority vouches for the certificate",
        "set NIYOSHA_RIVA_CA to the PEM file of the authority that signed it",
    ),
    TlsFault.OTHER_NAME: (
        "the certificate is for another name",
        "write one of its names in NIYOSHA_RIVA_URI, or set NIYOSHA_RIVA_SERVER_NAME to one",
    ),
    TlsFault.NOT_YET_VALID: (
        "the certificate is not valid yet",
        "set this machine's clock, or have the certificate made again",
    ),
    TlsFault.EXPIRED: (
        "the certificate has expired",
        "have the server's certificate renewed, or set this machine's clock",
    ),
    TlsFault.NO_HTTP2: (
        "what answers is encrypted, but no gRPC server",
        "check the port: this one belongs to something else",
    ),
    TlsFault.FAILED: (
        "the server refuses to encrypt with this client",
        "look into the server's log: it knows why",
    ),
}


def _encryption(options: RivaOptions, address: Address, endpoint: Endpoint, now: float) -> CheckResult:
    try:
        return (
            _plain(handshake.probe_plain(endpoint))
            if options.tls is None
            else _tls(options.tls, address, endpoint, now)
        )
    except OSError as error:
        return failed("port", f"{endpoint.name} is gone again: {error.strerror or error}", _PORT_ADVICE)


def _tls(tls: TlsOptions, address: Address, endpoint: Endpoint, now: float) -> CheckResult:
    probe = handshake.probe_tls(endpoint, tls, address.host or "localhost")
    if probe.fault is None:
        return _encrypted(probe.certificate, now)
    if probe.fault is TlsFault.PLAINTEXT:
        return _no_tls(handshake.probe_plain(endpoint))
    if probe.fault is TlsFault.WANTS_CLIENT_CERTIFICATE:
        return _client_certificate(is_shown=tls.certificate is not None)
    return _tls_fault(probe.fault, probe, now)


def _plain(peer: Peer) -> CheckResult:
    if peer is Peer.HTTP2:
        return passed("TLS", "off on both sides")
    if peer is Peer.TLS:
        return failed("TLS", "off here, but the server encrypts", "set NIYOSHA_RIVA_TLS=1")
    return _SOMETHING_ELSE


def _no_tls(peer: Peer) -> CheckResult:
    if peer is Peer.HTTP2:
        advice = "leave NIYOSHA_RIVA_TLS and the certificates out, or turn TLS on at the server"
        return failed("TLS", "on here, but the server does not encrypt", advice)
    return _SOMETHING_ELSE


def _client_certificate(*, is_shown: bool) -> CheckResult:
    if is_shown:
        sentence = "the server hung up after it saw the client certificate"
        advice = "set NIYOSHA_RIVA_CLIENT_CERT to one from an authority that the server trusts"
    else:
        sentence = "the server hung up where a client certificate could have been shown"
        advice = "set NIYOSHA_RIVA_CLIENT_CERT and NIYOSHA_RIVA_CLIENT_KEY"
    return failed("TLS", sentence, advice)


def _encrypted(certificate: Certificate | None, now: float) -> CheckResult:
    sentence = "on, chain verified" + _described(certificate, now)
    if certificate is not None and certificate.days_left(now) < _FEW_DAYS:
        return noted("TLS", sentence, "have the server's certificate renewed soon")
    return passed("TLS", sentence)


def _tls_fault(fault: TlsFault, probe: TlsProbe, now: float) -> CheckResult:
    sentence, advice = _TLS_FAULTS[fault]
    detail = f": {probe.detail}" if fault is TlsFault.FAILED else _described(probe.certificate, now)
    return failed("TLS", sentence + detail, advice)


def _described(certificate: Certificate | None, now: float) -> str:
    if certificate is None:
        return ""
    names = listed(certificate.names, _MOST_NAMES) or "no host"
    return (
        f": certificate of {certificate.subject} for {names}, issued by {certificate.issuer}, "
        f"{certificate.days_left(now)} days left"
    )
