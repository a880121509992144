"""The generated page of the settings: every variable, with its values, its default and its meaning."""

import pytest

from tests.support.places import DOCS
from web.section import Section
from web.settings.page import meanings, settings_page
from web.settings.settings import setting_names


class Undocumented(Section):
    """A section."""

    first: int = 1
    """It has a meaning."""
    second: int = 2


def test_the_page_is_up_to_date() -> None:
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == settings_page(), (
        "docs/settings.md is old; run: make docs"
    )


def test_every_setting_has_one_row() -> None:
    rows = [line for line in settings_page().splitlines() if line.startswith("| `NIYOSHA_")]
    assert sorted(row.split("`")[1].removeprefix("NIYOSHA_").lower() for row in rows) == sorted(setting_names())
    assert all(row.count(" | ") == 3 for row in rows)


def test_a_row_has_the_values_and_the_default() -> None:
    rows = settings_page().splitlines()
    assert "| `NIYOSHA_STREAMS` | 1 to 100000 | `1000` | Live connections at once. |" in rows
    assert "| `NIYOSHA_STREAM_LIMIT_MINUTES` | above 0, at most 1440 | `240.0` | The longest live connection. |" in rows
    assert any(row.startswith("| `NIYOSHA_GRPC_PORT` | 0 to 65535 | none |") for row in rows)
    assert any(row.startswith("| `NIYOSHA_TLS_SELF_SIGNED` | `true`, `false` | `false` |") for row in rows)
    assert any("| `sqlite:///~/.local/share/niyosha/niyosha.db` |" in row for row in rows)


def test_a_setting_without_a_meaning_is_a_fault() -> None:
    with pytest.raises(LookupError, match="Undocumented has no docstring for second"):
        meanings(Undocumented)
