"""Owns the settings: read once from the environment, validated, never changed afterwards."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SettingsSourceError

from stream.addresses import is_loopback
from stream.config import SessionConfig
from stream.deadlines import RunnerLimits
from stream.errors import ClientError
from web.riva_settings import RivaSettings, SettingsError

__all__ = ["Settings", "SettingsError", "read_settings"]

# What may hold a secret is never shown.
_SECRET = frozenset({"riva_api_key", "riva_metadata"})


class Settings(RivaSettings):
    """Every setting is the environment variable SHENAVA_ and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="SHENAVA_", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    model: str | None = None
    """Models of the embedded engine, several separated by commas: CTranslate2 Whisper directories, hub ids such as
    Systran/faster-whisper-small, or `bundled`, the English one that holds without this. A language is recognized
    by the first of them that knows it."""
    engine_workers: Annotated[int, Field(ge=1, le=64)] | None = None
    """Decodings that the embedded engine runs at once; without one as many as there are cores."""
    engine_sessions: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Sessions that may talk to the embedded engine at once; without one ten for each decoding."""
    stream_defaults: dict[str, object] = Field(default_factory=dict)
    """Keys of the configuration (protocol names) that hold where a client sets none, as a JSON object."""
    max_message_bytes: Annotated[int, Field(ge=100_000, le=64 * 1024 * 1024)] = 1024 * 1024
    idle_ms: Annotated[int, Field(ge=100, le=60_000)] = 3000
    """Nothing received for so long inside an utterance ends the utterance."""
    idle_limit_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Nothing received for so long ends the connection."""
    stream_limit_minutes: Annotated[float, Field(gt=0, le=1440)] = 240.0
    final_limit_seconds: Annotated[float, Field(gt=0, le=600)] = 20.0
    """The recognizer owes an utterance's final within this time of its last audio."""
    stall_limit_seconds: Annotated[float, Field(gt=0, le=600)] = 5.0
    """A recognizer that owes an answer to speech for so long, or less where its pace is known, is asked anew."""
    send_limit_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    """A client that takes no message for so long is cut off."""

    @field_validator("host")
    @classmethod
    def _host_is_loopback(cls, host: str) -> str:
        if not is_loopback(host):
            raise ValueError(
                f"{host} can be reached from other machines, and this server asks nobody for a key; "
                "use 127.0.0.1, ::1 or localhost, and put a proxy that authenticates in front"
            )
        return host

    @field_validator("model")
    @classmethod
    def _models_have_names(cls, text: str | None) -> str | None:
        if text is not None and not all(name.strip() for name in text.split(",")):
            raise ValueError("between and around commas must be the names of models")
        return text

    @field_validator("stream_defaults")
    @classmethod
    def _stream_defaults_are_valid(cls, values: dict[str, object]) -> dict[str, object]:
        try:
            SessionConfig().with_message(values, audio_began=False)
        except ClientError as error:
            raise ValueError(error.detail) from None
        return values

    @property
    def models(self) -> tuple[str, ...]:
        """What names the models of the embedded engine, in order; empty for the bundled one."""
        return () if self.model is None else tuple(name.strip() for name in self.model.split(","))

    @property
    def session_config(self) -> SessionConfig:
        """The configuration of a stream that sets nothing; what only the server set, a WAV header may override."""
        config = SessionConfig().with_message(self.stream_defaults, audio_began=False)
        return replace(config, explicit=config.explicit - {"sampleRateHertz", "audioEncoding"})

    @property
    def runner_limits(self) -> RunnerLimits:
        return RunnerLimits(
            pause=self.idle_ms / 1000,
            idle=self.idle_limit_seconds,
            stream=self.stream_limit_minutes * 60,
            final=self.final_limit_seconds,
            stall=self.stall_limit_seconds,
        )


def read_settings(overrides: Mapping[str, object]) -> Settings:
    """Read the environment; what the command line says wins. Raises SettingsError."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(fault) for fault in error.errors())) from None
    except SettingsSourceError as error:
        raise SettingsError(str(error)) from None


def _sentence(fault: ErrorDetails) -> str:
    message = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return message  # about several settings, which it names
    name = "SHENAVA_" + "_".join(str(part) for part in fault["loc"]).upper()
    return f"{name}: {message}" if fault["loc"][0] in _SECRET else f"{name} is {fault['input']!r}: {message}"
