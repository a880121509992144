import hashlib
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from stream.engine.model.models import load_models
from stream.engine.model.protocols import ModelError
from stream.engine.model.sherpa.files import Kind
from tests.support.models.kinds import written


@pytest.fixture(scope="module")
def nemo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A NeMo CTC model, as it was downloaded."""
    directory = written(Kind.NEMO_CTC, tmp_path_factory.mktemp("models"), "shenava-rizeh")
    (directory / "README.md").write_text("---\nlanguage: fa\nlicense: cc-by-nc-4.0\n---\n")
    return directory


@pytest.fixture
def copy(nemo: Path, tmp_path: Path) -> Path:
    """A copy of it to be damaged."""
    return Path(shutil.copytree(nemo, tmp_path / "copy"))


def refusal(spec: str | Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_models([str(spec)], 1)
    return str(caught.value)


def test_a_directory_is_all_that_is_needed(nemo: Path) -> None:
    (model,) = load_models([str(nemo)], 1)
    assert (model.name, model.languages, model.license) == ("shenava-rizeh", ("fa",), "cc-by-nc-4.0")


@pytest.mark.parametrize("spec", ["fa", "fa-IR", "shenava-rizeh", "Reza2kn/Shenava-Rizeh-v1.0-sherpa-onnx"])
def test_a_downloaded_model_of_the_catalogue_is_loaded_by_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    (tmp_path / "niyosha").mkdir()
    # The catalogue says what its files do not.
    written(Kind.NEMO_CTC, tmp_path / "niyosha", "shenava-rizeh")
    (model,) = load_models([spec], 1)
    assert (model.name, model.languages, model.license) == ("shenava-rizeh", ("fa",), "CC-BY-NC")


def test_a_model_of_the_catalogue_that_is_not_downloaded_is_refused_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    assert refusal("fa") == "no model for fa is downloaded; niyosha models get fa does that"


def test_a_user_may_say_more_about_it(nemo: Path) -> None:
    digest = hashlib.sha256((nemo / "model.onnx").read_bytes()).hexdigest()
    (model,) = load_models([f"{nemo}?language=tg&language=fa-AF&sha256={digest}"], 1)
    assert model.languages == ("tg", "fa-AF")


def test_other_weights_than_the_user_named_are_refused(nemo: Path) -> None:
    assert refusal(f"{nemo}?sha256={'0' * 64}").endswith("which is none of those that were named")
    assert refusal(f"bundled?sha256={'0' * 64}").endswith("which is none of those that were named")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("lang=fa", "has the option 'lang'; options are language and sha256"),
        ("language=persian", "has the language 'persian'; a language is a tag such as fa or en-US"),
        ("language=", "has the language ''; a language is a tag such as fa or en-US"),
        ("sha256=123", "has the SHA-256 '123'; it has 64 hexadecimal digits"),
    ],
)
def test_what_is_said_about_a_model_is_checked(nemo: Path, query: str, sentence: str) -> None:
    assert refusal(f"{nemo}?{query}") == f"the model '{nemo}?{query}' {sentence}"


def test_the_languages_of_whisper_are_its_own() -> None:
    assert refusal("bundled?language=fa") == (
        "whisper-tiny.en says itself which languages it serves; leave language=fa out"
    )


def test_a_file_that_is_missing_is_named(copy: Path) -> None:
    (copy / "tokens.txt").unlink()
    assert refusal(copy) == (
        f"{copy} is no model of sherpa-onnx that is served: it has no tokens.txt, which a NeMo CTC model needs"
    )


def test_a_damaged_list_of_tokens_is_named(copy: Path) -> None:
    (copy / "tokens.txt").write_text("a 0\nb\n")
    assert refusal(copy) == (
        f"{copy / 'tokens.txt'} cannot be used: its line 2 is no token with a number behind it; download it again"
    )


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.99])
def test_damaged_weights_are_named(copy: Path, kept: float) -> None:
    weights = (copy / "model.onnx").read_bytes()
    (copy / "model.onnx").write_bytes(weights[: int(kept if kept >= 1 else kept * len(weights))])
    assert refusal(copy).startswith(f"{copy / 'model.onnx'} cannot be read: ")


def test_a_changed_file_differs_from_the_checksums_of_its_release(copy: Path) -> None:
    (copy / "SHA256SUMS").write_text(f"{hashlib.sha256(b'').hexdigest()}  model.onnx\n")
    assert refusal(copy).endswith(f"and SHA256SUMS says {hashlib.sha256(b'').hexdigest()}; download it again")


def test_weights_that_the_library_cannot_load_are_named(copy: Path) -> None:
    # Its metadata is whole, and its graph is not.
    weights = bytearray((copy / "model.onnx").read_bytes())
    place = weights.index(b"AveragePool")
    weights[place : place + 11] = b"AveragePoot"
    (copy / "model.onnx").write_bytes(weights)
    found = refusal(copy)
    assert found.startswith(f"{copy} cannot be loaded: ")
    assert found.endswith("; download it again")
