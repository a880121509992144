"""Dictation as a tool: paragraphs, editing in place, speakers, keys, facts of words, glossary, language."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser, Page, expect

from stream.session.events import Alternative, Hypothesis, RecognitionOptions, Word
from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm, wav
from tests.support.tiers import tiered
from tests.web.pages.accessibility import violations
from tests.web.pages.browser import expect_state, keep_screenshot, opened, start, stop
from tests.web.pages.conftest import own_settings
from web.process.serve import RunningServer, running

pytestmark = pytest.mark.asyncio(loop_scope="session")


class ScriptStream(CountingStream):
    """Says a text of a script, whose words fill what it has heard."""

    def __init__(self, words: str, options: RecognitionOptions) -> None:
        super().__init__(options)
        self._words = words.split()

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        async for hypothesis in super().hypotheses():
            step = hypothesis.processed // len(self._words)
            words = tuple(Word(text, at * step, (at + 1) * step, 0.9) for at, text in enumerate(self._words))
            yield replace(hypothesis, alternatives=(Alternative(words, 0.9),))


def script(*texts: str) -> list[Callable[[RecognitionOptions], CountingStream]]:
    return [partial(ScriptStream, text) for text in texts]


async def paragraphs(page: Page) -> list[str]:
    return [text.strip() for text in await page.get_by_role("log").locator("p").all_inner_texts()]


def recording(*pauses: float) -> bytes:
    """Utterances with pauses after them, in seconds."""
    speech = clip_pcm("yes.wav")[: 2 * 12_000]
    return wav(b"".join(speech + bytes(2 * int(16_000 * pause)) for pause in pauses))


async def choose(page: Page, body: bytes) -> None:
    await page.locator("#file").set_input_files({"name": "talk.wav", "mimeType": "audio/wav", "buffer": body})


async def test_a_short_pause_joins_utterances_and_mends_their_letters(
    speaking_browser: Browser, tmp_path: Path, empty_database: Path
) -> None:
    texts = script("I went to...", "The shop today.", "and so")
    # One utterance at a time: the script gives its texts in the order of their beginnings.
    settings = own_settings(tmp_path, empty_database).model_copy(update={"job_streams": 1})
    async with (
        running(settings, ScriptedRecognizer(script=texts)) as server,
        opened(speaking_browser, server.url) as page,
    ):
        await choose(page, recording(0.95, 0.95, 2))
        await expect(page.get_by_role("log").locator("p")).to_have_count(2)
        assert await paragraphs(page) == ["I went to the shop today.", "and so"]


async def test_settled_text_is_edited_while_more_is_said(page: Page) -> None:
    await start(page)
    log = page.get_by_role("log")
    await expect(log).to_contain_text("w0 w1 w2")
    await log.locator(".word").first.click()
    await page.keyboard.press("Home")
    await page.keyboard.type("Well, ")
    await expect(log.locator("p").first).to_contain_text("Well, w0 w1")
    await stop(page)
    assert (await paragraphs(page))[0].startswith("Well, w0 w1")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write", "microphone"])
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert (await page.evaluate("navigator.clipboard.readText()")).startswith("Well, w0 w1")
    await log.locator(".word").first.click()
    await page.keyboard.press("ControlOrMeta+z")
    await expect(log.locator("p").first).not_to_contain_text("Well, w0")
    await expect(log.locator("p").first).to_contain_text("w0 w1")


async def test_keys_start_stop_and_undo(page: Page) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write", "microphone"])
    await page.keyboard.press("ControlOrMeta+Enter")
    await expect(page.locator("#open")).to_contain_text("w0 w1")
    await page.keyboard.press("ControlOrMeta+Enter")
    await expect_state(page, "Ready")
    text = (await paragraphs(page))[0]
    await page.keyboard.press("ControlOrMeta+c")
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert (await page.evaluate("navigator.clipboard.readText()")).startswith(text)
    await page.get_by_role("button", name="Clear", exact=True).click()
    await expect(page.get_by_role("log")).to_be_empty()
    await page.keyboard.press("ControlOrMeta+z")
    await expect(page.get_by_role("log")).to_contain_text(text)


async def test_a_word_has_its_time_and_confidence_on_hover_and_at_the_caret(page: Page) -> None:
    await choose(page, recording(2, 2))
    words = page.get_by_role("log").locator(".word")
    await expect(words.nth(1)).to_be_visible()
    await words.nth(1).hover()
    shown = page.locator("#word")
    await expect(shown).to_contain_text("–")
    hovered = await shown.inner_text()
    await words.first.click()
    await page.keyboard.press("Home")
    await expect(shown).not_to_have_text(hovered)
    await page.keyboard.press("ControlOrMeta+ArrowRight")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    await expect(shown).to_have_text(hovered)


async def test_two_channels_are_two_speakers(speaking_browser: Browser, counting_server: RunningServer) -> None:
    # The browser writes the refusal of a second channel that is not there to the console.
    async with opened(speaking_browser, counting_server.url, may_log=True) as page:
        await show_speakers(page)


async def show_speakers(page: Page) -> None:
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_label("Files have one speaker on each of two channels").check()
    speech = np.frombuffer(clip_pcm("yes.wav")[: 2 * 12_000], np.int16)
    pause = np.zeros(32_000, np.int16)
    one = np.concatenate([speech, pause, 0 * speech, pause])
    other = np.concatenate([0 * speech, pause, speech, pause])
    await choose(page, wav(np.stack([one, other], axis=1).tobytes(), channels=2))
    lines = page.get_by_role("log").locator("p")
    await expect(lines).to_have_count(2)
    assert [await lines.nth(at).get_attribute("data-speaker") for at in (0, 1)] == ["Speaker 1", "Speaker 2"]
    # A file with one channel has one speaker.
    await choose(page, recording(2))
    await expect(lines).to_have_count(3)


async def test_the_glossary_becomes_phrases(page: Page) -> None:
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_label("Names and terms to expect").fill("Niyosha\n\nNiyosha\n  Farsava ")
    await page.evaluate("""
      window.appended = [];
      const append = FormData.prototype.append;
      FormData.prototype.append = function (...part) { appended.push(String(part[1])); append.apply(this, part); };
      null;
    """)
    await choose(page, recording(2))
    await expect(page.get_by_role("log").locator("p")).to_have_count(1)
    assert json.loads(await page.evaluate("appended[0]"))["phrases"] == ["Niyosha", "Farsava"]
    await expect(page.locator("#progress")).to_be_hidden()
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    await start(page)
    await expect(page.locator("#open")).to_contain_text("w0")
    await stop(page)
    assert json.loads(sent[0])["config"]["phrases"] == ["Niyosha", "Farsava"]


async def test_the_language_is_in_sight_and_the_text_has_the_chosen_size(page: Page) -> None:
    language = page.get_by_label("Spoken language")
    await expect(language).to_be_visible()
    await expect(language.locator("option").first).to_have_text("English (automatic)")
    before = await page.locator("main").evaluate("(main) => parseFloat(getComputedStyle(main).fontSize)")
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_label("Size of the text").fill("150")
    assert await page.locator("main").evaluate("(main) => parseFloat(getComputedStyle(main).fontSize)") == 1.5 * before
    assert await violations(page) == []
    await page.reload()
    assert await page.locator("main").evaluate("(main) => parseFloat(getComputedStyle(main).fontSize)") == 1.5 * before


@pytest.mark.parametrize("locale", tiered(["fa-IR"], ["en-US", "fa-IR"]))
async def test_header_and_button_stay_in_view_on_a_phone(
    locale: str, speaking_browser: Browser, counting_server: RunningServer
) -> None:
    phone = {"width": 390, "height": 844}
    async with opened(speaking_browser, counting_server.url, locale=locale, viewport=phone) as page:
        await choose(page, recording(*[2.0] * 30))
        await expect(page.get_by_role("log").locator("p")).to_have_count(30)
        await keep_screenshot(page, f"dictation-phone-{locale}")
        for place in ("0", "document.documentElement.scrollHeight"):
            await page.evaluate(f"window.scrollTo(0, {place})")
            for part in ("h1", "#listen", "#languageCode"):
                assert await page.locator(part).evaluate("""(part) => {
                  const { left, top, width, height } = part.getBoundingClientRect();
                  const found = document.elementFromPoint(left + width / 2, top + height / 2);
                  return found !== null && (part.contains(found) || found.contains(part));
                }"""), part
        assert await page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
