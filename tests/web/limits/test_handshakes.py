"""Row 10: an address with too many handshakes is refused for the rest of the second."""

import asyncio
import json

import pytest
from starlette.requests import HTTPConnection
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from stream.errors import ClientError
from tests.support.processes import STUCK_SECONDS
from tests.web.limits.gateway import admitted, amounts, limited
from tests.web.support.captured import captured
from tests.web.support.sockets import address, http_client, received, talking
from tests.web.support.tokens import bearer, token
from web.limits.addresses import RefusedSources
from web.limits.limits import Limits


@pytest.mark.fault(10)
@pytest.mark.virtual_time
async def test_handshakes_are_counted_by_the_second() -> None:
    async with limited(handshakes_per_second=5) as base:
        for _ in range(3):
            # They are counted though they are refused: none of them has a token.
            answers = [await answered(base) for _ in range(8)]
            assert [status for status, *_ in answers] == [401] * 5 + [429] * 3
            assert [retry_after for _, retry_after, _ in answers[5:]] == ["1"] * 3
            await asyncio.sleep(1)
        await admitted(base)


@pytest.mark.fault(10)
@pytest.mark.virtual_time
async def test_repeated_refusals_need_no_counting() -> None:
    with captured() as log:
        async with limited(handshakes_per_second=1) as base:
            (first, *_), *answers = [await answered(base) for _ in range(10)]
            assert (first, len(set(answers))) == (401, 1)
            status, retry_after, body = answers[0]
            async with http_client(base, headers=bearer(scope="metrics")) as http:
                metrics = (await http.get("/metrics")).text
            await admitted(base)
    assert (status, retry_after) == (429, "1")
    assert json.loads(body)["detail"] == "more than 1 handshakes in a second came from your address"
    # They stand in the counts, and but once in the log, which a flood would fill.
    assert 'niyosha_refusals_total{protocol="websocket",reason="rate_limited"} 9.0' in metrics.splitlines()
    assert len([event for event in log.named("handshake") if event["status"] == 429]) == 1


@pytest.mark.fault(10)
async def test_a_flood_from_one_address_leaves_others_alone() -> None:
    async with limited(handshakes_per_second=1) as base, asyncio.timeout(STUCK_SECONDS):
        statuses: set[int] = set()
        while 429 not in statuses:
            statuses |= {status for status, *_ in await asyncio.gather(*(answered(base) for _ in range(5)))}
        assert statuses == {401, 429}
        async with connect(address(base, f"jwt={token()}"), proxy=None, local_addr=("127.0.0.2", 0)) as socket:
            await socket.send("close")
            _ = [message async for message in received(socket)]
        assert socket.close_code == 1000


async def answered(base: str) -> tuple[int, str | None, bytes]:
    """Status, Retry-After and body with which a handshake without a token is refused."""
    with pytest.raises(InvalidStatus) as caught:
        async with talking(base):
            pass
    response = caught.value.response
    return response.status_code, response.headers.get("Retry-After"), bytes(response.body or b"")


async def test_a_refused_address_is_forgotten_after_its_second() -> None:
    now = 0.0
    limits = Limits(amounts(handshakes_per_second=1), lambda: now)
    await limits.check_handshake(coming_from("192.0.2.1"))
    with pytest.raises(ClientError) as caught:
        await limits.check_handshake(coming_from("192.0.2.1"))
    again = limits.still_refused("192.0.2.1")
    assert again is not None
    assert (again.problem, again.detail) == (caught.value.problem, caught.value.detail)
    assert limits.still_refused("192.0.2.2") is None
    now = 1.1
    assert limits.still_refused("192.0.2.1") is None
    refused_ = RefusedSources()
    for number in range(5000):
        refused_.add(str(number), 2.0)
    assert [refused_.holds(str(number), 1.0) for number in (0, 4999)] == [False, True]


def coming_from(host: str) -> HTTPConnection:
    return HTTPConnection({"type": "http", "client": (host, 1), "headers": []})


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
async def test_addresses_of_one_subscriber_count_together(first: str, second: str, *, is_one: bool) -> None:
    limits = Limits(amounts(handshakes_per_second=1), lambda: 0.0)
    await limits.check_handshake(coming_from(first))
    if is_one:
        with pytest.raises(ClientError):
            await limits.check_handshake(coming_from(second))
    else:
        await limits.check_handshake(coming_from(second))
