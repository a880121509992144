"""The page of a server that asks for a token: the key is pasted once, traded, and kept nowhere."""

import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.async_api import Browser, Page, Request, expect
from pydantic import SecretStr

from tests.support.places import CLIPS
from tests.support.recognizers import ScriptedRecognizer
from tests.web.pages.accessibility import violations
from tests.web.pages.browser import expect_notice, expect_state, opened, start, stop, track_states, unreachable
from tests.web.support.tokens import SECRET, claims, token
from web.process.serve import RunningServer, running
from web.settings.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED = "The server did not accept the token. Press the button to give another one."
SCOPES = "tokens live recordings models"


def own(folder: Path, empty_database: Path, **settings: Any) -> Settings:
    path = folder / "niyosha.db"
    shutil.copyfile(empty_database, path)
    return Settings(port=0, database_url=f"sqlite:///{path}", **settings)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> AsyncIterator[RunningServer]:
    settings = own(tmp_path_factory.mktemp("guarded"), empty_database, token_secret=SecretStr(SECRET))
    async with running(settings, ScriptedRecognizer()) as server:
        yield server


@dataclass
class Traffic:
    """What a page sent: the tokens of its connections and of its requests, and how often it traded."""

    connections: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    trades: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("websocket", lambda socket: self.connections.append(socket.url.partition("jwt=")[2].split("&")[0]))
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if sent:
            (self.trades if request.url.endswith("/v1/tokens") else self.requests).append(sent)


def payload(text: str) -> dict[str, Any]:
    read: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    return read


async def paste(page: Page, key: str) -> None:
    """Be asked for the key at the first press of the button, and give it."""
    await start(page)
    await page.get_by_role("textbox", name="Token").fill(key)
    await page.keyboard.press("Enter")


async def kept(page: Page) -> str:
    stored: dict[str, str] = await page.evaluate("({ ...sessionStorage, ...localStorage })")
    return json.dumps(stored)


async def listen(page: Page) -> None:
    await expect(page.locator("#open")).to_contain_text("w0")
    await stop(page)


async def test_a_key_is_traded_and_kept_nowhere(speaking_browser: Browser, guarded: RunningServer) -> None:
    key, traffic = token(sub="reader", scope=SCOPES), Traffic()
    async with opened(speaking_browser, guarded.url, may_log=True) as page:
        traffic.watch(page)
        await paste(page, key)
        await listen(page)
        assert traffic.trades[0] == key
        assert key not in await kept(page)
        assert key.split(".")[2] not in await kept(page)
        held = await page.evaluate("sessionStorage.getItem('niyosha.token')")
        assert payload(held)["sub"] == "reader"
        assert set(payload(held)["scope"].split()) == {"tokens", "live", "recordings"}
        # A recording is sent with what is kept, a connection opened with a token for this one use.
        await page.locator("#file").set_input_files(CLIPS / "yes.wav")
        await expect(page.get_by_role("log").locator("p")).to_have_count(2)
        assert set(traffic.requests) == {held}
        await page.reload()
        await start(page)
        await listen(page)
    assert traffic.trades[1:] == [held, held]
    used = traffic.connections
    assert len(set(used)) == len(used) == 2
    assert all(payload(one)["one_use"] and payload(one)["scope"] == "live recordings" for one in used)


async def test_a_token_that_is_no_key_is_used_as_it_is(speaking_browser: Browser, guarded: RunningServer) -> None:
    plain, traffic = token(sub="reader", scope="live"), Traffic()
    async with opened(speaking_browser, guarded.url, may_log=True) as page:
        traffic.watch(page)
        await paste(page, plain)
        await listen(page)
        await start(page)
        await listen(page)
    assert traffic.connections == [plain, plain]
    assert traffic.trades == [plain]


async def test_so_it_is_where_tokens_are_only_verified(
    speaking_browser: Browser, tmp_path_factory: pytest.TempPathFactory, empty_database: Path
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    folder, traffic = tmp_path_factory.mktemp("verifying"), Traffic()
    path = folder / "keys.json"
    path.write_text(json.dumps({"keys": [jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)]}))
    signed = jwt.encode(claims(scope=SCOPES), key, "ES256")
    async with (
        running(own(folder, empty_database, token_jwks=str(path)), ScriptedRecognizer()) as server,
        opened(speaking_browser, server.url, may_log=True) as page,
    ):
        traffic.watch(page)
        await paste(page, signed)
        await listen(page)
    assert traffic.connections == [signed]


async def test_a_key_that_is_refused_is_told_and_asked_for_again(
    speaking_browser: Browser, guarded: RunningServer
) -> None:
    wrong, traffic = token("t" * 32, scope=SCOPES), Traffic()
    async with opened(speaking_browser, guarded.url, may_log=True) as page:
        traffic.watch(page)
        await paste(page, wrong)
        await expect_notice(page, REFUSED)
        await expect_state(page, "Ready")
        assert wrong not in await kept(page)
        await start(page)
        await page.get_by_role("textbox", name="Token").fill(token(scope=SCOPES))
        await page.keyboard.press("Enter")
        await listen(page)
    # Not even a connection was tried with it.
    assert len(traffic.connections) == 1


async def test_a_first_visit_explains_the_key_and_can_be_cancelled(
    speaking_browser: Browser, guarded: RunningServer
) -> None:
    traffic = Traffic()
    async with opened(speaking_browser, guarded.url, may_log=True) as page:
        traffic.watch(page)
        await start(page)
        question = page.get_by_role("dialog", name="This server asks for a key")
        await expect(question).to_contain_text("Ask for one if you have none.")
        assert await violations(page) == []
        await question.get_by_role("button", name="Cancel").click()
        await expect(question).to_be_hidden()
        await expect_state(page, "Ready")
        # Nothing was given, so that nothing was refused.
        await expect(page.get_by_role("alert")).to_be_empty()
        await start(page)
        await expect(question).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(question).to_be_hidden()
        await expect(page.get_by_role("alert")).to_be_empty()
        # A file and the history ask as well.
        await page.locator("#file").set_input_files(CLIPS / "yes.wav")
        await question.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("alert")).to_be_empty()
        assert await track_states(page) == []
    assert traffic.connections == traffic.trades == traffic.requests == []


async def test_a_server_that_was_away_at_first_asks_for_the_key_too(
    speaking_browser: Browser, guarded: RunningServer
) -> None:
    routes = {"**/v1/speech/languages": unreachable}
    async with opened(speaking_browser, guarded.url, may_log=True, routes=routes) as page:
        await start(page)
        await page.get_by_role("textbox", name="Token").fill(token(scope=SCOPES))
        await page.keyboard.press("Enter")
        await listen(page)
        await expect(page.get_by_role("alert")).to_be_empty()
