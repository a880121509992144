"""A small model as it lies on a hub, and a place for downloads."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from stream.catalogue.models import CatalogueModel

REPO_ID = "org/tones"
N_BYTES = 300_000


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The directory of a hub with a model, and files that nobody needs."""
    directory = tmp_path / "published"
    directory.mkdir()
    (directory / "model.onnx").write_bytes(bytes(range(250)) * (N_BYTES // 250))
    (directory / "tokens.txt").write_text("<blk> 0\nسلام 1\n")
    (directory / "README.md").write_text("not needed")
    return directory


@pytest.fixture
def tones() -> CatalogueModel:
    return CatalogueModel(
        name="tones",
        languages=("fa",),
        repo_id=REPO_ID,
        files=("*.onnx", "tokens.txt"),
        size="300 kB",
        license="MIT",
        quality="never run here",
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that `HF_HOME` names."""
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
