"""A client that lost its connection goes on with its transcription over another one."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from websockets.asyncio.client import ClientConnection

from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm
from tests.web.support.channels import events, made, until
from tests.web.support.gateway import Gateway, shared
from tests.web.support.sockets import received, refusal, talking
from tests.web.support.tokens import bearer, token
from web.store.transcriptions import Transcriptions

QUICK, TRAIN = clip_pcm("quick.wav"), clip_pcm("train.wav")
PAUSE = bytes(2 * 16_000)
PIECE_BYTES = 6400


class Talk:
    """A client in extended mode that keeps its audio, and what it received over all of its connections."""

    def __init__(self, base: str, owner: str, **query: object) -> None:
        self.base = base
        self.query: dict[str, object] = {"extended": "true", "jwt": token(sub=owner, scope="live publish"), **query}
        self.messages: list[dict[str, Any]] = []
        self.ready: list[dict[str, Any]] = []

    def again(self, *, says_settled: bool = True) -> str:
        """The query of the next connection."""
        query = self.query | ({"resume": self.ready[-1]["resume"]} if self.ready else {})
        if self.ready and says_settled:
            query["settledMs"] = self.settled_ms
        return urlencode(query)

    @property
    def settled_ms(self) -> float:
        return max(float(message["audio"]["settledMs"]) for message in self.messages if "audio" in message)

    @property
    def finals(self) -> dict[int, str]:
        finals = [one for one in self.messages if one["type"] == "final"]
        return {one["utteranceId"]: one["results"][0]["transcript"] for one in finals}

    async def begin(self, socket: ClientConnection) -> int:
        """Wait for `ready`; return the byte of the audio that comes next."""
        await self.until(socket, "ready")
        self.ready.append(self.messages[-1])
        return round(float(self.messages[-1]["audio"]["settledMs"]) * 16) * 2

    async def until(self, socket: ClientConnection, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(STUCK_SECONDS):
            while True:
                self.messages.append(json.loads(await socket.recv()))
                if self.messages[-1]["type"] == kind:
                    return self.messages[-1]

    async def rest(self, socket: ClientConnection) -> dict[str, Any]:
        """All messages to the end; return the last."""
        self.messages += [json.loads(message) async for message in received(socket)]
        return self.messages[-1]


async def send(socket: ClientConnection, pcm: bytes) -> None:
    for start in range(0, len(pcm), PIECE_BYTES):
        await socket.send(pcm[start : start + PIECE_BYTES])
        await asyncio.sleep(PIECE_BYTES / 32_000)


async def break_off(talk: Talk, audio: bytes, finals: int) -> None:
    """Send audio until so many finals have come, and lose the connection."""
    async with talking(talk.base, talk.again()) as socket:
        first = await talk.begin(socket)
        sending = asyncio.create_task(send(socket, audio[first:]))
        for _ in range(finals):
            await talk.until(socket, "final")
        await sending
        socket.transport.abort()


async def go_on(talk: Talk, audio: bytes, *, says_settled: bool = True) -> dict[str, Any]:
    """Resume, send the rest and close; return the last message."""
    async with talking(talk.base, talk.again(says_settled=says_settled)) as socket:
        first = await talk.begin(socket)
        await send(socket, audio[first:])
        await socket.send("close")
        return await talk.rest(socket)


@shared
async def test_a_lost_connection_goes_on_as_if_it_had_not_been_lost(gateway: Gateway, owner: str) -> None:
    audio = QUICK + PAUSE + TRAIN + PAUSE
    alone, talk = Talk(gateway.base, owner), Talk(gateway.base, owner)
    await go_on(alone, audio)
    # In the middle of the second utterance.
    await break_off(talk, audio[: len(QUICK + PAUSE) + len(TRAIN) // 2], finals=1)
    done = await go_on(talk, audio)
    assert len({message["transcriptionId"] for message in talk.messages}) == 1
    assert list(talk.finals) == list(alone.finals) == [1, 2]
    assert [one["transcript"] for one in done["results"]] == list(talk.finals.values())
    usual = alone.messages[-1]
    assert done["duration"] == usual["duration"]
    assert done["receivedMs"] == done["recognizedMs"] + done["skippedMs"] + done["lostMs"] == usual["receivedMs"]
    assert done["results"][0] == usual["results"][0]
    # The detector begins anew, so that the onset may be some frames off.
    begins = [one["results"][1]["words"][0]["startTime"] for one in (done, usual)]
    assert begins[0] == pytest.approx(begins[1], abs=0.25)


@shared
async def test_what_is_stored_has_every_word_once(gateway: Gateway, client: httpx.AsyncClient, owner: str) -> None:
    audio = QUICK + PAUSE + TRAIN + PAUSE
    talk = Talk(gateway.base, owner)
    await break_off(talk, audio[: len(QUICK + PAUSE) + len(TRAIN) // 2], finals=1)
    done = await go_on(talk, audio)
    stored = (await client.get(f"/v1/speech/transcriptions/{done['transcriptionId']}")).json()
    assert stored["status"] == "done"
    assert [one["transcript"] for one in stored["results"]] == list(talk.finals.values())
    assert stored["duration"] == done["duration"]


@shared
async def test_a_client_that_does_not_say_what_it_has_goes_on_where_the_server_says(
    gateway: Gateway, owner: str
) -> None:
    audio = QUICK + PAUSE + TRAIN + PAUSE
    talk = Talk(gateway.base, owner)
    await break_off(talk, audio[: len(QUICK + PAUSE) + len(TRAIN) // 2], finals=1)
    before = talk.settled_ms
    done = await go_on(talk, audio, says_settled=False)
    assert talk.ready[-1]["audio"]["settledMs"] == before
    assert [one["transcript"] for one in done["results"]] == list(talk.finals.values())
    assert len(talk.finals) == 2


@shared
async def test_one_connection_has_a_transcription_the_last_one(gateway: Gateway, owner: str) -> None:
    audio = QUICK + PAUSE
    talk, other = Talk(gateway.base, owner), Talk(gateway.base, owner)
    async with talking(gateway.base, talk.again()) as first:
        await talk.begin(first)
        await send(first, audio + TRAIN)
        other.messages, other.ready = talk.messages.copy(), talk.ready.copy()
        await go_on(other, audio)
        error = await talk.rest(first)
    assert (error["type"], error["error"]) == ("error", "conflict")
    assert error["detail"] == "this transcription goes on over another connection"
    assert first.close_code == 4409


@shared
async def test_a_channel_has_every_line_once(gateway: Gateway, client: httpx.AsyncClient, owner: str) -> None:
    client.headers.update(bearer(sub=owner, scope="channels watch"))
    name = await made(client)
    audio = QUICK + PAUSE + TRAIN + PAUSE
    talk = Talk(gateway.base, owner, channel=name)
    reading = events(client, name)
    await break_off(talk, audio[: len(QUICK + PAUSE) + len(TRAIN) // 2], finals=1)
    # The half of the second utterance is settled, as its client was gone, and then replaced.
    await until(reading, "final")
    await until(reading, "final")
    await go_on(talk, audio)
    text = (await client.get(f"/v1/channels/{name}.txt")).text
    assert text.split("\n")[:-1] == list(talk.finals.values())
    seen = await until(reading, "final")
    assert seen[-1].body["text"] == talk.finals[2]
    # Its place is that of its audio, however late the client came back.
    words = talk.messages[-1]["results"][1]["words"]
    began = (await client.get(f"/v1/channels/{name}.vtt")).text
    assert seen[-1].body["startMs"] == round(words[0]["startTime"] * 1000)
    assert began.count("-->") == 2
    await reading.aclose()


@shared
@pytest.mark.parametrize(
    ("change", "status", "detail"),
    [
        ({"resume": "abc"}, 401, "the resume token is not valid here; connect without it"),
        ({"resume": "A" * 56}, 401, "the resume token is not valid here; connect without it"),
        ({"settledMs": "-1"}, 400, 'settledMs is "-1"; it must be a number of milliseconds from 0 to 1000000000'),
        ({"settledMs": "nan"}, 400, 'settledMs is "nan"; it must be a number of milliseconds from 0 to 1000000000'),
        ({"store": "false"}, 400, "store is false; with resume it must be true"),
        (
            {"settledMs": "20000000"},
            409,
            "the transcription has 240 minutes, as many as one may; connect without resume",
        ),
    ],
)
async def test_a_refusal_says_what_is_wrong(
    gateway: Gateway, owner: str, change: dict[str, str], status: int, detail: str
) -> None:
    talk = Talk(gateway.base, owner)
    await break_off(talk, QUICK + PAUSE, finals=1)
    query = talk.query | {"resume": talk.ready[-1]["resume"]} | change
    answered, body = await refusal(gateway.base, urlencode(query))
    assert (answered, body["detail"]) == (status, detail)


@shared
async def test_nobody_else_and_nothing_deleted_is_resumed(
    gateway: Gateway, client: httpx.AsyncClient, owner: str
) -> None:
    talk = Talk(gateway.base, owner)
    await break_off(talk, QUICK + PAUSE, finals=1)
    thief = talk.query | {"resume": talk.ready[-1]["resume"], "jwt": token(sub="somebody else")}
    assert (await refusal(gateway.base, urlencode(thief)))[0] == 401
    async with asyncio.timeout(STUCK_SECONDS):
        path = f"/v1/speech/transcriptions/{talk.messages[0]['transcriptionId']}"
        while (await client.get(path)).json()["status"] != "done":
            await asyncio.sleep(0.1)
    assert (await client.delete(path)).status_code == 204
    status, body = await refusal(gateway.base, talk.again())
    assert (status, body["detail"]) == (404, "there is no transcription to resume any more; connect without resume")


@shared
async def test_a_question_takes_nothing(gateway: Gateway, client: httpx.AsyncClient, owner: str) -> None:
    talk = Talk(gateway.base, owner)
    async with talking(gateway.base, talk.again()) as socket:
        await talk.begin(socket)
        await send(socket, QUICK + PAUSE)
        await talk.until(socket, "final")
        answer = await client.get(f"/v1/speech/asrlive?{talk.again()}")
        assert answer.status_code == 426
        await socket.send("close")
        assert (await talk.rest(socket))["type"] == "done"


@shared
async def test_only_stored_transcriptions_in_extended_mode_have_a_token(gateway: Gateway, owner: str) -> None:
    talk = Talk(gateway.base, owner, store="false")
    async with talking(gateway.base, talk.again()) as socket:
        await talk.until(socket, "ready")
    assert "resume" not in talk.messages[-1]


@shared
async def test_a_final_is_stored_before_its_client_gets_it(
    gateway: Gateway, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[str] = []
    add = Transcriptions.add

    async def noted(self: Transcriptions, *of: Any) -> None:
        await add(self, *of)
        stored.append(of[0])

    monkeypatch.setattr(Transcriptions, "add", noted)
    talk = Talk(gateway.base, owner)
    async with talking(gateway.base, talk.again()) as socket:
        await talk.begin(socket)
        await send(socket, QUICK + PAUSE)
        final = await talk.until(socket, "final")
        assert stored == [final["transcriptionId"]]


@shared
@pytest.mark.fault(37)
async def test_a_client_keeps_what_a_database_that_is_away_has_not_stored(
    gateway: Gateway, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise OSError("away")

    monkeypatch.setattr(Transcriptions, "add", away)
    talk = Talk(gateway.base, owner)
    async with talking(gateway.base, talk.again()) as socket:
        await talk.begin(socket)
        await send(socket, QUICK + PAUSE + QUICK + PAUSE)
        first, second = await talk.until(socket, "final"), await talk.until(socket, "final")
        began = first["results"][0]["words"][0]["startTime"] * 1000
        assert first["audio"]["settledMs"] <= began
        assert second["audio"]["settledMs"] == first["audio"]["settledMs"]
        monkeypatch.undo()
        await send(socket, QUICK + PAUSE)
        third = await talk.until(socket, "final")
        assert third["audio"]["settledMs"] > second["duration"] * 1000


@shared
@pytest.mark.fault(50)
async def test_a_connection_that_was_taken_over_unnoticed_stores_nothing(
    gateway: Gateway, client: httpx.AsyncClient, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at two gateways between which a message is lost: the database decides."""
    monkeypatch.setattr("web.live.ownership.Ownership._supersede", lambda *_: None)
    talk, other = Talk(gateway.base, owner), Talk(gateway.base, owner)
    async with talking(gateway.base, talk.again()) as first:
        await talk.begin(first)
        await send(first, QUICK + PAUSE)
        await talk.until(first, "final")
        other.messages, other.ready = talk.messages.copy(), talk.ready.copy()
        async with talking(gateway.base, other.again()) as second:
            await other.begin(second)
            await send(first, TRAIN + PAUSE)
            error = await talk.rest(first)
            assert (error["error"], first.close_code) == ("conflict", 4409)
            await send(second, QUICK + PAUSE)
            await second.send("close")
            done = await other.rest(second)
    stored = (await client.get(f"/v1/speech/transcriptions/{done['transcriptionId']}")).json()
    assert [one["transcript"] for one in stored["results"]] == [other.finals[1], other.finals[2]]
