"""`niyosha transcribe` with a scripted server on a real socket."""

import asyncio
import contextlib
import dataclasses
import io
import json
import os
import re
import signal
import socket
import sys
import wave
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import av
import msgspec
import pytest
from av.audio.stream import AudioStream
from rich.console import Console
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from stream.errors import Problem
from stream.protocols.farsava.messages import (
    AudioProgress,
    Done,
    DoneMessage,
    FinalLatency,
    FinalMessage,
    FullResult,
    Partial,
    WireResult,
    WireWord,
    failure,
)
from tests.support.places import CLIPS
from web.cli.files.jobs import TranscribeOptions
from web.cli.files.live import transcribe_files
from web.cli.servers import ServerStartError, StartServer
from web.rest.response.formats import OutputFormat

QUICK, YES = CLIPS / "quick.wav", CLIPS / "yes.wav"
BEARER = "header.claims.mac"
RUNNING = b'{"status":"Running","message":"OK.","version":"1.0.7"}'

Handler = Callable[[ServerConnection], Awaitable[None]]


def said(text: str, start: float = 0.5) -> WireResult:
    words = [WireWord(start + n, start + n + 0.9, word, 0.9) for n, word in enumerate(text.split())]
    return WireResult(text, 0.9, words)


def unsettled(text: str) -> WireResult:
    return WireResult(text, 0.0, [WireWord(0.0, 0.0, word, 0.0) for word in text.split()])


def partial(result: WireResult) -> str:
    return msgspec.json.encode(Partial("id", 1.0, 0.1, "partial", 1, [result])).decode()


def final(text: str, *, channel: int, start: float) -> str:
    result = said(text, start)
    full = FullResult(result.transcript, result.confidence, result.words, [result])
    return msgspec.json.encode(
        FinalMessage(
            type="final",
            sequence=1,
            transcription_id="id",
            channel=channel,
            duration=1.0,
            inference_time=0.1,
            status="partial",
            partial=1,
            results=[full],
            utterance_id=channel,
            is_final=True,
            reason="endpoint",
            audio=AudioProgress(0.0, 0.0),
            latency=FinalLatency(0.0, 0.0, 0.0),
        )
    ).decode()


def extended_done() -> str:
    return msgspec.json.encode(
        DoneMessage(
            type="done",
            sequence=2,
            transcription_id="id",
            duration=1.0,
            inference_time=0.1,
            status="done",
            results=[],
            received_ms=0.0,
            recognized_ms=0.0,
            skipped_ms=0.0,
            lost_ms=0.0,
        )
    ).decode()


def done(*results: WireResult) -> str:
    return msgspec.json.encode(Done("id", 2.5, 0.1, "done", list(results))).decode()


async def heard_bytes(connection: ServerConnection) -> int:
    """How much audio came up to `close`."""
    total = 0
    while (message := await connection.recv()) != "close":
        total += len(message)
    return total


async def hears_two_lines(connection: ServerConnection) -> None:
    """Settle two utterances, with an unsettled hypothesis in between."""
    await heard_bytes(connection)
    await connection.send(partial(unsettled("The quick")))
    await connection.send(partial(said("The quick brown fox.")))
    await connection.send(partial(said("Jumped.", 6.0)))
    await connection.send(done(said("The quick brown fox."), said("Jumped.", 6.0)))


async def hears_nothing(connection: ServerConnection) -> None:
    await heard_bytes(connection)
    await connection.send(done(WireResult("", 0.0, [])))


@asynccontextmanager
async def serving(handler: Handler, health: bytes = RUNNING) -> AsyncIterator[str]:
    def healthcheck(connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/v1/speech/healthcheck":
            return Response(200, "OK", Headers([("Content-Length", str(len(health)))]), health)
        return None

    async with serve(handler, "127.0.0.1", 0, process_request=healthcheck, close_timeout=0.1) as server:
        (listener,) = server.sockets
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def unused_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def no_server() -> contextlib.AbstractAsyncContextManager[str]:
    raise AssertionError("a server was started for nothing")


async def run(*files: Path, options: TranscribeOptions, start_server: StartServer = no_server) -> int:
    """Run the command as the shell would, beside the scripted server's loop."""
    return await asyncio.to_thread(transcribe_files, list(files), options, start_server)


async def test_text_is_a_line_per_utterance_on_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(hears_two_lines) as url:
        assert await run(QUICK, options=TranscribeOptions(server=url)) == 0
    assert capsys.readouterr() == ("The quick brown fox.\nJumped.\n", "")


async def test_the_whole_file_is_sent_with_what_the_options_say(capsys: pytest.CaptureFixture[str]) -> None:
    received: list[int] = []
    requests: list[Request] = []

    async def handler(connection: ServerConnection) -> None:
        assert connection.request
        requests.append(connection.request)
        received.append(await heard_bytes(connection))
        await connection.send(done(said("Yes.")))

    async with serving(handler) as url:
        options = TranscribeOptions(server=url, language="en-GB", token=BEARER)
        assert await run(YES, options=options) == 0
    assert received == [24_000]
    assert parse_qs(urlsplit(requests[0].path).query) == {
        "audioTransfer": ["raw"],
        "sampleRateHertz": ["16000"],
        "maxAlternatives": ["1"],
        "interimResults": ["false"],
        "languageCode": ["en-GB"],
    }
    assert requests[0].headers["Authorization"] == f"Bearer {BEARER}"


@pytest.mark.parametrize("realtime", [True, False])
async def test_the_clip_is_paced_only_on_request(
    realtime: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    held: list[bytes] = []

    async def held_back(chunks: AsyncGenerator[bytes, None], _: int) -> AsyncGenerator[bytes, None]:
        async for chunk in chunks:
            held.append(chunk)
            yield chunk

    monkeypatch.setattr("web.cli.files.live.paced", held_back)
    async with serving(hears_two_lines) as url:
        assert await run(YES, options=TranscribeOptions(server=url, realtime=realtime)) == 0
    assert sum(map(len, held)) == (24_000 if realtime else 0)
    assert capsys.readouterr().out == "The quick brown fox.\nJumped.\n"


async def test_several_files_have_headings(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(hears_two_lines) as url:
        assert await run(QUICK, YES, options=TranscribeOptions(server=url)) == 0
    lines = "The quick brown fox.\nJumped.\n"
    assert capsys.readouterr().out == f"== {QUICK} ==\n{lines}== {YES} ==\n{lines}"


async def test_json_is_the_done_message_a_line_for_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(hears_two_lines) as url:
        assert await run(QUICK, YES, options=TranscribeOptions(server=url, format=OutputFormat.JSON)) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second == done(said("The quick brown fox."), said("Jumped.", 6.0))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            OutputFormat.SRT,
            "1\n00:00:00,500 --> 00:00:04,400\nThe quick brown fox.\n\n2\n00:00:06,000 --> 00:00:07,000\nJumped.\n",
        ),
        (
            OutputFormat.VTT,
            "WEBVTT\n\n00:00:00.500 --> 00:00:04.400\nThe quick brown fox.\n\n00:00:06.000 --> 00:00:07.000\nJumped.\n",
        ),
    ],
)
async def test_subtitles_are_printed(written: OutputFormat, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(hears_two_lines) as url:
        assert await run(QUICK, options=TranscribeOptions(server=url, format=written)) == 0
    assert capsys.readouterr().out == expected


async def test_subtitles_keep_the_times_that_a_long_done_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    async def handler(connection: ServerConnection) -> None:
        await heard_bytes(connection)
        await connection.send(partial(said("Early.", 3.0)))
        await connection.send(partial(said("Late.", 6.0)))
        await connection.send(done(WireResult("Early.", 0.9, []), said("Late.", 6.0)))

    async with serving(handler) as url:
        assert await run(YES, options=TranscribeOptions(server=url, format=OutputFormat.VTT)) == 0
    assert "00:00:03.000 --> 00:00:04.000\nEarly." in capsys.readouterr().out


async def test_subtitles_use_done_if_its_utterances_differ(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def handler(connection: ServerConnection) -> None:
        await heard_bytes(connection)
        await connection.send(done(said("Only at the end.", 3.0)))

    async with serving(handler) as url:
        assert await run(YES, options=TranscribeOptions(server=url, format=OutputFormat.VTT)) == 0
    assert "00:00:03.000 --> 00:00:06.900\nOnly at the end." in capsys.readouterr().out


async def test_subtitles_of_several_files_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(QUICK, YES, options=TranscribeOptions(format=OutputFormat.SRT)) == 2
    assert capsys.readouterr() == (
        "",
        "srt is for one file, not for 2; run the command once for each, or name a directory with -o\n",
    )


@pytest.mark.parametrize("written", list(OutputFormat))
async def test_no_speech_is_told_and_has_its_own_code(
    written: OutputFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(hears_nothing) as url:
        assert await run(YES, options=TranscribeOptions(server=url, format=written)) == 3
    shown = capsys.readouterr()
    assert shown.err == f"no speech found in {YES}\n"
    assert shown.out == (done(WireResult("", 0.0, [])) + "\n" if written is OutputFormat.JSON else "")


async def test_every_unusable_file_is_named_before_a_server_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = tmp_path / "[red]notes.txt"
    notes.write_text("no sound")
    missing = tmp_path / "missing.wav"
    assert await run(missing, notes, options=TranscribeOptions(server=unused_address())) == 2
    assert capsys.readouterr() == (
        "",
        f"{missing} does not exist; check the name\n"
        f"{notes} cannot be decoded (its format is not known); give a sound file such as WAV, FLAC or MP3, "
        "or --rate for samples without a header\n",
    )


async def test_a_file_without_sound_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.wav"
    empty.write_bytes(YES.read_bytes()[:44])
    async with serving(hears_two_lines) as url:
        assert await run(empty, YES, options=TranscribeOptions(server=url)) == 2
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-2:] == ["The quick brown fox.", "Jumped."]
    assert shown.err.startswith(f"{empty} cannot be decoded (its sound is empty)")


async def test_a_server_that_is_not_there_is_named_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    address = unused_address()
    assert await run(QUICK, YES, options=TranscribeOptions(server=address)) == 1
    assert capsys.readouterr().err == (
        f"{QUICK} was not transcribed: cannot reach {address}: nothing listens there; "
        "start a server there with `niyosha serve`, or leave out --server to have one started\n"
        "1 more file was not tried\n"
    )


async def test_the_servers_refusal_is_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    body = b'{"status":"401","detail":"the token expired","title":"Unauthorized","type":"unauthenticated",'
    body += b'"code":401,"message":"Unauthorized. the token expired"}'

    def refuse(connection: ServerConnection, request: Request) -> Response:
        return Response(401, "Unauthorized", Headers([("Content-Length", str(len(body)))]), body)

    async with serve(hears_nothing, "127.0.0.1", 0, process_request=refuse) as server:
        (listener,) = server.sockets
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert await run(YES, options=TranscribeOptions(server=url)) == 1
    assert capsys.readouterr().err == (
        f"{YES} was not transcribed: {url} refused: the token expired; give a valid token with --token\n"
    )


async def test_a_recognition_error_is_told_in_the_servers_words(capsys: pytest.CaptureFixture[str]) -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.recv()
        problem = failure(Problem.RECOGNIZER_FAILED, "three utterances in a row failed")
        await connection.send(msgspec.json.encode(problem).decode())
        await connection.close(1011)

    async with serving(handler) as url:
        assert await run(YES, options=TranscribeOptions(server=url)) == 1
    assert capsys.readouterr() == (
        "",
        f"{YES} was not transcribed: the server stopped: three utterances in a row failed\n",
    )


async def test_a_server_that_disappears_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.recv()
        connection.transport.abort()

    async with serving(handler) as url:
        assert await run(YES, options=TranscribeOptions(server=url)) == 1
    assert capsys.readouterr().err == (
        f"{YES} was not transcribed: the connection ended before the result: it broke off\n"
    )


async def test_a_damaged_file_is_transcribed_with_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "damaged.mp3"
    with av.open(str(QUICK)) as clip, av.open(str(damaged), "w") as made:
        stream = made.add_stream("libmp3lame", rate=16_000, layout="mono")
        assert isinstance(stream, AudioStream)
        for frame in clip.decode(audio=0):
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    content = bytearray(damaged.read_bytes())
    content[4000:6000] = bytes(range(250)) * 8
    damaged.write_bytes(content)
    async with serving(hears_two_lines) as url:
        assert await run(damaged, options=TranscribeOptions(server=url)) == 0
    shown = capsys.readouterr()
    assert re.fullmatch(f"{damaged} is damaged: \\d+ packets of it were left out\n", shown.err)
    assert shown.out == "The quick brown fox.\nJumped.\n"


async def test_the_server_of_this_machine_is_used_when_it_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    async with serving(hears_two_lines) as url:
        assert await run(YES, options=TranscribeOptions(local_server=url)) == 0
    assert capsys.readouterr() == ("The quick brown fox.\nJumped.\n", "")


@pytest.mark.parametrize("health", [None, b'{"status":"Critical"}', b'{"version":1}', b"<html>", b"\xff", b""])
async def test_without_a_server_one_is_started_for_all_files(
    health: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    events: list[str] = []
    async with contextlib.AsyncExitStack() as stack:
        other = unused_address() if health is None else await stack.enter_async_context(serving(hears_nothing, health))
        url = await stack.enter_async_context(serving(hears_two_lines))

        @asynccontextmanager
        async def start_server() -> AsyncIterator[str]:
            events.append("started")
            try:
                yield url
            finally:
                events.append("stopped")

        options = TranscribeOptions(local_server=other)
        assert await run(YES, QUICK, options=options, start_server=start_server) == 0
    assert events == ["started", "stopped"]
    assert capsys.readouterr().err == f"no server at {other}; starting one for this command\n"


class NoModel(contextlib.AbstractAsyncContextManager[str]):
    """A server that does not start."""

    async def __aenter__(self) -> str:
        raise ServerStartError("the model is not installed; reinstall niyosha")

    async def __aexit__(self, *_: object) -> None:
        raise AssertionError("it never started")


async def test_a_server_that_cannot_be_started_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    options = TranscribeOptions(local_server=unused_address())
    assert await run(YES, options=options, start_server=NoModel) == 1
    assert capsys.readouterr().err.endswith("\nthe model is not installed; reinstall niyosha\n")


async def test_a_terminal_asks_for_interim_results_and_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=120)
    queries: list[str] = []

    async def handler(connection: ServerConnection) -> None:
        assert connection.request
        queries.append(connection.request.path)
        await hears_two_lines(connection)

    async with serving(handler) as url:
        code = await asyncio.to_thread(transcribe_files, [YES], TranscribeOptions(server=url), no_server, terminal)
    assert code == 0
    assert "interimResults=true" in queries[0]
    assert isinstance(terminal.file, io.StringIO)
    assert "Jumped." in terminal.file.getvalue()
    assert capsys.readouterr() == ("The quick brown fox.\nJumped.\n", "")


async def test_a_file_that_is_missing_or_damaged_does_not_stop_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fails = [True, False]

    async def handler(connection: ServerConnection) -> None:
        await heard_bytes(connection)
        if fails.pop(0):
            await connection.send(msgspec.json.encode(failure(Problem.RECOGNIZER_FAILED, "it failed")).decode())
        else:
            await connection.send(done(said("Yes.")))

    missing = tmp_path / "missing.wav"
    async with serving(handler) as url:
        assert await run(missing, QUICK, YES, options=TranscribeOptions(server=url)) == 1
    assert capsys.readouterr() == (
        f"== {QUICK} ==\n== {YES} ==\nYes.\n",
        f"{missing} does not exist; check the name\n{QUICK} was not transcribed: the server stopped: it failed\n",
    )


async def test_texts_are_written_to_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(hears_two_lines) as url:
        options = TranscribeOptions(server=url, format=OutputFormat.VTT, output=tmp_path / "texts")
        assert await run(QUICK, YES, options=options) == 0
    texts = {path.name: path.read_text() for path in (tmp_path / "texts").iterdir()}
    assert texts.keys() == {"quick.vtt", "yes.vtt"}
    assert texts["quick.vtt"].startswith("WEBVTT\n\n00:00:00.500")
    assert capsys.readouterr() == (
        "",
        f"{QUICK} is transcribed in {tmp_path}/texts/quick.vtt\n{YES} is transcribed in {tmp_path}/texts/yes.vtt\n",
    )


async def test_after_a_full_disk_no_further_file_is_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "quick.txt").mkdir()
    async with serving(hears_two_lines) as url:
        assert await run(QUICK, YES, options=TranscribeOptions(server=url, output=tmp_path)) == 4
    assert capsys.readouterr() == (
        "",
        f"{tmp_path}/quick.txt cannot be written: Is a directory\n1 more file was not tried\n",
    )


async def test_each_channel_is_a_speaker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stereo = tmp_path / "stereo.wav"
    with wave.open(str(stereo), "wb") as made:
        made.setparams((2, 2, 16_000, 0, "NONE", ""))
        made.writeframes(bytes(64_000))
    received: list[int] = []
    queries: list[str] = []

    async def handler(connection: ServerConnection) -> None:
        assert connection.request
        queries.append(connection.request.path)
        received.append(await heard_bytes(connection))
        for message in (final("Second.", channel=1, start=2.0), final("First.", channel=0, start=0.5)):
            await connection.send(message)
        await connection.send(extended_done())

    async with serving(handler) as url:
        options = TranscribeOptions(server=url, channels=2, phrases=("first",), asr_model="video")
        assert await run(stereo, options=options) == 0
        assert await run(stereo, options=dataclasses.replace(options, format=OutputFormat.JSON)) == 0
    text, document = capsys.readouterr().out.split("{", 1)
    assert text == "Speaker 1: First.\nSpeaker 2: Second.\n"
    assert [(one["channel"], one["transcript"]) for one in json.loads("{" + document)["results"]] == [
        (0, "First."),
        (1, "Second."),
    ]
    assert received == [64_000, 64_000]
    query = parse_qs(urlsplit(queries[0]).query)
    expected = {"channels": ["2"], "extended": ["true"], "phrases": ["first"], "asrModel": ["video"]}
    assert query.items() >= expected.items()


async def test_the_text_of_a_pipe_is_printed_as_it_settles(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    shown: list[str] = []

    async def handler(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(partial(said("Early.")))
        while not shown:
            shown.extend(capsys.readouterr().out.splitlines())
            await asyncio.sleep(0)
        # Only now does the recording end.
        writer.close()
        await heard_bytes(connection)
        await connection.send(done(said("Early."), said("Late.", 6.0)))

    async with serving(handler) as url:
        command = asyncio.create_task(run(pipe, options=TranscribeOptions(server=url)))
        writer = await asyncio.to_thread(pipe.open, "wb")
        writer.write(QUICK.read_bytes())
        writer.flush()
        assert await command == 0
    assert shown == ["Early."]
    assert capsys.readouterr() == ("Late.\n", "")


# A shell that starts the tests in the background lets its children ignore the signal; this one must not.
COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from web.cli.files.jobs import TranscribeOptions
from web.cli.files.live import transcribe_files
sys.exit(transcribe_files([Path(sys.argv[1])], TranscribeOptions(server=sys.argv[2], realtime=True), None))
"""


async def test_ctrl_c_ends_without_a_traceback() -> None:
    gone = asyncio.Event()
    started = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await connection.recv()
                started.set()
        gone.set()

    async with serving(handler) as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            COMMAND,
            str(QUICK),
            url,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await started.wait()
        process.send_signal(signal.SIGINT)
        output, errors = await process.communicate()
        await gone.wait()
    assert (process.returncode, output, errors) == (130, b"", b"")
