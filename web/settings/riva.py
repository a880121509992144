"""Owns the settings of the Riva servers: what may be set together, and the client's options that come of it."""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from stream.configuration.config import PRESETS
from stream.riva import RivaOptions, TlsOptions
from stream.riva.servers.addresses import Address, parse_addresses

_FUNCTION_ID = "function-id"
_AUTHORIZATION = "authorization"
_KEY = re.compile(r"[a-z0-9_.-]+")
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")  # what HTTP/2 carries as text


class SettingsError(Exception):
    """Settings that cannot be; the text names each with its value and what is allowed."""


class RivaSettings(BaseSettings):
    """Where the Riva servers are and how to speak to them; nothing of it concerns the embedded engine."""

    riva_uri: str | None = None
    """Riva servers as host:port, dns:///name:port for all machines of a name, or unix:/path, several separated by
    commas; without any the embedded engine is started."""
    riva_tls: bool | None = None
    """Whether connections are encrypted; without it they are if one of the next four is set."""
    riva_ca: Path | None = None
    """PEM file of the authority that signed the servers' certificates; without it those that come with gRPC."""
    riva_client_cert: Path | None = None
    """PEM file of the gateway's own certificate, for servers that ask for one, with the intermediate ones."""
    riva_client_key: Path | None = None
    """PEM file of that certificate's key, not encrypted."""
    riva_server_name: str | None = None
    """The name that the servers' certificates are for, where it is not the one in the address."""
    riva_function_id: str | None = None
    """The function of NVIDIA's hosted service (NVCF) that is called."""
    riva_api_key: SecretStr | None = None
    """Sent as `authorization: Bearer ...`."""
    riva_metadata: dict[str, SecretStr] = {}
    """Further metadata of every call, as a JSON object."""
    riva_models: dict[str, str] = {}
    """The Riva server's own model name for an asrModel, as a JSON object; without one the server chooses."""
    riva_custom_configuration: dict[str, str] = {}
    """The custom_configuration of every stream, as a JSON object."""
    riva_stop_history_ms: Annotated[int, Field(ge=0, le=60_000)] = 30_000
    """The pause after which the server settles by itself where the gateway finds the utterances; 0 for its own."""
    riva_force_eou: tuple[str, ...] = ()
    """Each asrModel whose model knows `force_eou`, as a JSON list; with vad=off `finalize` then keeps its stream."""
    riva_most_speakers: Annotated[int, Field(ge=0, le=64)] = 0
    """How many speakers the Riva server is asked to tell apart, where its model can; 0 asks for none."""
    riva_most_phrases: Annotated[int, Field(ge=0, le=100_000)] = 500
    """How many phrases the Riva server takes for a stream."""
    riva_sessions: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Live streams that this process gives each Riva server at once; without one as many as it does not refuse."""

    @field_validator("riva_uri")
    @classmethod
    def _addresses_can_be(cls, text: str | None) -> str | None:
        if text is not None:
            parse_addresses(text)
        return text

    @field_validator("riva_force_eou")
    @classmethod
    def _models_are_known(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        for model in models:
            if model not in PRESETS:
                raise ValueError(f"{model!r} is no asrModel; it must be one of {', '.join(PRESETS)}")
        return models

    @field_validator("riva_api_key", "riva_function_id")
    @classmethod
    def _credentials_can_be_sent(cls, value: SecretStr | str | None) -> SecretStr | str | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text is not None and not _VALUE.fullmatch(text):
            raise ValueError("must be printable ASCII, without space or line break at its ends")
        return value

    @field_validator("riva_metadata")
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
            self._is_said_twice(),
            self._would_show_credentials(),
        )
        for problem in problems:
            if problem:
                raise ValueError(problem)
        return self

    @property
    def riva_addresses(self) -> tuple[Address, ...]:
        return parse_addresses(self.riva_uri) if self.riva_uri is not None else ()

    @property
    def riva_is_encrypted(self) -> bool:
        return self.riva_tls or (self.riva_tls is None and bool(self._tls_settings()))

    @property
    def riva_options(self) -> RivaOptions:
        """The options of the client, with the files read; raises SettingsError."""
        return RivaOptions(
            uris=tuple(address.uri for address in self.riva_addresses),
            tls=self._tls_options() if self.riva_is_encrypted else None,
            metadata=tuple(self._call_metadata().items()),
            most_phrases=self.riva_most_phrases,
            models=self.riva_models,
            custom_configuration=self.riva_custom_configuration,
            stop_history_ms=self.riva_stop_history_ms,
            most_speakers=self.riva_most_speakers,
            force_eou=self.riva_force_eou,
            sessions=self.riva_sessions,
        )

    def _call_metadata(self) -> dict[str, str]:
        metadata = {key: value.get_secret_value() for key, value in self.riva_metadata.items()}
        if self.riva_function_id is not None:
            metadata[_FUNCTION_ID] = self.riva_function_id
        if self.riva_api_key is not None:
            metadata[_AUTHORIZATION] = f"Bearer {self.riva_api_key.get_secret_value()}"
        return metadata

    def _tls_settings(self) -> list[str]:
        settings = {
            "NIYOSHA_RIVA_CA": self.riva_ca,
            "NIYOSHA_RIVA_CLIENT_CERT": self.riva_client_cert,
            "NIYOSHA_RIVA_CLIENT_KEY": self.riva_client_key,
            "NIYOSHA_RIVA_SERVER_NAME": self.riva_server_name,
        }
        return [name for name, value in settings.items() if value is not None]

    def _needs_address(self) -> str:
        settings = {
            "NIYOSHA_RIVA_TLS": self.riva_tls,
            "NIYOSHA_RIVA_FUNCTION_ID": self.riva_function_id,
            "NIYOSHA_RIVA_API_KEY": self.riva_api_key,
            "NIYOSHA_RIVA_METADATA": self.riva_metadata,
        }
        names = [name for name, value in settings.items() if value] + self._tls_settings()
        if self.riva_uri is not None or not names:
            return ""
        return f"{names[0]} is set, but NIYOSHA_RIVA_URI is not; say where the Riva server is"

    def _contradicts_tls(self) -> str:
        if self.riva_tls is not False or not self._tls_settings():
            return ""
        return f"{self._tls_settings()[0]} is set, but NIYOSHA_RIVA_TLS turns TLS off; leave one of them out"

    def _is_half_a_certificate(self) -> str:
        if (self.riva_client_cert is None) == (self.riva_client_key is None):
            return ""
        has, lacks = ("CERT", "KEY") if self.riva_client_key is None else ("KEY", "CERT")
        return f"NIYOSHA_RIVA_CLIENT_{has} is set, but NIYOSHA_RIVA_CLIENT_{lacks} is not; a client needs both"

    def _is_said_twice(self) -> str:
        settings = {
            _FUNCTION_ID: ("NIYOSHA_RIVA_FUNCTION_ID", self.riva_function_id),
            _AUTHORIZATION: ("NIYOSHA_RIVA_API_KEY", self.riva_api_key),
        }
        for key, (name, value) in settings.items():
            if value is not None and key in self.riva_metadata:
                return f"NIYOSHA_RIVA_METADATA has the key {key}, which is what {name} is for; leave one of them out"
        return ""

    def _would_show_credentials(self) -> str:
        far = [address.uri for address in self.riva_addresses if not address.is_local]
        if self.riva_is_encrypted or not far or _AUTHORIZATION not in self._call_metadata():
            return ""
        return (
            f"the key for Riva would go to {far[0]} without encryption, for everybody on the way to read; "
            "set NIYOSHA_RIVA_TLS=1"
        )

    def _tls_options(self) -> TlsOptions:
        options = TlsOptions(
            ca=_read("NIYOSHA_RIVA_CA", self.riva_ca),
            certificate=_read("NIYOSHA_RIVA_CLIENT_CERT", self.riva_client_cert),
            key=_read("NIYOSHA_RIVA_CLIENT_KEY", self.riva_client_key),
            server_name=self.riva_server_name,
        )
        # gRPC would take anything and never connect: Python's own TLS says what is wrong.
        if self.riva_ca is not None:
            _check_authority(self.riva_ca)
        if self.riva_client_cert is not None and self.riva_client_key is not None:
            _check_pair(self.riva_client_cert, self.riva_client_key)
        return options


def _read(name: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{name} is {path}, which cannot be read: {error.strerror}") from None


def _check_authority(path: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise SettingsError(f"NIYOSHA_RIVA_CA is {path}, which holds no certificate in PEM format") from None


def _check_pair(certificate: Path, key: Path) -> None:
    """Both can be read; anything but a match of the two is refused."""
    what = f"NIYOSHA_RIVA_CLIENT_CERT is {certificate} and NIYOSHA_RIVA_CLIENT_KEY is {key}: "
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=_refuse_password)
    except _EncryptedKeyError:
        raise SettingsError(what + "the key is encrypted; store it without a password") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsError(what + "the key is not the one of the certificate") from None
        raise SettingsError(what + "one of them holds nothing in PEM format") from None


class _EncryptedKeyError(Exception):
    """The key asks for a password."""


def _refuse_password() -> str:
    raise _EncryptedKeyError
