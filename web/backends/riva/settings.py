"""Settings of the Riva servers, and which of them may be set together."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from stream.configuration.presets import PRESETS
from stream.riva.requests import RequestOptions
from stream.riva.servers.addresses import Address, parse_addresses
from stream.vocabulary.vocabularies import MOST_PHRASES
from web.section import Section, named

_DEFAULTS = RequestOptions()
_FUNCTION_ID = "function-id"
_AUTHORIZATION = "authorization"
_KEY = re.compile(r"[a-z0-9_.-]+")
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")  # what HTTP/2 carries as text


class RivaSettings(Section):
    """Where the Riva servers are and how to speak to them; nothing of it concerns the embedded engine."""

    model_config = named("riva_")
    secret_fields = frozenset({"api_key", "metadata"})

    uri: str | None = None
    """Riva servers as host:port, dns:///name:port for all machines of a name, or unix:/path, several separated by
    commas; without any the embedded engine is started."""
    tls: bool | None = None
    """Whether connections are encrypted; without it they are if one of the next four is set."""
    ca: Path | None = None
    """PEM file of the authority that signed the servers' certificates; without it those that come with gRPC."""
    client_cert: Path | None = None
    """PEM file of the gateway's own certificate, for servers that ask for one, with the intermediate ones."""
    client_key: Path | None = None
    """PEM file of that certificate's key, not encrypted."""
    server_name: str | None = None
    """The name that the servers' certificates are for, where it is not the one in the address."""
    function_id: str | None = None
    """The function of NVIDIA's hosted service (NVCF) that is called."""
    api_key: SecretStr | None = None
    """Sent as `authorization: Bearer ...`."""
    metadata: dict[str, SecretStr] = Field(default_factory=dict)
    """Further metadata of every call, as a JSON object."""
    models: dict[str, str] = Field(default_factory=dict)
    """The Riva server's own model name for an asrModel, as a JSON object; without one the server chooses."""
    custom_configuration: dict[str, str] = Field(default_factory=dict)
    """The custom_configuration of every stream, as a JSON object."""
    stop_history_ms: Annotated[int, Field(ge=0, le=60_000)] = _DEFAULTS.stop_history_ms
    """The pause after which the server settles by itself where the gateway finds the utterances; 0 for its own."""
    force_eou: tuple[str, ...] = ()
    """Each asrModel whose model knows `force_eou`, as a JSON list; with vad=off `finalize` then keeps its stream."""
    most_speakers: Annotated[int, Field(ge=0, le=64)] = _DEFAULTS.most_speakers
    """How many speakers the Riva server is asked to tell apart, where its model can; 0 asks for none."""
    most_phrases: Annotated[int, Field(ge=0, le=100_000)] = MOST_PHRASES
    """How many phrases the Riva server takes for a stream."""
    sessions: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Live streams that this server gives each Riva server at once; without one as many as it does not refuse."""

    @field_validator("uri")
    @classmethod
    def _addresses_can_be(cls, text: str | None) -> str | None:
        if text is not None:
            parse_addresses(text)
        return text

    @field_validator("force_eou")
    @classmethod
    def _models_are_known(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        for model in models:
            if model not in PRESETS:
                raise ValueError(f"{model!r} is no asrModel; it must be one of {', '.join(PRESETS)}")
        return models

    @field_validator("api_key", "function_id")
    @classmethod
    def _credentials_can_be_sent(cls, value: SecretStr | str | None) -> SecretStr | str | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text is not None and not _VALUE.fullmatch(text):
            raise ValueError("must be printable ASCII, without space or line break at its ends")
        return value

    @field_validator("metadata")
    @classmethod
    def _metadata_can_be_sent(cls, metadata: Mapping[str, SecretStr]) -> dict[str, SecretStr]:
        lowered = {key.lower(): value for key, value in metadata.items()}
        for key, value in lowered.items():
            if not _KEY.fullmatch(key) or key.startswith("grpc-") or key.endswith("-bin"):
                raise ValueError(
                    f"the key {key!r} cannot be sent; keys are letters, digits, '_', '-' and '.', "
                    "do not begin with grpc- and do not end with -bin"
                )
            if not _VALUE.fullmatch(value.get_secret_value()):
                raise ValueError(f"the value of {key} must be printable ASCII, without space at its ends")
        return lowered

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        problems = (
            self._needs_address(),
            self._contradicts_tls(),
            self._is_half_a_certificate(),
            self._is_set_twice(),
            self._would_show_credentials(),
        )
        for problem in problems:
            if problem:
                raise ValueError(problem)
        return self

    @property
    def addresses(self) -> tuple[Address, ...]:
        return parse_addresses(self.uri) if self.uri is not None else ()

    @property
    def is_encrypted(self) -> bool:
        return self.tls or (self.tls is None and bool(self._tls_settings()))

    @property
    def call_metadata(self) -> dict[str, str]:
        """The metadata of every call, keys in lower case; it may hold secrets."""
        metadata = {key: value.get_secret_value() for key, value in self.metadata.items()}
        if self.function_id is not None:
            metadata[_FUNCTION_ID] = self.function_id
        if self.api_key is not None:
            metadata[_AUTHORIZATION] = f"Bearer {self.api_key.get_secret_value()}"
        return metadata

    def _tls_settings(self) -> list[str]:
        settings = {
            "NIYOSHA_RIVA_CA": self.ca,
            "NIYOSHA_RIVA_CLIENT_CERT": self.client_cert,
            "NIYOSHA_RIVA_CLIENT_KEY": self.client_key,
            "NIYOSHA_RIVA_SERVER_NAME": self.server_name,
        }
        return [name for name, value in settings.items() if value is not None]

    def _needs_address(self) -> str:
        settings = {
            "NIYOSHA_RIVA_TLS": self.tls,
            "NIYOSHA_RIVA_FUNCTION_ID": self.function_id,
            "NIYOSHA_RIVA_API_KEY": self.api_key,
            "NIYOSHA_RIVA_METADATA": self.metadata,
        }
        names = [name for name, value in settings.items() if value] + self._tls_settings()
        if self.uri is not None or not names:
            return ""
        return f"{names[0]} is set, but NIYOSHA_RIVA_URI is not; say where the Riva server is"

    def _contradicts_tls(self) -> str:
        if self.tls is not False or not self._tls_settings():
            return ""
        return f"{self._tls_settings()[0]} is set, but NIYOSHA_RIVA_TLS turns TLS off; leave one of them out"

    def _is_half_a_certificate(self) -> str:
        if (self.client_cert is None) == (self.client_key is None):
            return ""
        has, lacks = ("CERT", "KEY") if self.client_key is None else ("KEY", "CERT")
        return f"NIYOSHA_RIVA_CLIENT_{has} is set, but NIYOSHA_RIVA_CLIENT_{lacks} is not; a client needs both"

    def _is_set_twice(self) -> str:
        settings = {
            _FUNCTION_ID: ("NIYOSHA_RIVA_FUNCTION_ID", self.function_id),
            _AUTHORIZATION: ("NIYOSHA_RIVA_API_KEY", self.api_key),
        }
        for key, (name, value) in settings.items():
            if value is not None and key in self.metadata:
                return f"NIYOSHA_RIVA_METADATA has the key {key}, which is what {name} is for; leave one of them out"
        return ""

    def _would_show_credentials(self) -> str:
        far = [address.uri for address in self.addresses if not address.is_local]
        if self.is_encrypted or not far or _AUTHORIZATION not in self.call_metadata:
            return ""
        return (
            f"the key for Riva would go to {far[0]} without encryption, for everybody on the way to read; "
            "set NIYOSHA_RIVA_TLS=1"
        )
