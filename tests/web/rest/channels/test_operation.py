import asyncio
import json
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from tests.support.recognizers import CountingStream
from tests.support.sounds import clip_pcm
from tests.web.support.channels import PATH, PAUSE, events, made, publish, until
from tests.web.support.gateway import Gateway
from tests.web.support.sockets import received, refusal, talking
from tests.web.support.tokens import bearer, token

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]


async def state(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    answer = await client.get(f"{PATH}/{name}/state")
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


async def changed(client: httpx.AsyncClient, name: str, **wanted: object) -> dict[str, object]:
    answer = await client.patch(f"{PATH}/{name}", json=wanted)
    assert answer.status_code == 200, answer.text
    body: dict[str, object] = answer.json()
    return body


async def text_of(client: httpx.AsyncClient, name: str) -> str:
    return (await client.get(f"{PATH}/{name}/captions.txt")).text


async def test_the_operator_sees_who_publishes_and_how_many_read(
    gateway: Gateway, operator: httpx.AsyncClient, owner: str
) -> None:
    name = await made(operator)
    assert await state(operator, name) == {"publishers": [], "readers": 0, "clockMs": 0}
    jwt = token(sub=owner, scope="publish")
    async with aclosing(events(operator, name)) as reading:
        await anext(reading)
        async with talking(gateway.base, f"channel={name}&speaker=Ann&jwt={jwt}") as socket:
            for _ in range(10):
                await socket.send(b"\0\x40" * 1600)
                await asyncio.sleep(0.1)
            await asyncio.sleep(3)
            found = await state(operator, name)
        (publisher,) = found["publishers"]
        assert found["readers"] == 1
        assert (publisher["speaker"], publisher["beganMs"], publisher["levelDb"]) == ("Ann", 0, -6.0)
        assert publisher["lagMs"] == pytest.approx(3000, abs=50)
        assert found["clockMs"] == pytest.approx(4000, abs=50)
        await until(reading, "channel")
    await asyncio.sleep(1)
    assert (await state(operator, name))["publishers"] == []


async def test_a_pause_lets_nothing_through(gateway: Gateway, operator: httpx.AsyncClient, owner: str) -> None:
    name = await made(operator)
    jwt = token(sub=owner, scope="publish")
    async with (
        aclosing(events(operator, name)) as reading,
        talking(gateway.base, f"channel={name}&jwt={jwt}") as socket,
    ):
        await anext(reading)
        await socket.send(clip_pcm("quick.wav"))
        shown = (await until(reading, "partial"))[-1].body["line"]
        assert (await changed(operator, name, paused=True))["paused"] is True
        paused, taken_back = (event.body for event in (await until(reading, "correction"))[-2:])
        assert paused["paused"] is True
        assert (taken_back["line"], taken_back["hidden"]) == (shown, True)
        await socket.send(PAUSE + clip_pcm("train.wav") + PAUSE)
        await asyncio.sleep(4)
        assert await text_of(operator, name) == ""
        await changed(operator, name, paused=False)
        assert "paused" not in (await until(reading, "channel"))[-1].body
        await socket.send(clip_pcm("quick.wav") + PAUSE)
        spoken = (await until(reading, "final"))[-1].body["text"]
        await socket.send("close")
        done = [json.loads(message) async for message in received(socket)][-1]
    assert await text_of(operator, name) == f"{spoken}\n"
    # The publisher's own text has what was left out, too.
    assert len(done["results"]) == 3


async def test_a_new_glossary_reaches_the_next_utterance(
    gateway: Gateway, operator: httpx.AsyncClient, owner: str
) -> None:
    scripted = gateway.book.add(CountingStream)
    name = await made(operator, glossary=["Yazd"])
    jwt = token(sub=owner, scope="publish")
    query = f"channel={name}&jwt={jwt}&extended=true&phrases={scripted.name}"
    async with talking(gateway.base, query) as socket:
        await socket.send(clip_pcm("quick.wav"))
        await asyncio.sleep(1)
        assert (await changed(operator, name, glossary=["Rasht", " Rasht "]))["glossary"] == ["Rasht"]
        await socket.send(PAUSE + clip_pcm("quick.wav") + PAUSE)
        await socket.send("close")
        messages = [json.loads(message) async for message in received(socket)]
    assert [stream.options.phrases for stream in scripted.streams] == [
        (scripted.name, "Yazd"),
        (scripted.name, "Rasht"),
    ]
    # The publisher did not change its configuration, and gets no message about that.
    assert [one["type"] for one in messages].count("ready") == 1


async def test_the_end_of_a_channel_is_for_readers_and_publishers(
    gateway: Gateway, operator: httpx.AsyncClient, owner: str
) -> None:
    name = await made(operator)
    spoken = await publish(gateway.base, owner, name)
    jwt = token(sub=owner, scope="publish")
    async with (
        aclosing(events(operator, name)) as reading,
        talking(gateway.base, f"channel={name}&jwt={jwt}") as socket,
    ):
        await until(reading, "final")
        assert (await changed(operator, name, ended=True))["endedAt"] is not None
        assert [event.name async for event in reading][-1] == "end"
        await socket.send(clip_pcm("train.wav") + PAUSE)
        await socket.send("close")
        assert [json.loads(message) async for message in received(socket)][-1]["status"] == "done"
    late = [event async for event in events(operator, name)]
    assert [event.name for event in late] == ["channel", "final", "end"]
    assert late[1].body["text"] == spoken
    status, body = await refusal(gateway.base, f"channel={name}&jwt={jwt}")
    assert (status, body["detail"]) == (409, f'the channel "{name}" has ended')
    assert (await changed(operator, name, ended=False))["endedAt"] is None
    await publish(gateway.base, owner, name)
    assert await text_of(operator, name) == f"{spoken}\n" * 2


async def test_a_change_is_there_after_the_channel_was_put_away(operator: httpx.AsyncClient) -> None:
    name = await made(operator, title="Old")
    body = await changed(
        operator, name, title=" New ", public=False, languages=["fa", "fa"], retentionHours=2, paused=True
    )
    assert (body["title"], body["public"], body["languages"], body["retentionHours"]) == ("New", False, ["fa"], 2.0)
    assert (await operator.get(f"{PATH}/{name}")).json() == body
    assert (await changed(operator, name, title=""))["title"] == name
    assert await changed(operator, name) == body | {"title": name}


async def test_what_is_no_change_is_refused(operator: httpx.AsyncClient) -> None:
    name = await made(operator)
    for wanted, detail in [
        ({"paused": 1}, "paused is 1; it must be true or false"),
        ({"glossary": [""]}, 'glossary[0] is ""; it must be 1 to 100 characters'),
        ({"retentionHours": 0}, "retentionHours is 0; it must be between 0.1 and 8760"),
        ({"ended": "yes"}, 'ended is "yes"; it must be true or false'),
    ]:
        answer = await operator.patch(f"{PATH}/{name}", json=wanted)
        assert (answer.status_code, answer.json()["detail"]) == (400, detail)


async def test_the_operator_has_both_texts_of_a_line(gateway: Gateway, operator: httpx.AsyncClient, owner: str) -> None:
    name = await made(operator)
    spoken = await publish(gateway.base, owner, name, "quick.wav", "train.wav", query="speaker=Ann")
    first = (await operator.get(f"{PATH}/{name}/lines")).json()
    assert " ".join(line["text"] for line in first["lines"]) == spoken
    assert {(line["speaker"], line["settled"], line["recognized"]) for line in first["lines"]} == {("Ann", True, None)}
    one, other = (line["line"] for line in first["lines"])
    await operator.patch(f"{PATH}/{name}/lines/{one}", json={"text": "Better."})
    await operator.patch(f"{PATH}/{name}/lines/{other}", json={"hidden": True})
    news = (await operator.get(f"{PATH}/{name}/lines", params={"after": first["next"]})).json()
    assert [(line["line"], line["text"], line["recognized"], line["hidden"]) for line in news["lines"]] == [
        (one, "Better.", first["lines"][0]["text"], False),
        (other, first["lines"][1]["text"], None, True),
    ]
    last = (await operator.get(f"{PATH}/{name}/lines", params={"after": news["next"]})).json()
    assert last == {"lines": [], "next": news["next"]}
    refused = await operator.get(f"{PATH}/{name}/lines", params={"after": "x"})
    assert (refused.status_code, refused.json()["detail"]) == (400, 'after is "x"; it must be what `next` was')


async def test_the_stored_transcription_keeps_both_texts(
    gateway: Gateway, operator: httpx.AsyncClient, owner: str
) -> None:
    name = await made(operator)
    jwt = token(sub=owner, scope="publish")
    async with talking(gateway.base, f"channel={name}&jwt={jwt}&store=true") as socket:
        await socket.send(clip_pcm("quick.wav") + PAUSE)
        await socket.send("close")
        done = [json.loads(message) async for message in received(socket)][-1]
    (line,) = (await operator.get(f"{PATH}/{name}/lines")).json()["lines"]
    path = f"/v1/speech/transcriptions/{done['transcriptionId']}"
    reader = bearer(sub=owner, scope="recordings")

    async def stored() -> dict[str, object]:
        body = (await operator.get(path, params={"extended": "true"}, headers=reader)).json()
        result: dict[str, object] = body["results"][0]
        return result

    assert "corrections" not in await stored()
    for text in ("Better.", "Best."):
        await operator.patch(f"{PATH}/{name}/lines/{line['line']}", json={"text": text})
    after = await stored()
    assert after["transcript"] == line["text"]
    assert after["corrections"] == [
        {"line": line["line"], "text": "Best.", "recognized": line["text"], "hidden": False}
    ]
    plain = (await operator.get(path, headers=reader)).json()
    assert plain["results"] == done["results"]
