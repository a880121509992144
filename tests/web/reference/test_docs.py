"""The page at /docs: everything is on it, it needs no script and nothing from elsewhere."""

import re
import subprocess
from html.parser import HTMLParser

import pytest
from playwright.async_api import async_playwright

from stream.errors import Problem
from tests.support.places import ROOT
from tests.support.recognizers import ScriptedRecognizer
from tests.support.tiers import tiered
from tests.web.pages.accessibility import violations
from tests.web.pages.browser import launched
from tests.web.support.gateway import running_gateway
from tests.web.support.sockets import http_client
from web.composition.resources import RESOURCES
from web.process.serve import running
from web.reference.asyncapi import asyncapi
from web.reference.docs import docs_page
from web.reference.markup import element, listing, prose
from web.reference.openapi import openapi
from web.settings.settings import Settings

PAGE = docs_page(openapi(RESOURCES, asks_for_token=False), asyncapi())
EMPTY = {"meta", "link"}
CONTRASTS = """
() => {
  const colours = (element) => {
    const ink = getComputedStyle(element).color;
    for (let at = element; at; at = at.parentElement) {
      const paper = getComputedStyle(at).backgroundColor;
      if (paper !== "rgba(0, 0, 0, 0)") return [ink, paper];
    }
    return [ink, "rgb(255, 255, 255)"];
  };
  const shade = (colour) => {
    const [r, g, b] = colour.match(/\\d+/g).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return [...document.querySelectorAll("p, a, th, td, code, h2, h4")].map((element) => {
    const [light, dark] = colours(element).map(shade).sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  });
}
"""


class Reader(HTMLParser):
    """Takes a page apart, and notes whether every element is closed where it has to be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.anchors: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in EMPTY:
            self.open.append(tag)
        self.anchors += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += "\n" if tag in {"td", "th", "p", "h3"} else ""

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def test_every_route_message_schema_and_error_is_on_the_page() -> None:
    text, rest, live = read(PAGE).text, openapi(RESOURCES, asks_for_token=False), asyncapi()
    for path, methods in rest["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in text
    channel = live["channels"]["live"]  # type: ignore[index]
    names = [*channel["messages"], *channel["bindings"]["ws"]["query"]["properties"], *rest["components"]["schemas"]]
    names += [problem.value.type for problem in Problem]
    for name in names:
        assert re.search(rf"\b{name}\b", text), name


def test_it_is_well_formed_and_every_link_leads_somewhere() -> None:
    reader = read(PAGE)
    assert reader.open == []
    assert len(set(reader.anchors)) == len(reader.anchors)
    inside = {link[1:] for link in reader.links if link.startswith("#")}
    assert inside <= set(reader.anchors)
    assert set(reader.links) - {f"#{anchor}" for anchor in inside} == {
        "openapi.json", "asyncapi.json", "static/css/tokens.css", "static/css/docs.css", "static/icon.svg"
    }  # fmt: skip


def test_what_is_not_markup_is_escaped() -> None:
    assert element("p", "<b>", title='"') == '<p title="&quot;">&lt;b&gt;</p>'
    assert prose("a `<b>` & c") == "a <code>&lt;b&gt;</code> &amp; c"
    assert "&lt;b&gt;" in listing({"a": "<b>"})


@pytest.mark.parametrize(("value", "text"), [({"a": [1, None]}, '{"a": [1, null]}'), ([], "[]")])
def test_short_json_stands_on_one_line(value: object, text: str) -> None:
    assert read(listing(value)).text == text


def test_long_json_is_broken_where_its_parts_are() -> None:
    value = {"a": ["x" * 50, "y" * 50], "b": 1}
    lines = read(listing(value)).text.split("\n")
    assert lines == ["{", '  "a": [', f'    "{"x" * 50}",', f'    "{"y" * 50}"', "  ],", '  "b": 1', "}"]


async def test_it_is_served_under_the_policy_of_the_page() -> None:
    async with running_gateway() as base, http_client(base) as client:
        response = await client.get("/docs")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert response.text == PAGE


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), *tiered([], [(1200, "light")])])
async def test_a_browser_asks_no_other_host_and_finds_nothing_to_complain_of(width: int, scheme: str) -> None:
    asked: list[str] = []
    faults: list[str] = []
    async with (
        running(Settings(port=0), ScriptedRecognizer()) as server,
        async_playwright() as playwright,
        launched(playwright) as browser,
    ):
        page = await browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(server.url + "/docs")
        assert await page.evaluate("document.styleSheets.length") == 2
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert min(await page.evaluate(CONTRASTS)) >= 4.5
        assert await violations(page) == []
        await page.get_by_role("navigation").get_by_role("link", name="errors").click()
        assert page.url.endswith("/docs#errors")
    assert asked
    assert all(url.startswith(server.url) for url in asked)
    assert faults == []


# --- docs/rest.md ---


def test_the_commands_for_users_work(server: str) -> None:
    """Run every block of shell in `docs/rest.md`, as it stands there, one after the other."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "rest.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) > 10
    program = "\n".join(("set -eu", 'curl() { command curl -sSf --noproxy "*" "$@"; echo; }', *blocks))
    # No other host is asked: this one is refused as not public, later.
    program = program.replace("http://127.0.0.1:8000", server).replace("https://media.example", "http://localhost:9")
    ran = subprocess.run(["sh", "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("The quick brown fox jumps over the lazy dog.") >= 5
    assert '"status":"trained"' in ran.stdout
    assert "WEBVTT" in ran.stdout
