"""The dictation view in a real browser: a clip is played as its microphone."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from playwright.async_api import Browser, Page, Playwright, Response, expect

from stream.session.events import Hypothesis
from tests.support.recognizers import CountingStream, ScriptedRecognizer
from tests.support.tiers import tiered
from tests.web.pages.accessibility import violations
from tests.web.pages.browser import (
    expect_notice,
    expect_state,
    keep_screenshot,
    launched,
    opened,
    start,
    stop,
    track_states,
    wait_for,
)
from web.process.serve import RunningServer, running
from web.settings.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLACE = "JSON.stringify(kept.getBoundingClientRect())"
PERSIAN = ["سلام", "این", "یک", "آزمون", "است", "که", "راست", "به", "چپ", "نوشته", "می\u200cشود"]


class SureStream(CountingStream):
    """Promises that all but the last two words will not change."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        async for hypothesis in super().hypotheses():
            yield replace(hypothesis, stable_words=max(len(hypothesis.best.words) - 2, 0))


class PersianStream(CountingStream):
    """Counts in Persian words."""

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        async for hypothesis in super().hypotheses():
            best = hypothesis.best
            words = tuple(replace(word, text=text) for text, word in zip(PERSIAN, best.words, strict=False))
            yield replace(hypothesis, alternatives=(replace(best, words=words),))


async def expect_open(page: Page, text: str) -> None:
    await expect(page.locator("#open")).to_contain_text(text)


async def test_words_turn_from_grey_to_black_in_place(speaking_browser: Browser) -> None:
    async with (
        running(Settings(port=0), ScriptedRecognizer(script=[SureStream])) as server,
        opened(speaking_browser, server.url) as page,
    ):
        await start(page)
        await expect(page.locator("#open .word:not(.unsettled)").first).to_have_text("w0")
        await expect(page.locator("#open .unsettled")).to_have_count(2)
        await page.locator("#open .word").first.evaluate("(word) => { window.kept = word; }")
        place = await page.evaluate(PLACE)
        await expect(page.get_by_role("log")).to_contain_text("w0 w1")
        assert await page.evaluate("document.querySelector('#settled .word') === kept")
        assert await page.evaluate(PLACE) == place
        assert await page.locator("#settled .unsettled").count() == 0


async def test_only_settled_text_is_read_out(page: Page) -> None:
    assert await page.get_by_role("log").get_attribute("aria-live") == "polite"
    assert await page.evaluate("document.querySelector('#open').closest('[aria-live], [role=log]')") is None


async def test_stop_settles_what_was_said_and_releases_the_microphone(page: Page) -> None:
    await start(page)
    await expect_open(page, "w0 w1")
    assert await track_states(page) == ["live"]
    await stop(page)
    await expect(page.get_by_role("log")).to_contain_text("w0 w1")
    await expect(page.locator("#open p")).to_have_count(0)
    await expect(page.get_by_role("alert")).to_be_empty()
    assert await track_states(page) == ["ended"]


async def test_the_keyboard_alone_starts_and_stops(page: Page) -> None:
    await expect(page.get_by_role("button", name="Start listening")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect_state(page, "Listening")
    await page.keyboard.press("Space")
    await expect_state(page, "Ready")
    assert await track_states(page) == ["ended"]


async def test_text_can_be_copied_and_cleared(page: Page) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write", "microphone"])
    await expect(page.get_by_role("button", name="Copy")).to_be_disabled()
    await start(page)
    await expect_open(page, "w0")
    await stop(page)
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == await page.get_by_role("log").inner_text()
    await page.get_by_role("button", name="Clear").click()
    await expect(page.get_by_role("log")).to_be_empty()
    await expect(page.get_by_role("button", name="Start listening")).to_be_focused()


async def test_the_page_is_light_and_fetches_nothing_from_another_host(
    speaking_browser: Browser, counting_server: RunningServer
) -> None:
    own = (counting_server.url, counting_server.url.replace("http", "ws", 1))
    async with opened(speaking_browser, "about:blank") as page:
        responses: list[Response] = []
        urls: list[str] = []
        page.on("response", lambda response: responses.append(response))  # noqa: PLW0108 - Playwright marks it
        page.on("request", lambda request: urls.append(request.url))
        page.on("websocket", lambda socket: urls.append(socket.url))
        await page.goto(own[0], wait_until="networkidle")
        await start(page)
        await expect_state(page, "Listening")
        await stop(page)
        weight = sum([len(await response.body()) for response in responses])
    assert [url for url in urls if not url.startswith(own)] == []
    assert f"{own[0]}/static/page/dictation/dictation.js" in urls
    assert any(url.startswith(f"{own[1]}/v1/speech/asrlive?") for url in urls)
    assert 50_000 < weight < 200_000


async def test_settings_show_the_defaults_of_the_server(speaking_browser: Browser) -> None:
    defaults = {"asrModel": "video", "maxUtteranceMs": 12_000}
    async with (
        running(Settings(port=0, stream_defaults=defaults), ScriptedRecognizer()) as server,
        opened(speaking_browser, server.url) as page,
    ):
        await page.get_by_role("button", name="Settings").click()
        await expect(page.get_by_label("Kind of speech")).to_have_value("video")
        await expect(page.get_by_label("Pause that ends an utterance")).to_have_value("800")
        await expect(page.locator("#maxUtteranceMs")).to_have_value("12000")


async def test_settings_are_sent_and_kept(page: Page) -> None:
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_label("Pause that ends an utterance").fill("1200")
    await page.get_by_label("Kind of speech").select_option("Commands and searches")
    # Each kind of speech has its own pause, whatever was set for another.
    await expect(page.get_by_label("Pause that ends an utterance")).to_have_value("300")
    await page.get_by_label("Pause that ends an utterance").fill("800")
    await page.get_by_label("Spoken language").select_option("American English")
    await page.get_by_label("Remove echo").check()
    await page.reload()
    await page.get_by_role("button", name="Settings").click()
    await expect(page.get_by_label("Kind of speech")).to_have_value("command_and_search")
    await expect(page.get_by_label("Remove echo")).to_be_checked()
    async with page.expect_websocket() as waiting:
        await start(page)
    url = (await waiting.value).url
    assert {"languageCode=en-US", "asrModel=command_and_search", "hangoverMs=800"} <= set(url.split("?")[1].split("&"))
    await expect_state(page, "Listening")
    assert await page.evaluate("tracks[0].getSettings().echoCancellation") is True
    sent: list[str] = []
    (await waiting.value).on("framesent", lambda frame: sent.append(frame) if isinstance(frame, str) else None)
    await page.get_by_label("Pause that ends an utterance").fill("1000")
    await expect_open(page, "w0")
    assert json.loads(sent[0])["config"]["hangoverMs"] == 1000
    await stop(page)


async def test_another_microphone_can_be_chosen_while_one_is_heard(page: Page) -> None:
    await page.get_by_role("button", name="Settings").click()
    await start(page)
    await expect_open(page, "w0")
    microphone = page.get_by_label("Microphone")
    names = await microphone.locator("option").all_inner_texts()
    assert names == ["Fake Default Audio Input", "Fake Audio Input 1", "Fake Audio Input 2"]
    await microphone.select_option("Fake Audio Input 2")
    await wait_for(page, "tracks.length === 2 && tracks[1].readyState === 'live'")
    assert await track_states(page) == ["ended", "live"]
    assert await page.evaluate("tracks[1].label") == "Fake Audio Input 2"
    await expect_state(page, "Listening")
    await stop(page)
    assert await track_states(page) == ["ended", "ended"]
    chosen = await page.evaluate("devicesAsked.at(-1)")
    await page.reload()
    await start(page)
    # The headless shell gives devices new names at each load: what was asked for is all that can be seen.
    await wait_for(page, "tracks.length === 1")
    assert await page.evaluate("devicesAsked[0]") == chosen


async def test_a_microphone_that_is_lost_is_replaced(page: Page) -> None:
    await start(page)
    await expect_open(page, "w0")
    await page.evaluate("tracks[0].dispatchEvent(new Event('ended'))")
    await wait_for(page, "tracks.length === 2 && tracks[1].readyState === 'live'")
    await expect_state(page, "Listening")
    await stop(page)
    await expect(page.get_by_role("alert")).to_be_empty()


async def test_a_microphone_that_cannot_be_replaced_ends_the_session_with_its_text(page: Page) -> None:
    await start(page)
    await expect_open(page, "w0")
    await page.evaluate("""
      navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("gone", "NotFoundError"); };
      tracks[0].dispatchEvent(new Event("ended"));
    """)
    await expect_notice(page, "No microphone was found. Connect one, then press the button again.")
    await expect_state(page, "Ready")
    await expect(page.get_by_role("log")).to_contain_text("w0")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("NotReadableError", "The microphone cannot be opened. Another program may be using it; close that, then press "
         "the button again."),
        ("NotFoundError", "No microphone was found. Connect one, then press the button again."),
        ("OverconstrainedError", "The microphone cannot record in the way that was asked for. Choose another one."),
        ("OddError", "The microphone does not work: why"),
    ],
)  # fmt: skip
async def test_a_microphone_that_cannot_be_opened_is_told_in_plain_words(page: Page, name: str, sentence: str) -> None:
    script = "(name) => navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('why', name); }"
    await page.evaluate(script, name)
    await start(page)
    await expect_notice(page, sentence)
    await expect_state(page, "Ready")


async def test_a_muted_microphone_is_told(page: Page) -> None:
    await start(page)
    await expect_state(page, "Listening")
    await page.evaluate("tracks[0].dispatchEvent(new Event('mute'))")
    await expect_notice(page, "The microphone is muted. Switch it on at the device or in the system’s settings.")
    await page.evaluate("tracks[0].dispatchEvent(new Event('unmute'))")
    await expect_notice(page, "")
    await stop(page)


async def test_a_refused_microphone_is_told(playwright: Playwright, counting_server: RunningServer) -> None:
    async with (
        launched(playwright, "--use-fake-ui-for-media-stream=deny") as browser,
        opened(browser, counting_server.url) as page,
    ):
        await start(page)
        await expect_notice(
            page,
            "The microphone is not allowed. Allow it for this page beside the address, or in the system’s privacy "
            "settings, then press the button again.",
        )
        await expect_state(page, "Ready")


async def test_a_page_that_may_have_no_microphone_says_so_at_once(
    speaking_browser: Browser, counting_server: RunningServer
) -> None:
    async with opened(speaking_browser, counting_server.url.replace("127.0.0.1", "niyosha.test")) as page:
        await expect_notice(
            page, "Browsers give the microphone only to secure pages. Open this page over https, or on localhost."
        )


async def test_a_server_that_is_not_ready_is_waited_for(speaking_browser: Browser) -> None:
    recognizer = ScriptedRecognizer()
    async with (
        running(Settings(port=0), recognizer) as server,
        # The browser itself writes a refused handshake to the console.
        opened(speaking_browser, server.url, may_log=True) as page,
    ):
        recognizer.is_ready = False
        await start(page)
        await expect_notice(page, "The server is starting. This page begins by itself as soon as it is ready.")
        recognizer.is_ready = True
        await expect_state(page, "Listening")
        await stop(page)


async def test_persian_is_written_from_right_to_left(speaking_browser: Browser) -> None:
    recognizer = ScriptedRecognizer(script=[PersianStream], languages=("fa",))
    async with (
        running(Settings(port=0, stream_defaults={"languageCode": "fa"}), recognizer) as server,
        opened(speaking_browser, server.url) as page,
    ):
        await page.get_by_role("button", name="فارسی").click()
        await expect(page.locator("html")).to_have_attribute("dir", "rtl")
        await expect_state(page, "آماده")
        await page.get_by_role("button", name="شروع شنیدن").click()
        line = page.get_by_role("log").locator("p").first
        await expect(line).to_contain_text("سلام این")
        assert await line.evaluate("(line) => getComputedStyle(line).direction") == "rtl"
        first, second = [await line.locator(".word").nth(n).bounding_box() for n in (0, 1)]
        assert first is not None
        assert second is not None
        assert first["x"] > second["x"]
        await page.get_by_role("button", name="پایان شنیدن").click()
        await expect_state(page, "آماده")
        await keep_screenshot(page, "dictation-persian")
        await page.get_by_role("button", name="English").click()
        # The line keeps its own direction on an English page.
        assert await line.evaluate("(line) => getComputedStyle(line).direction") == "rtl"
        await page.reload()
        await expect_state(page, "Ready")


@pytest.mark.parametrize(
    ("scheme", "locale"),
    [("light", "en-US"), ("dark", "fa-IR"), *tiered([], [("dark", "en-US"), ("light", "fa-IR")])],
)
async def test_the_page_is_accessible(
    speaking_browser: Browser, counting_server: RunningServer, scheme: str, locale: str
) -> None:
    phone = {"width": 390, "height": 844}
    async with opened(
        speaking_browser, counting_server.url, color_scheme=scheme, locale=locale, viewport=phone
    ) as page:
        assert await violations(page) == []
        await page.locator("#listen").click()
        await expect_open(page, "w0 w1")
        await page.locator("#configure").click()
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
        await page.locator("#configure").click()
        await page.locator("#listen").click()
        await expect(page.get_by_role("log")).to_contain_text("w0 w1")
        await page.locator("summary").click()
        assert await violations(page) == []
        await keep_screenshot(page, f"dictation-phone-{scheme}-{locale[:2]}")
