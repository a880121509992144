"""The models that OpenAI's clients can list: all of them name the one recognizer of the server."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from stream.configuration.presets import PRESETS
from stream.errors import Problem, quoted
from stream.protocols.openai.errors import FieldError

# The defaults of OpenAI's SDKs and of frameworks on them. They stand for the recognizer as it is configured.
_OPENAI_NAMES = ("whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")
_OWNER = "niyosha"
MODEL_NAMES = (*_OPENAI_NAMES, *PRESETS)


class OpenAIModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name that `model` takes; other names are taken, too."""

    id: Annotated[str, Meta(description="the name")]
    created: Annotated[int, Meta(description="when this server was started, in seconds since 1970")]
    owned_by: Annotated[str, Meta(description="who serves it", extra_json_schema={"const": _OWNER})] = _OWNER
    object: Annotated[str, Meta(description="the kind of object", extra_json_schema={"const": "model"})] = "model"


class OpenAIModelList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All names."""

    data: Annotated[Sequence[OpenAIModel], Meta(description="in no order")]
    object: Annotated[str, Meta(description="the kind of object", extra_json_schema={"const": "list"})] = "list"


def model_list(created: int) -> OpenAIModelList:
    """Return all models; `created` is in seconds since 1970."""
    return OpenAIModelList([OpenAIModel(name, created) for name in MODEL_NAMES])


def model_named(name: str, created: int) -> OpenAIModel:
    """Return a model of the list; raises FieldError for another name."""
    if name not in MODEL_NAMES:
        detail = f"there is no model {quoted(name)}; listed are {', '.join(MODEL_NAMES)}"
        raise FieldError(Problem.NOT_FOUND, detail, param="model", code="model_not_found")
    return OpenAIModel(name, created)


def preset_of(model: str) -> str | None:
    """Return the `asrModel` that a model names, None if it names none."""
    return model if model in PRESETS else None
