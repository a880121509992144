"""Row 10: the minutes of audio of an owner's day, live and recorded."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stream.errors import ClientError, Problem
from tests.support.sounds import clip_pcm
from tests.web.limits.gateway import SECOND, amounts, explained, limited, refused, speak
from tests.web.support.sockets import converse, http_client
from tests.web.support.tokens import bearer, token
from web.auth.caller import Caller
from web.limits.limits import Limits

pytestmark = pytest.mark.virtual_time
USED_UP = (429, "rate_limited", 86_400)


@pytest.mark.fault(10)
async def test_a_stream_over_the_minutes_gets_its_text_first() -> None:
    sound = clip_pcm("quick.wav")
    async with limited(minutes_per_day=0.1) as url:
        conversation = await converse(url, sound, *[SECOND] * 10, sound, "close", query=f"jwt={token()}")
        assert (conversation.close_code, conversation.close_reason) == (4429, "rate_limited")
        assert len(conversation.settled) == 1
        error = conversation.messages[-1]
        assert (error["type"], error["code"]) == ("rate_limited", 429)
        assert error["detail"] == "0.1 minutes of audio a day are allowed, and they are used up"
        query = f"jwt={token()}"
        assert await refused(url, query) == await explained(url, query) == USED_UP
        assert (await speak(url, 1, sub="another")).close_code == 1000


async def test_the_minutes_of_an_owner_add_up() -> None:
    async with limited() as url:
        assert (await speak(url, 3, minutes=0.1)).close_code == 1000
        assert (await speak(url, 2, minutes=0.1)).close_code == 1000
        assert (await speak(url, 2, minutes=0.1)).close_code == 4429
        assert await refused(url, f"jwt={token(minutes=0.05)}") == USED_UP
        assert (await speak(url, 2, minutes=1)).close_code == 1000
        assert (await speak(url, 20)).close_code == 1000


async def test_streams_of_less_than_a_second_add_up_too() -> None:
    async with limited() as url:
        query = f"jwt={token(minutes=0.1)}"
        for _ in range(7):
            assert (await converse(url, SECOND[:28_800], "close", query=query)).close_code == 1000
        await asyncio.sleep(1)
        assert (await explained(url, query))[0] == 429


async def test_recordings_use_the_minutes_too() -> None:
    body = {"config": {}, "audio": {"data": base64.b64encode(SECOND * 4).decode()}}
    async with (
        limited(minutes_per_day=0.1) as url,
        http_client(url, headers=bearer()) as client,
    ):
        paths = "/v1/speech/asr", "/v1/speech/asrlongrunning", "/api/v1/asr/recognize"
        assert (await client.post(paths[0], json=body)).status_code == 201
        form = {"files": {"audio": ("a.raw", SECOND * 4)}}
        assert (await client.post(paths[2], **form)).status_code == 200  # type: ignore[arg-type]
        for path in paths:
            sent: dict[str, Any] = form if path == paths[2] else {"json": body}
            answer = await client.post(path, **sent)
            assert (answer.status_code, answer.json()["type"]) == (429, "rate_limited"), path
            assert answer.headers["Retry-After"] == "86400"
        assert (await refused(url, f"jwt={token()}"))[0] == 429


async def test_a_long_recording_uses_minutes_as_audio_arrives() -> None:
    async with (
        limited(minutes_per_day=0.05) as url,
        http_client(url, headers=bearer()) as client,
    ):
        path = "/v1/speech/asrlongrunning"
        created = await client.post(path, json={"config": {}, "audio": {"upload": True}})
        assert (await client.post(path, json={"config": {}, "audio": {"upload": True}})).status_code == 201
        assert (await client.put(created.headers["Upload-Location"], content=SECOND * 4)).status_code == 200
        assert (await client.post(path, json={"config": {}, "audio": {"upload": True}})).status_code == 429


async def test_the_day_lasts_24_hours_from_the_first_audio() -> None:
    limits, ann = Limits(amounts(minutes_per_day=1), asyncio.get_running_loop().time), Caller(owner="ann")
    await limits.count_audio("ann", 30_000)
    await asyncio.sleep(3600)
    await limits.count_audio("ann", 30_000)
    for retry_after_seconds in (82_800, 1):
        with pytest.raises(ClientError) as caught:
            await limits.check_minutes(ann)
        assert caught.value.retry_after_seconds == retry_after_seconds
        await asyncio.sleep(82_799.5 if retry_after_seconds > 1 else 0.5)
    await limits.check_minutes(ann)


@pytest.mark.fault(32)
async def test_audio_of_a_broken_upload_counts_once() -> None:
    async def broken(sound: bytes) -> AsyncIterator[bytes]:
        yield sound
        await asyncio.sleep(0.3)
        raise ConnectionResetError

    async with limited(minutes_per_day=0.1) as url, http_client(url, headers=bearer()) as client:
        path, waiting = "/v1/speech/asrlongrunning", {"config": {}, "audio": {"upload": True}}
        first = (await client.post(path, json=waiting)).headers["Upload-Location"]
        second = (await client.post(path, json=waiting)).headers["Upload-Location"]
        for _ in range(3):
            with pytest.raises(ConnectionResetError):
                await client.put(first, content=broken(SECOND * 4))
            await asyncio.sleep(1)
        # It is 4 s by now, not 12.
        assert (await client.post(path, json=waiting)).status_code == 201
        with pytest.raises(ConnectionResetError):
            await client.put(second, content=broken(SECOND * 4))
        await asyncio.sleep(1)
        assert (await client.post(path, json=waiting)).status_code == 429
        # A recording that began in time may still come whole.
        assert (await client.put(first, content=SECOND * 5)).status_code == 200


async def test_recordings_that_begin_at_once_share_the_minutes() -> None:
    limits = Limits(amounts(minutes_per_day=1), asyncio.get_running_loop().time)
    alone = limits.recording_meter("bob", 1.0)
    for _ in range(30):
        await alone.add(10)  # one that began in time may be as long as it is
    meters = {number: limits.recording_meter("ann", 1.0) for number in range(10)}
    counted_seconds = [0] * 10
    for _ in range(30):
        for number, meter in list(meters.items()):
            counted_seconds[number] += 10
            try:
                await meter.add(10)
            except ClientError as error:
                assert error.problem is Problem.RATE_LIMITED
                del meters[number]
    assert sum(counted_seconds) - max(counted_seconds) <= 60 + 10 * 10
