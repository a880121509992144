import asyncio
import json
from typing import Any

import httpx
import pytest

from stream.configuration.config import SessionConfig
from stream.session.events import EndCause, Finished, Totals
from tests.support.processes import STUCK_SECONDS
from tests.support.recognizers import FloodingStream, MuteStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.support.tiers import tiered
from tests.web.support.gateway import held_while_sqlite_works, running_gateway
from tests.web.support.sockets import converse, http_client, is_settled, received, talking
from tests.web.support.utterances import said
from web.auth.caller import LOCAL_OWNER
from web.clock import wall_clock
from web.live.recorder import LiveRecord
from web.settings.settings import read_settings
from web.store.database.database import Database
from web.store.retried_writes import RetriedWrites
from web.store.tables import Status
from web.store.transcriptions import Transcriptions, new_id

ALL = "/v1/speech/transcriptions"
_PAUSE = bytes(2 * 16_000)


async def listed(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    transcriptions: list[dict[str, Any]] = (await client.get(ALL)).json()["transcriptions"]
    return transcriptions


@pytest.mark.virtual_time
async def test_what_was_said_live_is_there_as_soon_as_the_client_knows_it_is_done() -> None:
    async with (
        running_gateway() as base,
        http_client(base) as client,
    ):
        talk = await converse(base, clip_pcm("quick.wav") + _PAUSE, clip_pcm("train.wav"), "close")
        done = talk.messages[-1]
        kept = (await client.get(f"{ALL}/{done['transcriptionId']}")).json()
    assert kept == done


@pytest.mark.virtual_time
@pytest.mark.fault(23)
async def test_what_is_settled_is_there_while_the_client_still_talks() -> None:
    async with (
        running_gateway() as base,
        http_client(base) as client,
        talking(base) as socket,
    ):
        await socket.send(clip_pcm("quick.wav")[:3200])
        while not (seen := await listed(client)):
            await asyncio.sleep(0.02)
        assert (seen[0]["status"], seen[0]["kind"]) == ("processing", "live")
        await socket.send(clip_pcm("quick.wav")[3200:] + _PAUSE)
        while (await listed(client))[0]["status"] != "partial":
            await asyncio.sleep(0.02)
        body = (await client.get(f"{ALL}/{seen[0]['transcriptionId']}")).json()
        assert body["results"][0]["transcript"].startswith("w0 w1")


@pytest.mark.virtual_time
@pytest.mark.fault(26)
async def test_a_client_that_vanishes_finds_all_it_said() -> None:
    async with (
        running_gateway() as base,
        http_client(base) as client,
    ):
        async with talking(base) as socket:
            await socket.send(clip_pcm("quick.wav"))
            await asyncio.sleep(1)
            socket.transport.abort()
        while [one["status"] for one in await listed(client)] != ["done"]:
            await asyncio.sleep(0.02)
        body = (await client.get(f"{ALL}/{(await listed(client))[0]['transcriptionId']}")).json()
        assert body["results"][0]["transcript"].startswith("w0 w1")


@pytest.mark.virtual_time
@pytest.mark.parametrize("sent", [[clip_pcm("quick.wav")], []])
async def test_what_is_not_to_be_stored_and_what_was_never_said_is_not(sent: list[bytes]) -> None:
    async with (
        running_gateway() as base,
        http_client(base) as client,
    ):
        await converse(base, *sent, "close", query="store=false" if sent else "")
        assert await listed(client) == []


@pytest.mark.virtual_time
@pytest.mark.fault(23)
async def test_a_database_that_is_away_takes_nothing_from_the_client_and_gets_it_once_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise OSError("disk full")

    async with (
        running_gateway() as base,
        http_client(base) as client,
    ):
        with monkeypatch.context() as broken:
            for step in ("open", "add", "finish"):
                broken.setattr(Transcriptions, step, away)
            talk = await converse(base, clip_pcm("quick.wav"), "close")
            assert talk.transcript.startswith("w0 w1")
            assert await listed(client) == []
        while [one["status"] for one in await listed(client)] != ["done"]:
            await asyncio.sleep(0.02)
        done = talk.messages[-1]
        assert (await client.get(f"{ALL}/{done['transcriptionId']}")).json() == done


@pytest.mark.virtual_time
@pytest.mark.fault(7)
async def test_what_a_client_said_that_reads_nothing_is_stored() -> None:
    async with (
        running_gateway(ScriptedRecognizer(script=[FloodingStream])) as base,
        http_client(base) as client,
        talking(base, compression=None, max_queue=1, max_size=None) as socket,
    ):
        for _ in range(3):
            await socket.send(clip_pcm("yes.wav") + _PAUSE)
        while [one["status"] for one in await listed(client)] != ["done"]:
            await asyncio.sleep(1)
        (kept,) = await listed(client)
        told = (await client.get(f"{ALL}/{kept['transcriptionId']}")).json()["results"]
        heard = [message async for message in received(socket)]
    assert len(told) == 3
    assert sum(is_settled(json.loads(message)) for message in heard) < len(told)


@pytest.mark.virtual_time
@pytest.mark.fault(22)
async def test_a_server_that_stops_stores_what_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = Transcriptions.finish

    async def slow(*of: Any) -> None:
        # Longer than the client waits for it, shorter than the server does then.
        await asyncio.sleep(9)
        await finish(*of)

    monkeypatch.setattr(Transcriptions, "finish", slow)
    settings = read_settings({"port": 0})
    async with running_gateway(settings=settings) as base:
        talk = await converse(base, clip_pcm("quick.wav"), "close")
    with held_while_sqlite_works():
        database = Database(settings.store.database_url)
        stored = Transcriptions(database, 60, clock=wall_clock)
        kept = await stored.get(talk.messages[-1]["transcriptionId"], LOCAL_OWNER)
        await database.close()
    assert kept is not None
    assert kept.summary.status is Status.DONE


@pytest.mark.virtual_time
async def test_a_session_that_ends_in_an_error_keeps_what_was_settled() -> None:
    async with (
        running_gateway(ScriptedRecognizer(script=[MuteStream])) as base,
        http_client(base) as client,
    ):
        talk = await converse(base, *[clip_pcm("yes.wav") + _PAUSE] * 4)
        assert talk.messages[-1]["type"] == "recognizer_failed"
        assert [one["status"] for one in await listed(client)] == ["done"]


async def test_what_was_dropped_on_the_way_is_stored_at_the_end(database: Database) -> None:
    transcriptions = Transcriptions(database, 60, clock=wall_clock)
    record = LiveRecord(transcriptions, RetriedWrites(), transcription_id := new_id(), "ann")
    record.begin(SessionConfig(whole_seconds=False))
    settled = said(*(f"word {n}" for n in range(300)))
    for one in settled:
        record.add(one)
    await record.finish(Finished(tuple(settled), Totals(), 16_000, 1.0, EndCause.CLOSE))
    kept = await transcriptions.get(transcription_id, "ann")
    assert kept is not None
    assert len(kept.utterances) == 300
    assert kept.summary.status is Status.DONE


async def test_a_transcription_that_is_deleted_while_it_grows_stays_deleted(database: Database) -> None:
    transcriptions = Transcriptions(database, 60, clock=wall_clock)
    record = LiveRecord(transcriptions, RetriedWrites(), transcription_id := new_id(), "ann")
    record.begin(SessionConfig(whole_seconds=False))
    first, second = said("one", "two")
    running_record = asyncio.create_task(record.run())
    record.add(first)
    async with asyncio.timeout(STUCK_SECONDS):
        while (kept := await transcriptions.get(transcription_id, "ann")) is None or not kept.utterances:
            await asyncio.sleep(0.01)
    assert await transcriptions.delete(transcription_id, "ann")
    record.add(second)
    await record.finish(Finished((first, second), Totals(), 16_000, 1.0, EndCause.CLOSE))
    running_record.cancel()
    await asyncio.gather(running_record, return_exceptions=True)
    assert await transcriptions.get(transcription_id, "ann") is None


async def test_a_session_that_ends_at_once_is_stored_once(database: Database) -> None:
    transcriptions = Transcriptions(database, 60, clock=wall_clock)
    for _ in range(tiered(5, 50)):
        record = LiveRecord(transcriptions, RetriedWrites(), transcription_id := new_id(), "ann")
        storing = asyncio.create_task(record.run())
        record.begin(SessionConfig(whole_seconds=False))
        settled = tuple(said("one"))
        record.add(settled[0])
        await asyncio.sleep(0)
        await record.finish(Finished(settled, Totals(), 16_000, 1.0, EndCause.CLOSE))
        storing.cancel()
        await asyncio.gather(storing, return_exceptions=True)
        kept = await transcriptions.get(transcription_id, "ann")
        assert kept is not None
        assert (kept.summary.status, len(kept.utterances)) == (Status.DONE, 1)
