"""Long recordings over REST: against the real server, and against scripted ones for what a real one seldom does."""

import asyncio
import socket
import wave
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stream.client.errors import (
    AddressError,
    AnswerError,
    RecognitionError,
    RefusedError,
    StalledError,
    UnreachableError,
)
from stream.client.http import Transcription
from stream.client.recordings import follow, recognize_file, recognize_uri
from stream.client.rest import RestWaits, SentCallback, rest_client
from tests.support.places import CLIPS
from tests.support.plain_http import Relay, Reply, Scripted, listening
from tests.support.sounds import clip_pcm, clip_texts, words_of

BEARER = "header.claims.mac"
ID = "6dd4a9d3-0d7e-4d2f-9b7f-2a1c6f8c7e11"
WAITS = RestWaits()
ACCEPTED: dict[str, Any] = {
    "transcriptionId": ID,
    "duration": 0.0,
    "inferenceTime": 0.0,
    "status": "queued",
    "results": [{"transcript": "", "confidence": 0.0, "words": []}],
}
UPLOAD = Reply(status=201, body=ACCEPTED, headers={"Upload-Location": f"/v1/speech/transcriptions/{ID}/audio"})
BUSY = {"status": "429", "detail": "20 recordings of yours are in work", "title": "Too Many Requests"} | {
    "type": "rate_limited",
    "code": 429,
    "message": "Too Many Requests. 20 recordings of yours are in work",
}


def failed(status: int, kind: str, detail: str, **headers: str) -> Reply:
    body = {"status": str(status), "detail": detail, "title": "T", "type": kind, "code": status, "message": detail}
    return Reply(status=status, body=body, headers=headers)


def state(status: str, progress: float, **more: Any) -> Reply:
    return Reply(status=200, body=ACCEPTED | {"status": status, "progress": progress, "results": []} | more)


DONE = state("done", 1.0, unknownToThisClient=True)
QUEUED = state("queued", 0.0)
WHILE_SENDING = [QUEUED] * 20


@pytest.fixture
def long_clip(tmp_path: Path) -> Path:
    """A minute of speech."""
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as made:
        made.setparams((1, 2, 16000, 0, "NONE", ""))
        for _ in range(16):
            made.writeframes(clip_pcm("quick.wav") + bytes(32_000))
    return path


async def recognized(
    url: str, path: Path = CLIPS / "yes.wav", waits: RestWaits = WAITS, sent: SentCallback = lambda _: None
) -> Transcription:
    async with rest_client(url, waits=waits) as rest, aclosing(recognize_file(rest, path, {}, sent)) as states:
        return [one async for one in states][-1]


def size_of(path: Path) -> int:
    return path.stat().st_size


# --- with the real server ---


async def test_a_file_is_uploaded_followed_and_written_in_every_form(server: str, long_clip: Path) -> None:
    sent: list[int] = []
    async with rest_client(server) as rest:
        async with aclosing(recognize_file(rest, long_clip, {"languageCode": "en-US"}, sent.append)) as states:
            told = [one async for one in states]
        text = words_of(clip_texts()["quick.wav"])
        assert [words_of(one.transcript) for one in told[-1].results] == [text] * 16
        assert [one.is_done for one in told] == [False] * (len(told) - 1) + [True]
        progress = [one.progress for one in told]
        assert (progress[0], progress[-1]) == (0.0, 1.0)
        assert any(0 < part < 1 for part in progress)
        assert (sent[0], sent[-1]) == (0, size_of(long_clip))
        assert sent == sorted(set(sent))
        transcription_id = told[-1].transcription_id
        written = {form: await rest.written(transcription_id, form) for form in ("json", "txt", "srt", "vtt")}
        assert written["json"].startswith(f'{{"transcriptionId":"{transcription_id}"')
        assert len(written["txt"].splitlines()) == 16
        assert written["srt"].startswith("1\n00:00:00,")
        assert written["vtt"].startswith("WEBVTT\n")
        assert (
            rest.address(transcription_id, "srt") == f"{server}/v1/speech/transcriptions/{transcription_id}?format=srt"
        )
        await rest.delete(transcription_id)
        with pytest.raises(RefusedError, match="there is no transcription with this id") as gone:
            await rest.state(transcription_id)
    assert gone.value.status == 404


async def test_an_address_that_is_not_public_is_refused(server: str) -> None:
    async with rest_client(server) as rest:
        with pytest.raises(RefusedError, match="leads to an address that is not public") as refused:
            await rest.submit({}, "http://127.0.0.1:1/a.wav")
    assert refused.value.status == 403


async def test_a_configuration_that_is_none_is_refused_before_anything_is_sent(server: str) -> None:
    async with rest_client(server) as rest:
        with pytest.raises(RefusedError, match="languageCode is xx, which no model"):
            await rest.submit({"languageCode": "xx"})


async def test_the_sending_of_what_is_no_audio_stops(server: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.flac"
    path.write_bytes(b"fLaC")
    with path.open("r+b") as file:
        file.truncate(3 << 30)
    sent: list[int] = []
    with pytest.raises(RecognitionError, match=r"^the server stopped: the audio cannot be decoded as FLAC"):
        await recognized(server, path, sent=sent.append)
    assert sent[-1] < 3 << 30


async def test_a_recording_that_is_deleted_meanwhile_is_gone(server: str, long_clip: Path) -> None:
    async def deleting() -> None:
        async with rest_client(server) as rest, aclosing(recognize_file(rest, long_clip)) as states:
            async for one in states:
                if one.audio.received_ms:
                    await rest.delete(one.transcription_id)

    with pytest.raises(RefusedError, match="there is no transcription with this id"):
        await deleting()


async def test_an_upload_that_breaks_off_is_made_again_and_nothing_is_heard_twice(server: str, long_clip: Path) -> None:
    relay = Relay(upstream=server, allowed=[400_000, 900_000])
    async with listening(relay.handle) as url:
        transcription = await recognized(url, long_clip, WAITS)
    assert relay.uploads == 3
    assert len(transcription.results) == 16
    assert transcription.duration == pytest.approx(16 * (len(clip_pcm("quick.wav")) / 32_000 + 1), abs=0.1)


async def test_who_leaves_stops_the_upload(server: str, long_clip: Path) -> None:
    relay = Relay(upstream=server, allowed=[400_000], holds=True)
    async with listening(relay.handle) as url, rest_client(url) as rest:
        async with aclosing(recognize_file(rest, long_clip)) as states:
            async for _ in states:
                assert relay.uploads == 0 or tasks_of("_send") == 1
                if relay.reached.is_set():
                    break
        assert tasks_of("_send") == 0


def tasks_of(name: str) -> int:
    return sum(getattr(task.get_coro(), "__qualname__", "") == name for task in asyncio.all_tasks())


# --- with scripted ones ---


@pytest.mark.virtual_time
async def test_a_busy_server_is_asked_again_when_it_says(tmp_path: Path) -> None:
    script = Scripted(
        {
            "POST": [Reply(status=429, body=BUSY, headers={"Retry-After": "7"}), UPLOAD],
            "PUT": [Reply(status=200)],
            "GET": [DONE],
        }
    )
    async with listening(script.handle) as url:
        assert (await recognized(url)).is_done
    assert script.count("POST") == 2
    assert script.times[1] - script.times[0] == 7


@pytest.mark.virtual_time
@pytest.mark.parametrize(("after", "pauses"), [("soon", [1, 2, 4, 8]), ("9999", [30, 30, 30, 30]), ("", [1, 2, 4, 8])])
async def test_a_server_that_stays_busy_is_asked_a_few_times(after: str, pauses: list[float]) -> None:
    script = Scripted({"POST": [Reply(status=429, body=BUSY, headers={"Retry-After": after})]})
    async with listening(script.handle) as url:
        with pytest.raises(RefusedError, match="20 recordings of yours are in work") as refused:
            await recognized(url)
    assert refused.value.status == 429
    assert script.pauses == pauses


@pytest.mark.virtual_time
async def test_each_pause_before_a_further_try_is_longer() -> None:
    script = Scripted({"POST": [Reply(status=503)]})
    async with listening(script.handle) as url:
        with pytest.raises(RefusedError, match=r"answered HTTP 503 Service Unavailable"):
            await recognized(url, waits=replace(WAITS, tries=7))
    assert script.pauses == [1, 2, 4, 8, 16, 30]


@pytest.mark.virtual_time
@pytest.mark.parametrize("body", [b"<html>oops", b"", failed(500, "internal", "a fault of the server").content])
async def test_a_fault_of_the_server_is_told_at_once(body: bytes) -> None:
    script = Scripted({"POST": [UPLOAD], "PUT": [Reply(status=200)], "GET": [Reply(status=500, body=body)]})
    async with listening(script.handle) as url:
        with pytest.raises(RefusedError) as refused:
            await recognized(url)
    assert (refused.value.status, script.count("GET")) == (500, 1)


@pytest.mark.virtual_time
@pytest.mark.parametrize("body", [b"<html>", b"{}", b"\xff", b"[]", b'{"transcriptionId":1}'])
async def test_an_answer_that_is_none_is_quoted(body: bytes) -> None:
    async with listening(Scripted({"POST": [Reply(status=201, body=body)]}).handle) as url:
        with pytest.raises(AnswerError, match="which is not an answer of the protocol"):
            await recognized(url)


@pytest.mark.virtual_time
async def test_an_answer_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.client.http._MOST_BYTES", 1000)
    async with listening(Scripted({"POST": [Reply(status=201, body=b" " * 2000)]}).handle) as url:
        with pytest.raises(AnswerError, match="it is too long"):
            await recognized(url)


@pytest.mark.virtual_time
async def test_an_answer_that_cannot_be_unpacked_is_told() -> None:
    script = Scripted({"POST": [Reply(status=201, body=b"plain", headers={"Content-Encoding": "gzip"})]})
    async with listening(script.handle) as url:
        with pytest.raises(AnswerError, match="which is not an answer of the protocol"):
            await recognized(url)


@pytest.mark.virtual_time
async def test_a_server_that_hangs_is_not_waited_for() -> None:
    async with listening(Scripted({"POST": [Reply(seconds=3600)]}).handle) as url:
        with pytest.raises(UnreachableError) as silent:
            await recognized(url)
        assert str(silent.value) == f"cannot reach {url}: no answer within 60 s"


@pytest.mark.virtual_time
async def test_nor_is_one_that_drips() -> None:
    async with listening(Scripted({"POST": [Reply(drips=True)]}).handle) as url:
        with pytest.raises(UnreachableError, match=r"no answer within 120 s"):
            await recognized(url)


async def test_a_server_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(UnreachableError) as missing:
        await recognized(url)
    assert str(missing.value) == f"cannot reach {url}: nothing listens there"


async def test_a_host_without_an_address_is_named() -> None:
    with pytest.raises(UnreachableError, match=r"^cannot reach http://nowhere\.invalid: \[Errno"):
        await recognized("http://nowhere.invalid")


@pytest.mark.virtual_time
async def test_a_line_that_breaks_is_no_end_for_what_may_be_asked_again() -> None:
    lost = Reply(breaks=True)
    script = Scripted(
        {"POST": [UPLOAD], "PUT": [lost, Reply(status=200)], "GET": [lost, QUEUED, lost, lost, *WHILE_SENDING, DONE]}
    )
    async with listening(script.handle) as url:
        assert (await recognized(url)).is_done
    assert script.count("PUT") == 2


@pytest.mark.virtual_time
async def test_a_recording_is_never_announced_twice() -> None:
    script = Scripted({"POST": [Reply(breaks=True)]})
    async with listening(script.handle) as url:
        with pytest.raises(UnreachableError, match="the connection broke off"):
            await recognized(url)
    assert script.count("POST") == 1


@pytest.mark.virtual_time
async def test_an_upload_whose_answer_was_lost_is_there() -> None:
    there = failed(400, "invalid_audio", "this recording waits for no upload")
    script = Scripted({"POST": [UPLOAD], "PUT": [Reply(breaks=True), there], "GET": [*WHILE_SENDING, DONE]})
    sent: list[int] = []
    async with (
        listening(script.handle) as url,
        rest_client(url) as rest,
        aclosing(recognize_file(rest, CLIPS / "yes.wav", {}, sent.append)) as states,
    ):
        assert [one async for one in states][-1].is_done
    assert script.count("PUT") == 2
    assert sent[-1] == (CLIPS / "yes.wav").stat().st_size


@pytest.mark.virtual_time
async def test_an_upload_that_is_refused_because_the_recording_failed_says_so() -> None:
    unwanted = failed(415, "unsupported_media", "the audio is AIFF")
    # The first look at it is from before.
    looks = [replace(QUEUED, seconds=3.0), unwanted, QUEUED]
    async with listening(Scripted({"POST": [UPLOAD], "PUT": [unwanted], "GET": looks}).handle) as url:
        with pytest.raises(RecognitionError, match="the server stopped: the audio is AIFF"):
            await recognized(url)


@pytest.mark.virtual_time
async def test_an_upload_that_is_refused_ends_it() -> None:
    script = Scripted({"POST": [UPLOAD], "PUT": [failed(401, "unauthenticated", "expired")], "GET": [QUEUED]})
    async with listening(script.handle) as url:
        with pytest.raises(RefusedError, match="expired"):
            await recognized(url)


@pytest.mark.virtual_time
async def test_a_failure_is_the_recordings_unless_it_is_the_requests() -> None:
    for reply, kind in (
        (failed(400, "invalid_audio", "no audio"), RecognitionError),
        (failed(500, "recognizer_failed", "it failed"), RecognitionError),
        (failed(403, "forbidden", "not public"), RecognitionError),
        (failed(401, "unauthenticated", "expired"), RefusedError),
        (failed(404, "not_found", "gone"), RefusedError),
    ):
        async with listening(Scripted({"GET": [reply]}).handle) as url, rest_client(url) as rest:
            with pytest.raises(kind):
                await rest.state(ID)


@pytest.mark.virtual_time
@pytest.mark.parametrize("place", ["", "http://elsewhere.example/put", "//elsewhere.example/put"])
async def test_an_upload_goes_nowhere_else(place: str) -> None:
    script = Scripted({"POST": [Reply(status=201, body=ACCEPTED, headers={"Upload-Location": place})]})
    async with listening(script.handle) as url:
        with pytest.raises(AnswerError, match="Upload-Location is "):
            await recognized(url)


@pytest.mark.virtual_time
async def test_a_redirect_is_told_not_followed() -> None:
    async with listening(
        Scripted({"POST": [Reply(status=307, body=b"", headers={"Location": "http://127.0.0.1:1/"})]}).handle
    ) as url:
        with pytest.raises(RefusedError, match=r'redirects to "http://127\.0\.0\.1:1/"; give that server'):
            await recognized(url)


@pytest.mark.virtual_time
async def test_requests_are_what_the_protocol_has() -> None:
    script = Scripted({"POST": [UPLOAD], "PUT": [Reply(status=200)], "GET": [*WHILE_SENDING, DONE]})
    path = CLIPS / "yes.wav"
    async with listening(script.handle) as url, rest_client(f"{url}/base/", token=BEARER) as rest:
        async with aclosing(recognize_file(rest, path, {"languageCode": "en"})) as states:
            assert {one.status async for one in states} == {"queued", "done"}
        async with aclosing(recognize_uri(rest, "https://host/a.wav")) as states:
            assert {one.status async for one in states} == {"queued", "done"}
        assert rest.address(ID) == f"{url}/base/v1/speech/transcriptions/{ID}?format=json"
    one = next(asked for asked in script.asked if asked.method == "PUT")
    assert (one.target, one.body) == (f"/base/v1/speech/transcriptions/{ID}/audio", path.read_bytes())
    posted = [asked for asked in script.asked if asked.method == "POST"]
    assert [asked.target for asked in posted] == ["/base/v1/speech/asrlongrunning"] * 2
    assert [asked.body for asked in posted] == [
        b'{"config":{"languageCode":"en"},"audio":{"upload":true}}',
        b'{"config":{},"audio":{"uri":"https://host/a.wav"}}',
    ]
    got = next(asked for asked in script.asked if asked.method == "GET")
    assert got.target == f"/base/v1/speech/transcriptions/{ID}?extended=true"
    assert {asked.headers["authorization"] for asked in script.asked} == {f"Bearer {BEARER}"}


@pytest.mark.virtual_time
async def test_an_id_is_no_way_to_another_address() -> None:
    script = Scripted({"GET": [DONE]})
    async with listening(script.handle) as url, rest_client(url) as rest:
        await rest.state("../languagemodels?x=")
    assert script.asked[0].target == "/v1/speech/transcriptions/..%2Flanguagemodels%3Fx%3D?extended=true"


@pytest.mark.virtual_time
async def test_the_pauses_grow_and_end_with_the_recording() -> None:
    script = Scripted({"GET": [QUEUED] * 6 + [DONE]})
    async with listening(script.handle) as url, rest_client(url) as rest:
        assert [one.is_done async for one in follow(rest, ID)] == [False] * 6 + [True]
    assert script.pauses == pytest.approx([0.3, 0.45, 0.675, 1.0125, 1.51875, 2])


@pytest.mark.virtual_time
async def test_a_recording_with_which_nothing_happens_is_left() -> None:
    script = Scripted({"GET": [QUEUED]})
    waits = replace(WAITS, longest_poll_seconds=20.0)
    async with listening(script.handle) as url, rest_client(url, waits=waits) as rest:
        with pytest.raises(StalledError) as stalled:
            assert [one async for one in follow(rest, ID)] == []
    assert str(stalled.value) == "nothing has happened with the recording for 900 s"
    assert stalled.value.transcription_id == ID
    assert 900 <= script.times[-1] - script.times[0] <= 920


@pytest.mark.virtual_time
async def test_nothing_has_to_happen_while_it_is_sent() -> None:
    script = Scripted({"POST": [UPLOAD], "PUT": [Reply(status=200, seconds=50.0)], "GET": [QUEUED]})
    async with listening(script.handle) as url:
        with pytest.raises(StalledError):
            await recognized(url, waits=replace(WAITS, stall_seconds=20.0))
    assert 50 + 20 <= script.times[-1] - script.times[0] <= 50 + 20 + 4


@pytest.mark.virtual_time
async def test_an_answer_that_takes_long_is_asked_for_less_often() -> None:
    script = Scripted({"GET": [replace(QUEUED, seconds=5.0), DONE]})
    async with listening(script.handle) as url, rest_client(url) as rest:
        assert [one.is_done async for one in follow(rest, ID)] == [False, True]
    assert script.pauses == [5 + 50]


@pytest.mark.virtual_time
async def test_one_that_goes_on_is_waited_for() -> None:
    audio = [{"receivedMs": float(count), "settledMs": 0.0} for count in range(8)]
    script = Scripted({"GET": [*(state("processing", 0.0, audio=one) for one in audio), DONE]})
    waits = replace(WAITS, poll_seconds=400.0, longest_poll_seconds=400.0)
    async with listening(script.handle) as url, rest_client(url, waits=waits) as rest:
        assert [one async for one in follow(rest, ID)][-1].is_done


@pytest.mark.virtual_time
async def test_a_file_that_shrinks_or_vanishes_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    script = Scripted({"POST": [UPLOAD], "PUT": [Reply(status=200)], "GET": [QUEUED]})
    async with listening(script.handle) as url, rest_client(url) as rest:
        with pytest.raises(FileNotFoundError):
            await recognized(url, path)
        path.write_bytes(bytes(1_000_000))
        accepted = await rest.submit({})

        def shrink(_: int) -> None:
            path.write_bytes(b"")

        with pytest.raises(OSError, match="it became shorter while it was sent"):
            await rest.upload(accepted, path, shrink)


@pytest.mark.virtual_time
async def test_what_the_server_fetches_is_not_uploaded(tmp_path: Path) -> None:
    async with listening(Scripted({"POST": [UPLOAD]}).handle) as url, rest_client(url) as rest:
        accepted = await rest.submit({}, "https://host/a.wav")
        with pytest.raises(ValueError, match="fetched by the server"):
            await rest.upload(accepted, tmp_path)


@pytest.mark.virtual_time
@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://a@host", "http://host?x=1"])
async def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(AddressError, match="is not a server's address"):
        async with rest_client(url):
            pass


@pytest.mark.virtual_time
@pytest.mark.parametrize("token", ["", "a b", "é", "a\nb"])
async def test_a_token_that_is_none_is_told(token: str) -> None:
    with pytest.raises(AddressError, match="the token holds white space"):
        async with rest_client("http://127.0.0.1:1", token=token):
            pass


@pytest.mark.virtual_time
async def test_a_websocket_address_means_the_same_server() -> None:
    async with rest_client("wss://host/base") as rest:
        assert rest.address(ID, "txt") == f"https://host/base/v1/speech/transcriptions/{ID}?format=txt"
