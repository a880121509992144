"""Settings of the embedded engine."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from web.section import Section, named

DeviceName = Literal["auto", "cpu", "cuda"]
"""What `NIYOSHA_ENGINE_DEVICE` and `--device` take."""


class EngineSettings(Section):
    """Which models the embedded engine loads, and how much it does at once."""

    model_config = named("engine_")

    model: str | None = Field(default=None, validation_alias="model")
    """Models of the embedded engine, several separated by commas: directories with a Whisper model of CTranslate2 or
    a model of sherpa-onnx (`DIRECTORY?language=fa` says which language it is for), hub ids such as
    Systran/faster-whisper-small, models or languages that `niyosha models get` has downloaded, or `bundled`, the
    English one that holds without this. A language is recognized by the first of them that knows it."""
    workers: Annotated[int, Field(ge=1, le=64)] | None = None
    """Decodings that the embedded engine runs at once; without one as many as there are cores."""
    sessions: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Sessions that may talk to the embedded engine at once, fewer where their work costs more; without one ten for
    each decoding, twenty with streaming models."""

    device: DeviceName = "auto"
    """Where the embedded engine runs its models: on a GPU by CUDA, on the CPU, or, with `auto`, on a GPU if there is
    one that can be used. A model that cannot run on the GPU runs on the CPU, and the log says why."""

    @field_validator("model")
    @classmethod
    def _models_have_names(cls, text: str | None) -> str | None:
        if text is not None and not all(name.strip() for name in text.split(",")):
            raise ValueError("between and around commas must be the names of models")
        return text

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models, in order; empty for the bundled one."""
        return () if self.model is None else tuple(name.strip() for name in self.model.split(","))
