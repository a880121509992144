"""Measure spoken digits through the live socket: how soon one is settled, and whether numbers of them are right.

    python -m bench.engine.digits DIRECTORY [--url URL]

The directory has `0.wav` to `9.wav`, one recorded digit each, at any rate from 8 to 48 kHz; Debian's package
`asterisk-core-sounds-en-wav` has such recordings. Single digits are streamed at the speed of speech, numbers faster.
"""

import argparse
import asyncio
import random
import wave
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from rich.console import Console

from bench.common.clips import Clip
from bench.common.figures import normalized, percentile
from bench.common.server import Server
from stream.client import connect
from stream.client.live import Live
from stream.protocols.farsava.messages import DoneMessage, FinalMessage
from vad import SAMPLE_RATE

_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_CHUNK_SECONDS = 0.02
_AROUND_SECONDS = 1.0  # of silence before and after
_HANGOVER_MS = 300
_SEED = 20
_LONG_DIGITS, _LONG_GAP_SECONDS = 8, 0.3
_REPEATS, _REPEAT_GAPS_SECONDS = (2, 5), (0.05, 0.3)

Pcm = NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The settled text, and when the first settled word came, in seconds from the first sample."""

    text: str
    settled_seconds: float | None

    @property
    def digits(self) -> str:
        """The digits of the text: "nine, 9." is 99."""
        words = normalized(self.text).split()
        return "".join(str(_NAMES.index(word)) if word in _NAMES else word for word in words if _is_number(word))


def load_digits(directory: Path) -> list[Pcm]:
    """Read the recordings of 0 to 9, without the silence around them, at 16 kHz."""
    return [_load(directory / f"{digit}.wav") for digit in range(10)]


async def recognize(url: str, pcm: Pcm, config: dict[str, object], *, at_speed_of_speech: bool) -> Answer:
    """Stream a sound with silence around it."""
    silence = bytes(int(_AROUND_SECONDS * SAMPLE_RATE) * 2)
    sound = silence + pcm.astype("<i2").tobytes() + silence
    chunk_bytes = int(_CHUNK_SECONDS * SAMPLE_RATE) * 2
    clock = asyncio.get_running_loop().time
    async with connect(url, config={"extended": True, **config}) as live:
        began = clock()

        async def speak(live: Live) -> None:
            for number, start in enumerate(range(0, len(sound), chunk_bytes)):
                if at_speed_of_speech:
                    await asyncio.sleep(max(0.0, began + (number + 1) * _CHUNK_SECONDS - clock()))
                await live.send(sound[start : start + chunk_bytes])
            await live.finish()

        speaking = asyncio.create_task(speak(live))
        settled, text = None, ""
        async for message in live:
            match message:
                case FinalMessage(results=[result]) if result.transcript and settled is None:
                    settled = clock() - began
                case DoneMessage():
                    text = " ".join(result.transcript for result in message.results)
        await speaking
    return Answer(text=text, settled_seconds=settled)


async def measure(url: str, digits: Sequence[Pcm], numbers: int) -> AsyncIterator[tuple[str, str, str]]:
    """Measure everything; yield figures with their names and goals as they are there."""
    await recognize(url, digits[0], {}, at_speed_of_speech=False)  # the first decode is slower
    for figure in await _single(url, digits):
        yield figure
    for figure in await _repeated(url, digits, numbers):
        yield figure
    for name, config in (
        ("open vocabulary", {}),
        ("{digits:8}", {"vocabulary": "closed", "phrases": [f"{{digits:{_LONG_DIGITS}}}"]}),
    ):
        for figure in await _long(url, digits, name, dict(config), max(1, numbers // 5)):
            yield figure


async def _single(url: str, digits: Sequence[Pcm]) -> list[tuple[str, str, str]]:
    config: dict[str, object] = {"hangoverMs": _HANGOVER_MS}
    delays, right = [], 0
    for digit, pcm in enumerate(digits):
        answer = await recognize(url, pcm, config, at_speed_of_speech=True)
        right += answer.digits == str(digit)
        if answer.settled_seconds is not None:
            delays.append(1000 * (answer.settled_seconds - _AROUND_SECONDS - len(pcm) / SAMPLE_RATE))
    hangover = f"hangover {_HANGOVER_MS} ms"
    return [
        ("single digits, right", f"{right} of {len(digits)}", "97 %"),
        (f"settled after the word's end, {hangover}, p50", f"{percentile(delays, 50):.0f} ms", "350 ms"),
        ("settled after the endpoint, p90", f"{percentile(delays, 90) - _HANGOVER_MS:.0f} ms", "250 ms"),
    ]


async def _repeated(url: str, digits: Sequence[Pcm], numbers: int) -> list[tuple[str, str, str]]:
    chosen = random.Random(_SEED)  # noqa: S311
    lost = right = 0
    for _ in range(numbers):
        digit, times = chosen.randrange(10), chosen.randint(*_REPEATS)
        pcm = _joined([digits[digit]] * times, chosen.uniform(*_REPEAT_GAPS_SECONDS))
        answer = await recognize(url, pcm, {}, at_speed_of_speech=False)
        lost += not answer.text
        right += answer.digits == str(digit) * times
    return [
        ("repeated digits, wholly lost", f"{lost} of {numbers}", "0"),
        ("repeated digits, right", f"{right} of {numbers}", ""),
    ]


async def _long(
    url: str, digits: Sequence[Pcm], name: str, config: dict[str, object], numbers: int
) -> list[tuple[str, str, str]]:
    chosen = random.Random(_SEED)  # noqa: S311
    right = invented = 0
    for _ in range(numbers):
        number = [chosen.randrange(10) for _ in range(_LONG_DIGITS)]
        pcm = _joined([digits[digit] for digit in number], _LONG_GAP_SECONDS)
        answer = await recognize(url, pcm, config, at_speed_of_speech=False)
        right += answer.digits == "".join(map(str, number))
        invented += len(answer.digits) > len(number)
    return [
        (f"8 digits, {name}, right", f"{right} of {numbers}", "90 %"),
        (f"8 digits, {name}, with invented digits", f"{invented} of {numbers}", "0"),
    ]


def _joined(parts: Sequence[Pcm], gap_seconds: float) -> Pcm:
    gap = np.zeros(int(gap_seconds * SAMPLE_RATE), dtype=np.int16)
    return np.concatenate([piece for part in parts for piece in (part, gap)][:-1])


def _load(path: Path) -> Pcm:
    with wave.open(str(path)) as recording:
        rate, frames = recording.getframerate(), recording.readframes(recording.getnframes())
    samples = np.frombuffer(frames, dtype="<i2").astype(np.float32)
    pcm = soxr.resample(samples, rate, SAMPLE_RATE).clip(-32768, 32767).astype(np.int16)
    start, end = Clip(path.name, pcm.astype("<i2").tobytes(), path.stem).speech_span()
    return np.asarray(pcm[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)])


def _is_number(word: str) -> bool:
    return word.isdigit() or word in _NAMES


async def _print_figures(url: str, digits: Sequence[Pcm], numbers: int) -> None:
    console = Console(width=110, highlight=False)
    async for figure, measured, goal in measure(url, digits, numbers):
        console.print(f"{figure:50} {measured:>12}  {goal}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine.digits", description=__doc__)
    parser.add_argument("digits", type=Path, metavar="DIRECTORY", help="with 0.wav to 9.wav")
    parser.add_argument("--url", default="", help="a running server; by default the bench starts one")
    parser.add_argument("--numbers", type=int, default=200, help="of repeated digits, and a fifth as many of 8 digits")
    arguments = parser.parse_args()
    digits = load_digits(arguments.digits)
    server = None if arguments.url else Server.start()
    try:
        asyncio.run(_print_figures(arguments.url or (server.url if server else ""), digits, arguments.numbers))
    finally:
        if server is not None:
            server.stop()


if __name__ == "__main__":
    main()
