"""Bodies of requests that carry audio, as the OpenAPI document describes them."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from stream.configuration.config import OFF, VAD_KINDS
from web.fetch.uris import MOST_CHARACTERS
from web.routes.operations import JSON_TYPE, Media, Opaque
from web.routes.schemas import reference

_CONFIGURATION = reference("Configuration")
_ENCODING = {"config": {"contentType": JSON_TYPE}, "audio": {"contentType": "application/octet-stream"}}


class AudioData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The recording itself."""

    data: Annotated[
        str,
        Meta(
            description="a file, or bare samples, in base64",
            extra_json_schema={"contentEncoding": "base64", "minLength": 2},
        ),
    ]


class AudioUri(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the recording is."""

    uri: Annotated[
        str,
        Meta(
            description="where the server fetches the recording; a public address",
            extra_json_schema={"format": "uri", "pattern": "^https?://", "maxLength": MOST_CHARACTERS},
        ),
    ]


class AudioUpload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The promise of an upload."""

    upload: Annotated[
        bool, Meta(description="the recording will be sent to `Upload-Location`", extra_json_schema={"const": True})
    ]


class ConfigObject(Opaque):
    """A configuration; `stream.configuration` checks its keys."""

    schema = _CONFIGURATION


class LongConfigObject(Opaque):
    """A configuration of a long recording, which is always cut into utterances."""

    schema: ClassVar = {
        "allOf": [_CONFIGURATION, {"properties": {"vad": {"enum": [kind for kind in VAD_KINDS if kind != OFF]}}}]
    }


class AudioFile(Opaque):
    """A file of a form."""

    schema: ClassVar = {"type": "string", "format": "binary", "description": "the recording"}


class LongAudio(Opaque):
    """One of `AudioUri`, `AudioUpload` and `AudioData`."""

    structs = (AudioUri, AudioUpload, AudioData)
    schema: ClassVar = {"oneOf": [reference(one.__name__) for one in structs]}


class ShortRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A short recording."""

    config: ConfigObject
    audio: AudioData


class LongRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A long recording, or where it is."""

    config: LongConfigObject
    audio: LongAudio


class ShortForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A recording as a file of a form."""

    config: ConfigObject | msgspec.UnsetType = msgspec.UNSET
    audio: AudioFile


class LongForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A long recording as a file of a form."""

    config: LongConfigObject | msgspec.UnsetType = msgspec.UNSET
    audio: AudioFile


SHORT_FORM = Media(ShortForm, encoding=_ENCODING)
LONG_FORM = Media(LongForm, encoding=_ENCODING)
