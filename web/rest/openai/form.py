"""The form of a transcription, as the OpenAPI document describes it and as it is read."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta
from starlette.datastructures import FormData, UploadFile

from stream.audio.containers.signatures import Handling
from stream.audio.containers.sniffing import kind_of_recording
from stream.errors import ClientError, Problem
from stream.protocols.openai.errors import FieldError
from stream.protocols.openai.transcription_request import (
    MOST_TEMPERATURE,
    STREAMED_FORMATS,
    Granularity,
    ResponseFormat,
)
from web.rest.request.audio import Audio, uploaded_audio
from web.rest.request.body import PartLimits
from web.routes.operations import Media, Opaque
from web.routes.schemas import Schema

FORM_LIMITS = PartLimits(most_parts=64, most_text_bytes=1 << 16)
"""OpenAI's form has some twenty fields, of which lists and objects are several; its prompt has a few hundred words."""
_KINDS = "flac, m4a, mp3, mp4, mpeg, mpga, oga, ogg, wav, webm, or another that FFmpeg reads"
_Text = str | msgspec.UnsetType
_Texts = list[str] | msgspec.UnsetType


def _with(name: str, given: Schema, formats: Sequence[ResponseFormat]) -> Schema:
    """Return the rule that with a field the format must be one of these; `json` is the default."""
    needed: Schema = {"properties": {"response_format": {"enum": list(formats)}}}
    if ResponseFormat.JSON not in formats:
        needed["required"] = ["response_format"]
    return {"if": {"properties": {name: given}, "required": [name]}, "then": needed}


class OpenAIFile(Opaque):
    """The file of a form."""

    schema: ClassVar = {"type": "string", "format": "binary", "description": f"the recording: {_KINDS}"}


class OpenAITranscriptionForm(msgspec.Struct, frozen=True, kw_only=True):
    """A recording, and how it is to be transcribed; other fields have no effect, and an empty text is as none."""

    schema_rules: ClassVar[list[Schema]] = [
        _with("timestamp_granularities[]", {}, [ResponseFormat.VERBOSE_JSON]),
        _with("stream", {"const": "true"}, STREAMED_FORMATS),
    ]
    file: OpenAIFile
    model: Annotated[
        str,
        Meta(description="any name; that of an `asrModel` sets its presets", extra_json_schema={"pattern": r"\S"}),
    ]
    language: Annotated[
        _Text, Meta(description="a tag such as `en`, or a name such as `english`; the server's default by default")
    ] = msgspec.UNSET
    languages: Annotated[_Texts, Meta(description="the first one that is served is taken")] = msgspec.field(
        name="languages[]", default=msgspec.UNSET
    )
    prompt: Annotated[_Text, Meta(description="terms and names in it are listened for")] = msgspec.UNSET
    keywords: Annotated[_Texts, Meta(description="words and phrases to listen for")] = msgspec.field(
        name="keywords[]", default=msgspec.UNSET
    )
    response_format: Annotated[
        _Text, Meta(description="the format of the answer", extra_json_schema={"enum": list(ResponseFormat)})
    ] = msgspec.UNSET
    timestamp_granularities: Annotated[
        list[Annotated[str, Meta(extra_json_schema={"enum": list(Granularity)})]] | msgspec.UnsetType,
        Meta(description="with `response_format=verbose_json` only"),
    ] = msgspec.field(name="timestamp_granularities[]", default=msgspec.UNSET)
    include: Annotated[
        list[Annotated[str, Meta(extra_json_schema={"enum": ["logprobs"]})]] | msgspec.UnsetType,
        Meta(description="the confidences of the words"),
    ] = msgspec.field(name="include[]", default=msgspec.UNSET)
    stream: Annotated[
        _Text,
        Meta(description="whether text is sent as it is settled", extra_json_schema={"enum": ["true", "false"]}),
    ] = msgspec.UNSET
    temperature: Annotated[
        float | msgspec.UnsetType,
        Meta(description="has no effect", extra_json_schema={"minimum": 0, "maximum": MOST_TEMPERATURE}),
    ] = msgspec.UNSET
    chunking_strategy: Annotated[_Text, Meta(description="has no effect")] = msgspec.UNSET


FORM = Media(OpenAITranscriptionForm, encoding={"file": {"contentType": "application/octet-stream"}})


def texts_of(parts: FormData) -> Sequence[tuple[str, str]]:
    """Return the texts of a form by the names of their fields."""
    return [(name, value) for name, value in parts.multi_items() if isinstance(value, str)]


async def recording_in(parts: FormData) -> Audio:
    """Return the only `file` of a form; raises FieldError unless it is one whose sound can be decoded."""
    given = parts.getlist("file")
    if len(given) != 1 or not isinstance(given[0], UploadFile):
        detail = "file is missing; it must be a file of the form" if not given else "file must be one file of the form"
        raise FieldError(Problem.INVALID_CONFIG, detail, param="file", code="missing_required_parameter")
    upload = given[0]
    try:
        audio = uploaded_audio(upload)
    except ClientError as error:
        raise of_file(error) from None
    # A file may begin with tags of any length.
    kind = await asyncio.to_thread(kind_of_recording, upload.file)
    upload.file.seek(0)
    if kind is None or kind.handling is Handling.NONE:
        found = "of no known format" if kind is None else kind.name
        detail = f"file is {found}; it must be a recording: {_KINDS}"
        raise FieldError(Problem.INVALID_AUDIO, detail, param="file", code="unsupported_format")
    return audio


def of_file(error: ClientError) -> ClientError:
    """Return an error of the audio as one of the field `file`, with the status that OpenAI has for it."""
    match error.problem:
        case Problem.INVALID_AUDIO | Problem.UNSUPPORTED_MEDIA:
            return FieldError(Problem.INVALID_AUDIO, error.detail, param="file")
        case Problem.TOO_LARGE:
            return FieldError(Problem.TOO_LARGE, error.detail, param="file")
        case _:
            return error
