"""A section of the settings, and the error of settings that cannot be used."""

from collections.abc import Iterator, Mapping
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from pydantic import AliasGenerator, BaseModel, ConfigDict, SecretStr


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

    secret_fields: ClassVar[frozenset[str]] = frozenset()
    """The fields that may contain a secret. An error about one of them never repeats its value."""

    @property
    def secrets(self) -> frozenset[str]:
        """What must not stand in a log: keys, metadata of calls, passwords in addresses."""
        return frozenset(secret for field in self.secret_fields for secret in _secrets_in(getattr(self, field)))


def _secrets_in(value: object) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case Mapping():
            for item in value.values():
                yield from _secrets_in(item)
        case tuple():
            for item in value:
                yield from _secrets_in(item)
        case str() if "://" not in value:
            yield value
        case str() if password := urlsplit(value).password:
            yield password
            yield unquote(password)
