"""The documents as a site: every page is in its navigation, every link leads somewhere, nothing is loaded from afar."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.places import ROOT
from tests.support.processes import STUCK_SECONDS


def pages(part: object) -> Iterator[str]:
    match part:
        case str():
            yield part
        case dict() | list():
            for one in part.values() if isinstance(part, dict) else part:
                yield from pages(one)


def build(source: Path) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).parent / "zensical"
    command = [str(program), "build", "--strict", "--config-file", str(source / "mkdocs.yml")]
    return subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=STUCK_SECONDS, check=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a directory with what the site is built from."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    return tmp_path


def test_every_page_is_in_the_navigation() -> None:
    listed = list(pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(listed) == sorted(str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md"))


def test_every_link_leads_somewhere_and_nothing_comes_from_elsewhere(source: Path) -> None:
    built = build(source)
    assert built.returncode == 0, built.stdout + built.stderr
    html = [path.read_text() for path in (source / ".artefacts" / "site").rglob("*.html")]
    loaded = {
        address
        for text in html
        for address in re.findall(r'<(?:script|link|img)\b[^>]*(?:src|href)="(//|https?:)', text)
    }
    assert not loaded


def test_a_link_to_nowhere_is_found(source: Path) -> None:
    with (source / "docs" / "index.md").open("a") as page:
        page.write("\n[nowhere](access.md#nowhere)\n")
    assert build(source).returncode != 0
