"""The sound that leaves the audio thread of a real browser, against soxr's."""

import base64
import math
from collections.abc import AsyncIterator

import numpy as np
import numpy.typing as npt
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.web.pages.browser import opened
from tests.web.static.client.signals import RATE, by_soxr, noise, signal_to_noise
from web.process.serve import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHUNK_SAMPLES = 1_600
BLOCK = 128  # a browser renders whole ones
# Plays what it is given, 1 s of float32 samples for each channel, and keeps what the processor posts.
PLAY = """
async ([rate, channels]) => {
  const context = new OfflineAudioContext(1, rate, rate);
  await context.audioWorklet.addModule(location.href);
  const buffer = context.createBuffer(channels.length, rate, rate);
  channels.forEach((channel, at) => {
    buffer.copyToChannel(new Float32Array(Uint8Array.from(atob(channel), (c) => c.charCodeAt(0)).buffer), at);
  });
  const source = new AudioBufferSourceNode(context, { buffer });
  const pcm = new AudioWorkletNode(context, "pcm", { numberOfInputs: 1, numberOfOutputs: 0 });
  const chunks = [];
  const finished = new Promise((resolve) => {
    pcm.port.onmessage = ({ data }) => (data === null ? resolve() : chunks.push(Array.from(new Int16Array(data))));
  });
  source.connect(pcm);
  source.start();
  await context.startRendering();
  pcm.port.postMessage("finish");
  await finished;
  return chunks;
}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def page(speaking_browser: Browser, counting_server: RunningServer) -> AsyncIterator[Page]:
    """A page of the server's; any of them may load the module, and this one is the module itself."""
    # The browser tells the console that a file of code has no icon.
    async with opened(speaking_browser, f"{counting_server.url}/static/client/pcm-worklet.js", may_log=True) as page:
        yield page


async def chunks_of(page: Page, channels: list[npt.NDArray[np.float32]], rate: int) -> list[list[int]]:
    """What pcm-worklet.js posts for 1 s of sound."""
    encoded = [base64.b64encode(channel.tobytes()).decode() for channel in channels]
    chunks: list[list[int]] = await page.evaluate(PLAY, [rate, encoded])
    return chunks


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("rate", [44_100, 48_000])
async def test_what_is_played_comes_out_as_soxr_makes_it_at_16_khz(page: Page, rate: int, count: int) -> None:
    channels = [noise(rate, 7_000, seed=seed).astype(np.float32) for seed in range(count)]
    chunks = await chunks_of(page, channels, rate)
    assert {len(chunk) for chunk in chunks[:-1]} == {CHUNK_SAMPLES}
    assert 0 < len(chunks[-1]) <= CHUNK_SAMPLES
    got = np.concatenate(chunks) / 32_768
    played = math.ceil(rate / BLOCK) * BLOCK
    assert len(got) == math.ceil(played * RATE / rate)
    assert signal_to_noise(got[:RATE], by_soxr(np.mean(channels, axis=0), rate)) > 70


async def test_what_is_too_loud_is_cut_off_and_does_not_turn_over(page: Page) -> None:
    samples = np.full(48_000, 1.5, np.float32)
    samples[24_000:] = -1.5
    got = np.concatenate(await chunks_of(page, [samples], 48_000))
    assert set(got[1_000:7_000].tolist()) == {32_767}
    assert set(got[9_000:15_000].tolist()) == {-32_768}
