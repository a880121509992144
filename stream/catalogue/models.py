"""The catalogue: models by language, with size, licence and what is known of their quality."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

COMMAND = "niyosha models get"
"""What downloads a model; the name of a model or the code of a language follows."""

_WHISPER_FILES = ("model.bin", "config.json", "tokenizer.json", "vocabulary.*")
_SHERPA_FILES = ("*.onnx", "tokens.txt")


class Runs(Enum):
    """Where a model runs: in the embedded engine, without a download or after one, or behind a server of its own."""

    BUNDLED = "bundled"
    ENGINE = "engine"
    RIVA = "riva"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueModel:
    """One model. `repo_id` is its place on the hub, "" for the bundled one.

    `languages` are BCP 47 tags, empty for the 99 languages of a multilingual Whisper model, none of which it is
    recommended for. `files` are the patterns of the files that the engine loads, each of which matches one at least;
    `sha256` has the digests of those that are known, in hexadecimal by file name. `size`, `license` and `quality` are
    for people; `quality` says who has measured it.
    """

    name: str
    languages: tuple[str, ...] = ()
    repo_id: str = ""
    runs: Runs = Runs.ENGINE
    files: tuple[str, ...] = ()
    size: str
    license: str
    is_streaming: bool = False
    quality: str
    sha256: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def speaks(self, language_code: str) -> bool:
        """Whether it is listed for a language such as `fa` or `fa-IR`."""
        return _primary(language_code) in map(_primary, self.languages)

    @property
    def serves(self) -> str:
        """The languages, for people."""
        return ", ".join(self.languages) or "99 languages"

    @property
    def kind(self) -> str:
        """Whether it follows speech or decodes whole utterances, for people."""
        return "streaming" if self.is_streaming else "utterances"


# Sizes, licences and error rates are those that the publishers state, unless a row says that they were measured here.
CATALOGUE = (
    CatalogueModel(
        name="whisper-tiny.en",
        languages=("en-US",),
        runs=Runs.BUNDLED,
        size="71 MB",
        license="MIT",
        quality="WER 4.5 % of 46 utterances of read English, measured here",
        sha256={"model.bin": "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac"},
    ),
    CatalogueModel(
        name="whisper-base",
        repo_id="Systran/faster-whisper-base",
        files=_WHISPER_FILES,
        size="145 MB",
        license="MIT",
        quality="the same weights from another package, measured here: French, Spanish and Portuguese readable, "
        "Russian WER 53 %, Persian WER 95 % (no use); this download was never run here",
    ),
    CatalogueModel(
        name="whisper-small",
        repo_id="Systran/faster-whisper-small",
        files=_WHISPER_FILES,
        size="244M parameters",
        license="MIT",
        quality="not measured; this download was never run here",
    ),
    CatalogueModel(
        name="shenava-rizeh",
        languages=("fa",),
        repo_id="Reza2kn/Shenava-Rizeh-v1.0-sherpa-onnx",
        files=("model.onnx", "tokens.txt"),
        size="32M parameters",
        license="CC-BY-NC",
        quality="WER 14.5 % of FLEURS-fa, by its publisher; never run here",
    ),
    CatalogueModel(
        name="shenava-streaming",
        languages=("fa",),
        repo_id="Reza2kn/shenava-fa-fastconformer-streaming-32m",
        files=_SHERPA_FILES,
        size="32M parameters",
        license="on its page",
        is_streaming=True,
        quality="WER 11.1 % of its own test set without look-ahead, by its publisher; never run here",
    ),
    CatalogueModel(
        name="nemotron-farsi",
        languages=("fa-IR",),
        repo_id="mallahyari/nemotron-asr-streaming-farsi",
        runs=Runs.RIVA,
        size="600M parameters",
        license="on its page",
        is_streaming=True,
        quality="WER 9.0 % of FLEURS-fa with 0.32 s of look-ahead, by its publisher; never run here",
    ),
)


def model_named(name: str) -> CatalogueModel | None:
    """Return the model of this name, or with this place on the hub; None for another one."""
    wanted = name.lower()
    return next((model for model in CATALOGUE if wanted and wanted in {model.name, model.repo_id.lower()}), None)


def models_for(language_code: str) -> tuple[CatalogueModel, ...]:
    """Return the models that the engine can load for a language such as `fa` or `fa-IR`, the recommended one first."""
    return tuple(model for model in CATALOGUE if model.runs is Runs.ENGINE and model.speaks(language_code))


def languages_to_get() -> tuple[str, ...]:
    """Return the primary tags of the languages for which there is a model to download, each once."""
    return tuple(
        dict.fromkeys(_primary(tag) for model in CATALOGUE if model.runs is Runs.ENGINE for tag in model.languages)
    )


def command_for(language_code: str) -> str | None:
    """Return the command that downloads a model for a language; None if the catalogue has none for it."""
    return f"{COMMAND} {_primary(language_code)}" if models_for(language_code) else None


def advice_for(language_code: str) -> str | None:
    """Return the end of a sentence about a language that is not served: what mends that; None without such a model."""
    command = command_for(language_code)
    return command and f"`{command}` on the server downloads a model for it, and says what to set NIYOSHA_MODEL to"


def _primary(language_code: str) -> str:
    return re.split("[-_]", language_code, maxsplit=1)[0].lower()
