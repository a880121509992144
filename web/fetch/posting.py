"""Post a small body to an address that a client gives, on the public internet only, as downloads are made."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stream.errors import ClientError, Problem
from stream.lazy_import import lazy_import
from web.fetch.download import FetchOptions, public_addresses
from web.fetch.networks import NotPublicError
from web.fetch.pinned import answer, is_about_certificates
from web.fetch.uris import UriError, host_of, parsed_uri, shown

if TYPE_CHECKING:
    import httpx
else:
    httpx = lazy_import("httpx")

POST_SECONDS = 10.0
"""For all of a post: the name, the connection, the answer."""


class PostError(Exception):
    """The other server did not take a body; `status` is what it answered, None for no answer."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


def check_target(url: str, options: FetchOptions) -> None:
    """Raise ClientError for a URL to which nothing may ever be posted; nothing is looked up."""
    try:
        parsed_uri(url, options.networks)
    except UriError as bad:
        detail = f"url {shown(url)} {bad}; give one like https://host/path"
        raise ClientError(Problem.INVALID_CONFIG, detail) from None
    except NotPublicError:
        detail = f"url {shown(url)} leads to an address that is not public; give one that anybody can reach"
        raise ClientError(Problem.FORBIDDEN, detail) from None


async def posted(url: str, body: bytes, headers: Mapping[str, str], options: FetchOptions) -> int:
    """Post a body, and return the status of the answer, 200 to 299; raises PostError. Redirects are not followed."""
    try:
        async with asyncio.timeout(POST_SECONDS):
            status = await _status(url, body, headers, options)
    except (UriError, NotPublicError):
        raise PostError("the address is not allowed any more") from None
    except (TimeoutError, httpx.TimeoutException):
        raise PostError(f"no answer within {POST_SECONDS:g} s") from None
    except (httpx.TransportError, OSError) as broken:
        if is_about_certificates(broken):
            raise PostError("no certificate that can be trusted and is valid for the name") from None
        raise PostError("no connection, or it broke, or no HTTP was spoken") from None
    if not 200 <= status < 300:
        raise PostError(f"the answer was {status}", status)
    return status


async def _status(url: str, body: bytes, headers: Mapping[str, str], options: FetchOptions) -> int:
    parsed = parsed_uri(url, options.networks)
    failure: Exception = OSError("there is no public server at its host and port")
    for address in await public_addresses(host_of(parsed), options):
        try:
            async with answer(parsed, address, POST_SECONDS, options.verify, body=body, headers=headers) as response:
                return response.status_code
        except (httpx.ConnectError, httpx.ConnectTimeout) as unreachable:
            failure = unreachable
    raise failure
