"""The generated pages are what the code says, and the hand-written one forgets nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream.audio import Encoding
from stream.configuration.config import KEYS
from stream.configuration.presets import PRESETS
from stream.errors import Problem
from stream.session.events import Reason
from tests.support.places import DOCS
from web.reference.messages import EXTENDED, schemas
from web.reference.pages import PAGES, configuration_page, errors_page


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), f"docs/{name} is out of date; run: make docs"


def test_make_docs_writes_every_page(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    search = {"PYTHONPATH": str(DOCS.parent)}
    subprocess.run([sys.executable, "-m", "web.reference.pages"], cwd=tmp_path, env=os.environ | search, check=True)
    written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "docs").iterdir()}
    assert written == {name: page() for name, page in PAGES.items()}


@pytest.mark.parametrize("problem", Problem, ids=lambda problem: problem.value.type)
def test_every_error_has_a_row_with_its_meaning(problem: Problem) -> None:
    kind = problem.value
    row = f"| `{kind.type}` | {kind.http.value} {kind.http.phrase} | {kind.close_code} | {kind.meaning} |"
    assert row in errors_page().splitlines()


def test_every_key_and_every_preset_has_a_row() -> None:
    page = configuration_page()
    for key in KEYS:
        assert f"| `{key.name}`{' ❄' if key.frozen_by_audio else ''} |" in page
        assert key.meaning in page
    for name, preset in PRESETS.items():
        assert f"| `{name}` | {preset.hangover_ms} | {preset.vad_aggressiveness} | {preset.meaning} |" in page


def test_a_row_has_the_values_and_the_default() -> None:
    rows = configuration_page().splitlines()
    assert "| `boost` | 0 to 100 | `20` | how much the phrases are preferred |" in rows
    assert "| `maxAlternatives` | 0 to 5 | `1` | hypotheses of an utterance; 0 means 1 |" in rows
    assert "| `interimResults` | `true`, `false` | `true` | send unsettled text too |" in rows


def test_the_protocol_page_names_every_message_field_reason_and_encoding() -> None:
    page = (DOCS / "live-protocol.md").read_text(encoding="utf-8")
    names = {kind.name for kind in EXTENDED} | {reason.value for reason in Reason} | {e.value for e in Encoding}
    for schema in (schemas()[name] for name in schemas() if name != "Configuration"):
        names |= set(schema["properties"])
    missing = {name for name in names if f"`{name}`" not in page and f'"{name}"' not in page}
    assert missing == set()
