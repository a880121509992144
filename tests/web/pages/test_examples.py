"""The page in `examples/`, at an address of its own beside the server."""

import shutil
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.support.places import EXAMPLES
from tests.support.plain_http import offering
from tests.web.pages.browser import QUICK, opened
from web.process.serve import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_page_of_the_examples_shows_what_the_microphone_hears(
    speaking_browser: Browser, engine_server: RunningServer, tmp_path: Path
) -> None:
    shutil.copyfile(EXAMPLES / "microphone.html", tmp_path / "microphone.html")
    script = (EXAMPLES / "microphone.js").read_text()
    (tmp_path / "microphone.js").write_text(script.replace("http://127.0.0.1:8000", engine_server.url))
    with offering(tmp_path) as files:
        async with opened(speaking_browser, f"{files}/microphone.html", may_log=True) as page:
            await page.get_by_role("button", name="Start").click()
            await expect(page.locator("#text")).to_have_text(QUICK)
            await page.get_by_role("button", name="Stop").click()
            await expect(page.get_by_role("button", name="Start")).to_be_enabled()
