"""Send one HTTP request to an address that was resolved and checked before."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache, partial
from ipaddress import ip_address
from types import MappingProxyType
from typing import TYPE_CHECKING

from stream.lazy_import import lazy_import
from web.fetch.networks import Address, literal_address
from web.fetch.uris import host_of

if TYPE_CHECKING:
    import httpx
else:
    # It takes 0.1 s and memory at the start, which only downloads need.
    httpx = lazy_import("httpx")

# So that one dead address does not use up the time for the others.
_CONNECT_SECONDS = 5.0
_RESOLVING_THREADS = 8

Resolver = Callable[[str], Awaitable[Sequence[Address]]]


async def resolved(host: str) -> Sequence[Address]:
    """Return all addresses of a name, in the system's order of preference; raises OSError."""
    look_up = partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_resolving(), look_up)
    return [ip_address(place[0]) for *_, place in found]


@asynccontextmanager
async def answer(
    url: "httpx.URL",
    address: Address,
    idle_seconds: float,
    verify: ssl.SSLContext | None,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator["httpx.Response"]:
    """Request `url` from `address`, on a new connection: a pooled one was verified for another name.

    With a `body` it is posted. `headers` are sent besides.

    Not with httpx.AsyncClient, which adds cookies, proxies and .netrc, and logs whole URIs.
    """
    literal = literal_address(host_of(url))
    request = httpx.Request(
        "GET" if body is None else "POST",
        url.copy_with(host=str(address)),
        headers={
            "Host": url.netloc.decode(),
            "User-Agent": "niyosha",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **headers,
        },
        content=body,
        extensions={
            "sni_hostname": host_of(url).removesuffix(".") if literal is None else str(literal),
            "timeout": httpx.Timeout(idle_seconds, connect=min(_CONNECT_SECONDS, idle_seconds)).as_dict(),
        },
    )
    if verify is None:
        verify = await asyncio.to_thread(_authorities)
    async with httpx.AsyncHTTPTransport(verify=verify, trust_env=False) as transport:
        yield await transport.handle_async_request(request)


def is_about_certificates(error: Exception) -> bool:
    """Return whether a failure is about a certificate that could not be verified."""
    # The ssl error is an argument of httpcore's error, which is the cause of httpx's.
    cause = error.__cause__
    return cause is not None and any(isinstance(inner, ssl.SSLCertVerificationError) for inner in cause.args)


@cache
def _resolving() -> ThreadPoolExecutor:
    # A pool of its own: slow name servers must not use up the threads in which audio is decoded.
    return ThreadPoolExecutor(_RESOLVING_THREADS, "resolver")


@cache
def _authorities() -> ssl.SSLContext:
    # Reading them takes 20 ms and more, for which the event loop has no time.
    return httpx.create_ssl_context(trust_env=False)
