"""The views in a real browser in front of the real engine: clips are played as its microphone, or chosen as files."""

import asyncio
import json
import re

import pytest
from playwright.async_api import Browser, Download, Page, expect

from tests.support.places import CLIPS
from tests.web.pages.accessibility import violations
from tests.web.pages.browser import (
    QUICK,
    Microphone,
    expect_match,
    expect_state,
    keep_screenshot,
    opened,
    start,
    stop,
    wait_for,
)
from web.process.serve import RunningServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def choose(page: Page, mode: str) -> None:
    await page.get_by_role("radio", name=mode).check()


async def downloaded(page: Page, ending: str) -> tuple[str, str]:
    """Name and text of what the page lets download."""
    await page.locator("summary").click()
    async with page.expect_download() as waiting:
        await page.locator(f"[data-format={ending}]").click()
    download: Download = await waiting.value
    path = await download.path()
    return download.suggested_filename, await asyncio.to_thread(path.read_text, encoding="utf-8")


async def test_spoken_words_appear_settle_and_can_be_downloaded(
    speaking_browser: Browser, engine_server: RunningServer
) -> None:
    async with opened(speaking_browser, engine_server.url) as page:
        await start(page)
        # The engine decides which words these are, and on a busy machine they do not stay long.
        await wait_for(page, "wasUnsettled")
        await keep_screenshot(page, "dictation-speaking")
        line = page.get_by_role("log").locator("p").first
        await expect(line).to_have_text(QUICK)
        await expect(line).to_have_attribute("dir", "ltr")
        await expect(page.locator("#open p")).to_have_count(0)
        await expect_state(page, "Listening")
        await expect(page.locator("#first")).to_have_text(re.compile(r"^\d+\.\d s$"))
        await expect(page.locator("#settledAfter")).to_have_text(re.compile(r"^\d+\.\d s$"))
        await expect(line.locator(".word").nth(3)).to_have_attribute("title", re.compile(r"^\d+%.*\d–\d+\.\d s$"))
        await stop(page)
        files = [await downloaded(page, ending) for ending in ("txt", "srt", "vtt", "json")]
        await keep_screenshot(page, "dictation-settled")
    for (name, text), ending in zip(files, ("txt", "srt", "vtt", "json"), strict=True):
        assert re.fullmatch(rf"niyosha-\d{{4}}-\d\d-\d\d-\d{{4}}\.{ending}", name)
        assert QUICK.search(" ".join(text.split())) or ending == "json"
    assert re.match(r"1\n00:00:\d\d,\d{3} --> 00:00:\d\d,\d{3}\n", files[1][1])
    assert files[2][1].startswith("WEBVTT\n")
    (result,) = json.loads(files[3][1])["results"]
    assert QUICK.search(result["transcript"])
    assert all(word["endTime"] > word["startTime"] >= 0 for word in result["words"])


async def test_a_file_that_is_chosen_becomes_text(speaking_browser: Browser, engine_server: RunningServer) -> None:
    async with opened(speaking_browser, engine_server.url, sets_clock=True) as page:
        await page.clock.install()
        await page.clock.fast_forward(60_000)
        await page.locator("#file").set_input_files(CLIPS / "weather.wav")
        await expect(page.get_by_role("log")).to_contain_text("cloudy in the morning")
        await expect(page.get_by_role("progressbar")).to_be_hidden()
        await expect_state(page, "Ready")
        listing = await page.request.get(f"{engine_server.url}/v1/speech/transcriptions")
        # Text of other tests at this server may be there.
        assert "cloudy" not in await listing.text()
        # Its subtitles fit the recording, however long the page was open before.
        await page.locator("summary").click()
        async with page.expect_download() as waiting:
            await page.locator("[data-format=srt]").click()
        path = await (await waiting.value).path()
        text = await asyncio.to_thread(path.read_text, encoding="utf-8")
        assert text.startswith("1\n00:00:00,")


async def test_a_spoken_phrase_lights_up_its_tile(speaking_browser: Browser, engine_server: RunningServer) -> None:
    async with opened(speaking_browser, f"{engine_server.url}/commands", reduced_motion="reduce") as page:
        await page.get_by_role("textbox", name="My phrases").fill("sleeping cat\nLazy dog!\nچراغ را روشن کن")
        await expect(page.locator("#tiles li")).to_have_text(["sleeping cat", "Lazy dog!", "چراغ را روشن کن"])
        # It stands in a longer sentence.
        await page.get_by_label("Nothing else is said").uncheck()
        await start(page)
        await expect_match(page, "Lazy dog!", other="sleeping cat")
        await keep_screenshot(page, "commands")
        last = page.locator("#history li")
        await expect(last).to_contain_text(QUICK)
        await expect(last).to_contain_text(re.compile(r"Lazy dog! [1-9]\d?\d?% sure after \d+\.\d s$"))
        await expect(page.locator("#unsettled")).to_be_empty()
        await expect(page.locator(".lit")).to_have_count(0)
        assert await violations(page) == []


async def test_yes_lights_up_yes(
    speaking_browser: Browser, microphone: Microphone, engine_server: RunningServer
) -> None:
    microphone.hears("yes.wav")
    async with opened(
        speaking_browser, f"{engine_server.url}/commands", color_scheme="dark", reduced_motion="reduce"
    ) as page:
        await choose(page, "Yes or no")
        await expect(page.get_by_role("textbox", name="My phrases")).to_be_hidden()
        await start(page)
        await expect_match(page, "Yes", other="No")
        await keep_screenshot(page, "commands-yesno")
        assert await violations(page) == []


async def test_what_is_neither_yes_nor_no_is_told(speaking_browser: Browser, engine_server: RunningServer) -> None:
    async with opened(speaking_browser, f"{engine_server.url}/commands") as page:
        await choose(page, "Yes or no")
        await start(page)
        # The engine's nearest word is "no", which was not spoken: it has no text, or little confidence.
        await expect(page.locator("#result")).to_have_text(re.compile("^That was neither yes nor no|^Perhaps “"))
        await expect(page.locator("#history li")).to_have_count(1)
        assert await page.evaluate("lit") == []


async def test_a_list_of_ones_own_takes_its_commands_and_nothing_else(
    speaking_browser: Browser, microphone: Microphone, engine_server: RunningServer
) -> None:
    # The first sentence fits the list, the second is another one.
    microphone.hears("library.wav", "quick.wav", pause_seconds=1)
    async with opened(speaking_browser, f"{engine_server.url}/commands") as page:
        field = page.get_by_role("textbox", name="My phrases")
        await field.fill(
            "the quick {brown,red} fox jumps over the lazy {dog,cat}\nclose the library\nturn {on,off} the lamp"
        )
        await expect(page.locator("#tiles li")).to_have_count(3)
        await start(page)
        await expect(page.locator("#result .phrase")).to_have_text("the quick brown fox jumps over the lazy dog")
        assert len(set(await page.evaluate("lit.filter((text) => !text.startsWith('the quick'))"))) == 0
        await expect(page.locator("#history li").last).not_to_contain_text("sure after")


async def test_a_spoken_number_is_shown_in_words_and_digits(
    speaking_browser: Browser, microphone: Microphone, engine_server: RunningServer
) -> None:
    microphone.hears("closed/17.wav")
    async with opened(speaking_browser, f"{engine_server.url}/commands") as page:
        await choose(page, "Numbers")
        await start(page)
        await wait_for(page, "lit.some((text) => text.startsWith('312'))")
        await keep_screenshot(page, "commands-numbers")
        await expect(page.locator("#result")).to_contain_text("three hundred and twelve")
        await expect(page.locator("#result")).to_contain_text("312")
