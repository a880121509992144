"""Read request bodies within bounds: JSON, multipart forms, bytes."""

import asyncio
import codecs
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import NoReturn

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from stream.errors import ClientError, Problem, quoted
from stream.protocols.farsava.commands import strict_json
from stream.runtime.fairness import FairShare
from web.auth.origins import is_cross_origin
from web.memory.budget import BodyBudgets, Hold, hold_nothing
from web.rest.request.json_text import STEP_BYTES, JsonText
from web.routes.operations import JSON_TYPE

MULTIPART_TYPE = "multipart/form-data"
# The refusals of a body that is held in memory.
HELD_PROBLEMS = (Problem.RATE_LIMITED, Problem.OVERLOADED, Problem.IDLE_TIMEOUT)
# How long to drain a body that is too large before the connection is closed.
_DROP_SECONDS = 3.0
# A body that is held in memory must arrive at this average rate after a grace time.
_GRACE_SECONDS = 60.0
_LEAST_BYTES_A_SECOND = 16 << 10
SPOOLED_BYTES = 1 << 16
"""Larger files are on disk."""
_JSON_SPACE = b" \t\r\n"
_MOST_HEAD_BYTES = 4096
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE_BYTES = re.compile(_SURROGATE.pattern.encode())


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


class _FormParser(MultiPartParser):
    """The library's parser, which keeps less of a file in memory."""

    spool_max_size = SPOOLED_BYTES

    def close(self) -> None:
        """Close every file, also one whose part has no end, which is not in the form."""
        for file in self._files_to_close_on_error:
            file.close()


class Body:
    """The body of a request, whose first bytes can be read before its kind is known."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._arriving = request.stream()
        self._head = b""

    async def is_json(self, most_bytes: int) -> bool:
        """Whether it is a JSON object: by its media type, or where that is another one, by how it begins.

        Programs that name no type send what their library does, a form's or a text's. From the page of another origin
        the type holds: browsers send a preflight for JSON, but not for these types.
        Raises ClientError for a declared length above `most_bytes`.
        """
        if media_type(self.request) == JSON_TYPE:
            return True
        if is_cross_origin(self.request):
            return False
        await self._check_declared(most_bytes)
        async for piece in self._arriving:
            self._head += piece
            # No client starts with so much white space.
            if self._begun() or len(self._head) > _MOST_HEAD_BYTES:
                break
        return self._begun()[:1] == b"{"

    async def pieces(self, most_bytes: int, hold: Hold | None = None) -> AsyncGenerator[bytes, None]:
        """Yield the bytes as they arrive; raises ClientError above `most_bytes`.

        With a `hold` they are kept: it is called with their number first, and they may not arrive too slowly.
        """
        await self._check_declared(most_bytes)
        declared = self.request.headers.get("content-length", "")
        received_bytes = len(self._head)
        if hold is not None:
            hold(int(declared) if declared.isdigit() else received_bytes)
        if self._head:
            yield self._head
        began = asyncio.get_running_loop().time()
        while True:
            deadline = None if hold is None else began + _GRACE_SECONDS + received_bytes / _LEAST_BYTES_A_SECOND
            piece = await self._next_piece(deadline)
            if piece is None:
                return
            received_bytes += len(piece)
            if received_bytes > most_bytes:
                await self._refuse_size(most_bytes)
            if hold is not None:
                hold(received_bytes)
            yield piece

    async def _next_piece(self, deadline: float | None) -> bytes | None:
        try:
            async with asyncio.timeout_at(deadline):
                return await anext(self._arriving, None)
        except TimeoutError:
            detail = f"the body came too slowly; less than {_LEAST_BYTES_A_SECOND} bytes a second are not waited for"
            raise ClientError(Problem.IDLE_TIMEOUT, detail) from None

    def _begun(self) -> bytes:
        """The head without the byte order mark that .NET writes, and without white space."""
        return self._head.removeprefix(codecs.BOM_UTF8).lstrip(_JSON_SPACE)

    async def _check_declared(self, most_bytes: int) -> None:
        declared = self.request.headers.get("content-length", "")
        if len(self._head) > most_bytes or (declared.isdigit() and int(declared) > most_bytes):
            await self._refuse_size(most_bytes)

    async def _refuse_size(self, most_bytes: int) -> NoReturn:
        # Many clients read no answer before they have sent everything, and lose it when the connection is closed.
        with suppress(TimeoutError, ClientDisconnect):
            async with asyncio.timeout(_DROP_SECONDS):
                async for _ in self._arriving:
                    pass
        raise too_large(most_bytes)


async def read_object(
    request: Request, fair_share: FairShare, most_bytes: int, hold: Hold = hold_nothing
) -> dict[str, object]:
    """Read a JSON object, whatever its media type; raises ClientError for any other body."""
    body = Body(request)
    if not await body.is_json(most_bytes):
        check_media_type(request, JSON_TYPE)
    return await parsed_body(body, fair_share, most_bytes, hold)


async def parsed_body(
    body: Body, fair_share: FairShare, most_bytes: int, hold: Hold, text: JsonText | None = None
) -> dict[str, object]:
    """Read a body that is a JSON object; raises ClientError for any other, and for a larger one.

    `text` takes what arrives, and a long text in it to a place of its own.
    """
    text = text or JsonText()
    try:
        async for piece in body.pieces(most_bytes, hold):
            for start in range(0, len(piece), STEP_BYTES):
                if text.push(piece[start : start + STEP_BYTES]):
                    async with fair_share.turn():
                        pass
                elif start:
                    await asyncio.sleep(0)
    except ValueError:
        raise invalid_json("the body") from None
    # Some clients send a whole buffer that the text does not fill.
    return parse_object(text.end().rstrip(b"\0"), is_counted=True)


def parse_object(text: bytes | str, what: str = "the body", *, is_counted: bool = False) -> dict[str, object]:
    """Parse a JSON object strictly: no key twice, no NaN, UTF-8; raises ClientError (`invalid_message`).

    What would take long is refused, unless its values are counted already.
    """
    try:
        value = strict_json(text, is_counted=is_counted)
        _check_text(text, value)
    except (ValueError, RecursionError):
        raise invalid_json(what) from None
    if not isinstance(value, dict):
        raise ClientError(Problem.INVALID_MESSAGE, f"{what} is no JSON object")
    return value


def too_large(most_bytes: int) -> ClientError:
    """Return the error for a body that is too large."""
    return ClientError(Problem.TOO_LARGE, f"the body is too large; at most {most_bytes} bytes are taken")


def invalid_json(what: str) -> ClientError:
    """Return the error for a text that is not JSON."""
    return ClientError(Problem.INVALID_MESSAGE, f"{what} is not valid JSON")


def check_keys(values: dict[str, object], *allowed: str) -> None:
    """Raise ClientError for a key that is not one of these."""
    for name in values:
        if name not in allowed:
            raise ClientError(
                Problem.INVALID_CONFIG, f"{quoted(name)} is not a key here; known are {', '.join(allowed)}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLimits:
    """How many files and how many texts a form may have, and the bytes of a text; files count towards the body."""

    most_parts: int = 4
    most_text_bytes: int = 1 << 20


@asynccontextmanager
async def read_form(body: Body, most_bytes: int, stores: BodyBudgets, owner: str) -> AsyncIterator[Form]:
    """Read a multipart form, each part given once; its files lie on disk while the context lasts."""
    async with read_parts(body, most_bytes, stores, owner, PartLimits()) as parts:
        yield _form(parts)


@asynccontextmanager
async def read_parts(
    body: Body, most_bytes: int, stores: BodyBudgets, owner: str, limits: PartLimits
) -> AsyncIterator[FormData]:
    """Read a multipart form whose parts may have the same names; its files lie on disk while the context lasts."""
    check_media_type(body.request, MULTIPART_TYPE)
    with stores.memory.open(owner) as memory, stores.disk.open(owner) as disk:

        def hold(total_bytes: int) -> None:
            memory.require(min(total_bytes, limits.most_parts * (limits.most_text_bytes + SPOOLED_BYTES)))
            disk.require(total_bytes)

        async with _parsed_form(body.request, body.pieces(most_bytes, hold), limits) as parts:
            yield parts


@asynccontextmanager
async def _parsed_form(
    request: Request, pieces: AsyncGenerator[bytes, None], limits: PartLimits
) -> AsyncIterator[FormData]:
    parser = _FormParser(
        request.headers,
        pieces,
        max_files=limits.most_parts,
        max_fields=limits.most_parts,
        max_part_size=limits.most_text_bytes,
    )
    try:
        data = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        detail = error.message if isinstance(error, MultiPartException) else "it cannot be read"
        raise ClientError(Problem.INVALID_MESSAGE, f"the body is no valid {MULTIPART_TYPE}: {detail}") from None
    try:
        yield data
    finally:
        await data.close()
        parser.close()


async def chunks(request: Request, most_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the body as they arrive; raises ClientError above `most_bytes`."""
    async for piece in Body(request).pieces(most_bytes):
        yield piece


def _form(data: FormData) -> Form:
    names = [name for name, _ in data.multi_items()]
    for name in names:
        if names.count(name) > 1:
            raise ClientError(Problem.INVALID_MESSAGE, f"the form has {quoted(name)} twice")
    texts = {name: value for name, value in data.multi_items() if isinstance(value, str)}
    return Form(texts, {name: value for name, value in data.multi_items() if isinstance(value, UploadFile)})


def _check_text(text: bytes | str, value: object) -> None:
    """Raise ValueError for half a surrogate pair, which JSON can escape and no UTF-8 can hold."""
    pattern = _SURROGATE_BYTES if isinstance(text, bytes) else _SURROGATE
    if pattern.search(text):  # type: ignore[arg-type]
        json.dumps(value, ensure_ascii=False).encode()
