import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.stream.audio.encoders import recorded
from tests.support.recognizers import CountingStream, MuteStream
from tests.support.sounds import clip_pcm, wav
from tests.web.rest.recordings import QUICK_AND_TRAIN, asked, ended
from tests.web.support.gateway import Gateway, running_gateway
from tests.web.support.sockets import http_client
from web.settings.settings import Settings

pytestmark = [pytest.mark.virtual_time, pytest.mark.asyncio(loop_scope="module")]

LONG = "/v1/speech/asrlongrunning"
ALL = "/v1/speech/transcriptions"
UPLOAD: dict[str, object] = {"config": {}, "audio": {"upload": True}}


async def uploading(client: httpx.AsyncClient, **config: object) -> str:
    """Where the audio of a new recording is to be put."""
    answer = await client.post(LONG, json={"config": config, "audio": {"upload": True}})
    assert answer.status_code == 201
    assert answer.json()["status"] == "queued"
    where: str = answer.headers["upload-location"]
    return where


def id_of(where: str) -> str:
    return where.removeprefix(f"{ALL}/").removesuffix("/audio")


async def test_a_file_in_a_form_is_promised_at_once_and_done_soon(client: httpx.AsyncClient) -> None:
    answer = await client.post(LONG, files={"audio": wav(QUICK_AND_TRAIN)})
    body = answer.json()
    assert answer.status_code == 201
    assert body["status"] in ("processing", "partial", "done")
    assert answer.headers["location"] == f"{ALL}/{body['transcriptionId']}"
    done = (await ended(client, body["transcriptionId"])).json()
    assert list(done) == ["transcriptionId", "duration", "inferenceTime", "status", "results"]
    assert (done["status"], len(done["results"])) == ("done", 2)
    assert done["duration"] == round(len(QUICK_AND_TRAIN) / 32_000, 3)


async def test_a_file_in_which_ffmpeg_jumps_is_read_where_the_form_lies(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The decoder makes none of its own.
    monkeypatch.setattr("stream.audio.ffmpeg.codecs.tempfile.SpooledTemporaryFile", None)
    answer = await client.post(LONG, files={"audio": recorded(QUICK_AND_TRAIN, "mp4", "aac")})
    assert len((await ended(client, answer.json()["transcriptionId"])).json()["results"]) == 2


async def test_a_file_is_put_where_the_answer_says(client: httpx.AsyncClient) -> None:
    where = await uploading(client)
    answer = await client.put(where, content=wav(QUICK_AND_TRAIN))
    assert answer.status_code == 200
    assert answer.json()["status"] in ("processing", "partial", "done")
    assert len((await ended(client, id_of(where))).json()["results"]) == 2
    again = await client.put(where, content=wav(QUICK_AND_TRAIN))
    assert (again.status_code, again.json()["type"]) == (404, "not_found")


async def test_an_upload_without_a_declared_length_is_taken(client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        data = wav(QUICK_AND_TRAIN)
        for start in range(0, len(data), 10_000):
            yield data[start : start + 10_000]

    where = await uploading(client)
    assert (await client.put(where, content=pieces())).status_code == 200
    assert len((await ended(client, id_of(where))).json()["results"]) == 2


async def test_an_upload_that_broke_off_may_be_made_again(gateway: Gateway, client: httpx.AsyncClient) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield wav(QUICK_AND_TRAIN)[:200_000]
        await asyncio.sleep(0.3)
        raise ConnectionResetError

    script = gateway.book.add()
    where = await uploading(client, phrases=[script.name])
    with pytest.raises(ConnectionResetError):
        await client.put(where, content=broken())
    assert (await client.put(where, content=wav(QUICK_AND_TRAIN))).status_code == 200
    done = (await ended(client, id_of(where))).json()
    whole = await client.post("/v1/speech/asr", json=asked(wav(QUICK_AND_TRAIN), phrases=[script.name]))
    assert done["results"] == whole.json()["results"]
    assert len({stream.pcm for stream in script.streams}) == 2


async def test_both_channels_are_heard(client: httpx.AsyncClient) -> None:
    left, right = clip_pcm("quick.wav"), clip_pcm("train.wav")
    length = min(len(left), len(right))
    frames = [left[at : at + 2] + right[at : at + 2] for at in range(0, length, 2)]
    config = {"config": json.dumps({"channels": 2, "extended": True})}
    body = (await client.post(LONG, files={"audio": wav(b"".join(frames), channels=2)}, data=config)).json()
    await ended(client, body["transcriptionId"])
    extended = (await client.get(f"{ALL}/{body['transcriptionId']}?extended=1")).json()
    assert {one["channel"] for one in extended["results"]} == {0, 1}


async def test_how_far_it_is_is_told_with_what_is_known_so_far(gateway: Gateway, client: httpx.AsyncClient) -> None:
    script = gateway.book.add(CountingStream, MuteStream)
    config = {"config": json.dumps({"phrases": [script.name]})}
    body = (await client.post(LONG, files={"audio": wav(QUICK_AND_TRAIN)}, data=config)).json()
    where = f"{ALL}/{body['transcriptionId']}"
    # Long before the second part is given up.
    await asyncio.sleep(1)
    so_far = (await client.get(where)).json()
    assert so_far["status"] == "partial"
    assert len(so_far["results"]) == 1
    extended = (await client.get(f"{where}?extended=true")).json()
    assert 0 < extended["progress"] < 1
    assert 0 < extended["audio"]["settledMs"] < extended["audio"]["receivedMs"]
    assert (await client.get(f"{where}?format=txt")).text.startswith("w0 w1")


async def test_nobody_waits_for_its_words_so_live_speech_goes_first(
    gateway: Gateway, client: httpx.AsyncClient
) -> None:
    script = gateway.book.add()
    config = {"config": json.dumps({"phrases": [script.name]})}
    body = (await client.post(LONG, files={"audio": wav(QUICK_AND_TRAIN)}, data=config)).json()
    await ended(client, body["transcriptionId"])
    assert len(script.streams) == 2
    for stream in script.streams:
        assert stream.options.is_file
        assert stream.options.session_id == body["transcriptionId"]


async def test_what_is_deleted_is_recognized_no_further(gateway: Gateway, client: httpx.AsyncClient) -> None:
    script = gateway.book.add()
    where = await uploading(client, phrases=[script.name])
    assert (await client.delete(f"{ALL}/{id_of(where)}")).status_code == 204
    answer = await client.put(where, content=wav(QUICK_AND_TRAIN))
    assert (answer.status_code, script.streams) == (404, [])


async def test_silence_is_done_with_one_empty_result(client: httpx.AsyncClient) -> None:
    body = (await client.post(LONG, files={"audio": wav(bytes(64_000))})).json()
    assert (body["status"], body["results"][0]["transcript"]) == ("done", "")


async def test_a_header_without_samples_is_done_as_well(client: httpx.AsyncClient) -> None:
    body = (await client.post(f"{LONG}?extended=true", files={"audio": wav(b"")})).json()
    assert (body["status"], body["progress"], body["results"]) == ("done", 1.0, [])


@pytest.mark.parametrize("put", [True, False])
async def test_what_is_no_audio_fails_at_once_and_stays_failed(client: httpx.AsyncClient, put: bool) -> None:
    flac = b"fLaC" + bytes(100_000)
    if put:
        where = await uploading(client)
        answer = await client.put(where, content=flac)
    else:
        answer = await client.post(LONG, files={"audio": flac})
        where = f"{ALL}/{(await client.get(ALL)).json()['transcriptions'][0]['transcriptionId']}"
    later = await client.get(f"{ALL}/{id_of(where)}")
    assert answer.status_code == later.status_code == 400
    assert answer.json() == later.json()
    assert answer.json()["type"] == "invalid_audio"
    assert (await client.get(ALL)).json()["transcriptions"][0]["error"] == "invalid_audio"


@pytest.mark.parametrize(
    ("body", "status", "kind", "detail"),
    [
        ({"config": {}, "audio": {}}, 400, "invalid_config", "audio must hold either a uri, a text, or upload"),
        ({"config": {}, "audio": {"upload": False}}, 400, "invalid_config", "audio must hold either a uri"),
        ({"config": {}, "audio": {"uri": 5}}, 400, "invalid_config", "audio must hold either a uri"),
        ({"config": {}, "audio": {"uri": "ftp://example.com/a"}}, 400, "invalid_config", ""),
        ({"config": {}, "audio": {"uri": "http://127.0.0.1/a"}}, 403, "forbidden", ""),
        ({"config": {}, "audio": {"uri": "http://[::ffff:10.0.0.1]/a"}}, 403, "forbidden", ""),
        (
            {"config": {"vad": "off"}, "audio": {"upload": True}},
            400,
            "invalid_config",
            "vad is off; a recording",
        ),
        ({"config": {"languageCode": "fa"}, "audio": {"upload": True}}, 400, "invalid_config", "languageCode is fa"),
        ({"audio": {"upload": True}}, 400, "invalid_config", "config is missing"),
    ],
)
async def test_what_is_wrong_is_said_before_anything_is_promised(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, kind: str, detail: str
) -> None:
    answer = await client.post(LONG, json=body)
    assert (answer.status_code, answer.json()["type"]) == (status, kind)
    assert answer.json()["detail"].startswith(detail)
    assert (await client.get(ALL)).json()["transcriptions"] == []


async def test_an_empty_upload_is_no_audio(client: httpx.AsyncClient) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        for _ in ():
            yield b""

    where = await uploading(client)
    for content in (b"", nothing()):
        answer = await client.put(where, content=content)
        assert (answer.status_code, answer.json()["detail"]) == (400, "the audio is empty")


async def test_a_page_instead_of_audio_is_no_recording(client: httpx.AsyncClient) -> None:
    answer = await client.put(await uploading(client), content=b"<!doctype html><title>Not found</title>" * 9)
    assert (answer.status_code, answer.json()["type"]) == (415, "unsupported_media")


async def test_how_far_it_is_never_goes_back_while_it_arrives(client: httpx.AsyncClient) -> None:
    data = wav(QUICK_AND_TRAIN * 3)
    where = await uploading(client)
    seen: list[float] = []

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 16_000):
            yield data[start : start + 16_000]
            extended = (await client.get(f"{ALL}/{id_of(where)}?extended=true")).json()
            seen.append(extended["audio"]["settledMs"])

    await client.put(where, content=pieces())
    assert seen == sorted(seen)
    assert len(set(seen)) > 2


async def test_so_many_at_once_and_no_more() -> None:
    async with running_gateway(settings=Settings(port=0, jobs_per_owner=2)) as base, http_client(base) as client:
        first, _ = [await uploading(client) for _ in range(2)]
        refused = await client.post(LONG, json=UPLOAD)
        assert (refused.status_code, refused.json()["type"]) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) > 0
        await client.delete(f"{ALL}/{id_of(first)}")
        assert (await client.post(LONG, json=UPLOAD)).status_code == 201


async def test_longer_and_larger_than_allowed_is_refused() -> None:
    settings = Settings(port=0, recording_limit_minutes=0.05, recording_limit_bytes=1 << 20)
    async with running_gateway(settings=settings) as base, http_client(base) as client:
        for size_bytes, detail in (
            (200_000, "the audio is longer than 0.05 minutes"),
            (2 << 20, "the body is too large; at most 1048576 bytes are taken"),
        ):
            answer = await client.put(await uploading(client), content=wav(bytes(size_bytes)))
            assert (answer.status_code, answer.json()["type"]) == (413, "too_large")
            assert answer.json()["detail"] == detail


@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_recording_of_exactly_the_largest_size_is_taken(is_declared: bool) -> None:
    largest = wav(bytes((1 << 20) - len(wav(b""))))

    async def pieces(data: bytes) -> AsyncIterator[bytes]:
        yield data

    settings = Settings(port=0, recording_limit_bytes=len(largest))
    async with running_gateway(settings=settings) as base, http_client(base) as client:
        for data, code in ((largest, 200), (largest + b"\0", 413)):
            content = data if is_declared else pieces(data)
            assert (await client.put(await uploading(client), content=content)).status_code == code


@pytest.mark.fault(32)
async def test_of_eighty_recordings_at_once_no_more_are_taken_than_are_allowed() -> None:
    async def late() -> AsyncIterator[bytes]:
        await asyncio.sleep(0.5)  # until all heads are there
        yield json.dumps(UPLOAD).encode()

    headers = {"Content-Type": "application/json"}
    async with running_gateway(settings=Settings(port=0, jobs_per_owner=20)) as base, http_client(base) as client:
        answers = await asyncio.gather(*(client.post(LONG, content=late(), headers=headers) for _ in range(80)))
        assert sorted(answer.status_code for answer in answers) == [201] * 20 + [429] * 60
