"""Read requests with audio: the configuration, and the audio as JSON, a form or an address."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO

from starlette.datastructures import UploadFile
from starlette.requests import Request

from stream.audio.base64 import Base64Decoder
from stream.errors import ClientError, Problem, quoted
from stream.runtime.fairness import FairShare
from web.jobs.steps import EMPTY_AUDIO
from web.memory.budget import LARGEST_BODY_BYTES, BodyBudgets
from web.rest.request.body import (
    MULTIPART_TYPE,
    Body,
    Form,
    check_keys,
    check_media_type,
    parse_object,
    parsed_body,
    read_form,
)
from web.rest.request.json_text import LONG_BYTES, JsonText
from web.routes.operations import JSON_TYPE

MOST_JSON_BYTES = LARGEST_BODY_BYTES
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Audio:
    """The bytes of a recording, once."""

    chunks: Iterable[bytes]
    size_bytes: int
    file: BinaryIO | None = None
    """The same bytes, if they arrived as a file."""


@dataclass(frozen=True, slots=True)
class AudioRequest:
    """The configuration keys of a request, and its audio or the object that tells where it is."""

    values: dict[str, object]
    audio: Audio | dict[str, object]


@asynccontextmanager
async def read_audio_request(
    request: Request, fair_share: FairShare, most_form_bytes: int, stores: BodyBudgets, owner: str
) -> AsyncIterator[AudioRequest]:
    """Read a body of `config` and `audio`, as JSON or as a form, which alone may be long; raises ClientError.

    While the context lasts, its bytes are held for the owner.
    """
    body = Body(request)
    if await body.is_json(most_form_bytes):
        with stores.memory.open(owner) as held:
            data = _Data()
            text = JsonText(data.push)
            values = await parsed_body(body, fair_share, min(MOST_JSON_BYTES, most_form_bytes), held.require, text)
            yield _from_object(values, text.placeholder, data)
    else:
        check_media_type(request, JSON_TYPE, MULTIPART_TYPE)
        async with read_form(body, most_form_bytes, stores, owner) as form:
            yield AudioRequest(_config_of(form), file_audio(form))


def file_audio(form: Form) -> Audio:
    """The file `audio` of a form; raises ClientError unless it is the only one and holds something."""
    for name in (*form.texts, *form.files):
        if name not in ("config", "audio"):
            raise ClientError(Problem.INVALID_CONFIG, f"{quoted(name)} is not a part here; known are config, audio")
    upload = form.files.get("audio")
    if upload is None:
        raise ClientError(Problem.INVALID_CONFIG, "the form has no file named audio")
    return uploaded_audio(upload)


def uploaded_audio(upload: UploadFile) -> Audio:
    """The file of a form; raises ClientError for an empty one."""
    return replace(_checked(_pieces(upload.file), upload.size or 0), file=upload.file)


class _Data:
    """Audio of a base64 text, decoded as it arrives; `audio` raises what is wrong with it."""

    def __init__(self) -> None:
        self._decoder = Base64Decoder()
        self._parts: list[bytes] = []
        self._characters = 0
        self._fault: ClientError | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there was a long text."""
        return self._characters > 0

    def push(self, text: bytes) -> None:
        """Take the next characters."""
        if self._fault is not None:
            return
        try:
            self._parts += self._decoder.push(text, self._characters)
        except ClientError as error:
            self._fault = error
        self._characters += len(text)

    def audio(self) -> Audio:
        """The end of the text; raises ClientError."""
        if self._fault is not None:
            raise self._fault
        return _held([*self._parts, self._decoder.flush()])


def data_audio(data: object) -> Audio:
    """The audio of a base64 text; raises ClientError."""
    if not isinstance(data, str):
        raise ClientError(Problem.INVALID_CONFIG, "audio.data must be a base64 text")
    decoder = Base64Decoder()
    return _held([*decoder.push(data.encode()), decoder.flush()])


def _held(parts: list[bytes]) -> Audio:
    decoded = b"".join(parts)
    pieces = (decoded[start : start + _CHUNK_BYTES] for start in range(0, len(decoded), _CHUNK_BYTES))
    return _checked(pieces, len(decoded))


def _from_object(body: dict[str, object], placeholder: str, long: _Data) -> AudioRequest:
    check_keys(body, "config", "audio")
    match body:
        case {"config": dict(values), "audio": {"data": data, **rest}} if not rest and data == placeholder:
            return AudioRequest(values, long.audio())
        case {"config": dict(values), "audio": {"data": data, **rest}} if not rest and not long.has_begun:
            return AudioRequest(values, data_audio(data))
        case _ if long.has_begun:
            raise ClientError(Problem.TOO_LARGE, f"a text has more than {LONG_BYTES} bytes; only audio.data may")
        case {"config": dict(values), "audio": dict(audio)}:
            return AudioRequest(values, audio)
        case {"config": dict()}:
            raise ClientError(Problem.INVALID_CONFIG, "audio is missing or no object")
        case _:
            raise ClientError(Problem.INVALID_CONFIG, "config is missing or no object; it may be empty")


def _config_of(form: Form) -> dict[str, object]:
    if "config" in form.files:
        raise ClientError(Problem.INVALID_CONFIG, "config is a file; it must be a JSON text")
    return parse_object(form.texts.get("config", "{}"), "config")


def _checked(chunks: Iterable[bytes], size_bytes: int) -> Audio:
    if not size_bytes:
        raise ClientError(Problem.INVALID_AUDIO, EMPTY_AUDIO)
    return Audio(chunks, size_bytes)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_CHUNK_BYTES):
        yield piece
