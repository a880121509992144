"""Where downloaded models are kept: below the hub's own directory (`HF_HOME`), each in a directory of its name."""

from pathlib import Path
from typing import TYPE_CHECKING

from stream.catalogue.models import CATALOGUE, COMMAND, CatalogueModel, Runs, command_for, model_named, models_for
from stream.lazy_import import lazy_import

if TYPE_CHECKING:
    from huggingface_hub import constants
else:
    constants = lazy_import("huggingface_hub.constants")

_OURS = "niyosha"


class NotDownloadedError(Exception):
    """A name of the catalogue stands for nothing that can be loaded here; the message says what to do."""


def directory_of(model: CatalogueModel) -> Path:
    """Return the directory of a downloaded model; it exists once all files are there and compared."""
    return Path(constants.HF_HOME) / _OURS / model.name


def partial_directory(model: CatalogueModel, commit: str) -> Path:
    """Return the directory of what is there of a model's `commit` before its download is complete."""
    directory = directory_of(model)
    return directory.with_name(f"{directory.name}.partial") / commit


def is_downloaded(model: CatalogueModel) -> bool:
    """Whether the model can be loaded without a download."""
    return model.runs is Runs.BUNDLED or (model.runs is Runs.ENGINE and directory_of(model).is_dir())


def model_to_load(name: str) -> CatalogueModel | None:
    """Return the downloaded model that a name stands for; None if the catalogue does not have the name.

    A name is that of a model, its place on the hub, or a language: the first model for it that is downloaded. A place
    on the hub that is not downloaded is left to the hub's client. Raises NotDownloadedError.
    """
    if named := model_named(name):
        if is_downloaded(named):
            return named
        if named.runs is Runs.RIVA:
            raise NotDownloadedError(
                f"the model {named.name} does not run in the embedded engine; {how_to_serve(named)}"
            )
        if name == named.repo_id:
            return None
        raise NotDownloadedError(f"the model {named.name} is not downloaded; {COMMAND} {named.name} does that")
    wanted = models_for(name)
    if not wanted:
        return None
    if found := next(filter(is_downloaded, wanted), None):
        return found
    raise NotDownloadedError(f"no model for {name} is downloaded; {command_for(name)} does that")


def how_to_serve(model: CatalogueModel) -> str:
    """Return what to do with a model that runs behind a server of its own."""
    return (
        f"serve {model.repo_id} by NeMo-Speech.cpp, which converts .nemo files, and name that server: "
        "niyosha serve --riva-uri HOST:PORT"
    )


def names() -> str:
    """All names that can be given, for people: models, then languages."""
    languages = dict.fromkeys(tag.partition("-")[0] for model in CATALOGUE for tag in model.languages)
    return ", ".join((*(model.name for model in CATALOGUE), *languages))
