"""Measure a whole server under a crowd that speaks into live connections: who is let in, and what they lose.

    python -m bench.gateway.crowd [--talkers N] [--model NAME] [--finalizers N] [--commands RATE] [--shorts N] [--job]
                          [--owner N] [--seconds N]

All come at once and speak at the speed of speech: talkers speak clip after clip on one connection, finalizers do so and
send `finalize` ten times a second, commands are a connection for each "Yes.". `--owner` lets one owner of a server with
tokens open so many streams before another owner opens one.
"""

import argparse
import asyncio
import base64
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import httpx
import jwt
from rich.console import Console
from rich.table import Table

from bench.common.clips import Clip, load_clips
from bench.common.figures import error_rate
from bench.common.server import Server
from bench.common.usage import Usage
from stream.client import Live, LiveError, RecognitionError, RefusedError, connect
from stream.client.recordings import recognize_file
from stream.client.rest import rest_client
from stream.protocols.farsava.messages import DoneMessage, FinalMessage, WarningMessage
from tests.support.sounds import wav
from vad import SAMPLE_RATE
from web.clock import wall_clock

_CHUNK_SECONDS = 0.1
_CHUNK_BYTES = int(_CHUNK_SECONDS * SAMPLE_RATE) * 2
_PAUSE = bytes(SAMPLE_RATE * 2)
_JOB_SECONDS = 120
_OWN = Path("tests/clips")
_SECRET = "a secret of the bench, 32 bytes at least"  # noqa: S105


@dataclass(slots=True, kw_only=True)
class ConnectionResult:
    """The result of one connection: `refused` is a status, `failed` a kind of error; latencies in seconds."""

    kind: str
    spoken: list[str] = field(default_factory=list)
    transcript: str = ""
    refused: int = 0
    failed: str = ""
    warnings: Counter[str] = field(default_factory=Counter)
    lost_ms: float = 0.0
    latencies: list[float] = field(default_factory=list)
    retry_after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """How many of whom speak for how long."""

    talkers: int
    finalizers: int
    commands_per_second: float
    shorts: int
    has_job: bool
    model: str
    seconds: float


class Stage:
    """A server and everybody who speaks to it."""

    def __init__(self, url: str, clips: Sequence[Clip], crowd: Crowd) -> None:
        self.results: list[ConnectionResult] = []
        self._url = url
        self._clips = clips
        self._crowd = crowd
        self._until = asyncio.get_running_loop().time() + crowd.seconds

    async def run(self) -> None:
        """Let all speak at once, and wait for their results."""
        crowd = self._crowd
        async with asyncio.TaskGroup() as tasks:
            for number in range(crowd.talkers):
                tasks.create_task(self._talk("talker", number))
            for number in range(crowd.finalizers):
                tasks.create_task(self._talk("finalizer", number, finalizes=True))
            for number in range(crowd.shorts):
                tasks.create_task(self._send_short(number))
            if crowd.has_job:
                tasks.create_task(self._send_job())
            for number in range(int(crowd.commands_per_second * crowd.seconds)):
                tasks.create_task(self._command(number / crowd.commands_per_second))

    async def _talk(self, kind: str, number: int, *, finalizes: bool = False) -> None:
        clips = itertools.cycle([*self._clips[number % len(self._clips) :], *self._clips[: number % len(self._clips)]])
        await self._converse(ConnectionResult(kind=kind), clips, finalizes=finalizes)

    async def _command(self, after: float) -> None:
        await asyncio.sleep(after)
        await self._converse(
            ConnectionResult(kind="command"), [next(clip for clip in load_clips(_OWN) if clip.name == "yes.wav")]
        )

    async def _converse(self, result: ConnectionResult, clips: Iterable[Clip], *, finalizes: bool = False) -> None:
        self.results.append(result)
        config = {"extended": True, "languageModel": self._crowd.model, "interimResults": True}
        try:
            async with connect(self._url, config=config) as live:
                speaking = asyncio.create_task(self._speak(live, result, clips, finalizes=finalizes))
                try:
                    await _listen(live, result)
                    await speaking
                finally:
                    speaking.cancel()
                    await asyncio.gather(speaking, return_exceptions=True)
        except RefusedError as refused:
            result.refused, result.retry_after = refused.status, refused.retry_after
        except RecognitionError as error:
            result.failed = error.failure.detail
        except LiveError as error:
            result.failed = str(error)

    async def _speak(self, live: Live, result: ConnectionResult, clips: Iterable[Clip], *, finalizes: bool) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        for clip in clips:
            if clock() > self._until and result.kind != "command":
                break
            result.spoken.append(clip.reference)
            sound = clip.pcm + (b"" if result.kind == "command" else _PAUSE)
            for start in range(0, len(sound), _CHUNK_BYTES):
                due += _CHUNK_SECONDS
                await asyncio.sleep(max(0.0, due - clock()))
                await live.send(sound[start : start + _CHUNK_BYTES])
                if finalizes:
                    await live._send('{"type": "finalize"}')
        await live.finish()

    async def _send_short(self, number: int) -> None:
        result = ConnectionResult(kind="short")
        self.results.append(result)
        clip = self._clips[number % len(self._clips)]
        body = {"config": {}, "audio": {"data": base64.b64encode(wav(clip.pcm)).decode()}}
        result.spoken.append(clip.reference)
        clock = asyncio.get_running_loop().time
        began = clock()
        async with httpx.AsyncClient(timeout=300, trust_env=False) as client:
            answer = await client.post(f"{self._url}/v1/speech/asr", json=body)
        result.latencies.append(clock() - began)
        if answer.status_code == httpx.codes.CREATED:
            result.transcript = " ".join(one["transcript"] for one in answer.json()["results"])
        else:
            result.refused = answer.status_code

    async def _send_job(self) -> None:
        result = ConnectionResult(kind="job")
        self.results.append(result)
        pcm = b""
        for clip in itertools.cycle(self._clips):
            if len(pcm) > _JOB_SECONDS * SAMPLE_RATE * 2:
                break
            pcm += clip.pcm + _PAUSE
            result.spoken.append(clip.reference)
        clock = asyncio.get_running_loop().time
        began = clock()
        with TemporaryDirectory() as folder:
            path = Path(folder) / "job.wav"
            path.write_bytes(wav(pcm))
            async with rest_client(self._url) as rest:
                async for transcription in recognize_file(rest, path):
                    identity = transcription.transcription_id
                result.transcript = (await rest.written(identity, "txt")).replace("\n", " ")
        result.latencies.append(clock() - began)


async def _listen(live: Live, result: ConnectionResult) -> None:
    clock = asyncio.get_running_loop().time
    ended: dict[int, float] = {}
    async for message in live:
        match message:
            case FinalMessage(utterance_id=utterance):
                result.latencies.append(clock() - ended.pop(utterance, clock()))
            case WarningMessage(code=code):
                result.warnings[code] += 1
            case DoneMessage():
                result.transcript = " ".join(one.transcript for one in message.results)
                result.lost_ms = message.lost_ms
            case _:
                if getattr(message, "type", "") == "speechEnd":
                    ended[message.utterance_id] = clock()  # type: ignore[union-attr]


def _token(owner: str) -> str:
    return jwt.encode(
        {"sub": owner, "exp": int(wall_clock()) + 600, "iss": "niyosha", "aud": "niyosha"}, _SECRET, "HS256"
    )


async def share(url: str, streams: int) -> Table:
    """Let one owner open so many streams, then another owner one; return who got how many."""
    opened, refused = 0, Counter[str]()
    async with AsyncExitStack() as stack:
        for _ in range(streams):
            try:
                await stack.enter_async_context(connect(url, token=_token("first")))
                opened += 1
            except RefusedError as error:
                refused[str(error)] += 1
        other = "let in"
        try:
            await stack.enter_async_context(connect(url, token=_token("second")))
        except RefusedError as error:
            other = str(error)
    table = Table(title=f"one owner opens {streams} streams, then another owner one")
    for column in ("first owner has", "was refused", "second owner"):
        table.add_column(column)
    table.add_row(str(opened), str(dict(refused)), other)
    return table


def tabulate(results: Sequence[ConnectionResult], usage: Usage) -> Table:
    """One row for each kind of client."""
    load = os.getloadavg()[0]
    cores = f"gateway {usage.server / usage.at:.2f} cores, others {usage.others / usage.at:.2f}"
    table = Table(title=f"load average {load:.1f}; {cores}")
    columns = (
        "who",
        "came",
        "503",
        "other",
        "let in",
        "lost ms",
        "gaps",
        "slow",
        "failed",
        "wrong words",
        "final p50, p95 s",
    )
    for column in columns:
        table.add_column(column)
    for kind in dict.fromkeys(one.kind for one in results):
        of_kind = [one for one in results if one.kind == kind]
        entered = [one for one in of_kind if not one.refused]
        latencies = [seconds for one in entered for seconds in one.latencies]
        pairs = [(" ".join(one.spoken), one.transcript) for one in entered]
        table.add_row(
            kind,
            str(len(of_kind)),
            str(sum(one.refused == 503 for one in of_kind)),
            str(sum(one.refused not in (0, 503) for one in of_kind)),
            str(len(entered)),
            f"{sum(one.lost_ms for one in entered):.0f}",
            str(sum(one.warnings["gap"] for one in entered)),
            str(sum(one.warnings["slow"] for one in entered)),
            str(dict(Counter(one.failed for one in entered if one.failed)) or ""),
            f"{error_rate(pairs):.1f} %" if pairs else "",
            f"{median(latencies):.2f}, {quantiles(latencies, n=20)[-1]:.2f}" if len(latencies) > 1 else str(latencies),
        )
    return table


async def measure(crowd: Crowd, owner_streams: int, clips: Path) -> Table:
    """Start a server, let the crowd speak to it, and tabulate."""
    environment = {"NIYOSHA_HANDSHAKES_PER_SECOND": "1000"}
    if owner_streams:
        environment["NIYOSHA_TOKEN_SECRET"] = _SECRET
    server = Server.start(environment=environment)
    try:
        if owner_streams:
            return await share(server.url, owner_streams)
        stage = Stage(server.url, load_clips(clips), crowd)
        before = Usage.take(server)
        await stage.run()
        return tabulate(stage.results, Usage.take(server).since(before))
    finally:
        server.stop()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.gateway.crowd", description=__doc__.split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--talkers", type=int, default=0, metavar="N")
    parser.add_argument("--finalizers", type=int, default=0, metavar="N")
    parser.add_argument("--commands", type=float, default=0.0, metavar="RATE", help="connections a second")
    parser.add_argument("--shorts", type=int, default=0, metavar="N", help="short recordings, all at once")
    parser.add_argument("--job", action="store_true", help="a long recording of two minutes")
    parser.add_argument("--model", default="general", help="the languageModel of all")
    parser.add_argument("--owner", type=int, default=0, metavar="N", help="streams that one owner opens")
    parser.add_argument("--seconds", type=float, default=40.0, metavar="N")
    parser.add_argument("--clips", type=Path, default=_OWN, help="a directory with a manifest.tsv")
    asked = parser.parse_args()
    crowd = Crowd(
        talkers=asked.talkers,
        finalizers=asked.finalizers,
        commands_per_second=asked.commands,
        shorts=asked.shorts,
        has_job=asked.job,
        model=asked.model,
        seconds=asked.seconds,
    )
    Console(width=160).print(asyncio.run(measure(crowd, asked.owner, asked.clips)))


if __name__ == "__main__":
    main()
