"""Measure the REST side with the embedded engine: a minute at once, an hour as a job, and a job that is killed.

    python -m bench.product.recordings [--clips DIRECTORY] [--minutes N] [--repeat N]

The recordings are the clips in turn, 0.8 s of silence after each. Requests are made one at a time.
"""

import argparse
import io
import os
import signal
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from rich.console import Console

from bench.common.clips import Clip, load_clips
from bench.common.figures import error_rate
from bench.common.server import Server
from vad import SAMPLE_RATE

_PAUSE = bytes(2 * SAMPLE_RATE * 4 // 5)
_POLL_SECONDS = 0.1
_TRANSCRIPTIONS = "/v1/speech/transcriptions"


def recording(clips: list[Clip], seconds: float) -> tuple[bytes, str]:
    """A WAV file of whole clips, at most so long, and its reference text."""
    pcm, reference = bytearray(), []
    for clip in cycle(clips):
        if len(pcm) + len(clip.pcm) + len(_PAUSE) > seconds * SAMPLE_RATE * 2:
            break
        pcm += clip.pcm + _PAUSE
        reference.append(clip.reference)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(pcm)
    return out.getvalue(), " ".join(reference)


@contextmanager
def serving(database: Path) -> Iterator[tuple[Server, httpx.Client]]:
    """A server on a database file and a client of it; the server is stopped unless it is gone by then."""
    server = Server.start(environment={"NIYOSHA_DATABASE_URL": f"sqlite:///{database}"})
    try:
        with httpx.Client(base_url=server.url, trust_env=False, timeout=600) as client:
            yield server, client
    finally:
        if server.process.poll() is None:
            server.stop()


def short(clips: list[Clip], repeat: int, folder: Path, console: Console) -> None:
    """A minute of speech by `POST /v1/speech/asr`."""
    file, reference = recording(clips, 60)
    with serving(folder / "short.db") as (_, client):
        spent = []
        for _ in range(repeat):
            began = time.perf_counter()
            answer = client.post("/v1/speech/asr", files={"audio": file}).raise_for_status().json()
            spent.append(time.perf_counter() - began)
    errors = error_rate([(reference, _text(answer))])
    console.print(f"short: {answer['duration']:.1f} s in {median(spent):.2f} s ({min(spent):.2f} to {max(spent):.2f})")
    console.print(f"       {errors:.2f} % word errors")


def long(clips: list[Clip], minutes: float, folder: Path, console: Console) -> None:
    """A long recording by `POST /v1/speech/asrlongrunning`, and the memory it takes."""
    file, reference = recording(clips, 60 * minutes)
    with serving(folder / "long.db") as (server, client):
        began = time.perf_counter()
        job = _upload(client, file)
        uploaded = time.perf_counter() - began
        memory = []
        while (state := _state(client, job))["status"] != "done":
            memory.append((state["progress"], _mb(server.process.pid), sum(map(_mb, server.children))))
            time.sleep(1.0)
        spent = time.perf_counter() - began
        peaks = server.memory_mb()
        answer = client.get(f"{_TRANSCRIPTIONS}/{job}").json()
    speed = answer["duration"] / spent
    console.print(f"long:  {answer['duration']:.0f} s in {spent:.1f} s, {speed:.1f} times the speed of speech")
    console.print(
        f"       received and cut in {uploaded:.1f} s, {error_rate([(reference, _text(answer))]):.2f} % word errors"
    )
    console.print(f"       memory peak: gateway {peaks[0]:.0f} MB, engine {peaks[1]:.0f} MB")
    for part in (0.1, 0.3, 0.5, 0.7, 0.9):
        progress, gateway, engine = min(memory, key=lambda row, part=part: abs(row[0] - part))  # type: ignore[misc]
        console.print(f"       at {progress:4.0%}: gateway {gateway:.0f} MB, engine {engine:.0f} MB")


def killed(clips: list[Clip], repeat: int, folder: Path, console: Console) -> None:
    """A job whose server is killed in the middle: how long until the next segment, and whether the words agree."""
    file, _ = recording(clips, 300)
    with serving(folder / "whole.db") as (_, client):
        undisturbed = _wait(client, _upload(client, file))
    gaps = []
    for attempt in range(repeat):
        database = folder / f"killed{attempt}.db"
        with serving(database) as (server, client):
            job = _upload(client, file)
            while _settled(client, job) < 10:
                time.sleep(_POLL_SECONDS)
            settled = _settled(client, job)
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
            died = time.perf_counter()
        with serving(database) as (_, client):
            while _settled(client, job) <= settled:
                time.sleep(_POLL_SECONDS)
            gaps.append(time.perf_counter() - died)
            answer = _wait(client, job)
        if answer["results"] != undisturbed["results"]:
            console.print("[red]the words differ from those of an undisturbed job")
    console.print(f"killed: a further segment settled {median(gaps):.1f} s after the kill, the start included")


def _upload(client: httpx.Client, file: bytes) -> str:
    accepted = client.post("/v1/speech/asrlongrunning", json={"config": {}, "audio": {"upload": True}})
    client.put(accepted.raise_for_status().headers["upload-location"], content=file).raise_for_status()
    job: str = accepted.json()["transcriptionId"]
    return job


def _state(client: httpx.Client, job: str) -> dict[str, Any]:
    state: dict[str, Any] = client.get(f"{_TRANSCRIPTIONS}/{job}?extended=true").raise_for_status().json()
    return state


def _settled(client: httpx.Client, job: str) -> int:
    return len(_state(client, job)["results"])


def _wait(client: httpx.Client, job: str) -> dict[str, Any]:
    while (answer := client.get(f"{_TRANSCRIPTIONS}/{job}").raise_for_status().json())["status"] != "done":
        time.sleep(_POLL_SECONDS)
    done: dict[str, Any] = answer
    return done


def _text(answer: dict[str, Any]) -> str:
    return " ".join(result["transcript"] for result in answer["results"])


def _mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, default=Path("tests/clips"))
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    clips = load_clips(options.clips)
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="niyosha-bench-") as folder:
        short(clips, options.repeat, Path(folder), console)
        killed(clips, options.repeat, Path(folder), console)
        long(clips, options.minutes, Path(folder), console)


if __name__ == "__main__":
    main()
