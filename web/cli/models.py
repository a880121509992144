"""The command `niyosha models`: list the catalogue, and download a model of it."""

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from stream.catalogue.hub import DownloadError, download
from stream.catalogue.models import CATALOGUE, COMMAND, CatalogueModel, Runs, model_named, models_for
from stream.catalogue.places import directory_of, how_to_serve, is_downloaded, names
from stream.errors import quoted
from stream.extras import ENGINE
from web.cli.console import standard_error

_TITLES = ("LANGUAGE", "NAME", "SIZE", "LICENCE", "KIND")


def list_models() -> None:
    """Print the catalogue: two lines for each model, the second with what is known of its quality."""
    console = Console()
    rows = [_TITLES, *((model.serves, model.name, model.size, model.license, model.kind) for model in CATALOGUE)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    _print(console, f"{lines[0]}  STATE")
    for line, model in zip(lines[1:], CATALOGUE, strict=True):
        _print(console, f"{line}  {_state(model)}")
        _print(console, f"    {model.quality}")
    _print(console, f"\n{COMMAND} NAME downloads a model, by its name or a language.")


def get_model_or_exit(name: str) -> None:
    """Download a model and print what to set, or exit with a sentence about why it cannot be downloaded."""
    try:
        get_model(name, Console(), standard_error())
    except DownloadError as error:
        sys.exit(f"niyosha models: {error}")


def get_model(name: str, console: Console, progress_console: Console) -> None:
    """Download a model and print what to set; a terminal shows a progress bar. Raises DownloadError."""
    model = _chosen(name)
    match model.runs:
        case Runs.BUNDLED:
            _print(console, f"{model.name} comes with Niyosha, and serves {model.serves} without a setting.")
            return
        case Runs.RIVA:
            raise DownloadError(f"{model.name} does not run in the embedded engine; {how_to_serve(model)}")
        case Runs.ENGINE:
            pass
    if ENGINE.missing:
        raise DownloadError(ENGINE.missing)
    if is_downloaded(model):
        _print(console, f"{model.name} is there already: {directory_of(model)}")
    else:
        _print(console, f"{model.name}, {model.size}, licence: {model.license}; {model.quality}.")
        _print(console, f"It is downloaded: {_download(model, progress_console)}")
    _print(console, f"Set NIYOSHA_MODEL=bundled,{model.name if model_named(name) else name} and start the server.")
    if model.languages:
        tag = model.languages[0]
        _print(
            console,
            f'Clients then ask for languageCode {tag}; NIYOSHA_STREAM_DEFAULTS=\'{{"languageCode": "{tag}"}}\' makes '
            "it the language of those that ask for none.",
        )


def _state(model: CatalogueModel) -> str:
    match model.runs:
        case Runs.BUNDLED:
            return "installed"
        case Runs.RIVA:
            return "for --riva-uri"
        case Runs.ENGINE:
            return "downloaded" if not ENGINE.missing and is_downloaded(model) else "to get"


def _chosen(name: str) -> CatalogueModel:
    """Return the model of a name, or the recommended one for a language; raises DownloadError."""
    bundled = (model for model in CATALOGUE if model.runs is Runs.BUNDLED and model.speaks(name))
    model = model_named(name) or next(iter((*models_for(name), *bundled)), None)
    if model is None:
        raise DownloadError(
            f"the catalogue has no model and no language {quoted(name)}; it has {names()}. "
            "A model of the hub that is not listed is named by its id in NIYOSHA_MODEL"
        )
    return model


def _download(model: CatalogueModel, console: Console) -> Path:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(model.name)
        return download(model, lambda done, total: progress.update(task, completed=done, total=total))


def _print(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, markup=False, highlight=False)
