import asyncio
import re

import httpx
import pytest

from tests.web.support.channels import PATH, made, publish
from tests.web.support.gateway import Gateway
from tests.web.support.sockets import http_client, talking
from tests.web.support.tokens import bearer, token

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]


async def playlist(client: httpx.AsyncClient, name: str, query: str = "") -> str:
    answer = await client.get(f"{PATH}/{name}/captions.m3u8{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/vnd.apple.mpegurl")
    return answer.text


async def segments(client: httpx.AsyncClient, name: str) -> list[str]:
    """The texts of all segments that the playlist lists."""
    listed = re.findall(r"^segments/.*", await playlist(client, name), re.MULTILINE)
    answers = [await client.get(f"{PATH}/{name}/{one}") for one in listed]
    assert all(answer.headers["content-type"].startswith("text/vtt") for answer in answers)
    return [answer.text for answer in answers]


async def test_an_ended_channel_is_a_whole_stream_with_every_word(
    gateway: Gateway, operator: httpx.AsyncClient, owner: str
) -> None:
    name = await made(operator)
    spoken = await publish(gateway.base, owner, name, "quick.wav", "train.wav", query="speaker=Ann")
    assert "#EXT-X-ENDLIST" not in await playlist(operator, name)
    await operator.patch(f"{PATH}/{name}", json={"ended": True})
    assert (await playlist(operator, name)).endswith("#EXT-X-ENDLIST\n")
    found = await segments(operator, name)
    cues = dict(cue.split("\n", 1) for one in found for cue in one.strip().split("\n\n")[1:])
    assert " ".join(cue.partition("<v Ann>")[2] for cue in cues.values()) == spoken
    whole = (await operator.get(f"{PATH}/{name}/captions.vtt")).text
    assert all(cue in whole for cue in cues.values())


async def test_a_segment_waits_for_what_is_spoken_in_it(
    gateway: Gateway, operator: httpx.AsyncClient, owner: str
) -> None:
    name = await made(operator)
    jwt = token(sub=owner, scope="publish")
    async with talking(gateway.base, f"channel={name}&jwt={jwt}&vad=manual&extended=true") as socket:
        for _ in range(140):
            await socket.send(b"\1\0" * 1600)
            await asyncio.sleep(0.1)
        assert "segments/" not in await playlist(operator, name)
        refused = await operator.get(f"{PATH}/{name}/segments/0.vtt")
        assert (refused.status_code, refused.json()["detail"]) == (404, 'there is no segment "0", or not yet')
        await socket.send('{"type": "finalize"}')
        await asyncio.sleep(2)
        listed = await playlist(operator, name)
    assert "segments/0.vtt" in listed
    assert "segments/1.vtt" in listed
    assert "segments/2.vtt" not in listed


async def test_segments_go_on_while_nobody_speaks(gateway: Gateway, operator: httpx.AsyncClient, owner: str) -> None:
    name = await made(operator)
    await publish(gateway.base, owner, name)
    await asyncio.sleep(10)
    before = (await playlist(operator, name)).count("#EXTINF")
    await asyncio.sleep(60)
    assert (await playlist(operator, name)).count("#EXTINF") - before == 10
    assert (await segments(operator, name))[-1].count("\n") == 2


async def test_the_token_of_a_private_channel_is_in_its_addresses(
    gateway: Gateway, operator: httpx.AsyncClient, owner: str
) -> None:
    name = await made(operator, public=False)
    await publish(gateway.base, owner, name)
    await asyncio.sleep(20)
    jwt = token(sub=owner, scope="watch")
    async with http_client(gateway.base) as reader:
        first = re.findall(r"^segments/.*", await playlist(reader, name, f"?jwt={jwt}"), re.MULTILINE)[0]
        assert first == f"segments/0.vtt?jwt={jwt}"
        assert (await reader.get(f"{PATH}/{name}/{first}")).text.startswith("WEBVTT\nX-TIMESTAMP-MAP=")
        assert (await reader.get(f"{PATH}/{name}/segments/0.vtt")).status_code == 401
        headers = bearer(sub=owner, scope="watch")
        assert "jwt" not in (await reader.get(f"{PATH}/{name}/captions.m3u8", headers=headers)).text


@pytest.mark.parametrize("number", ["-1", "x", "1" * 13, "99999"])
async def test_there_are_no_other_segments(operator: httpx.AsyncClient, number: str) -> None:
    name = await made(operator)
    assert (await operator.get(f"{PATH}/{name}/segments/{number}.vtt")).status_code == 404
