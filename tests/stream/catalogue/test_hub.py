"""Downloads from a hub on this machine: complete, broken off, damaged, refused, and without space or network."""

import errno
import shutil
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from huggingface_hub import constants

from stream.catalogue.hub import DownloadError, download
from stream.catalogue.models import CatalogueModel
from stream.catalogue.places import is_downloaded, partial_directory
from tests.stream.catalogue.conftest import N_BYTES, REPO_ID
from tests.stream.engine.support.hub import COMMIT, Faults, running_hub
from tests.support.ports import unused_port

WEIGHTS = f"/{REPO_ID}/resolve/{COMMIT}/model.onnx"
Usage = namedtuple("Usage", ["total", "used", "free"])


@contextmanager
def hub_of(directory: Path, monkeypatch: pytest.MonkeyPatch, faults: Faults | None = None) -> Iterator[list[str]]:
    """Serve a model at the endpoint of the hub's client; what is asked comes back."""
    with running_hub(REPO_ID, directory, faults) as (url, asked):
        monkeypatch.setattr(constants, "ENDPOINT", url)
        template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield asked


def refusal(model: CatalogueModel) -> str:
    """The sentence with which a download fails."""
    with pytest.raises(DownloadError) as caught:
        download(model, lambda *_: None)
    assert not is_downloaded(model)
    return str(caught.value)


def test_a_download_is_complete_and_made_once(
    published: Path, tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[int, int]] = []
    with hub_of(published, monkeypatch) as asked:
        assert not is_downloaded(tones)
        directory = download(tones, lambda *sizes: shown.append(sizes))
        assert is_downloaded(tones)
        asked.clear()
        assert download(tones, lambda *_: None) == directory
        assert asked == []
    assert directory == home / "niyosha" / "tones"
    assert {file.name: file.read_bytes() for file in directory.iterdir()} == {
        name: (published / name).read_bytes() for name in ("model.onnx", "tokens.txt")
    }
    assert [path.name for path in directory.parent.iterdir()] == ["tones"], "nothing else is left"
    total = N_BYTES + (published / "tokens.txt").stat().st_size
    assert shown == sorted(shown)
    assert (shown[0], shown[-1]) == ((0, total), (total, total))


def test_a_connection_that_breaks_is_resumed(
    published: Path, tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_of(published, monkeypatch, Faults(cuts=[100_000, 50_000])) as asked:
        directory = download(tones, lambda *_: None)
    assert [path.removeprefix(WEIGHTS) for path in asked if path.startswith(WEIGHTS)] == [
        "",
        "bytes=100000-",
        "bytes=150000-",
    ]
    assert (directory / "model.onnx").read_bytes() == (published / "model.onnx").read_bytes()


def test_a_download_that_was_given_up_goes_on_where_it_ended(
    published: Path, tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_of(published, monkeypatch, Faults(cuts=[100_000, 0, 0, 0])):
        sentence = refusal(tones)
    assert sentence.startswith("the download of model.onnx broke off after 0.1 of 0.3 MB: ")
    assert sentence.endswith("; the same command goes on from there")
    with hub_of(published, monkeypatch) as asked:
        directory = download(tones, lambda *_: None)
    assert [path for path in asked if path.startswith(WEIGHTS)] == [f"{WEIGHTS}bytes=100000-"]
    assert (directory / "model.onnx").read_bytes() == (published / "model.onnx").read_bytes()


def test_a_hub_without_ranges_sends_the_whole_file_again(
    published: Path, tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_of(published, monkeypatch, Faults(cuts=[100_000], knows_ranges=False)):
        directory = download(tones, lambda *_: None)
    assert (directory / "model.onnx").read_bytes() == (published / "model.onnx").read_bytes()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("name", "kind"), [("model.onnx", "sha256"), ("tokens.txt", "Git id")])
def test_a_damaged_file_is_deleted_and_loaded_again(
    published: Path, tones: CatalogueModel, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    model = replace(tones, files=(name,))
    with hub_of(published, monkeypatch, Faults(damages=True)):
        sentence = refusal(model)
    assert sentence.startswith(f"{name} is damaged, and was deleted: its {kind} is ")
    assert sentence.endswith("; the same command loads it again")
    with hub_of(published, monkeypatch):
        assert (download(model, lambda *_: None) / name).read_bytes() == (published / name).read_bytes()


def test_the_digest_of_the_catalogue_counts_more_than_the_hub(
    published: Path, tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_of(published, monkeypatch):
        sentence = refusal(replace(tones, sha256={"model.onnx": "0" * 64}))
    assert f" instead of {'0' * 64}; " in sentence


def test_a_file_that_is_larger_than_listed_is_damaged(
    published: Path, tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = partial_directory(tones, COMMIT)
    partial.mkdir(parents=True)
    (partial / "model.onnx").write_bytes(bytes(N_BYTES + 1))
    with hub_of(published, monkeypatch):
        assert refusal(tones).startswith("model.onnx is damaged, and was deleted: ")
        assert (download(tones, lambda *_: None) / "model.onnx").stat().st_size == N_BYTES


def test_too_little_space_is_found_before_the_download(
    published: Path, tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**6, 10**6 - 1000, 1000))
    with hub_of(published, monkeypatch) as asked:
        assert refusal(tones) == (
            f"there is too little space in {home / 'niyosha'}: 0.3 MB are missing, 0.0 MB are free; "
            "make room, or set HF_HOME to a directory with more"
        )
    assert not [path for path in asked if "resolve" in path]


def test_a_disk_that_fills_up_on_the_way_is_reported(
    published: Path, tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with hub_of(published, monkeypatch), pytest.raises(DownloadError) as caught:
        download(tones, full)
    assert str(caught.value).startswith(f"there is too little space in {home / 'niyosha'}: ")


def test_a_directory_that_cannot_be_written_is_reported(
    published: Path, tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_text("no directory")
    with hub_of(published, monkeypatch):
        assert refusal(tones) == f"tones cannot be stored in {home / 'niyosha'}: Not a directory"


def test_an_unreachable_hub_is_reported(tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = f"http://127.0.0.1:{unused_port()}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    assert refusal(tones) == (
        f"the hub at {endpoint} cannot be reached: [Errno 111] Connection refused; check the connection "
        "(HF_ENDPOINT, HTTPS_PROXY), or load the files elsewhere and name their directory in NIYOSHA_MODEL"
    )


def test_a_model_that_the_hub_does_not_give_is_reported(
    published: Path, tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_of(published, monkeypatch):
        assert refusal(replace(tones, repo_id="org/other")) == (
            "the hub gives org/other to nobody without permission, or no longer has it; look at its page, "
            "and set HF_TOKEN where it asks for one"
        )


def test_a_model_without_a_file_that_is_needed_is_reported(
    published: Path, tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (published / "tokens.txt").unlink()
    with hub_of(published, monkeypatch):
        assert refusal(tones) == (
            "org/tones on the hub has no tokens.txt, which the engine needs; its files: README.md, model.onnx"
        )


def test_a_file_that_is_refused_is_reported(
    published: Path, tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_of(published, monkeypatch, Faults(status=403)):
        assert refusal(tones) == "the hub refuses model.onnx with status 403; try again later"


def test_a_second_download_of_the_same_model_does_not_disturb_the_first(
    published: Path, tones: CatalogueModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = partial_directory(tones, COMMIT)
    partial.parent.mkdir(parents=True)
    with hub_of(published, monkeypatch), FileLock(partial.with_suffix(".lock")):
        assert refusal(tones) == "another process is downloading tones; wait for it"
