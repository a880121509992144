"""Settled lines and ended recordings are posted to webhooks: signed, in order, again after a failure, at least once."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any

import pytest
from sqlalchemy import insert

from stream.channels.lines import Line
from stream.errors import ClientError
from tests.support.loops.clock import MovableClock
from tests.support.processes import STUCK_SECONDS
from web.fetch.download import FetchOptions
from web.fetch.posting import PostError, check_target, posted
from web.jobs.webhooks import WebhookSender, body_of
from web.store.channels import Channel, Channels
from web.store.database.database import Database
from web.store.tables import Kind, Status, transcriptions
from web.store.transcriptions import new_id
from web.store.webhooks import MOST_ATTEMPTS, Event, Webhook, Webhooks

OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.1"
OPTIONS = FetchOptions(networks=(ip_network("127.0.0.2/32"),), most_bytes=1, seconds=10, unreachable_seconds=0.05)
Answering = Callable[[int], bytes | None]


@dataclass
class Receiver:
    """Receives posts, and answers each by its number from 1; None for no answer."""

    answer: Answering = lambda _: b"204 No Content"
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.posts]

    @asynccontextmanager
    async def serving(self, host: str = OUTSIDE) -> AsyncIterator["Receiver"]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (row.partition(": ") for row in head[1:])}
            self.posts.append((headers, await reader.readexactly(int(headers["content-length"]))))
            status = self.answer(len(self.posts))
            if status is not None:
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nLocation: http://127.0.0.1/\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(handle, host, 0)
        self.url = f"http://{host}:{server.sockets[0].getsockname()[1]}/hook?key=5ecret"
        async with server:
            yield self


class Office:
    """Webhooks and what they are about, in one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = MovableClock()
        self.webhooks = Webhooks(database, clock=self.clock)
        self.channels = Channels(database, clock=self.clock)
        self.sender = self.new_sender()

    def new_sender(self) -> WebhookSender:
        return WebhookSender(self.webhooks, OPTIONS, clock=self.clock)

    async def hook(self, url: str, *events: Event, channel: str | None = None, owner: str = "ann") -> Webhook:
        webhook = Webhook(
            id=new_id(),
            owner=owner,
            url=url,
            secret="whsec_x",  # noqa: S106
            events=events,
            channel=channel,
            created_at=self.clock(),
        )
        await self.webhooks.create(webhook, most=5)
        return webhook

    async def channel(self, name: str = "c", owner: str = "ann") -> None:
        made = Channel(
            name=name,
            owner=owner,
            title=name,
            languages=(),
            is_public=True,
            retention_seconds=3600,
            glossary=(),
            created_at=self.clock(),
        )
        await self.channels.create(made, most=5)

    async def settle(self, number: int, text: str, name: str = "c") -> None:
        self.clock.now += 1
        line = Line(
            text=text, start_ms=0, end_ms=1, is_settled=True, number=number, change_id=int(self.clock.now * 1000)
        )
        await self.channels.keep(name, [line])

    async def ended(self, status: Status, owner: str = "ann") -> str:
        row = {
            "id": new_id(),
            "owner": owner,
            "kind": Kind.LONG,
            "status": status,
            "created_at": self.clock(),
            "touched_at": self.clock(),
            "expires_at": self.clock() + 1e6,
            "received_samples": 24_000,
            "error_type": "invalid_audio" if status is Status.FAILED else None,
        }
        async with self.database.writing() as connection:
            await connection.execute(insert(transcriptions), row)
        return str(row["id"])

    async def post(self, sender: WebhookSender | None = None) -> None:
        """Collect, and post what is due."""
        sender = sender or self.sender
        await self.webhooks.collect(body_of)
        await sender._begin()
        async with asyncio.timeout(STUCK_SECONDS):
            await asyncio.gather(*sender._posting.values())


@pytest.fixture
async def office(database: Database) -> Office:
    office = Office(database)
    await office.channel()
    return office


async def test_settled_lines_are_posted_once_in_order_and_signed(office: Office) -> None:
    async with Receiver().serving() as receiver:
        await office.settle(1, "before there was a webhook")
        office.clock.now += 1
        webhook = await office.hook(receiver.url, Event.LINE, channel="c")
        await office.channel("other")
        for number, text in enumerate(("one", "two", "three"), start=2):
            await office.settle(number, text)
        await office.settle(1, "elsewhere", "other")
        for _ in range(3):
            await office.post()
        await office.settle(3, "Two")
        await office.post()
    assert [(body["type"], body["line"]["line"], body["line"]["text"]) for body in receiver.bodies] == [
        ("line", 2, "one"),
        ("line", 3, "two"),
        ("line", 4, "three"),
        ("line", 3, "Two"),
    ]
    headers, body = receiver.posts[0]
    at, _, mac = headers["niyosha-signature"].removeprefix("t=").partition(",v1=")
    assert mac == hmac.digest(b"whsec_x", f"{at}.".encode() + body, hashlib.sha256).hex()
    assert headers["niyosha-delivery"] == receiver.bodies[0]["id"]
    listed = await office.webhooks.deliveries(webhook.id, 10)
    assert [(one.state, one.attempts, one.last_status, one.body) for one in listed] == [("delivered", 1, 204, None)] * 4


async def test_the_end_of_a_recording_is_posted_to_its_owner(office: Office) -> None:
    async with Receiver().serving() as receiver:
        await office.hook(receiver.url, Event.RECORDING)
        done, failed = await office.ended(Status.DONE), await office.ended(Status.FAILED)
        await office.ended(Status.DONE, owner="bob")
        await office.settle(1, "a line")
        for _ in range(2):
            await office.post()
    told = {body["transcriptionId"]: (body["status"], body["duration"], body["error"]) for body in receiver.bodies}
    assert told == {done: ("done", 1.5, None), failed: ("failed", 1.5, "invalid_audio")}
    assert len(receiver.posts) == 2


@pytest.mark.fault(51)
async def test_a_failed_post_is_repeated_with_growing_pauses_and_in_order(office: Office) -> None:
    answers = [b"500 Oops", None, b"302 Found"]
    async with Receiver(lambda n: answers[n - 1] if n <= 3 else b"200 OK").serving() as receiver:
        webhook = await office.hook(receiver.url, Event.LINE)
        await office.settle(1, "one")
        await office.settle(2, "two")
        errors = []
        for pause_seconds in (5, 10, 20):
            await office.post()
            shown = await office.webhooks.get(webhook.id, "ann")
            assert shown is not None
            errors.append((shown.failures, shown.last_status, shown.last_error))
            office.clock.now += pause_seconds - 1
            await office.post()
            office.clock.now += 1.5
        await office.post()
    assert errors == [
        (1, 500, "the answer was 500"),
        (2, None, "no connection, or it broke, or no HTTP was spoken"),
        (3, 302, "the answer was 302"),
    ]
    assert [body["line"]["text"] for body in receiver.bodies] == ["one"] * 4 + ["two"]
    assert len({body["id"] for body in receiver.bodies}) == 2
    shown = await office.webhooks.get(webhook.id, "ann")
    assert shown is not None
    assert (shown.failures, shown.last_error) == (0, None)


@pytest.mark.fault(51)
async def test_a_post_is_given_up_and_others_go_on(office: Office) -> None:
    async with Receiver(lambda n: b"500 Oops" if n <= MOST_ATTEMPTS else b"200 OK").serving() as receiver:
        webhook = await office.hook(receiver.url, Event.LINE)
        await office.settle(1, "one")
        for _ in range(MOST_ATTEMPTS):
            await office.post()
            office.clock.now += 901
        # Its channel keeps text for an hour, after which nothing of it is posted.
        await office.settle(2, "two")
        await office.post()
        first, second = reversed(await office.webhooks.deliveries(webhook.id, 10))
    assert (first.state, first.attempts, first.body) == ("failed", MOST_ATTEMPTS, None)
    assert (second.state, receiver.bodies[-1]["line"]["text"]) == ("delivered", "two")


@pytest.mark.fault(51)
async def test_what_a_killed_process_left_is_posted_by_another(office: Office) -> None:
    async with Receiver().serving() as receiver:
        webhook = await office.hook(receiver.url, Event.LINE)
        await office.settle(1, "one")
        await office.webhooks.collect(body_of)
        assert await office.webhooks.claim(webhook.id, 30)
        other = office.new_sender()
        await office.post(other)
        assert receiver.posts == []
        office.clock.now += 31
        await asyncio.gather(office.post(other), office.post())
    assert [body["line"]["text"] for body in receiver.bodies] == ["one"]


async def test_text_that_is_kept_no_longer_is_not_posted(office: Office) -> None:
    webhook = await office.hook("http://127.0.0.2:9/", Event.LINE)
    await office.settle(1, "one")
    await office.webhooks.collect(body_of)
    assert len(await office.webhooks.deliveries(webhook.id, 10)) == 1
    office.clock.now += 3601
    await office.webhooks.sweep()
    assert await office.webhooks.deliveries(webhook.id, 10) == []


async def test_a_deleted_channel_takes_its_posts_along(office: Office) -> None:
    webhook = await office.hook("http://127.0.0.2:9/", Event.LINE)
    await office.settle(1, "one")
    await office.webhooks.collect(body_of)
    await office.channels.delete("c", "ann")
    assert await office.webhooks.deliveries(webhook.id, 10) == []


async def test_too_many_posts_that_wait_lose_the_oldest(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.store.webhooks._MOST_WAITING", 2)
    webhook = await office.hook("http://127.0.0.2:9/", Event.LINE)
    for number in range(1, 5):
        await office.settle(number, str(number))
    await office.webhooks.collect(body_of)
    await office.webhooks.sweep()
    left = [json.loads(one.body or b"")["line"]["line"] for one in await office.webhooks.deliveries(webhook.id, 10)]
    assert left == [4, 3]


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("http://127.0.0.1/", "leads to an address that is not public; give one that anybody can reach"),
        ("http://[::ffff:10.0.0.1]/", "leads to an address that is not public; give one that anybody can reach"),
        ("ftp://example.org/", "is neither http nor https; give one like https://host/path"),
        (
            "https://a:b@example.org/",
            "has a user name or a password, which are not sent; give one like https://host/path",
        ),
    ],
)
async def test_nothing_is_posted_inside(url: str, detail: str) -> None:
    with pytest.raises(ClientError) as refused:
        check_target(url, OPTIONS)
    assert refused.value.detail.endswith(detail)
    with pytest.raises(PostError, match="the address is not allowed any more"):
        await posted(url, b"{}", {}, OPTIONS)


@pytest.mark.fault(20)
async def test_a_name_that_leads_inside_is_not_posted_to() -> None:
    async def resolve(_: str) -> list[Any]:
        return [ip_network("127.0.0.1/32")[0]]

    async with Receiver().serving(INSIDE) as canary:
        url = canary.url.replace(INSIDE, "rebound.example")
        with pytest.raises(PostError, match="no connection"):
            await posted(url, b"{}", {}, replace(OPTIONS, resolve=resolve))
    assert canary.posts == []
