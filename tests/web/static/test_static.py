"""The files of the pages: what may import what, and where colours are."""

import re
from pathlib import Path

import pytest

from stream.configuration.config import KEYS
from stream.configuration.keys import IntegerKey
from tests.support.places import ROOT

STATIC = ROOT / "web" / "static"
SHEETS = sorted((STATIC / "css").glob("*.css"))
SCRIPTS = sorted(STATIC.rglob("*.js"))
DECLARATION = re.compile(r"([\w-]+)\s*:\s*([^;{}]+);")
TAKES_COLOURS = re.compile(r"color|background|border|outline|fill|stroke|shadow|decoration|^--")
LITERAL = re.compile(
    r"#[0-9a-f]{3,8}\b|\b(rgb|rgba|hsl|hsla|hwb|lab|lch|oklab|oklch|color|light-dark)\(", re.IGNORECASE
)
NO_COLOUR = re.compile(r"var\([^)]*\)|calc\([^)]*\)|-?[\d.]+[a-z%]*|[,()/]")
KEYWORDS = {
    "auto", "bold", "collapse", "currentcolor", "dashed", "dotted", "Highlight", "inherit", "line-through", "none",
    "revert", "round", "solid", "transparent", "underline",
}  # fmt: skip


def colours_in(sheet: str) -> list[str]:
    """The values of a style sheet that name a colour themselves."""
    found = []
    for name, value in DECLARATION.findall(re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)):
        words = NO_COLOUR.sub(" ", value).split() if TAKES_COLOURS.search(name) else []
        if LITERAL.search(value) or set(words) - KEYWORDS:
            found.append(f"{name}: {value}")
    return found


@pytest.mark.parametrize("sheet", [sheet for sheet in SHEETS if sheet.name != "tokens.css"], ids=lambda path: path.name)
def test_a_style_sheet_takes_its_colours_from_the_palette(sheet: Path) -> None:
    text = sheet.read_text(encoding="utf-8")
    assert colours_in(text) == []
    palette = (STATIC / "css" / "tokens.css").read_text(encoding="utf-8")
    for name in re.findall(r"var\((--[\w-]+)", text):
        assert name in {"--column", "--level", "--size"} or re.search(rf"{name}\s*:", palette + text), name


@pytest.mark.parametrize("value", ["red", "#fff", "rgb(0 0 0)", "1px solid Teal", "var(--ink, #123456)"])
def test_a_colour_of_its_own_is_found(value: str) -> None:
    assert colours_in(f"p {{ border: {value}; }}") != []


@pytest.mark.parametrize("page", sorted(STATIC.rglob("*.html")), ids=lambda path: path.name)
def test_a_page_has_the_palette_first_and_no_style_of_its_own(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    first = re.findall(r'rel="stylesheet" href="([^"]+)"', text)[0]
    assert first.removeprefix("../") == "static/css/tokens.css"
    assert "style=" not in text
    assert "<style" not in text


def test_what_other_pages_import_knows_no_page() -> None:
    for script in SCRIPTS:
        for target in re.findall(r'(?:from|import\()\s*"([^"]+)"', script.read_text(encoding="utf-8")):
            imported = (script.parent / target).resolve()
            assert imported.is_file(), f"{script}: {target}"
            if script.parent.name == "client":
                assert imported.parent == script.parent, f"{script}: {target}"


def test_no_view_imports_another() -> None:
    views = {folder.name for folder in (STATIC / "page").iterdir() if folder.is_dir()}
    assert views == {"captions", "commands", "dictation", "operator", "watch"}
    for script in (STATIC / "page").rglob("*.js"):
        for target in re.findall(r'"(\.[^"]+\.js)"', script.read_text(encoding="utf-8")):
            folder = (script.parent / target).resolve().parent
            assert folder.name not in views or folder == script.parent, f"{script}: {target}"


def test_a_slider_stays_within_the_bounds_of_its_key() -> None:
    keys = {key.name: key for key in KEYS if isinstance(key, IntegerKey)}
    view = (STATIC / "page" / "dictation" / "dictation.html").read_text(encoding="utf-8")
    sliders = re.findall(r'id="(\w+)" type="range" min="(\d+)" max="(\d+)"', view)
    assert len(sliders) == 2
    for name, least, most in sliders:
        assert keys[name].minimum <= int(least) < int(most) <= keys[name].maximum, name
