"""All settings: read once from the environment and the command line, validated, never changed afterwards."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError, create_model, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings.exceptions import SettingsError as SettingsSourceError

from stream.paths import is_loopback
from web.backends import registry
from web.section import Section, SettingsError
from web.settings.access import AccessSettings
from web.settings.limits import LimitSettings
from web.settings.observability import ObservabilitySettings
from web.settings.server import ServerSettings
from web.settings.session import SessionSettings
from web.settings.store import StoreSettings
from web.settings.wyoming import WyomingSettings

__all__ = ["Settings", "SettingsError", "read_settings", "setting_names"]

ENVIRONMENT_PREFIX = "NIYOSHA_"
_BACKENDS = "backends"


class Settings(BaseModel):
    """Settings by subject. Each has a name of its own, whatever its section: NIYOSHA_PORT is `server.port`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backends: Mapping[str, Section]
    server: ServerSettings
    access: AccessSettings
    limits: LimitSettings
    observability: ObservabilitySettings
    session: SessionSettings
    store: StoreSettings
    wyoming: WyomingSettings

    def __init__(self, **overrides: Any) -> None:
        """Read the environment; `overrides` are settings by their names, such as `port`, and win."""
        super().__init__(**_by_section(_environment() | overrides))

    @field_validator("backends", mode="plain")
    @classmethod
    def _each_backend_reads_its_section(cls, values: object) -> Mapping[str, Section]:
        fields: dict[str, Any] = {name: (section, ...) for name, section in registry.sections().items()}
        return dict(create_model("Backends", **fields).model_validate(values))

    @model_validator(mode="after")
    def _others_are_asked_for_keys(self) -> Self:
        if not self.access.is_keyed and not is_loopback(self.server.host):
            raise ValueError(
                f"NIYOSHA_HOST is {self.server.host!r}, which other machines can reach, and nobody would be asked for "
                "a key. Set NIYOSHA_TOKEN_SECRET to at least 32 random bytes (`niyosha token --new-secret` makes "
                "some), or keep to 127.0.0.1 and put a proxy that authenticates in front"
            )
        return self

    @model_validator(mode="after")
    def _wyoming_passes_no_key_by(self) -> Self:
        wyoming = self.wyoming
        if self.access.is_keyed and wyoming.owner is None and not is_loopback(wyoming.host):
            raise ValueError(
                f"NIYOSHA_WYOMING_HOST is {wyoming.host!r}, which other machines can reach, and Wyoming has no keys. "
                "Set NIYOSHA_WYOMING_OWNER to the owner (`sub`) of whatever is said there, or keep to 127.0.0.1"
            )
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """What must not stand in a log: keys, metadata of calls, passwords in addresses."""
        values: dict[str, Section] = dict(self) | dict(self.backends)
        return frozenset(secret for name in sections() for secret in values[name].secrets)


def read_settings(overrides: Mapping[str, object]) -> Settings:
    """Read the environment; `overrides` of the command line win. Raises SettingsError."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(fault) for fault in error.errors())) from None
    except SettingsSourceError as error:
        raise SettingsError(str(error)) from None


def sections() -> dict[str, type[Section]]:
    """Return the class of each section, those of the backends included, by its name."""
    own = {name: field.annotation for name, field in Settings.model_fields.items() if name != _BACKENDS}
    return registry.sections() | cast("dict[str, type[Section]]", own)


def setting_names() -> dict[str, str]:
    """Return the section of each setting, by the name that it has in small letters."""
    return {
        str(field.validation_alias): section
        for section, model in sections().items()
        for field in model.model_fields.values()
    }


def _environment() -> dict[str, Any]:
    """Read the variables NIYOSHA_*; raises pydantic's SettingsError for what is no JSON and should be."""
    return EnvSettingsSource(_flat_model(tuple(sections().values())), env_prefix=ENVIRONMENT_PREFIX)()


@cache
def _flat_model(sections: tuple[type[Section], ...]) -> type[BaseSettings]:
    """Return a model of all settings side by side, by which the environment's reader knows what is JSON."""
    fields: dict[str, Any] = {
        str(field.validation_alias): (field.annotation, None)
        for model in sections
        for field in model.model_fields.values()
    }
    return create_model("Environment", __base__=BaseSettings, **fields)


def _by_section(values: Mapping[str, object]) -> dict[str, Any]:
    """Sort settings into their sections; a name that is none stays where it is, for pydantic to refuse."""
    names = setting_names()
    unknown = {name: value for name, value in values.items() if name not in names}
    values_by_section: dict[str, dict[str, object]] = {section: {} for section in sections()}
    for name in values.keys() & names.keys():
        values_by_section[names[name]][name] = values[name]
    backends = {name: values_by_section.pop(name) for name in registry.sections()}
    return {**values_by_section, _BACKENDS: backends, **unknown}


def _sentence(fault: ErrorDetails) -> str:
    """Say what is wrong with one setting, or with several together, which the message then names."""
    message = fault["msg"].removeprefix("Value error, ")
    path = [str(part) for part in fault["loc"]]
    while path and path[0] in {_BACKENDS, *sections()}:
        del path[0]
    if not path:
        return message
    name = ENVIRONMENT_PREFIX + "_".join(path).upper()
    return f"{name}: {message}" if path[0] in _secret_names() else f"{name} is {fault['input']!r}: {message}"


def _secret_names() -> frozenset[str]:
    """Return the names of the settings that may contain secrets."""
    return frozenset(
        str(model.model_fields[field].validation_alias)
        for model in sections().values()
        for field in model.secret_fields
    )
