"""Measure what a live session of a streaming model costs, apart from the model: its own is one of tones.

    python -m bench.engine.streaming [--streams N] [--seconds N]

The sessions send what the model recognizes at the speed of speech, in messages of 100 ms, to `niyosha serve`.
"""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import ClientConnection

from bench.common.server import Server
from stream.engine.model.sherpa.files import Kind
from tests.support.models.kinds import PCM, TEXT, written
from tests.web.support.sockets import received, talking

_MESSAGE_BYTES, _MESSAGE_SECONDS = 3_200, 0.1
_PAUSE = bytes(32_000)


async def talk(url: str, seconds: float, delay_seconds: float) -> int:
    """Speak for so long, and return how many utterances came back right."""
    await asyncio.sleep(delay_seconds)
    sound = PCM + _PAUSE
    async with talking(url) as socket:
        collecting = asyncio.create_task(_collect(socket))
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(round(seconds / _MESSAGE_SECONDS)):
            begin = number * _MESSAGE_BYTES % len(sound)
            await socket.send(sound[begin : begin + _MESSAGE_BYTES])
            await asyncio.sleep(max(0.0, began + (number + 1) * _MESSAGE_SECONDS - loop.time()))
        await socket.send("close")
        return await collecting


async def _collect(socket: ClientConnection) -> int:
    done = [json.loads(message) async for message in received(socket)][-1]
    return sum(result["transcript"] == TEXT for result in done["results"])


async def measure(streams: int, seconds: float) -> Table:
    """Run the sessions, and put the processor time of the processes into a table."""
    with tempfile.TemporaryDirectory() as directory:
        model = written(Kind.STREAMING_NEMO_CTC, Path(directory))
        server = Server.start(environment={"NIYOSHA_MODEL": str(model), "NIYOSHA_ENGINE_SESSIONS": str(streams)})
        try:
            before = server.cpu_seconds(), server.family_cpu_seconds()
            talks = (talk(server.url, seconds, number / streams) for number in range(streams))
            right = await asyncio.gather(*talks)
            gateway = server.cpu_seconds() - before[0]
            engine = server.family_cpu_seconds() - before[1] - gateway
        finally:
            server.stop()
    table = Table(title=f"{streams} sessions for {seconds:.0f} s, {sum(right)} utterances right")
    for column in ("process", "core a session, %"):
        table.add_column(column)
    for name, used in (("gateway", gateway), ("engine", engine)):
        table.add_row(name, f"{100 * used / streams / seconds:.2f}")
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine.streaming", description=__doc__)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    Console(width=80).print(asyncio.run(measure(options.streams, options.seconds)))


if __name__ == "__main__":
    main()
