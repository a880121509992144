"""The operator's page of a channel in a real browser: what it shows, and what its controls do for the readers."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from pydantic import SecretStr

from tests.support.recognizers import ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.web.pages.accessibility import violations
from tests.web.pages.browser import keep_screenshot, opened
from tests.web.support.channels import PATH, made
from tests.web.support.sockets import http_client, talking
from tests.web.support.tokens import SECRET, bearer, token
from web.process.serve import RunningServer, running
from web.settings.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="session")
SPEECH = clip_pcm("quick.wav") + bytes(32_000)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[RunningServer]:
    async with running(Settings(port=0, token_secret=SecretStr(SECRET)), ScriptedRecognizer()) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    async with http_client(server.url, headers=bearer(sub="venue", scope="channels watch")) as client:
        yield client


def address(server: RunningServer, name: str) -> str:
    return f"{server.url}/channels/{name}?jwt={token(sub='venue', scope='channels')}"


async def test_lines_are_corrected_and_hidden_and_shown_again(
    speaking_browser: Browser, server: RunningServer, client: httpx.AsyncClient
) -> None:
    name = await made(client, title="Main stage", glossary=["Yazd"])
    publish = token(sub="venue", scope="publish")
    async with (
        opened(
            speaking_browser, address(server, name), locale="en-US", viewport={"width": 1280, "height": 800}
        ) as page,
        opened(speaking_browser, f"{server.url}/watch/{name}", locale="en-US") as audience,
        talking(server.url, f"channel={name}&speaker=Ann&jwt={publish}") as socket,
    ):
        await expect(page.get_by_role("heading", name="Main stage")).to_be_visible()
        assert page.url == f"{server.url}/channels/{name}"
        await expect(page.locator("#publishers")).to_have_text("Nobody publishes.")
        await socket.send(SPEECH)
        await expect(page.locator("#publishers li b")).to_have_text("Ann")
        await expect(page.locator("#readers")).to_have_text("1 reading")
        shown = audience.get_by_role("log").locator("p")
        await expect(shown).to_have_count(1)
        row = page.locator("#lines li")
        await expect(row.locator("p")).to_have_text(await shown.inner_text())
        spoken = (await shown.inner_text()).removeprefix("Ann: ")
        await row.get_by_role("button", name="Correct").click()
        await row.get_by_role("textbox").fill("Better.")
        await row.get_by_role("button", name="Save").click()
        await expect(row.locator("p")).to_have_text("Ann: Better.")
        await expect(row.locator("small")).to_have_text(f"recognized: {spoken}")
        await expect(shown).to_have_text("Ann: Better.")
        await page.get_by_text("Code for the room").click()
        assert await violations(page) == []
        await keep_screenshot(page, "operator-laptop")
        await page.set_viewport_size({"width": 390, "height": 844})
        await keep_screenshot(page, "operator-phone")
        await row.get_by_role("button", name="Hide").click()
        await expect(shown).to_have_count(0)
        await row.get_by_role("button", name="Show").click()
        await expect(shown).to_have_text("Ann: Better.")
        await page.get_by_role("button", name="فارسی").click()
        await expect(row.get_by_role("button", name="اصلاح")).to_be_visible()
        assert await violations(page) == []
        await keep_screenshot(page, "operator-phone-fa")


async def test_the_glossary_is_changed_and_the_channel_paused_and_ended(
    speaking_browser: Browser, server: RunningServer, client: httpx.AsyncClient
) -> None:
    name = await made(client, glossary=["Yazd"])

    async def channel() -> dict[str, object]:
        body: dict[str, object] = (await client.get(f"{PATH}/{name}")).json()
        return body

    async with (
        opened(speaking_browser, address(server, name), locale="en-US") as page,
        opened(speaking_browser, f"{server.url}/watch/{name}", locale="en-US") as audience,
    ):
        glossary = page.get_by_label("Glossary, a phrase on each line")
        await expect(glossary).to_have_value("Yazd")
        await glossary.fill("Yazd\n Rasht \n\n")
        await page.get_by_role("button", name="Save").click()
        notice = page.locator("#notice")
        await expect(notice).to_have_text("Saved. The next sentence is listened to with it.")
        assert (await channel())["glossary"] == ["Yazd", "Rasht"]
        await page.get_by_role("button", name="Pause").click()
        await expect(notice).to_have_text(re.compile("^Paused"))
        await expect(audience.get_by_role("status")).to_have_text("The captions pause.")
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_role("button", name="Pause")).to_be_visible()
        await page.get_by_role("button", name="End", exact=True).click()
        assert (await channel())["endedAt"] is None
        await page.get_by_role("button", name="Press again to end").click()
        await expect(notice).to_have_text("Ended. Nobody can publish.")
        await expect(audience.get_by_role("status")).to_have_text("These captions have ended.")
        await page.get_by_role("button", name="Open again").click()
        await expect(page.get_by_role("button", name="End", exact=True)).to_be_visible()


async def test_a_token_is_asked_for_and_another_ones_channel_is_none(
    speaking_browser: Browser, server: RunningServer, client: httpx.AsyncClient
) -> None:
    name = await made(client, public=False)
    async with opened(speaking_browser, f"{server.url}/channels/{name}", may_log=True, locale="en-US") as page:
        field = page.get_by_label("Token with the scope “channels”")
        await expect(field).to_be_visible()
        assert await violations(page) == []
        await field.fill(token(sub="stranger", scope="channels"))
        await page.get_by_role("button", name="Use it").click()
        await expect(page.locator("#notice")).to_have_text("There is no such channel of yours.")
        await page.goto(address(server, name))
        await expect(page.get_by_role("button", name="Pause")).to_be_visible()
        await expect(field).to_be_hidden()
