"""All settings: read once from the environment and the command line, validated, never changed afterwards."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Self, cast
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError, create_model, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings.exceptions import SettingsError as SettingsSourceError

from stream.paths import is_loopback
from web.settings.access import AccessSettings
from web.settings.engine import EngineSettings
from web.settings.limits import LimitSettings
from web.settings.observability import ObservabilitySettings
from web.settings.riva import RivaSettings
from web.settings.section import Section, SettingsError
from web.settings.server import ServerSettings
from web.settings.session import SessionSettings
from web.settings.store import StoreSettings

__all__ = ["Settings", "SettingsError", "read_settings", "setting_names"]

ENVIRONMENT_PREFIX = "NIYOSHA_"
# An error about one of these never repeats the value, which may be a secret.
_SECRET = frozenset({"riva_api_key", "riva_metadata", "database_url", "token_secret", "limits_url"})


class Settings(BaseModel):
    """Settings by subject. Each has a name of its own, whatever its section: NIYOSHA_PORT is `server.port`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    riva: RivaSettings
    server: ServerSettings
    access: AccessSettings
    limits: LimitSettings
    observability: ObservabilitySettings
    engine: EngineSettings
    session: SessionSettings
    store: StoreSettings

    def __init__(self, **overrides: Any) -> None:
        """Read the environment; `overrides` are settings by their names, such as `port`, and win."""
        super().__init__(**_by_section(_environment() | overrides))

    @model_validator(mode="after")
    def _others_are_asked_for_keys(self) -> Self:
        if not self.access.is_keyed and not is_loopback(self.server.host):
            raise ValueError(
                f"NIYOSHA_HOST is {self.server.host!r}, which other machines can reach, and nobody would be asked for "
                "a key. Set NIYOSHA_TOKEN_SECRET to at least 32 random bytes (`niyosha token --new-secret` makes "
                "some), or keep to 127.0.0.1 and put a proxy that authenticates in front"
            )
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """What must not stand in a log: keys, metadata of calls, passwords in addresses."""
        hidden = [self.access.token_secret, self.riva.api_key, *self.riva.metadata.values()]
        passwords = (urlsplit(url).password for url in (self.store.database_url, self.limits.limits_url))
        return frozenset(
            [
                *(secret.get_secret_value() for secret in hidden if secret is not None),
                *(form for password in passwords if password for form in (password, unquote(password))),
            ]
        )


def read_settings(overrides: Mapping[str, object]) -> Settings:
    """Read the environment; `overrides` of the command line win. Raises SettingsError."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(fault) for fault in error.errors())) from None
    except SettingsSourceError as error:
        raise SettingsError(str(error)) from None


def _sections() -> dict[str, type[Section]]:
    return {name: cast("type[Section]", field.annotation) for name, field in Settings.model_fields.items()}


def setting_names() -> dict[str, str]:
    """Return the section of each setting, by the name that it has in small letters."""
    return {
        str(field.validation_alias): section
        for section, model in _sections().items()
        for field in model.model_fields.values()
    }


def _environment() -> dict[str, Any]:
    """Read the variables NIYOSHA_*; raises pydantic's SettingsError for what is no JSON and should be."""
    return EnvSettingsSource(_flat_model(), env_prefix=ENVIRONMENT_PREFIX)()


@cache
def _flat_model() -> type[BaseSettings]:
    """Return a model of all settings side by side, which tells the environment's reader what is JSON."""
    fields: dict[str, Any] = {
        str(field.validation_alias): (field.annotation, None)
        for model in _sections().values()
        for field in model.model_fields.values()
    }
    return create_model("Environment", __base__=BaseSettings, **fields)


def _by_section(values: Mapping[str, object]) -> dict[str, Any]:
    """Sort settings into their sections; a name that is none stays where it is, for pydantic to refuse."""
    sections = setting_names()
    sorted_values: dict[str, Any] = {section: {} for section in _sections()}
    for name, value in values.items():
        (sorted_values[sections[name]] if name in sections else sorted_values)[name] = value
    return sorted_values


def _sentence(fault: ErrorDetails) -> str:
    """Say what is wrong with one setting, or with several together, which the message then names."""
    message = fault["msg"].removeprefix("Value error, ")
    path = [str(part) for part in fault["loc"]]
    if path and path[0] in Settings.model_fields:
        del path[0]
    if not path:
        return message
    name = ENVIRONMENT_PREFIX + "_".join(path).upper()
    return f"{name}: {message}" if path[0] in _SECRET else f"{name} is {fault['input']!r}: {message}"
