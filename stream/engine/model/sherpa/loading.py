"""Load a model that sherpa-onnx runs from its directory."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from stream.engine.model.protocols import ModelError
from stream.engine.model.sherpa.card import check_digests, read_card
from stream.engine.model.sherpa.files import TOKENIZER, TOKENS, Metadata, ModelFiles, UnknownModelError, recognize
from stream.engine.model.sherpa.offline import SherpaModel
from stream.engine.model.sherpa.online import SherpaStreamingModel
from stream.engine.model.sherpa.onnx_metadata import MetadataError, read_metadata
from stream.engine.model.sherpa.recognizers import offline_recognizer, online_recognizer
from stream.engine.model.sherpa.tokens_file import TokensFileError, check_tokens, read_tokens, write_moonshine_tokens
from stream.temporary import temporary_directory


def load_sherpa_model(
    directory: Path,
    *,
    name: str,
    languages: Sequence[str] = (),
    digests: Sequence[str] = (),
    license: str = "",  # noqa: A002
    provider: str = "cpu",
) -> SherpaModel | SherpaStreamingModel:
    """Load the model of a directory; blocks until done. Raises ModelError.

    `languages`, the SHA-256 `digests` and the `license` are those that its user or the catalogue has named; without
    them the directory says what it is. `provider` is the device that ONNX Runtime uses, `cpu` or `cuda`.
    """
    try:
        files = recognize([path.name for path in directory.iterdir() if path.is_file()], partial(_metadata, directory))
    except UnknownModelError as error:
        raise ModelError(f"{directory} is no model of sherpa-onnx that is served: {error}") from None
    check_digests(directory, list(files.parts.values()), files.weights, digests)
    card = read_card(directory, files, name=name, languages=languages, license=license)
    with temporary_directory() as written:
        tokens = _tokens(directory, files, written)
        try:
            if files.kind.is_streaming:
                return SherpaStreamingModel(card, online_recognizer(files, directory, tokens, provider))
            return SherpaModel(card, partial(offline_recognizer, files, directory, tokens, provider))
        except RuntimeError as error:
            raise ModelError(f"{directory} cannot be loaded: {_first_line(error)}; download it again") from error


def _metadata(directory: Path, name: str) -> Metadata:
    try:
        return read_metadata(directory / name)
    except (MetadataError, OSError) as error:
        raise ModelError(f"{directory / name} cannot be read: {error}; download it again") from error


def _tokens(directory: Path, files: ModelFiles, written: Path) -> Path:
    """Return the list of tokens, written from Moonshine's own file where there is no other; raises ModelError."""
    source = directory / (files.parts.get(TOKENS) or files.parts[TOKENIZER])
    try:
        if TOKENS in files.parts:
            check_tokens(files, read_tokens(source.read_text(errors="replace")))
            return source
        path = written / "tokens.txt"
        write_moonshine_tokens(source.read_bytes(), path)
    except (TokensFileError, OSError) as error:
        raise ModelError(f"{source} cannot be used: {error}; download it again") from error
    return path


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
