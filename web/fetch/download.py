"""Download audio from a URI that a client gives, from the public internet only."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from stream.errors import ClientError, Problem, quoted
from stream.lazy_import import lazy_import
from web.fetch.networks import Address, Network, NotPublicError, check_addresses, literal_address
from web.fetch.pinned import Resolver, answer, is_about_certificates, resolved
from web.fetch.uris import UriError, host_of, parsed_uri, shown

if TYPE_CHECKING:
    import httpx
else:
    # It takes 0.1 s and memory at the start, which only downloads need.
    httpx = lazy_import("httpx")

CHUNK_BYTES = 1 << 16
_UNREACHABLE = "cannot be reached: there is no public server at its host and port; check the name"
# How long a download may wait for bytes before its least rate counts.
_GRACE_SECONDS = 60.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchOptions:
    """Limits of a download."""

    networks: tuple[Network, ...]
    """Networks that are allowed although they are not public, such as an operator's own storage."""
    most_bytes: int
    seconds: float
    """For all of it: names, redirects, and what the reader does between two chunks."""
    deadline: float | None = None
    """When it has to end on the event loop's clock, instead of `seconds` from its start: all tries share one limit."""
    idle_seconds: float = 30.0
    """The longest time without a byte."""
    least_bytes_per_second: int = 4096
    """The least rate, once the download has waited for bytes for a minute."""
    unreachable_seconds: float = 5.0
    """The time to resolve a name, and the time after which every unreachable host is reported."""
    most_redirects: int = 5
    verify: ssl.SSLContext | None = None
    """The certificate authorities to trust; by default those that browsers trust."""
    resolve: Resolver = resolved


class FetchError(Exception):
    """A download that failed, with the error for the client; a later try may succeed if it `is_passing`."""

    def __init__(self, error: ClientError, *, is_passing: bool = False) -> None:
        super().__init__(error.detail)
        self.error = error
        self.is_passing = is_passing


@dataclass(frozen=True, slots=True)
class Download:
    """A body that has begun to arrive; `total_bytes` is None if the other server does not declare it."""

    total_bytes: int | None
    media_type: str
    _chunks: AsyncGenerator[bytes, None]

    def chunks(self) -> AsyncIterator[bytes]:
        """Read the body once, in pieces of at most 64 KiB; raises FetchError."""
        return self._chunks


def check_uri(uri: str, options: FetchOptions) -> None:
    """Raise ClientError for a URI that can never be downloaded; nothing is looked up."""
    with _naming(uri):
        parsed_uri(uri, options.networks)


@asynccontextmanager
async def fetched(uri: str, options: FetchOptions) -> AsyncIterator[Download]:
    """Download while the context lasts; raises FetchError, also while the chunks are read."""
    now = asyncio.get_running_loop().time()
    fetch = _Fetch(uri, options, now + options.seconds if options.deadline is None else options.deadline)
    async with AsyncExitStack() as stack:
        with fetch.translating_errors():
            async with asyncio.timeout_at(min(fetch.deadline, asyncio.get_running_loop().time() + _GRACE_SECONDS)):
                response = await fetch.followed(stack)
            total_bytes = fetch.checked_bytes(response)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        chunks = await stack.enter_async_context(aclosing(fetch.chunks(response)))
        yield Download(total_bytes, media_type, chunks)


@dataclass(frozen=True, slots=True)
class _Fetch:
    """One download; `deadline` is a time on the event loop's clock."""

    uri: str
    options: FetchOptions
    deadline: float

    async def followed(self, stack: AsyncExitStack) -> "httpx.Response":
        """Return the first answer that is not a redirect; `stack` closes its connection."""
        url = parsed_uri(self.uri, self.options.networks)
        for _ in range(self.options.most_redirects + 1):
            async with AsyncExitStack() as hop:
                response = await self._reached(url, hop)
                if response.status_code not in _REDIRECTS or "location" not in response.headers:
                    await stack.enter_async_context(hop.pop_all())
                    return response
                url = self._redirected(url, response.headers["location"])
        raise self._refused(f"redirects more than {self.options.most_redirects} times")

    def checked_bytes(self, response: "httpx.Response") -> int | None:
        """Return the length of the body, None if it is not known; raises FetchError for an answer without the file."""
        status = response.status_code
        if status != HTTPStatus.OK:
            refused = self._refused(f"answers {status}; it has to answer 200 and send the audio")
            raise FetchError(refused, is_passing=status >= 500 or status == HTTPStatus.TOO_MANY_REQUESTS)
        encoding = response.headers.get("content-encoding", "identity")
        # A few compressed bytes could expand to any number.
        if encoding.strip().lower() != "identity":
            raise self._refused(f"sends Content-Encoding {quoted(encoding)}; it has to send the file as it is")
        # A chunked body need not have the declared length (RFC 9112, 6.3).
        if "transfer-encoding" in response.headers or "content-length" not in response.headers:
            return None
        total_bytes = int(response.headers["content-length"])
        self._check_size(total_bytes)
        return total_bytes

    async def chunks(self, response: "httpx.Response") -> AsyncGenerator[bytes, None]:
        pieces = response.aiter_raw(CHUNK_BYTES)
        read_bytes, waited_seconds = 0, 0.0
        loop = asyncio.get_running_loop()
        while True:
            # No timeout lasts across a yield: it would interrupt the reader in whatever it is doing.
            with self.translating_errors():
                began = loop.time()
                wait_seconds = _GRACE_SECONDS + read_bytes / self.options.least_bytes_per_second - waited_seconds
                async with asyncio.timeout_at(min(self.deadline, began + wait_seconds)):
                    piece = await anext(pieces, b"")
                waited_seconds += loop.time() - began
                read_bytes += len(piece)
                self._check_size(read_bytes)
            if not piece:
                return
            yield piece

    @contextmanager
    def translating_errors(self) -> Iterator[None]:
        """Turn every failure into a FetchError."""
        try:
            with _naming(self.uri):
                yield
        except ClientError as refused:
            raise FetchError(refused) from None
        except (TimeoutError, httpx.TimeoutException) as late:
            limits = f"{self.options.seconds:g} s in all and {self.options.idle_seconds:g} s without a byte"
            least = f"and not less than {self.options.least_bytes_per_second} bytes a second"
            refusal = self._refused(f"takes too long; at most {limits} are allowed, {least}")
            raise FetchError(refusal, is_passing=isinstance(late, httpx.TimeoutException)) from late
        # httpx does not translate all errors of TLS.
        except (httpx.TransportError, OSError) as broken:
            if is_about_certificates(broken):
                refusal = self._refused("shows no certificate that can be trusted and is valid for its name")
                raise FetchError(refusal) from broken
            refusal = self._refused("cannot be read: there is no connection, or it breaks, or it does not speak HTTP")
            raise FetchError(refusal, is_passing=True) from broken

    async def _reached(self, url: "httpx.URL", stack: AsyncExitStack) -> "httpx.Response":
        """Connect and send the request; every unreachable host is reported alike, and after the same time.

        Otherwise a client could find out which names and addresses exist in the internal network.
        """
        loop = asyncio.get_running_loop()
        report_at = loop.time() + self.options.unreachable_seconds
        for address in await public_addresses(host_of(url), self.options):
            try:
                return await stack.enter_async_context(
                    answer(url, address, self.options.idle_seconds, self.options.verify)
                )
            except (httpx.ConnectError, httpx.ConnectTimeout) as unreachable:
                if is_about_certificates(unreachable):
                    raise
        await asyncio.sleep(report_at - loop.time())
        raise FetchError(self._refused(_UNREACHABLE), is_passing=True)

    def _redirected(self, url: "httpx.URL", location: str) -> "httpx.URL":
        try:
            target = str(url.join(location))
        except (httpx.InvalidURL, ValueError):
            raise self._refused(f"redirects to {shown(location)}, which is not a URI") from None
        try:
            following = parsed_uri(target, self.options.networks)
        except UriError as bad:
            raise self._refused(f"redirects to {shown(target)}, which {bad}") from None
        if url.scheme == "https" and following.scheme == "http":
            raise self._refused(f"redirects to {shown(target)}; https has to stay https")
        return following

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self.options.most_bytes:
            raise ClientError(
                Problem.TOO_LARGE,
                f"audio.uri {shown(self.uri)} is too large; at most {self.options.most_bytes} bytes are allowed",
            )

    def _refused(self, sentence: str) -> ClientError:
        return ClientError(Problem.INVALID_AUDIO, f"audio.uri {shown(self.uri)} {sentence}")


async def public_addresses(host: str, options: FetchOptions) -> Sequence[Address]:
    """Resolve a host; none if one of its addresses is not public, or the time is over.

    Connect to these addresses only: a second lookup of the name may return others.
    """
    literal = literal_address(host)
    if literal is not None:
        return [literal]
    try:
        async with asyncio.timeout(options.unreachable_seconds):
            addresses = await options.resolve(host)
        check_addresses(addresses, options.networks)
    except (OSError, TimeoutError, NotPublicError):
        return []
    return addresses


@contextmanager
def _naming(uri: str) -> Iterator[None]:
    """Turn an error about a URI into one for the client."""
    try:
        yield
    except UriError as bad:
        detail = f"audio.uri {shown(uri)} {bad}; give one like https://host/file.wav"
        raise ClientError(Problem.INVALID_CONFIG, detail) from None
    except NotPublicError:
        detail = f"audio.uri {shown(uri)} leads to an address that is not public; give one that anybody can reach"
        raise ClientError(Problem.FORBIDDEN, detail) from None
