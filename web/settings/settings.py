"""Owns the settings: read once from the environment, validated, never changed afterwards."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Self
from urllib.parse import unquote, urlsplit

import platformdirs
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SettingsSourceError

from stream.configuration.config import SessionConfig
from stream.errors import ClientError
from stream.session.deadlines import RunnerLimits
from web.settings.access import AccessSettings
from web.settings.riva import SettingsError

__all__ = ["Settings", "SettingsError", "read_settings"]

# What may hold a secret is never shown.
_SECRET = frozenset({"riva_api_key", "riva_metadata", "database_url", "token_secret", "limits_url"})


def _default_database() -> str:
    return f"sqlite:///{platformdirs.user_data_path('niyosha') / 'niyosha.db'}"


class Settings(AccessSettings):
    """Every setting is the environment variable NIYOSHA_ and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="NIYOSHA_", frozen=True)

    model: str | None = None
    """Models of the embedded engine, several separated by commas: CTranslate2 Whisper directories, hub ids such as
    Systran/faster-whisper-small, or `bundled`, the English one that holds without this. A language is recognized
    by the first of them that knows it."""
    engine_workers: Annotated[int, Field(ge=1, le=64)] | None = None
    """Decodings that the embedded engine runs at once; without one as many as there are cores."""
    engine_sessions: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Sessions that may talk to the embedded engine at once, fewer where their work costs more; without one ten for
    each decoding."""
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
    database_url: str = Field(default_factory=_default_database)
    """Where transcriptions, long recordings and language models are kept: sqlite:///path or postgresql://..."""
    retention_days: Annotated[float, Field(gt=0, le=3650)] = 7.0
    """What is older is deleted."""
    job_streams: Annotated[int, Field(ge=0, le=256)] = 2
    """Segments of long recordings that this process recognizes at once; 0 leaves them to `niyosha worker`."""
    jobs_per_owner: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Long recordings of one owner that may wait or be worked on at once."""
    models_per_owner: Annotated[int, Field(ge=0, le=100_000)] = 100
    """Language models that are kept for one owner."""
    recording_limit_minutes: Annotated[float, Field(gt=0, le=1440)] = 240.0
    """The longest recording."""
    recording_limit_bytes: Annotated[int, Field(ge=1 << 20)] = 4 << 30
    """The largest file of a long recording."""
    fetch_limit_seconds: Annotated[float, Field(gt=0, le=86_400)] = 3600.0
    """A download that takes longer is given up."""
    fetch_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that an `audio.uri` may lead to although they are not public, as a JSON list."""
    send_limit_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    """A client that takes no message for so long is cut off."""

    @field_validator("model")
    @classmethod
    def _models_have_names(cls, text: str | None) -> str | None:
        if text is not None and not all(name.strip() for name in text.split(",")):
            raise ValueError("between and around commas must be the names of models")
        return text

    @field_validator("database_url")
    @classmethod
    def _database_is_known(cls, url: str) -> str:
        # The engine's process reads no such setting, and is spared what knows databases.
        from web.store.database.database import check_url  # noqa: PLC0415

        check_url(url)
        return url

    @model_validator(mode="after")
    def _recordings_are_worked_on(self) -> Self:
        if not self.job_streams and self.database_url.startswith("sqlite"):
            raise ValueError(
                "NIYOSHA_JOB_STREAMS is 0, which leaves long recordings to `niyosha worker`, but workers share a "
                "PostgreSQL database only; set NIYOSHA_DATABASE_URL to one, or NIYOSHA_JOB_STREAMS to at least 1"
            )
        return self

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
    def secrets(self) -> frozenset[str]:
        """What must not stand in a log: keys, metadata of calls, passwords in addresses."""
        hidden = [self.token_secret, self.riva_api_key, *self.riva_metadata.values()]
        passwords = (urlsplit(url).password for url in (self.database_url, self.limits_url))
        return frozenset(
            [
                *(secret.get_secret_value() for secret in hidden if secret is not None),
                *(form for password in passwords if password for form in (password, unquote(password))),
            ]
        )

    @property
    def session_config(self) -> SessionConfig:
        """The configuration of a stream that sets nothing; what only the server set, a WAV header may override."""
        config = SessionConfig().with_message(self.stream_defaults, audio_began=False)
        return replace(config, explicit=config.explicit - {"sampleRateHertz", "audioEncoding"})

    @property
    def retention_seconds(self) -> float:
        return self.retention_days * 86_400

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
    name = "NIYOSHA_" + "_".join(str(part) for part in fault["loc"]).upper()
    return f"{name}: {message}" if fault["loc"][0] in _SECRET else f"{name} is {fault['input']!r}: {message}"
