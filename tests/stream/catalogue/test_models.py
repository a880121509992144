"""The catalogue: what it says of each model, and which model is meant by a name or a language."""

import re

import pytest

from stream.catalogue.models import (
    CATALOGUE,
    CatalogueModel,
    Runs,
    advice_for,
    command_for,
    languages_to_get,
    model_named,
    models_for,
)
from tests.support.places import ROOT


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_every_model_has_its_facts(model: CatalogueModel) -> None:
    assert model.size
    assert model.license
    assert "measured here" in model.quality or "never run here" in model.quality
    assert (model.repo_id == "") == (model.runs is Runs.BUNDLED)
    assert (model.files != ()) == (model.runs is Runs.ENGINE)
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in model.sha256.values())


def test_names_are_distinct_and_no_languages() -> None:
    names = [model.name for model in CATALOGUE]
    assert len(set(names)) == len(names)
    assert not any(models_for(name) for name in names)
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names), "each is the name of a directory"


@pytest.mark.parametrize("language", ["fa", "fa-IR", "FA", "fa_IR"])
def test_a_language_stands_for_its_models(language: str) -> None:
    assert [model.name for model in models_for(language)] == ["shenava-rizeh", "shenava-streaming"]
    assert command_for(language) == "niyosha models get fa"
    assert advice_for(language) == (
        "`niyosha models get fa` on the server downloads a model for it, and says what to set NIYOSHA_MODEL to"
    )


@pytest.mark.parametrize("language", ["", "en", "tlh", "f", "fas", "fa.", "shenava-rizeh"])
def test_what_the_catalogue_has_no_download_for_has_no_command(language: str) -> None:
    assert models_for(language) == ()
    assert command_for(language) is None
    assert advice_for(language) is None


def test_every_language_that_can_be_downloaded_has_a_command() -> None:
    assert languages_to_get() == ("fa",)
    assert all(map(command_for, languages_to_get()))


def test_a_model_is_named_by_its_place_on_the_hub_too() -> None:
    for model in CATALOGUE:
        assert model_named(model.name) is model
        assert model_named(model.name.upper()) is model
        assert not model.repo_id or model_named(model.repo_id) is model
    assert model_named("") is model_named("fa") is None


def test_the_documentation_has_the_same_facts() -> None:
    table = (ROOT / "docs/models.md").read_text().partition("## The catalogue")[2].partition("*Never")[0]
    rows = [line for line in table.splitlines() if re.match(r"\| .* \| `", line)]
    assert rows == [
        f"| {model.serves} | `{model.name}` | {model.size} | {model.license} | {model.kind} | {model.quality} |"
        for model in CATALOGUE
    ]
