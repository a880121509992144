"""The list of models, and what a name means."""

import msgspec
import pytest

from stream.configuration.presets import PRESETS
from stream.protocols.openai.errors import FieldError
from stream.protocols.openai.models import model_list, model_named, preset_of


def test_the_list_has_openais_names_and_the_presets() -> None:
    body = msgspec.to_builtins(model_list(7))
    assert body["object"] == "list"
    names = [model["id"] for model in body["data"]]
    assert {"whisper-1", "gpt-4o-transcribe", *PRESETS} <= set(names)
    assert body["data"][0] == {"id": "whisper-1", "created": 7, "owned_by": "niyosha", "object": "model"}
    assert [msgspec.to_builtins(model_named(name, 7)) for name in names] == body["data"]


def test_another_name_is_not_found() -> None:
    with pytest.raises(FieldError, match='there is no model "tts-1"; listed are whisper-1, ') as refused:
        model_named("tts-1", 7)
    assert (refused.value.param, refused.value.code) == ("model", "model_not_found")


def test_only_presets_name_an_asr_model() -> None:
    assert [preset_of(name) for name in ("phone_call", "whisper-1", "anything")] == ["phone_call", None, None]
