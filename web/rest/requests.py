"""Owns the reading of request bodies: JSON, multipart, bytes; each bounded, each refused with a sentence."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from stream.commands import strict_json
from stream.errors import ClientError, Problem, quoted

JSON_TYPE = "application/json"
MULTIPART_TYPE = "multipart/form-data"
# Values of a form are short; files are counted as part of the whole.
_MOST_PART_BYTES = 1 << 20
_MOST_PARTS = 8
# What a client that sends too much may go on sending before it is cut off.
_DROP_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Form:
    """A form: its texts and its files by their names, each given once."""

    texts: dict[str, str]
    files: dict[str, UploadFile]


def media_type(request: Request) -> str:
    """The media type of the body without its parameters, "" where none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_media_type(request: Request, *allowed: str) -> None:
    """Raise ClientError unless the body has one of the media types."""
    given = media_type(request)
    if given not in allowed:
        shown = quoted(given) if given else "missing"
        raise ClientError(Problem.UNSUPPORTED_MEDIA, f"Content-Type is {shown}; it must be {' or '.join(allowed)}")


async def read_object(request: Request, most_bytes: int) -> dict[str, object]:
    """Read a JSON object; raises ClientError for any other body, and for a larger one."""
    check_media_type(request, JSON_TYPE)
    return parse_object(await _read(request, most_bytes))


def parse_object(text: bytes | str, what: str = "the body") -> dict[str, object]:
    """Parse a JSON object strictly: no key twice, no NaN, UTF-8; raises ClientError (`invalid_message`)."""
    try:
        value = strict_json(text)
        _check_text(text, value)
    except (ValueError, RecursionError):
        raise ClientError(Problem.INVALID_MESSAGE, f"{what} is not valid JSON") from None
    if not isinstance(value, dict):
        raise ClientError(Problem.INVALID_MESSAGE, f"{what} is no JSON object")
    return value


def check_keys(values: dict[str, object], *allowed: str) -> None:
    """Raise ClientError for a key that is not one of these."""
    for name in values:
        if name not in allowed:
            raise ClientError(
                Problem.INVALID_CONFIG, f"{quoted(name)} is not a key here; known are {', '.join(allowed)}"
            )


@asynccontextmanager
async def read_form(request: Request, most_bytes: int) -> AsyncIterator[Form]:
    """Read a multipart form; files above 1 MB lie on disk while the context lasts."""
    check_media_type(request, MULTIPART_TYPE)
    parser = MultiPartParser(
        request.headers,
        chunks(request, most_bytes),
        max_files=_MOST_PARTS,
        max_fields=_MOST_PARTS,
        max_part_size=_MOST_PART_BYTES,
    )
    try:
        data = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        detail = error.message if isinstance(error, MultiPartException) else "it cannot be read"
        raise ClientError(Problem.INVALID_MESSAGE, f"the body is no valid {MULTIPART_TYPE}: {detail}") from None
    try:
        yield _form(data)
    finally:
        await data.close()


async def chunks(request: Request, most_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the body as they arrive; raises ClientError above `most_bytes`."""
    stream = request.stream()
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most_bytes:
        await _refuse_size(stream, most_bytes)
    received_bytes = 0
    async for chunk in stream:
        received_bytes += len(chunk)
        if received_bytes > most_bytes:
            await _refuse_size(stream, most_bytes)
        yield chunk


def _form(data: FormData) -> Form:
    names = [name for name, _ in data.multi_items()]
    for name in names:
        if names.count(name) > 1:
            raise ClientError(Problem.INVALID_MESSAGE, f"the form has {quoted(name)} twice")
    texts = {name: value for name, value in data.multi_items() if isinstance(value, str)}
    return Form(texts, {name: value for name, value in data.multi_items() if isinstance(value, UploadFile)})


async def _read(request: Request, most_bytes: int) -> bytes:
    return b"".join([chunk async for chunk in chunks(request, most_bytes)])


async def _refuse_size(rest: AsyncIterator[bytes], most_bytes: int) -> NoReturn:
    # Many clients look at no answer before they have sent everything, and lose it when the connection is closed.
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_DROP_SECONDS):
            async for _ in rest:
                pass
    raise ClientError(Problem.TOO_LARGE, f"the body is too large; at most {most_bytes} bytes are taken")


def _check_text(text: bytes | str, value: object) -> None:
    """Raise ValueError for half a surrogate pair, which JSON can escape and no UTF-8 can hold."""
    if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # type: ignore[operator]
        json.dumps(value, ensure_ascii=False).encode()
