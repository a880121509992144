"""The base of all sections of the settings, and the error of settings that cannot be used."""

from pydantic import AliasGenerator, BaseModel, ConfigDict


class SettingsError(Exception):
    """Settings that cannot be used; the text names each with its value and what is allowed."""


def named(prefix: str = "") -> ConfigDict:
    """Return the configuration of a section whose settings are called `prefix` and the name of the field."""
    return ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        validate_by_name=True,
        validate_by_alias=True,
        alias_generator=AliasGenerator(validation_alias=lambda field: prefix + field),
    )


class Section(BaseModel):
    """Settings of one subject; each is the environment variable NIYOSHA_ and its alias in capitals."""

    model_config = named()
