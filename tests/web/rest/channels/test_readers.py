import asyncio
from contextlib import aclosing

import httpx
import pytest
from pydantic import SecretStr

from tests.support.recognizers import CountingStream
from tests.web.support.channels import PATH, Event, events, made, publish, until
from tests.web.support.gateway import Gateway, running_gateway
from tests.web.support.sockets import http_client, refusal, talking
from tests.web.support.tokens import SECRET, token
from web.settings.settings import Settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]


def lines(seen: list[Event]) -> dict[int, str]:
    """The text of each line as a reader has it in the end."""
    shown = {event.body["line"]: event.body for event in seen if "line" in event.body}
    return {number: body["text"] for number, body in shown.items() if not body["hidden"]}


async def text_of(client: httpx.AsyncClient, name: str) -> str:
    return (await client.get(f"{PATH}/{name}/captions.txt")).text


async def test_a_reader_sees_unsettled_and_then_settled_text(
    gateway: Gateway, operator: httpx.AsyncClient, owner: str
) -> None:
    name = await made(operator, title="Main stage", languages=["en"])
    async with aclosing(events(operator, name)) as reading:
        first = await anext(reading)
        assert (first.name, first.body) == (
            "channel",
            {"name": name, "title": "Main stage", "languages": ["en"], "live": False},
        )
        publishing = asyncio.create_task(publish(gateway.base, owner, name, query="speaker=Ann"))
        seen = await until(reading, "final")
        transcript = await publishing
    assert [event.body["live"] for event in seen if event.name == "channel"] == [True]
    partials = [event for event in seen if event.name == "partial"]
    assert partials
    assert all(transcript.startswith(event.body["text"]) for event in partials)
    assert (seen[-1].body["text"], seen[-1].body["speaker"]) == (transcript, "Ann")
    assert {event.body["line"] for event in seen if "line" in event.body} == {seen[-1].body["line"]}
    ids = [event.id for event in seen if event.id]
    assert ids == sorted(set(ids))
    assert 0 <= seen[-1].body["startMs"] < seen[-1].body["endMs"]


async def test_a_late_reader_gets_what_was_said(gateway: Gateway, operator: httpx.AsyncClient, owner: str) -> None:
    name = await made(operator)
    transcript = await publish(gateway.base, owner, name, "quick.wav", "train.wav")
    async with aclosing(events(operator, name)) as reading:
        await until(reading, "final")
        last = (await until(reading, "final"))[-1]
    assert " ".join((await text_of(operator, name)).split()) == transcript
    async with aclosing(events(operator, name, after=last.id - 1)) as reading:
        assert [event.body.get("line") for event in await until(reading, "final")] == [None, last.body["line"]]


async def test_a_reader_resumes_without_a_gap(gateway: Gateway, operator: httpx.AsyncClient, owner: str) -> None:
    name = await made(operator)
    seen: list[Event] = []
    publishing = asyncio.create_task(publish(gateway.base, owner, name, "quick.wav", "train.wav", "quick.wav"))
    while len([event for event in seen if event.name == "final"]) < 3:
        after = max((event.id for event in seen), default=0)
        async with aclosing(events(operator, name, after)) as reading:
            async for event in reading:
                seen.append(event)
                if event.id > after:  # unsettled lines come again
                    break
    assert " ".join(lines(seen).values()) == await publishing
    finals = [event.body["line"] for event in seen if event.name == "final"]
    assert len(finals) == len(set(finals)) == 3


async def test_webvtt_has_speakers_and_the_clock_of_the_channel(
    gateway: Gateway, operator: httpx.AsyncClient, owner: str
) -> None:
    name = await made(operator)
    first = await publish(gateway.base, owner, name, query="speaker=Ann%20%3CB%3E")
    await asyncio.sleep(60)
    second = await publish(gateway.base, owner, name, query="speaker=Bob")
    answer = await operator.get(f"{PATH}/{name}.vtt")
    assert answer.headers["content-type"] == "text/vtt; charset=utf-8"
    head, one, two = answer.text.split("\n\n")
    assert head == "WEBVTT"
    assert one.split("\n")[2] == f"<v Ann &lt;B&gt;>{first}"
    assert two.split("\n")[2].rstrip() == f"<v Bob>{second}"
    assert one.split("\n")[1] < two.split("\n")[1]
    assert (await operator.get(f"{PATH}/{name}/captions.vtt")).text == answer.text
    assert (await operator.get(f"{PATH}/{name}.txt")).text == f"Ann <B>: {first}\nBob: {second}\n"


async def test_both_channels_of_a_stream_are_speakers(
    gateway: Gateway, operator: httpx.AsyncClient, owner: str
) -> None:
    name = await made(operator)
    await publish(gateway.base, owner, name, query="channels=2&extended=true&speaker=Desk")
    voices = [row.partition(":")[0] for row in (await text_of(operator, name)).splitlines()]
    assert set(voices) <= {"Desk 1", "Desk 2"}
    assert voices


async def test_a_corrected_line_changes_for_its_readers(
    gateway: Gateway, operator: httpx.AsyncClient, owner: str
) -> None:
    name = await made(operator)
    await publish(gateway.base, owner, name)
    async with aclosing(events(operator, name)) as reading:
        line = (await until(reading, "final"))[-1].body["line"]
        answer = await operator.patch(f"{PATH}/{name}/lines/{line}", json={"text": " Much\nbetter. "})
        assert (answer.status_code, answer.json()["text"]) == (200, "Much better.")
        correction = (await until(reading, "correction"))[-1]
        assert (correction.body["line"], correction.body["text"]) == (line, "Much better.")
        assert await text_of(operator, name) == "Much better.\n"
        await operator.patch(f"{PATH}/{name}/lines/{line}", json={"hidden": True})
        hidden = (await until(reading, "correction"))[-1]
    assert (hidden.body["text"], hidden.body["hidden"]) == ("", True)
    assert await text_of(operator, name) == ""
    async with aclosing(events(operator, name)) as reading:
        await operator.patch(f"{PATH}/{name}/lines/{line}", json={"hidden": False})
        assert lines(await until(reading, "final")) == {line: "Much better."}


async def test_only_settled_lines_can_be_corrected(operator: httpx.AsyncClient) -> None:
    name = await made(operator)
    answer = await operator.patch(f"{PATH}/{name}/lines/7", json={"text": "a"})
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        'there is no settled line "7", or not any more',
    )
    for body, detail in [
        ({"text": " \n"}, "text is ' \\n'; it must be 1 to 2000 characters"),
        ({"text": ""}, 'text is ""; it must be 1 to 2000 characters'),
        ({"hidden": 1}, "hidden is 1; it must be true or false"),
    ]:
        answer = await operator.patch(f"{PATH}/{name}/lines/1", json=body)
        assert (answer.status_code, answer.json()["detail"]) == (400, detail)


async def test_readers_of_a_deleted_channel_get_its_end(operator: httpx.AsyncClient) -> None:
    name = await made(operator)
    async with aclosing(events(operator, name)) as reading:
        await anext(reading)
        assert (await operator.delete(f"{PATH}/{name}")).status_code == 204
        assert [event.name async for event in reading] == ["end"]
    assert (await operator.get(f"{PATH}/{name}/events")).status_code == 404


async def test_a_quiet_connection_gets_comments(operator: httpx.AsyncClient) -> None:
    name = await made(operator)
    async with operator.stream("GET", f"{PATH}/{name}/events") as answer:
        rows = answer.aiter_lines()
        assert await anext(rows) == "retry: 2000"
        began = asyncio.get_running_loop().time()
        while await anext(rows) != ": ":
            pass
        assert asyncio.get_running_loop().time() - began == pytest.approx(15, abs=0.1)


async def test_text_of_a_publisher_that_left_is_taken_back(
    gateway: Gateway, operator: httpx.AsyncClient, owner: str
) -> None:
    name = await made(operator)
    jwt = token(sub=owner, scope="publish")
    async with aclosing(events(operator, name)) as reading:
        await anext(reading)
        async with talking(gateway.base, f"channel={name}&jwt={jwt}") as socket:
            await socket.send(bytes(3200))
            live = (await until(reading, "channel"))[-1]
        gone = (await until(reading, "channel"))[-1]
    assert (live.body["live"], gone.body["live"]) == (True, False)


async def test_a_channel_that_does_not_exist_is_refused(gateway: Gateway, owner: str) -> None:
    jwt = token(sub=owner, scope="publish")
    status, body = await refusal(gateway.base, f"channel=nowhere&jwt={jwt}")
    assert (status, body["detail"]) == (404, 'there is no channel "nowhere"')
    status, body = await refusal(gateway.base, f"channel=No%20where&jwt={jwt}")
    assert (status, body["detail"]) == (
        400,
        'channel is "No where"; it must be 1 to 63 letters a to z, digits and hyphens, '
        "the first and the last no hyphen",
    )


async def test_a_speaker_has_a_short_name(gateway: Gateway, operator: httpx.AsyncClient, owner: str) -> None:
    name = await made(operator)
    jwt = token(sub=owner, scope="publish")
    status, body = await refusal(gateway.base, f"channel={name}&speaker=%20&jwt={jwt}")
    assert (status, body["detail"]) == (400, 'speaker is " "; it must be 1 to 40 characters')


async def test_the_glossary_is_listened_for_in_every_stream(
    gateway: Gateway, operator: httpx.AsyncClient, owner: str
) -> None:
    scripted = gateway.book.add(CountingStream)
    name = await made(operator, glossary=[f" {scripted.name} ", scripted.name, "Yazd"])
    assert (await operator.get(f"{PATH}/{name}")).json()["glossary"] == [scripted.name, "Yazd"]
    await publish(gateway.base, owner, name, query="phrases=Rasht")
    assert [stream.options.phrases for stream in scripted.streams] == [("Rasht", scripted.name, "Yazd")]


async def test_a_restart_keeps_the_text(module_database: str, headers: dict[str, str], owner: str) -> None:
    settings = Settings(port=0, token_secret=SecretStr(SECRET), database_url=module_database)
    async with running_gateway(settings=settings) as base, http_client(base, headers=headers) as client:
        name = await made(client)
        before = await publish(base, owner, name)
        async with aclosing(events(client, name)) as reading:
            first = (await until(reading, "final"))[-1]
    async with running_gateway(settings=settings) as base, http_client(base, headers=headers) as client:
        after = await publish(base, owner, name)
        async with aclosing(events(client, name, after=first.id)) as reading:
            second = (await until(reading, "final"))[-1]
        assert await text_of(client, name) == f"{before}\n{after}\n"
    assert second.body["text"] == after
    assert second.id > first.id
    assert second.body["line"] != first.body["line"]


async def test_readers_are_closed_when_the_server_stops(headers: dict[str, str]) -> None:
    settings = Settings(port=0, token_secret=SecretStr(SECRET))
    serving = running_gateway(settings=settings)
    base = await serving.__aenter__()
    async with http_client(base, headers=headers) as client:
        name = await made(client)
        async with aclosing(events(client, name)) as reading:
            await anext(reading)
            stopping = asyncio.create_task(serving.__aexit__(None, None, None))
            assert [event.name async for event in reading] == []
            await stopping
