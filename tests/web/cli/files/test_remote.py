"""`niyosha transcribe --remote` with real servers; a relay in front of one holds uploads back where a test needs it."""

import asyncio
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
import pytest_asyncio
from av.audio.stream import AudioStream
from rich.console import Console
from structlog.testing import capture_logs

from stream.client.rest import Accepted, RestClient
from stream.errors import Problem
from stream.protocols.farsava.messages import failure
from stream.session.events import Hypothesis
from tests.support.places import CLIPS
from tests.support.plain_http import Relay, Reply, Scripted, listening, offering
from tests.support.processes import STUCK_SECONDS
from tests.support.recognizers import CountingStream, MuteStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm
from tests.web.support.tokens import token
from web.cli.files.jobs import TranscribeOptions
from web.cli.files.remote import transcribe_remote
from web.cli.servers import StartServer
from web.process.serve import running
from web.rest.response.formats import OutputFormat
from web.settings.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK, YES = CLIPS / "quick.wav", CLIPS / "yes.wav"
TRANSCRIPTIONS = "/v1/speech/transcriptions"
LONG_ENOUGH = "a secret of at least thirty-two bytes"


def no_server() -> AbstractAsyncContextManager[str]:
    raise AssertionError("a server was started for nothing")


async def run(*files: Path | str, options: TranscribeOptions, start_server: StartServer = no_server) -> int:
    """Run the command as the shell would, beside this loop."""
    return await asyncio.to_thread(transcribe_remote, list(files), options, start_server)


@asynccontextmanager
async def serving(recognizer: ScriptedRecognizer | None = None, **settings: Any) -> AsyncIterator[str]:
    """A server of its own with these settings, which hears `w0 w1 ...` where there is sound."""
    async with running(Settings(port=0, **settings), recognizer or ScriptedRecognizer()) as server:
        yield server.url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> AsyncIterator[str]:
    path = tmp_path_factory.mktemp("remote") / "niyosha.db"
    shutil.copyfile(empty_database, path)
    async with serving(database_url=f"sqlite:///{path}") as url:
        yield url


@pytest.fixture(autouse=True)
def logs_apart() -> Iterator[None]:
    """Keep what the servers of this process log out of what the command prints."""
    with capture_logs():
        yield


def made_long(path: Path, times: int = 5) -> Path:
    """A clip so often, with pauses."""
    with wave.open(str(path), "wb") as made:
        made.setparams((1, 2, 16000, 0, "NONE", ""))
        for _ in range(times):
            made.writeframes(clip_pcm("quick.wav") + bytes(32_000))
    return path


# --- results ---


async def test_a_file_is_recognized_by_the_server(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(QUICK, options=TranscribeOptions(server=server)) == 0
    output = capsys.readouterr()
    assert output.out.startswith("w0 w1 w2")
    assert output.err == ""


async def test_json_is_what_the_live_command_prints(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(QUICK, options=TranscribeOptions(server=server, format=OutputFormat.JSON)) == 0
    (line,) = capsys.readouterr().out.splitlines()
    done = json.loads(line)
    assert list(done) == ["transcriptionId", "duration", "inferenceTime", "status", "results"]
    (result,) = done["results"]
    assert list(result) == ["transcript", "confidence", "words"]
    assert 0 <= result["words"][0]["startTime"] < result["words"][-1]["endTime"] < done["duration"]


@pytest.mark.parametrize(
    ("written", "beginning"), [(OutputFormat.SRT, "1\n00:00:00,"), (OutputFormat.VTT, "WEBVTT\n\n00:00:00.")]
)
async def test_captions_are_printed(
    server: str, written: OutputFormat, beginning: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(QUICK, options=TranscribeOptions(server=server, format=written)) == 0
    assert capsys.readouterr().out.startswith(beginning)


async def test_other_formats_rates_and_channels_are_the_servers_business(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "[red]quick.mp3"
    with av.open(str(QUICK)) as clip, av.open(str(made), "w") as container:
        stream = container.add_stream("libmp3lame", rate=44_100, layout="stereo")
        assert isinstance(stream, AudioStream)
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=44_100, frame_size=1152)
        for frame in clip.decode(audio=0):
            for resampled in resampler.resample(frame):
                container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))
    assert await run(made, options=TranscribeOptions(server=server)) == 0
    assert capsys.readouterr().out.startswith("w0 w1 w2")


async def test_several_files_have_headings(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(YES, QUICK, options=TranscribeOptions(server=server)) == 0
    first, yes, second, quick = capsys.readouterr().out.splitlines()
    assert (first, second) == (f"== {YES} ==", f"== {QUICK} ==")
    assert len(quick) > len(yes) > 0


async def test_an_address_is_fetched_by_a_server_that_may(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.wav").write_bytes(b"fLaC, or rather a page that says so")
    networks = ("127.0.0.1/32",)
    with offering(CLIPS) as clips, offering(tmp_path) as pages:
        async with serving(fetch_networks=networks) as server:
            options = TranscribeOptions(server=server)
            assert await run(f"{clips}/quick.wav", options=options) == 0
            assert capsys.readouterr().out.startswith("w0 w1 w2")
            assert await run(f"{clips}/missing.wav", f"{pages}/page.wav", options=options) == 2
            assert await run(f"{clips}/quick.wav", options=TranscribeOptions(server=server, language="xx")) == 1
    missing, page, language = capsys.readouterr().err.splitlines()
    assert missing == (
        f"{clips}/missing.wav was not transcribed: the server stopped: "
        f'audio.uri "{clips}/missing.wav" answers 404; it has to answer 200 and send the audio'
    )
    assert page.startswith(f"{pages}/page.wav was not transcribed: the server stopped: the audio cannot be decoded")
    assert f"{server} refused: languageCode is xx" in language


async def test_an_address_that_is_not_public_is_not_fetched(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("http://127.0.0.1:1/a.wav", options=TranscribeOptions(server=server)) == 2
    assert "leads to an address that is not public" in capsys.readouterr().err


# --- what can be wrong with a file ---


async def test_unusable_files_are_reported_before_a_server_is_contacted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes, missing, empty = tmp_path / "notes.txt", tmp_path / "missing.wav", tmp_path / "empty.wav"
    notes.write_text("no sound")
    empty.touch()
    options = TranscribeOptions(server="http://127.0.0.1:1")
    assert await run(missing, notes, Path("/dev/zero"), empty, "a" * 999, options=options) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"{missing} does not exist; check the name",
        f"{notes} is of no known format; give a file with sound, such as WAV, FLAC, MP3 or MP4",
        "/dev/zero is not a file, a directory or a pipe; name one of these",
        f"{empty} is of no known format; give a file with sound, such as WAV, FLAC, MP3 or MP4",
        f"{'a' * 999} cannot be read (File name too long); check the name and its permissions",
    ]


async def test_an_unusable_file_does_not_stop_the_others(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, film = tmp_path / "bad.flac", tmp_path / "film.mp4"
    bad.write_bytes(b"fLaC" + bytes(5_000_000))
    film.write_bytes(bytes(4) + b"ftypisom" + bytes(1000))
    assert await run(bad, film, YES, options=TranscribeOptions(server=server)) == 2
    output = capsys.readouterr()
    first, second = output.err.splitlines()
    assert first.startswith(f"{bad} was not transcribed: the server stopped: the audio cannot be decoded as FLAC")
    assert second == (
        f"{film} was not transcribed: the server stopped: "
        "the audio cannot be decoded as MP4, M4A, MOV or 3GP: it does not begin as it must"
    )
    assert output.out.splitlines()[-1].startswith("w0")


async def test_a_file_that_vanishes_before_it_is_sent_is_told(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "quick.wav"
    path.write_bytes(QUICK.read_bytes())
    ids = await ids_at(server)
    submit = RestClient.submit

    async def vanishing(self: RestClient, config: Mapping[str, object], uri: str | None = None) -> Accepted:
        await asyncio.to_thread(path.unlink)
        return await submit(self, config, uri)

    monkeypatch.setattr(RestClient, "submit", vanishing)
    assert await run(path, options=TranscribeOptions(server=server)) == 2
    assert capsys.readouterr().err.splitlines()[0] == f"{path} cannot be read: No such file or directory"
    assert await ids_at(server) == ids


async def test_silence_is_told_and_has_its_own_code(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silence = tmp_path / "silence.wav"
    with wave.open(str(silence), "wb") as made:
        made.setparams((1, 2, 16000, 0, "NONE", ""))
        made.writeframes(bytes(64_000))
    assert await run(silence, options=TranscribeOptions(server=server, format=OutputFormat.JSON)) == 3
    output = capsys.readouterr()
    assert output.err == f"no speech found in {silence}\n"
    assert json.loads(output.out)["results"] == [{"transcript": "", "confidence": 0.0, "words": []}]


# --- what can be wrong with a server ---


async def test_a_server_that_is_not_there_is_named_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(QUICK, YES, options=TranscribeOptions(server="http://127.0.0.1:1")) == 1
    assert capsys.readouterr().err == (
        f"{QUICK} was not transcribed: cannot reach http://127.0.0.1:1: nothing listens there; "
        "start a server there with `niyosha serve`, or leave out --server to have one started\n"
        "1 more file was not tried\n"
    )


async def test_an_address_of_a_server_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(QUICK, options=TranscribeOptions(server="localhost:1")) == 1
    assert "is not a server's address" in capsys.readouterr().err


async def test_a_token_is_needed_where_the_server_asks_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(token_secret=LONG_ENOUGH) as server:
        forged = token(LONG_ENOUGH[::-1])
        for wrong in (None, forged):
            assert await run(YES, options=TranscribeOptions(server=server, token=wrong)) == 1
            output = capsys.readouterr().err
            assert re.fullmatch(
                f"{YES} was not transcribed: {server} refused: .*; give a valid token with --token\n", output
            )
        good = token(LONG_ENOUGH)
        assert await run(YES, options=TranscribeOptions(server=server, token=good)) == 0
    assert capsys.readouterr().out.startswith("w0")


async def test_the_address_of_the_text_is_reported_if_the_server_stays(
    capsys: pytest.CaptureFixture[str],
) -> None:
    body = {"transcriptionId": "a-b", "duration": 0, "inferenceTime": 0, "status": "queued", "results": []}
    refusal = Reply(status=401, body=failure(Problem.UNAUTHENTICATED, "the token has expired"))
    script = Scripted({"POST": [Reply(status=201, body=body)], "GET": [Reply(status=200, body=body), refusal]})
    for is_own in (False, True):
        script.asked.clear()
        async with listening(script.handle) as url:

            @asynccontextmanager
            async def start(url: str = url) -> AsyncIterator[str]:
                yield url

            options = TranscribeOptions(server=None if is_own else url, local_server="http://127.0.0.1:1")
            assert await run("https://host/a.wav", options=options, start_server=start) == 1
        *_, first, last = capsys.readouterr().err.splitlines()
        ended = f"https://host/a.wav was not transcribed: {url} refused: the token has expired; give a valid token with"
        if is_own:
            assert last.startswith(ended)
        else:
            assert first.startswith(ended)
            address = f"{url}{TRANSCRIPTIONS}/a-b?format=txt"
            assert last == f"the server may still finish https://host/a.wav; its text will be at {address}"


@pytest.mark.parametrize("source", ["https://host/a.wav", str(YES)])
async def test_no_address_is_reported_for_unsent_or_deleted_recordings(
    source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"transcriptionId": "a-b", "duration": 0, "inferenceTime": 0, "status": "queued", "results": []}
    gone = Reply(status=404, body=failure(Problem.NOT_FOUND, "there is none"))
    refusal = Reply(status=401, body=failure(Problem.UNAUTHENTICATED, "the token has expired"))
    accepted = Reply(status=201, body=body, headers={"Upload-Location": "/there"})
    looks = [Reply(status=200, body=body), gone if source != str(YES) else Reply(status=200, body=body)]
    async with listening(Scripted({"POST": [accepted], "PUT": [refusal], "GET": looks}).handle) as url:
        assert await run(source, options=TranscribeOptions(server=url)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{source} was not transcribed: {url} refused: ")


async def test_what_is_deleted_meanwhile_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(ScriptedRecognizer(script=[MuteStream])) as server:
        command = asyncio.create_task(run(QUICK, options=TranscribeOptions(server=server)))
        async with asyncio.timeout(STUCK_SECONDS):
            while not (new := await ids_at(server)):
                await asyncio.sleep(0.05)
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.delete(f"{server}{TRANSCRIPTIONS}/{new.pop()}")
        assert await command == 1
    assert capsys.readouterr().err.endswith("refused: there is no transcription with this id, or not any more\n")


async def ids_at(server: str) -> set[str]:
    async with httpx.AsyncClient(trust_env=False) as client:
        listed = (await client.get(f"{server}{TRANSCRIPTIONS}?limit=100")).json()
    return {one["transcriptionId"] for one in listed["transcriptions"]}


# --- Ctrl-C ---

# A shell that starts the tests in the background lets its children ignore the signal; this one must not. It tells the
# test how many bytes were sent.
COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from web.cli.files.progress import RecordingProgress
RecordingProgress.sent = lambda self, sent_bytes: print(sent_bytes, flush=True)
from web.cli.files.jobs import TranscribeOptions
from web.rest.response.formats import OutputFormat
from web.cli.files.remote import transcribe_remote
options = TranscribeOptions(server=sys.argv[2], format=OutputFormat.SRT)
sys.exit(transcribe_remote([sys.argv[1]], options, None))
"""


async def test_after_ctrl_c_the_address_of_the_text_is_reported() -> None:
    gate = asyncio.Event()

    class Held(CountingStream):
        async def hypotheses(self) -> AsyncIterator[Hypothesis]:
            await gate.wait()
            async for hypothesis in super().hypotheses():
                yield hypothesis

    async with serving(ScriptedRecognizer(script=[Held])) as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMAND, str(QUICK), server, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        while await process.stdout.readline() != b"%d\n" % QUICK.stat().st_size:
            assert not process.stdout.at_eof()
        process.send_signal(signal.SIGINT)
        output, errors = await process.communicate()
        assert (process.returncode, output) == (130, b"")
        told = errors.decode()
        found = re.fullmatch(
            f"the server goes on with {QUICK}; its text will be at (http\\S+/[0-9a-f-]+\\?format=srt)\n", told
        )
        assert found is not None, told
        address = found[1]
        gate.set()
        async with asyncio.timeout(STUCK_SECONDS), httpx.AsyncClient(trust_env=False) as client:
            while (await client.get(address.partition("?")[0])).json()["status"] != "done":
                await asyncio.sleep(0.2)
            assert "w0 w1" in (await client.get(address)).text


async def test_ctrl_c_in_an_upload_leaves_nothing_behind(server: str, tmp_path: Path) -> None:
    path = made_long(tmp_path / "long.wav")
    before = await ids_at(server)
    relay = Relay(upstream=server, allowed=[400_000], holds=True)
    async with listening(relay.handle) as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMAND, str(path), url, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        await relay.reached.wait()
        process.send_signal(signal.SIGINT)
        output, errors = await process.communicate()
    assert process.returncode == 130
    assert b"%d\n" % path.stat().st_size not in output
    assert errors.decode() == f"{path} was not sent to its end; the server forgets it\n"
    assert await ids_at(server) == before


# --- the display ---


async def test_a_terminal_sees_it_go_on(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=120)
    path = made_long(tmp_path / "long.wav", 4)
    options = TranscribeOptions(server=server)
    assert await asyncio.to_thread(transcribe_remote, [path], options, no_server, terminal) == 0
    assert isinstance(terminal.file, io.StringIO)
    seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.file.getvalue())
    assert {"0%", "100%"} < set(re.findall(r"\d+%", seen))
    assert "recognized" in seen
    assert len(capsys.readouterr().out.splitlines()) == 4
