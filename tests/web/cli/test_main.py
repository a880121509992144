"""The command line, run as a process."""

import asyncio
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner
from websockets.exceptions import InvalidStatus

from tests.support.places import CLIPS
from tests.support.ports import unused_port
from tests.support.processes import NIYOSHA, STUCK_SECONDS, child_of, niyosha, started, started_async, typed, url_in
from tests.support.sounds import SILENT_FRAME, clip_pcm, clip_texts, words_of
from tests.web.support.sockets import converse, refusal
from web.cli.files.jobs import TranscribeOptions
from web.cli.main import app
from web.cli.options import server_address
from web.process.serve import running
from web.settings.settings import Settings
from web.supervision.restarts import CANNOT_START

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def riva() -> Iterator[str]:
    """Address of an engine that runs alone."""
    with started("engine", "--listen", "127.0.0.1:0") as (_, line):
        yield line.split()[-1]


def test_serve_prints_a_line_to_try_and_ends_with_its_engine() -> None:
    with started("serve", "--port", "0") as (process, line):
        url = url_in(line)
        engine = child_of(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STUCK_SECONDS) == 0
        assert not Path(f"/proc/{engine}").exists()
        assert process.stderr is not None
        lines = process.stderr.read().splitlines()
    page, command = line.rstrip().split(", or try:  ")
    assert page == f"Open {url} in a browser and talk (without a key only this machine is served)"
    assert command.endswith(f" transcribe --server {url} tests/clips/quick.wav")
    # A busy machine holds up the loop as well.
    events = [json.loads(line)["event"] for line in lines]
    assert [event for event in events if event != "loop_stalled"] == ["engine_started"]


def test_the_version_is_that_of_the_package() -> None:
    printed = CliRunner().invoke(app, ["--version"])
    assert (printed.exit_code, printed.output) == (0, f"niyosha {PROJECT['version']}\n")


def test_a_server_with_a_key_wants_a_token_and_ends_on_ctrl_c(riva: str) -> None:
    with started("serve", "--port", "0", "--riva-uri", riva, NIYOSHA_TOKEN_SECRET="s" * 32) as (process, line):
        url = url_in(line)
        process.send_signal(signal.SIGINT)
        assert process.wait(STUCK_SECONDS) == 0
    assert line.startswith(f"Open {url} in a browser and talk, or try:  ")
    assert line.endswith(f" transcribe --server {url} --token TOKEN tests/clips/quick.wav\n")


async def test_a_dead_engine_is_started_again_and_the_server_goes_on() -> None:
    options = ["--model", "bundled", "--model", "tiny.en"]
    settings = {"NIYOSHA_ENGINE_WORKERS": "1", "NIYOSHA_ENGINE_SESSIONS": "3", "NIYOSHA_ENGINE_DEVICE": "cpu"}
    async with started_async("serve", "--port", "0", "--quiet", *options, **settings) as (process, line):
        url = url_in(line)
        first = child_of(process.pid)
        # It has the settings of the server.
        command = Path(f"/proc/{first}/cmdline").read_text().split("\0")  # noqa: ASYNC240
        given = " ".join(command[command.index("--exit-with-stdin") + 1 :]).strip()
        assert given == "--model bundled --model tiny.en --workers 1 --device cpu --sessions 3"
        os.kill(first, signal.SIGKILL)
        heard: list[str] = []
        async with asyncio.timeout(STUCK_SECONDS):
            while heard != words_of(clip_texts()["quick.wav"]):
                # Until the engine is back, sessions are refused or settle empty.
                with contextlib.suppress(InvalidStatus):
                    heard = words_of((await converse(url, clip_pcm("quick.wav"), "close")).transcript)
                await asyncio.sleep(0.1)
        # It ends when its parent is gone.
        engine = os.pidfd_open(child_of(process.pid))
        process.kill()
        ended, _, _ = await asyncio.to_thread(select.select, [engine], [], [], STUCK_SECONDS)
        os.close(engine)
        assert ended == [engine]


@pytest.mark.fault(24)
async def test_a_server_whose_riva_is_down_starts_and_refuses_sessions() -> None:
    async with running(Settings(port=0, riva_uri="127.0.0.1:1")) as server:
        status, body = await refusal(server.url)
        assert (status, body["type"]) == (503, "overloaded")


async def test_the_gateway_speaks_to_an_engine_that_runs_alone(riva: str) -> None:
    async with running(Settings(port=0, riva_uri=riva)) as server:
        conversation = await converse(server.url, clip_pcm("quick.wav"), "close")
    assert words_of(conversation.transcript) == words_of(clip_texts()["quick.wav"])


def test_an_engine_that_cannot_serve_tls_says_why_and_ends(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    for options, sentence in (
        (
            ["--tls-cert", str(missing), "--tls-key", str(missing)],
            f"{missing} cannot be read: No such file or directory",
        ),
        (["--tls-key", str(missing)], "TLS needs a certificate and its key, and the certificate is missing"),
        (["--tls-client-ca", str(missing)], "TLS needs a certificate and its key, and the certificate is missing"),
    ):
        result = typed("engine", "--listen", "127.0.0.1:0", *options)
        assert (result.returncode, result.stderr) == (CANNOT_START, f"niyosha engine: {sentence}\n")


def test_an_engine_without_its_model_says_why_and_ends() -> None:
    for options in (["--model", "nowhere"], ["--model", "bundled, nowhere"]):
        result = typed("engine", "--listen", "127.0.0.1:0", *options)
        assert (result.returncode, result.stderr) == (
            CANNOT_START,
            "niyosha engine: the model 'nowhere' is no directory; name a CTranslate2 Whisper directory, "
            "a hub id such as Systran/faster-whisper-small, or bundled\n",
        )


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = typed("serve", "--port", str(port))
    assert result.returncode == 1
    assert result.stderr == (
        f"niyosha: cannot listen on 127.0.0.1 port {port}: Address already in use; "
        "stop what uses it, or choose another port with --port\n"
    )


def test_a_wrong_setting_is_told() -> None:
    result = typed("serve", "--host", "0.0.0.0")
    assert result.returncode == 1
    assert result.stderr.startswith("niyosha: NIYOSHA_HOST is '0.0.0.0', which other machines can reach")


def test_transcribe_starts_a_server_for_the_occasion() -> None:
    result = niyosha("transcribe", str(CLIPS / "quick.wav"))
    assert (result.returncode, words_of(result.stdout)) == (0, words_of(clip_texts()["quick.wav"]))


def test_transcribe_uses_a_running_server(server: str) -> None:
    result = typed("transcribe", "--server", server, "--format", "json", str(CLIPS / "weather.wav"))
    assert result.returncode == 0
    done = json.loads(result.stdout)
    assert words_of(done["results"][0]["transcript"]) == words_of(clip_texts()["weather.wav"])


def test_remote_leaves_a_file_to_the_server(server: str) -> None:
    result = typed("transcribe", "--remote", "--server", server, "--format", "srt", str(CLIPS / "weather.wav"))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("1\n00:00:00,")


def test_remote_starts_a_server_for_the_occasion_with_a_database_of_its_own(
    riva: str, tmp_path: Path, own_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_database.unlink()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    nobody = f"http://127.0.0.1:{unused_port()}"
    monkeypatch.setattr("web.cli.files.jobs.TranscribeOptions", partial(TranscribeOptions, local_server=nobody))
    for options in ((), ("--remote",)):
        result = typed("transcribe", *options, str(CLIPS / "quick.wav"), NIYOSHA_RIVA_URI=riva)
        assert (result.returncode, words_of(result.stdout)) == (0, words_of(clip_texts()["quick.wav"])), result.stderr
        assert result.stderr == f"no server at {nobody}; starting one for this command\n"
    assert not own_database.exists()
    assert list(tmp_path.glob("niyosha-*")) == []


def test_standard_input_is_transcribed_with_and_without_remote(server: str) -> None:
    for options in ((), ("--remote",)):
        with (CLIPS / "weather.wav").open("rb") as recording:
            command = [*NIYOSHA, "transcribe", *options, "-"]
            environment = os.environ | {"NIYOSHA_SERVER": server.removeprefix("http://")}
            ended = subprocess.run(
                command, stdin=recording, capture_output=True, text=True, env=environment, check=False
            )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert words_of(ended.stdout) == words_of(clip_texts()["weather.wav"])


def test_ctrl_c_leaves_a_pipe_that_goes_on(server: str) -> None:
    read, write = os.pipe()
    pipe = subprocess.PIPE
    command = [*NIYOSHA, "transcribe", "--server", server, "-"]
    with subprocess.Popen(command, stdin=read, stdout=pipe, stderr=pipe, text=True) as process:
        os.write(write, (CLIPS / "quick.wav").read_bytes())
        os.write(write, bytes(64_000))
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(STUCK_SECONDS) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""
    os.close(read)
    os.close(write)
    assert words_of(line) == words_of(clip_texts()["quick.wav"])


def test_output_that_cannot_be_written_is_a_sentence(server: str) -> None:
    for arguments in (["--version"], ["transcribe", "--server", server, str(CLIPS / "yes.wav")]):
        with Path("/dev/full").open("w") as full:
            command = [*NIYOSHA, *arguments]
            ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert ended.returncode != 0
        (sentence,) = ended.stderr.splitlines()
        assert sentence.endswith("written to standard output: No space left on device") or (
            sentence == "niyosha: the output cannot be written: No space left on device"
        )


def test_names_that_the_terminal_cannot_show_are_escaped(server: str, tmp_path: Path) -> None:
    for name in (b"\xff.wav", "سلام.wav".encode()):
        path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118  no text
        shutil.copyfile(CLIPS / "yes.wav", path)
    command = [*NIYOSHA, "transcribe", "--server", server, str(tmp_path)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii:strict"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("Yes.") == 2
    assert "\\udcff.wav ==" in ended.stdout


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("asr.example:8000", "http://asr.example:8000"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("asr.example:443", "https://asr.example:443"),
        ("wss://asr.example/base", "wss://asr.example/base"),
        (None, None),
    ],
)
def test_a_server_is_named_by_host_and_port(given: str | None, address: str | None) -> None:
    assert server_address(given) == address


def test_the_environment_names_the_server_and_the_token(server: str, tmp_path: Path) -> None:
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("\ufefflazy dog\n\n  brown fox \n", encoding="utf-8")
    address = server.removeprefix("http://")
    arguments = ["transcribe", "--phrases", str(phrases), "--asr-model", "video", str(CLIPS / "weather.wav")]
    result = typed(*arguments, **{"NIYOSHA_SERVER": address, "NIYOSHA_TOKEN": " wrong "})
    assert (result.returncode, result.stdout) == (1, "")
    assert "the token holds white space" in result.stderr
    result = typed(*arguments, NIYOSHA_SERVER=address)
    assert (result.returncode, words_of(result.stdout)) == (0, words_of(clip_texts()["weather.wav"]))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--phrases", "/nowhere/phrases"], "--phrases /nowhere/phrases cannot be read: No such file or directory"),
        (["--server", "a:1", "--model", "bundled"], "and http://a:1 is to be used; leave out one of them"),
        (["--model", "phone_call"], "'phone_call' is a kind of sound; give it as --asr-model phone_call"),
        (["--asr-model", "small"], "it is 'small'; it must be one of default, video, command_and_search, phone_call"),
        (["--channels", "3"], "should be less than or equal to 2"),
        (["--rate", "4000"], "should be greater than or equal to 8000"),
    ],
)
def test_an_option_that_cannot_be_used_is_a_sentence(options: list[str], sentence: str) -> None:
    result = typed("transcribe", *options, str(CLIPS / "yes.wav"))
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in " ".join(result.stderr.replace("│", " ").split())


def test_phrases_that_the_server_would_refuse_are_refused_with_their_file(tmp_path: Path) -> None:
    phrases = tmp_path / "phrases.txt"
    phrases.write_text("a" * 101)
    result = typed("transcribe", "--phrases", str(phrases), str(CLIPS / "yes.wav"))
    assert result.returncode == 2
    assert result.stderr.startswith(f"niyosha: --phrases {phrases} is refused: phrases is ")
    phrases.write_bytes(b"\xff\xfe")
    result = typed("transcribe", "--phrases", str(phrases), str(CLIPS / "yes.wav"))
    assert result.stderr == f"niyosha: --phrases {phrases} is no text in UTF-8; write one phrase a line\n"


@pytest.mark.parametrize(
    ("line", "completions"),
    [
        ("niyosha tr", ["transcribe"]),
        ("niyosha transcribe --asr-model ph", ["phone_call"]),
        ("niyosha transcribe --format s", ["srt"]),
    ],
)
def test_the_shell_completes_commands_options_and_values(line: str, completions: list[str]) -> None:
    shell = {"_NIYOSHA_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    program = "import sys; sys.argv = ['niyosha']; from web.cli.main import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | shell, check=True
    )
    assert ended.stdout.split() == completions


def test_an_address_needs_remote(tmp_path: Path) -> None:
    address = "https://example.org/talk.mp3"
    result = typed("transcribe", address, str(tmp_path / "missing.wav"))
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        f"{address} is an address; give --remote to let the server fetch it",
        f"{tmp_path}/missing.wav does not exist; check the name",
    ]


def test_remote_has_no_use_for_realtime() -> None:
    result = typed("transcribe", "--remote", "--realtime", str(CLIPS / "yes.wav"))
    assert result.returncode == 2
    assert "leave it out" in result.stderr


def test_transcribe_prints_subtitles(server: str) -> None:
    result = typed("transcribe", "--server", server, "--format", "vtt", str(CLIPS / "weather.wav"))
    assert result.stdout.startswith("WEBVTT\n")
    assert "-->" in result.stdout


def test_transcribe_tells_a_missing_file_a_missing_server_and_missing_speech(server: str, tmp_path: Path) -> None:
    missing = typed("transcribe", "--server", server, str(tmp_path / "nothing.wav"))
    assert missing.returncode == 2
    assert "nothing.wav" in missing.stderr
    nobody = typed("transcribe", "--server", "http://127.0.0.1:1", str(CLIPS / "yes.wav"))
    assert nobody.returncode == 1
    assert "http://127.0.0.1:1" in nobody.stderr
    silence = tmp_path / "silence.wav"
    header = (CLIPS / "yes.wav").read_bytes()[:44]
    silence.write_bytes(header + SILENT_FRAME * 200)
    silent = typed("transcribe", "--server", server, str(silence))
    assert silent.returncode == 3
    assert "no speech found" in silent.stderr


def test_a_model_that_is_none_ends_the_wait_with_a_reason(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = typed("transcribe", str(CLIPS / "yes.wav"), NIYOSHA_MODEL=str(tmp_path))
    assert result.returncode == 1
    assert "the embedded engine cannot start; it says why above" in result.stderr
    assert str(tmp_path) in capfd.readouterr().err
