"""The options that several commands share, with the same words for the same thing."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from stream.configuration.presets import PRESETS
from stream.lazy_import import lazy_import

if TYPE_CHECKING:
    from web.backends.embedded import settings as embedded_settings
else:
    # Pydantic takes a tenth of a second, which most commands do without.
    embedded_settings = lazy_import("web.backends.embedded.settings")

TOKEN_VARIABLE, SERVER_VARIABLE = "NIYOSHA_TOKEN", "NIYOSHA_SERVER"
_TLS_PORT = ":443"


def server_address(text: str | None) -> str | None:
    """Return the address of a server that may be given as HOST:PORT, as a URL."""
    if text is None or "://" in text:
        return text
    return f"https://{text}" if text.endswith(_TLS_PORT) else f"http://{text}"


def _asr_model(name: str | None) -> str | None:
    if name is None or name in PRESETS:
        return name
    raise typer.BadParameter(f"it is {name!r}; it must be one of {', '.join(PRESETS)}")


def _model(names: list[str] | None) -> list[str] | None:
    for name in names or ():
        if name in PRESETS:
            raise typer.BadParameter(f"{name!r} is a kind of sound; give it as --asr-model {name}")
    return names


def _device(name: str) -> str:
    allowed = get_args(embedded_settings.DeviceName)
    if name in allowed:
        return name
    raise typer.BadParameter(f"it is {name!r}; it must be one of {', '.join(allowed)}")


Device = Annotated[
    str,
    typer.Option(
        help="Where models run; `auto` takes a GPU if it can be used.", metavar="auto|cpu|cuda", callback=_device
    ),
]
Model = Annotated[
    list[str] | None,
    typer.Option(
        help="A model's directory, its name in `niyosha models`, a hub id or `bundled`; several are tried in order.",
        callback=_model,
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT|URL",
        help="A running server; by default the local one or a new one.",
        envvar=SERVER_VARIABLE,
        callback=server_address,
    ),
]
Token = Annotated[
    str | None, typer.Option(help="A token, where the server asks for one.", envvar=TOKEN_VARIABLE, show_default=False)
]
Language = Annotated[str | None, typer.Option(help="Language tag such as en or en-US.")]
AsrModel = Annotated[
    str | None,
    typer.Option(
        "--asr-model",
        metavar="|".join(PRESETS),
        help="The kind of sound.",
        callback=_asr_model,
        autocompletion=lambda: list(PRESETS),
    ),
]
Phrases = Annotated[Path | None, typer.Option(metavar="FILE", help="Words to expect, one phrase a line.")]
