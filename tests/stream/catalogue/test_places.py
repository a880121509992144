"""Which downloaded model a name stands for, and what is said where there is none."""

from pathlib import Path

import pytest

from stream.catalogue.models import CATALOGUE, Runs, model_named
from stream.catalogue.places import NotDownloadedError, directory_of, is_downloaded, model_to_load, names

pytestmark = pytest.mark.usefixtures("home")


def put(name: str) -> Path:
    """Make the directory of a model, as a complete download leaves it."""
    model = model_named(name)
    assert model is not None
    directory_of(model).mkdir(parents=True)
    return directory_of(model)


@pytest.mark.parametrize("name", ["fa", "fa-IR", "shenava-rizeh", "Reza2kn/Shenava-Rizeh-v1.0-sherpa-onnx"])
def test_a_downloaded_model_is_found_by_each_of_its_names(name: str, home: Path) -> None:
    assert put("shenava-rizeh") == home / "niyosha" / "shenava-rizeh"
    found = model_to_load(name)
    assert found is not None
    assert found.name == "shenava-rizeh"


def test_a_language_stands_for_the_one_that_is_downloaded() -> None:
    put("shenava-streaming")
    found = model_to_load("fa")
    assert found is not None
    assert found.name == "shenava-streaming"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("fa", "no model for fa is downloaded; niyosha models get fa does that"),
        ("fa-IR", "no model for fa-IR is downloaded; niyosha models get fa does that"),
        ("whisper-small", "the model whisper-small is not downloaded; niyosha models get whisper-small does that"),
        (
            "nemotron-farsi",
            "the model nemotron-farsi does not run in the embedded engine; serve "
            "mallahyari/nemotron-asr-streaming-farsi by NeMo-Speech.cpp, which converts .nemo files, and name that "
            "server: niyosha serve --riva-uri HOST:PORT",
        ),
    ],
)
def test_what_is_not_downloaded_is_reported_with_the_command(name: str, sentence: str) -> None:
    with pytest.raises(NotDownloadedError) as caught:
        model_to_load(name)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("name", ["tlh", "", "org/small", "Systran/faster-whisper-small", "../fa"])
def test_other_names_are_left_to_others(name: str) -> None:
    assert model_to_load(name) is None


def test_a_partial_download_is_no_model(home: Path) -> None:
    (home / "niyosha" / "shenava-rizeh.partial" / "c").mkdir(parents=True)
    assert [model.name for model in CATALOGUE if is_downloaded(model)] == [
        model.name for model in CATALOGUE if model.runs is Runs.BUNDLED
    ]


def test_all_names_are_listed_once() -> None:
    listed = names().split(", ")
    assert listed == list(dict.fromkeys(listed))
    assert listed[-2:] == ["en", "fa"]
    assert {model.name for model in CATALOGUE} < set(listed)
