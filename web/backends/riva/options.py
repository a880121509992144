"""Build the options of the Riva client from the settings: PEM files are read and checked here."""

import ssl
from dataclasses import fields
from pathlib import Path
from typing import Any

from stream.riva import RivaOptions, TlsOptions
from web.backends.riva.settings import RivaSettings
from web.section import SettingsError


def riva_options(riva: RivaSettings) -> RivaOptions:
    """Return the options of the client, with the files read; raises SettingsError."""
    # Settings with the name of an option are passed on as they are; the others are converted.
    names = {option.name for option in fields(RivaOptions)} & RivaSettings.model_fields.keys()
    options: dict[str, Any] = {name: getattr(riva, name) for name in names}
    options["uris"] = tuple(address.uri for address in riva.addresses)
    options["tls"] = _tls_options(riva) if riva.is_encrypted else None
    options["metadata"] = tuple(riva.call_metadata.items())
    return RivaOptions(**options)


def _tls_options(riva: RivaSettings) -> TlsOptions:
    options = TlsOptions(
        ca=_read("NIYOSHA_RIVA_CA", riva.ca),
        certificate=_read("NIYOSHA_RIVA_CLIENT_CERT", riva.client_cert),
        key=_read("NIYOSHA_RIVA_CLIENT_KEY", riva.client_key),
        server_name=riva.server_name,
    )
    # gRPC would accept anything and never connect; Python's own TLS says what is wrong.
    if riva.ca is not None:
        _check_authority(riva.ca)
    if riva.client_cert is not None and riva.client_key is not None:
        _check_pair(riva.client_cert, riva.client_key)
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
