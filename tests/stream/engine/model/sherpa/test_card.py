import hashlib
from pathlib import Path

import pytest

from stream.engine.model.protocols import ModelError
from stream.engine.model.sherpa.card import check_digests, is_language_tag, license_of, read_card
from stream.engine.model.sherpa.files import Kind, ModelFiles

README = "---\nlanguage:\n- fa\n- ckb\nlicense: cc-by-nc-4.0\n---\n# A model\n"
NEMO = ModelFiles(kind=Kind.NEMO_CTC, parts={"model": "model.onnx", "tokens": "tokens.txt"}, metadata={})


def languages(directory: Path, files: ModelFiles, name: str = "model", named: tuple[str, ...] = ()) -> tuple[str, ...]:
    return read_card(directory, files, name=name, languages=named).languages


def test_a_user_names_the_languages_before_all_others(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(README)
    assert languages(tmp_path, NEMO, "zipformer-en", ("tg", "tg")) == ("tg",)
    assert languages(tmp_path, NEMO, "zipformer-en") == ("fa", "ckb")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("sherpa-onnx-streaming-zipformer-bilingual-zh-en-2023-02-20", ("zh", "en")),
        ("sherpa-onnx-nemo-streaming-fast-conformer-ctc-en-80ms-int8", ("en",)),
        ("tiny-en", ("en",)),
        ("vosk-model-small-ru", ("ru",)),
    ],
)
def test_the_names_of_releases_have_languages(tmp_path: Path, name: str, found: tuple[str, ...]) -> None:
    assert languages(tmp_path, NEMO, name) == found


@pytest.mark.parametrize("readme", ["", "# A model", "---\nlanguage: [\n---\n", "---\nlanguage: 5\n---\n"])
def test_a_model_without_a_language_is_refused(tmp_path: Path, readme: str) -> None:
    (tmp_path / "README.md").write_text(readme)
    with pytest.raises(ModelError) as caught:
        read_card(tmp_path, NEMO, name="parakeet")
    assert str(caught.value) == (
        f"nothing says which language {tmp_path} is for; name it, as in parakeet?language=en, "
        "or as `language` in the front matter of its README.md"
    )


def test_some_models_say_themselves_what_they_serve(tmp_path: Path) -> None:
    def serves(kind: Kind, **metadata: str) -> tuple[str, ...]:
        return languages(tmp_path, ModelFiles(kind=kind, parts={}, metadata=metadata))

    assert serves(Kind.SENSE_VOICE) == ("zh", "en", "ja", "ko", "yue")
    assert serves(Kind.WHISPER, is_multilingual="1", all_language_codes="en,fa,tg") == ("en", "fa", "tg")
    assert serves(Kind.WHISPER, is_multilingual="0") == ("en",)
    assert serves(Kind.NEMO_CTC, language="de, fr") == ("de", "fr")


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"README.md": README}, "cc-by-nc-4.0"),
        ({"README.md": "---\nlicense: other\nlicense_name: moonshine-ai-community\n---\n"}, "moonshine-ai-community"),
        ({"README.md": "# no front matter", "LICENSE": "\n  Apache License\n  Version 2.0\n"}, "Apache License"),
        ({}, ""),
    ],
)
def test_the_license_is_that_of_the_readme_or_of_its_file(tmp_path: Path, files: dict[str, str], found: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert license_of(tmp_path) == found


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, str]:
    """Two files, and the digests of both."""
    for name in ("model.onnx", "tokens.txt"):
        (tmp_path / name).write_text(name)
    return {name: hashlib.sha256(name.encode()).hexdigest() for name in ("model.onnx", "tokens.txt")}


def test_right_digests_pass(tmp_path: Path, weights: dict[str, str]) -> None:
    (tmp_path / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in weights.items()))
    check_digests(tmp_path, list(weights), ["model.onnx"])
    check_digests(tmp_path, list(weights), ["model.onnx"], [weights["model.onnx"].upper()])


def test_a_file_that_differs_from_the_list_is_refused(tmp_path: Path, weights: dict[str, str]) -> None:
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64} *./tokens.txt\n")
    with pytest.raises(ModelError) as caught:
        check_digests(tmp_path, list(weights), ["model.onnx"])
    assert str(caught.value) == (
        f"{tmp_path / 'tokens.txt'} has the SHA-256 {weights['tokens.txt']}, and SHA256SUMS says {'0' * 64}; "
        "download it again"
    )


def test_weights_without_a_named_digest_are_refused(tmp_path: Path, weights: dict[str, str]) -> None:
    with pytest.raises(ModelError) as caught:
        check_digests(tmp_path, list(weights), ["model.onnx"], ["0" * 64])
    assert str(caught.value) == (
        f"{tmp_path / 'model.onnx'} has the SHA-256 {weights['model.onnx']}, which is none of those that were named"
    )


@pytest.mark.parametrize(("text", "is_tag"), [("fa", True), ("en-US", True), ("zh-Hans-CN", True), ("persian", False)])
def test_a_language_is_a_tag(text: str, is_tag: bool) -> None:
    assert is_language_tag(text) == is_tag
