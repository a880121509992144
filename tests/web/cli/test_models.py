"""The command `niyosha models`: what it lists, downloads and says."""

import io
import os
import subprocess
from pathlib import Path

import pytest
from huggingface_hub import constants
from rich.console import Console

from stream.catalogue.models import CATALOGUE
from stream.extras import ENGINE
from tests.stream.engine.support.hub import running_hub
from tests.support.missing_modules import run_without
from tests.support.ports import unused_port
from tests.support.processes import NIYOSHA, STUCK_SECONDS, typed
from web.cli import models as models_command

RIZEH = "Reza2kn/Shenava-Rizeh-v1.0-sherpa-onnx"
TO_SET = [
    "Set NIYOSHA_MODEL=bundled,fa and start the server.",
    """Clients then ask for languageCode fa; NIYOSHA_STREAM_DEFAULTS='{"languageCode": "fa"}' makes it the language """
    "of those that ask for none.",
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that `HF_HOME` names; its hub cannot be reached."""
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{unused_port()}")
    return tmp_path


@pytest.fixture
def published(tmp_path: Path) -> Path:
    directory = tmp_path / "published"
    directory.mkdir()
    (directory / "model.onnx").write_bytes(bytes(1000))
    (directory / "tokens.txt").write_text("<blk> 0\n")
    return directory


def put(home: Path, name: str) -> Path:
    """Make the directory of a downloaded model."""
    directory = home / "niyosha" / name
    directory.mkdir(parents=True)
    return directory


def test_the_list_has_every_model_with_its_facts_and_state(home: Path) -> None:
    put(home, "shenava-rizeh")
    lines = typed("models").stdout.splitlines()
    assert lines[0].split() == ["LANGUAGE", "NAME", "SIZE", "LICENCE", "KIND", "STATE"]
    rows = dict(zip(lines[1:-2:2], lines[2:-2:2], strict=True))
    assert [quality.strip() for quality in rows.values()] == [model.quality for model in CATALOGUE]
    for row, model in zip(rows, CATALOGUE, strict=True):
        assert row.startswith(model.serves)
        assert all(fact in row for fact in (model.name, model.size, model.license))
    states = {row.split("  ")[-1].strip() for row in rows}
    assert states == {"installed", "to get", "downloaded", "for --riva-uri"}
    assert next(row for row in rows if "shenava-rizeh" in row).endswith("utterances  downloaded")
    assert next(row for row in rows if "shenava-streaming" in row).endswith("streaming   to get")
    assert lines[-1] == "niyosha models get NAME downloads a model, by its name or a language."


def test_a_language_is_downloaded_once_by_the_settings_of_the_environment(published: Path, tmp_path: Path) -> None:
    def get(hub: str) -> subprocess.CompletedProcess[str]:
        settings = {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1"}
        command = [*NIYOSHA, "models", "get", "fa"]
        environment = os.environ | settings
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=STUCK_SECONDS, check=False
        )

    directory = tmp_path / "home" / "niyosha" / "shenava-rizeh"
    with running_hub(RIZEH, published) as (hub, _):
        loaded = get(hub)
    assert (loaded.returncode, loaded.stderr) == (0, "")
    assert loaded.stdout.splitlines() == [
        "shenava-rizeh, 32M parameters, licence: CC-BY-NC; WER 14.5 % of FLEURS-fa, by its publisher; never run here.",
        f"It is downloaded: {directory}",
        *TO_SET,
    ]
    assert sorted(file.name for file in directory.iterdir()) == ["model.onnx", "tokens.txt"]
    again = get("http://127.0.0.1:9")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.splitlines() == [f"shenava-rizeh is there already: {directory}", *TO_SET]


def test_a_terminal_shows_the_progress(home: Path, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = io.StringIO()
    with running_hub(RIZEH, published) as (hub, _):
        monkeypatch.setattr(constants, "ENDPOINT", hub)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub + "/{repo_id}/resolve/{revision}/{filename}")
        terminal = Console(file=drawn, force_terminal=True, width=100)
        models_command.get_model("shenava-rizeh", Console(file=io.StringIO()), terminal)
    assert "shenava-rizeh" in drawn.getvalue()
    assert "1.0/1.0 kB" in drawn.getvalue()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["en", "en-US", "whisper-tiny.en"])
def test_what_is_bundled_needs_no_download(name: str) -> None:
    assert typed("models", "get", name).stdout == (
        "whisper-tiny.en comes with Niyosha, and serves en-US without a setting.\n"
    )


def test_a_multilingual_model_is_set_by_its_name(home: Path) -> None:
    directory = put(home, "whisper-small")
    for name in ("whisper-small", "Systran/faster-whisper-small"):
        assert typed("models", "get", name).stdout.splitlines() == [
            f"whisper-small is there already: {directory}",
            "Set NIYOSHA_MODEL=bundled,whisper-small and start the server.",
        ]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("fa", "the hub at http://127.0.0.1:"),
        ("nemotron-farsi", "nemotron-farsi does not run in the embedded engine; serve mallahyari/nemotron-asr-"),
        ("tlh", 'the catalogue has no model and no language "tlh"; it has whisper-tiny.en, '),
        ("", 'the catalogue has no model and no language ""; it has '),
    ],
)
def test_what_cannot_be_downloaded_is_one_sentence(name: str, sentence: str) -> None:
    ended = typed("models", "get", name)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"niyosha models: {sentence}")
    assert ended.stderr.count("\n") == 1


def test_without_the_engine_the_list_is_there_and_nothing_is_downloaded(tmp_path: Path) -> None:
    listed, refused = (
        run_without(ENGINE.modules, tmp_path, ["-m", "web.cli.main", "models", *arguments])
        for arguments in ([], ["get", "fa"])
    )
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "shenava-rizeh" in listed.stdout
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "niyosha models: the embedded engine needs the extra 'engine', which is not installed; "
        "install it with: pip install 'niyosha[engine]'\n"
    )
