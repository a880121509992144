"""Measure the dictation view in a real browser, with the embedded engine and a clip for the microphone.

    python -m bench.product.page [--clips DIRECTORY] [--runs N] [--minutes N]

How long speech takes to the screen is measured beside the page, not by it: speech begins and ends at samples of what
the microphone delivered, and text is there when the frame after its change is drawn. Then the browser listens for N
minutes to endless speech, and its frames are counted; then to a synthetic recognizer with the text of an hour in the
same minutes.
"""

import argparse
import asyncio
import logging
import shutil
import tempfile
import wave
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from playwright.async_api import Browser, Page, async_playwright
from rich.console import Console

from bench.common.clips import Clip, load_clips
from bench.common.server import Server
from bench.gateway.synthetic_recognizer import SyntheticRecognizer, lines_in
from vad import SAMPLE_RATE
from web.observability.logs import configure_logs
from web.process.serve import running
from web.settings.settings import Settings

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
_PAUSE = bytes(2 * SAMPLE_RATE * 4 // 5)
_WAIT_SECONDS = 30
_FRAMES_A_SECOND = 60

_MEASURE = """
(() => {
  const LOUD = 328;  // -40 dB of full scale
  const measured = (window.measured = { frames: [] });
  window.AudioWorkletNode = class extends AudioWorkletNode {
    constructor(...options) {
      super(...options);
      this.port.addEventListener("message", ({ data }) => {
        if (data === null) return;
        const now = performance.now();
        const samples = new Int16Array(data);
        for (let at = 0; at < samples.length; at++) {
          if (Math.abs(samples[at]) < LOUD) continue;
          const spoken = now - (samples.length - at) / 16;
          measured.began ??= spoken;
          if (measured.settled === undefined) measured.ended = spoken;
        }
      });
    }
  };
  const watch = (selector, name) => {
    new MutationObserver(() => requestAnimationFrame(() => (measured[name] ??= performance.now()))).observe(
      document.querySelector(selector), { childList: true, subtree: true, characterData: true });
  };
  addEventListener("DOMContentLoaded", () => {
    watch("#open", "shown");
    watch("#settled", "settled");
  });
  let last;
  const count = (now) => {
    if (last !== undefined) measured.frames.push(now - last);
    last = now;
    requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
})();
"""


async def waiting(browser: Browser, url: str, runs: int, console: Console) -> None:
    """From speech to its first word, and from its end to the settled text."""
    first, settled = [], []
    for _ in range(runs):
        context = await browser.new_context()
        page = await context.new_page()
        await page.add_init_script(_MEASURE)
        await page.goto(url)
        await page.click("#listen")
        measured = await _until_settled(page)
        first.append((measured["shown"] - measured["began"]) / 1000)
        settled.append((measured["settled"] - measured["ended"]) / 1000)
        await context.close()
    for name, spent in (("first word", first), ("settled", settled)):
        told = f"{median(spent):.2f} s ({min(spent):.2f} to {max(spent):.2f})"
        console.print(f"{name} on the screen after {told}, median of {runs} runs")


async def _until_settled(page: Page) -> dict[str, Any]:
    async with asyncio.timeout(_WAIT_SECONDS):
        while True:
            measured: dict[str, Any] = await page.evaluate("measured")
            if "settled" in measured:
                return measured
            await asyncio.sleep(0.1)


async def weight(browser: Browser, url: str, console: Console) -> None:
    """What each view loads, in bytes as they are sent."""
    for view in ("", "captions", "commands"):
        page = await browser.new_page()
        responses: list[Any] = []
        page.on("response", lambda response: responses.append(response))  # noqa: B023, PLW0108
        await page.goto(f"{url}/{view}", wait_until="networkidle")
        # The audio worklet is loaded by the first click.
        await page.evaluate("fetch('static/client/pcm-worklet.js').then(() => fetch('static/client/resampler.js'))")
        weights = [len(await response.body()) for response in responses]
        console.print(f"/{view}: {sum(weights) / 1000:.1f} kB in {len(weights)} files")
        await page.close()


async def frames(browser: Browser, url: str, minutes: float, console: Console) -> None:
    """Frames a second while text flows."""
    page = await browser.new_page(viewport={"width": 1280, "height": 720})
    await page.add_init_script(_MEASURE)
    await page.goto(url)
    await page.click("#listen")
    for part in range(6):
        await page.evaluate("measured.frames.length = 0")
        await asyncio.sleep(10 * minutes)
        gaps: list[float] = await page.evaluate("measured.frames")
        paragraphs, letters = await page.evaluate("[document.querySelectorAll('#settled p').length, "
                                             "document.querySelector('#settled').innerText.length]")  # fmt: skip
        late = 100 * sum(gap > 2.5 * 1000 / _FRAMES_A_SECOND for gap in gaps) / len(gaps)
        console.print(
            f"{(part + 1) * minutes / 6:5.1f} min: {1000 * len(gaps) / sum(gaps):.1f} frames a second, "
            f"p99 {quantiles(gaps, n=100)[98]:.1f} ms, longest {max(gaps):.0f} ms, {late:.2f} % missed; "
            f"{paragraphs} paragraphs, {letters} letters on the page"
        )
    await page.close()


async def story(browser: Browser, minutes: float, console: Console) -> None:
    """The same while the text of an hour flows, in one utterance for each of its lines."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            port=0, database_url=f"sqlite:///{folder}/niyosha.db", stream_defaults={"vad": "off", "store": False}
        )
        console.print(f"the text of an hour, {lines_in(60)} lines:")
        async with running(settings, SyntheticRecognizer(pace=60 / minutes)) as server:
            await frames(browser, server.url, minutes, console)


def _recording(clips: list[Clip], path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        for clip in clips:
            file.writeframes(clip.pcm + _PAUSE)
    return path


async def run(clips: list[Clip], runs: int, minutes: float, console: Console) -> None:
    """Measure everything with one server."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("there is no Chromium to measure with: apt-get install chromium")
    server = Server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            one = _recording(clips[:1], Path(folder) / "one.wav")
            talk = _recording(clips, Path(folder) / "talk.wav")
            async with async_playwright() as playwright:
                for clip, is_long in ((f"{one}%noloop", False), (str(talk), True)):
                    browser = await playwright.chromium.launch(
                        executable_path=chromium, args=[*_ARGUMENTS, f"--use-file-for-fake-audio-capture={clip}"]
                    )
                    if is_long:
                        await frames(browser, server.url, minutes, console)
                        await story(browser, minutes, console)
                    else:
                        await waiting(browser, server.url, runs, console)
                        await weight(browser, server.url, console)
                    await browser.close()
    finally:
        server.stop()


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=Path("tests/clips"))
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=3)
    arguments = parser.parse_args()
    configure_logs(logging.WARNING)
    asyncio.run(run(load_clips(arguments.clips), arguments.runs, arguments.minutes, Console()))


if __name__ == "__main__":
    main()
