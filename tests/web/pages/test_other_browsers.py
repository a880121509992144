"""The main tasks of the page in Firefox and WebKitGTK, where they are installed."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.places import CLIPS
from tests.web.pages.other_browsers import Tab, expect_text, expect_true, firefox, webkit
from web.process.serve import RunningServer

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.other_browsers]

Launch = Callable[[Path], AbstractAsyncContextManager[Tab]]
DROP = """
(() => {
  const bytes = Uint8Array.from(atob("BYTES"), (letter) => letter.charCodeAt(0));
  const dropped = new DataTransfer();
  dropped.items.add(new File([bytes], "weather.wav", { type: "audio/wav" }));
  for (const kind of ["dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: dropped, bubbles: true, cancelable: true }));
  }
  return true;
})()
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=[firefox, webkit])
async def tab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tab]:
    launch: Launch = request.param
    async with launch(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


async def test_a_sentence_is_dictated(tab: Tab, engine_server: RunningServer) -> None:
    await tab.go(engine_server.url)
    await expect_true(tab, "document.documentElement.dir !== ''")
    await tab.hear("quick.wav")
    await tab.click("#listen")
    await expect_text(tab, "#settled", "lazy dog")
    await expect_true(tab, "!document.querySelector('#copy').disabled")
    await tab.click("#listen")
    await expect_text(tab, "#state", "Ready")


async def test_a_recording_is_transcribed(tab: Tab, engine_server: RunningServer) -> None:
    await tab.go(engine_server.url)
    await expect_true(tab, "document.documentElement.dir !== ''")
    content = base64.b64encode((CLIPS / "weather.wav").read_bytes()).decode()
    assert await tab.evaluate(DROP.replace("BYTES", content, 1))
    await expect_text(tab, "#settled", "cloudy in the morning and sunny in the afternoon")


async def test_captions_show_what_the_microphone_hears(tab: Tab, engine_server: RunningServer) -> None:
    await tab.go(f"{engine_server.url}/captions?mic=1")
    await expect_true(tab, "!document.querySelector('#own').hidden")
    await tab.hear("quick.wav")
    await tab.click("#listen")
    await expect_text(tab, "#captions", "lazy dog")
