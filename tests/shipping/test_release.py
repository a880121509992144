"""A release: its version in every file that names one, and its part of the changelog."""

import shutil
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from deploy.packages.stage import project
from deploy.release import PLACES, ReleaseError, prepare
from tests.support.places import ROOT

VERSION = project()["version"]
TODAY = date(2027, 1, 2)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in [*PLACES, "CHANGELOG.md"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_a_release_has_its_version_everywhere(checkout: Path) -> None:
    prepare(checkout, "98.7.6", TODAY)
    assert tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["version"] == "98.7.6"
    for name in PLACES:
        text = (checkout / name).read_text()
        assert "98.7.6" in text
        assert f"niyosha-engine:{VERSION}" not in text
        assert f"niyosha-gateway:{VERSION}" not in text


def test_what_was_unreleased_gets_the_version_and_the_date(checkout: Path) -> None:
    prepare(checkout, "98.7.6", TODAY)
    text = (checkout / "CHANGELOG.md").read_text()
    assert text.startswith("# Changelog\n\n## Unreleased\n\n## 98.7.6 (2027-01-02)\n### Added\n")
    with pytest.raises(ReleaseError, match="nothing under Unreleased"):
        prepare(checkout, "98.7.7", TODAY)


@pytest.mark.parametrize("version", [VERSION, "0.0.1", "1.2", "v1.2.3", "01.2.3", "1.2.3rc1"])
def test_a_version_that_is_not_a_later_one_is_refused_and_nothing_is_changed(checkout: Path, version: str) -> None:
    before = {name: (checkout / name).read_text() for name in PLACES}
    with pytest.raises(ReleaseError, match=f"it must be three numbers such as 0.2.0, after {VERSION}"):
        prepare(checkout, version, TODAY)
    assert {name: (checkout / name).read_text() for name in PLACES} == before


def test_a_file_without_a_version_stops_the_release(checkout: Path) -> None:
    (checkout / "deploy/compose.yaml").write_text("services: {}\n")
    with pytest.raises(ReleaseError, match=r"deploy/compose\.yaml names no version"):
        prepare(checkout, "98.7.6", TODAY)


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.name
)
def test_a_form_for_issues_can_be_read(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    if path.name == "config.yml":
        return
    assert form.keys() == {"name", "description", "labels", "body"}
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids)
    assert all(field["attributes"]["label"] for field in form["body"])
