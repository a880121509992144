"""What a model's directory says about it besides its weights: languages, license, checksums."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stream.engine.model.protocols import ModelError
from stream.engine.model.sherpa.files import Kind, Metadata, ModelFiles
from stream.lazy_import import lazy_import

repocard: Any = lazy_import("huggingface_hub.repocard")

_README = "README.md"
_CHECKSUMS = "SHA256SUMS"
_CHECKSUM_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")
_SENSE_VOICE_LANGUAGES = ("zh", "en", "ja", "ko", "yue")
_ENGLISH = "en"
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
# The languages of the models that sherpa-onnx publishes; their names have them between hyphens, as in
# `sherpa-onnx-streaming-zipformer-en-2023-06-26`. Two that are English words are left out: `no` and `is`.
_NAMED_LANGUAGE = re.compile(
    "ar|be|bg|bn|ca|cs|da|de|el|en|eo|es|et|fa|fi|fr|gl|ha|he|hi|hr|hu|hy|id|it|ja|ka|kk|ko|lt|lv|mn|ms|nl|"
    "pa|pl|ps|pt|ro|ru|sk|sl|sr|sv|sw|ta|te|th|tl|tr|uk|ur|uz|vi|yue|zh|zu"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What there is to know of a model without its weights; `license` is "" if nothing names one."""

    name: str
    kind: Kind
    languages: tuple[str, ...]
    license: str
    metadata: Metadata = field(default_factory=dict)


def read_card(
    directory: Path,
    files: ModelFiles,
    *,
    name: str,
    languages: Sequence[str] = (),
    license: str = "",  # noqa: A002
) -> ModelCard:
    """Return the card of a model; `languages` and `license` are those that its user or the catalogue has named.

    Languages come from there, else from its metadata, the front matter of its README, or its name. Raises ModelError if
    none of them has any.
    """
    front = _front_matter(directory / _README)
    found = tuple(languages) or _own_languages(files) or _listed(front.get("language")) or _languages_in(name)
    if not found:
        raise ModelError(
            f"nothing says which language {directory} is for; name it, as in {name}?language=en, "
            "or as `language` in the front matter of its README.md"
        )
    return ModelCard(
        name=name,
        kind=files.kind,
        languages=tuple(dict.fromkeys(found)),
        license=license or license_of(directory),
        metadata=files.metadata,
    )


def check_digests(directory: Path, names: Sequence[str], weights: Sequence[str], digests: Sequence[str] = ()) -> None:
    """Compare files with the SHA-256 digests of SHA256SUMS, and those with weights with what their user has named.

    Raises ModelError for a file that differs, and for one with weights that has none of the named digests.
    """
    listed = _checksums(directory / _CHECKSUMS)
    for name in names:
        wanted = listed.get(name)
        named = {digest.lower() for digest in digests} if name in weights else set()
        if wanted is None and not named:
            continue
        digest = _digest(directory / name)
        if wanted is not None and digest != wanted:
            raise ModelError(
                f"{directory / name} has the SHA-256 {digest}, and {_CHECKSUMS} says {wanted}; download it again"
            )
        if named and digest not in named:
            raise ModelError(f"{directory / name} has the SHA-256 {digest}, which is none of those that were named")


def is_language_tag(text: str) -> bool:
    """Whether a text has the form of a language tag, such as `fa` or `en-US`."""
    return _LANGUAGE_TAG.fullmatch(text) is not None


def _own_languages(files: ModelFiles) -> tuple[str, ...]:
    metadata = files.metadata
    if files.kind is Kind.SENSE_VOICE:
        return _SENSE_VOICE_LANGUAGES
    if files.kind is Kind.WHISPER:
        codes = metadata.get("all_language_codes", "") if metadata.get("is_multilingual") == "1" else _ENGLISH
        return tuple(code for code in codes.split(",") if code)
    return tuple(tag for tag in re.split(r"[,\s]+", metadata.get("language", "")) if is_language_tag(tag))


def _listed(written: object) -> tuple[str, ...]:
    tags = written if isinstance(written, list) else [written]
    return tuple(tag for tag in tags if isinstance(tag, str) and is_language_tag(tag))


def _languages_in(name: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[-_.]", name) if _NAMED_LANGUAGE.fullmatch(part))


def _front_matter(readme: Path) -> Mapping[str, Any]:
    """Return the YAML at the beginning of a README, as the hub's models have it; {} for none that can be read."""
    if not readme.is_file():
        return {}
    try:
        return repocard.metadata_load(readme) or {}
    except Exception:
        return {}


def license_of(directory: Path) -> str:
    """Return the license that the README of a model names, else the first line of a LICENSE file, else ""."""
    front = _front_matter(directory / _README)
    if isinstance(named := front.get("license"), str):
        return str(front.get("license_name", named)) if named == "other" else named
    for path in sorted(directory.glob("LICENSE*")):
        lines = path.read_text(errors="replace").splitlines()
        return next((line.strip()[:80] for line in lines if line.strip()), "")
    return ""


def _checksums(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    found = (_CHECKSUM_LINE.fullmatch(line.strip()) for line in path.read_text(errors="replace").splitlines())
    return {match[2].removeprefix("./"): match[1].lower() for match in found if match}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
