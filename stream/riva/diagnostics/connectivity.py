"""Owns the examination of the way to a server: its name, its port and its TLS."""

import asyncio

from stream.riva.diagnostics import handshake
from stream.riva.diagnostics.handshake import Certificate, Peer, Place, TlsFault, TlsLook
from stream.riva.diagnostics.report import Finding, Findings, Verdict, listed
from stream.riva.options import RivaOptions, TlsOptions
from stream.riva.servers.addresses import Address

_MOST_NAMES = 4
_FEW_DAYS = 14

_NAME_ADVICE = "check the name in NIYOSHA_RIVA_URI and whether this machine's DNS knows it"
_PORT_ADVICE = "check the port, whether the server runs and listens on that address, and the firewalls in between"
_SOCKET_ADVICE = "check the path, whether the server runs, and whether this user may open its socket"


async def examine_way(options: RivaOptions, address: Address, now: float) -> Findings:
    """Examine the way to a server at `now`, in seconds since 1970; the first fault is the last finding."""
    try:
        places = await asyncio.to_thread(handshake.places, address)
    except OSError as error:
        yield Finding("name", Verdict.FAULT, f"{address.host} has no address: {error.strerror}", _NAME_ADVICE)
        return
    if places[0].name != address.uri:
        yield Finding("name", Verdict.OK, f"{address.host} is {', '.join(place.name for place in places)}")
    outcomes = await asyncio.gather(*(asyncio.to_thread(_problem, place) for place in places))
    problems = [problem for problem in outcomes if problem]
    answering = [place for place, problem in zip(places, outcomes, strict=True) if not problem]
    if not answering:
        advice = _SOCKET_ADVICE if address.path else _PORT_ADVICE
        yield Finding("port", Verdict.FAULT, "; ".join(problems), advice)
        return
    yield Finding("port", Verdict.OK, f"{', '.join(place.name for place in answering)} answers")
    if problems and not address.is_local:
        yield Finding("port", Verdict.NOTE, "; ".join(problems), f"only the rest is used; {_PORT_ADVICE}")
    yield await asyncio.to_thread(_encryption, options, address, answering[0], now)


def _problem(place: Place) -> str:
    """Why a place does not answer; empty if it does."""
    try:
        handshake.reach(place)
    except TimeoutError:
        return f"{place.name} does not answer"
    except OSError as error:
        return f"{place.name} cannot be reached: {error.strerror}"
    return ""


_SOMETHING_ELSE = Finding(
    "TLS",
    Verdict.FAULT,
    "the port speaks neither HTTP/2 nor TLS",
    "check the port: this one belongs to something else than a Riva server",
)
# What is the matter, and what to do.
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


def _encryption(options: RivaOptions, address: Address, place: Place, now: float) -> Finding:
    try:
        return _plain(handshake.look_plain(place)) if options.tls is None else _tls(options.tls, address, place, now)
    except OSError as error:
        return Finding("port", Verdict.FAULT, f"{place.name} is gone again: {error.strerror or error}", _PORT_ADVICE)


def _tls(tls: TlsOptions, address: Address, place: Place, now: float) -> Finding:
    look = handshake.look_tls(place, tls, address.host or "localhost")
    if look.fault is None:
        return _encrypted(look.certificate, now)
    if look.fault is TlsFault.PLAINTEXT:
        return _no_tls(handshake.look_plain(place))
    if look.fault is TlsFault.WANTS_CLIENT_CERTIFICATE:
        return _client_certificate(is_shown=tls.certificate is not None)
    return _tls_fault(look.fault, look, now)


def _plain(peer: Peer) -> Finding:
    if peer is Peer.HTTP2:
        return Finding("TLS", Verdict.OK, "off on both sides")
    if peer is Peer.TLS:
        return Finding("TLS", Verdict.FAULT, "off here, but the server encrypts", "set NIYOSHA_RIVA_TLS=1")
    return _SOMETHING_ELSE


def _no_tls(peer: Peer) -> Finding:
    if peer is Peer.HTTP2:
        advice = "leave NIYOSHA_RIVA_TLS and the certificates out, or turn TLS on at the server"
        return Finding("TLS", Verdict.FAULT, "on here, but the server does not encrypt", advice)
    return _SOMETHING_ELSE


def _client_certificate(*, is_shown: bool) -> Finding:
    if is_shown:
        sentence = "the server hung up after it saw the client certificate"
        advice = "set NIYOSHA_RIVA_CLIENT_CERT to one from an authority that the server trusts"
    else:
        sentence = "the server hung up where a client certificate could have been shown"
        advice = "set NIYOSHA_RIVA_CLIENT_CERT and NIYOSHA_RIVA_CLIENT_KEY"
    return Finding("TLS", Verdict.FAULT, sentence, advice)


def _encrypted(certificate: Certificate | None, now: float) -> Finding:
    sentence = "on, chain verified" + _described(certificate, now)
    if certificate is not None and certificate.days_left(now) < _FEW_DAYS:
        return Finding("TLS", Verdict.NOTE, sentence, "have the server's certificate renewed soon")
    return Finding("TLS", Verdict.OK, sentence)


def _tls_fault(fault: TlsFault, look: TlsLook, now: float) -> Finding:
    sentence, advice = _TLS_FAULTS[fault]
    detail = f": {look.detail}" if fault is TlsFault.FAILED else _described(look.certificate, now)
    return Finding("TLS", Verdict.FAULT, sentence + detail, advice)


def _described(certificate: Certificate | None, now: float) -> str:
    if certificate is None:
        return ""
    names = listed(certificate.names, _MOST_NAMES) or "no host"
    return (
        f": certificate of {certificate.subject} for {names}, issued by {certificate.issuer}, "
        f"{certificate.days_left(now)} days left"
    )
