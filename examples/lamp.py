"""Switch a lamp by voice: python examples/lamp.py http://lamp.local/relay/0

"Turn on the lamp" and "turn off the lamp" request `?turn=on` and `?turn=off` of the address, as a Shelly relay expects.
"""

import asyncio
import os
import sys
import urllib.request
from contextlib import aclosing, contextmanager, suppress

import sounddevice

from stream.client import connect, transcribe

SERVER = os.environ.get("NIYOSHA_SERVER", "http://127.0.0.1:8000")
RATE_HERTZ = 16_000
# Nothing else is recognized; other speech gets a low confidence, or no text.
CONFIG = {
    "extended": True,
    "asrModel": "command_and_search",  # short pauses end a command
    "vocabulary": "closed",
    "phrases": ["turn {on,off} the lamp"],
}
LEAST_CONFIDENCE = 0.6


@contextmanager
def microphone():
    """Give a queue of 100 ms blocks of the microphone."""
    loop, blocks = asyncio.get_running_loop(), asyncio.Queue()

    def received(block, *_):
        loop.call_soon_threadsafe(blocks.put_nowait, bytes(block))

    options = {"channels": 1, "dtype": "int16", "callback": received}
    with sounddevice.RawInputStream(samplerate=RATE_HERTZ, blocksize=RATE_HERTZ // 10, **options):
        yield blocks


async def chunks():
    with microphone() as blocks:
        while True:
            yield await blocks.get()


def switch(lamp, turn):
    with urllib.request.urlopen(f"{lamp}?turn={turn}", timeout=5):
        print(f"the lamp is {turn}", flush=True)


async def main(lamp):
    async with connect(SERVER, config=CONFIG) as live, aclosing(transcribe(live, chunks())) as messages:
        async for message in messages:
            if message.type != "final" or not message.results[0].transcript:
                continue
            command = message.results[0]
            if command.confidence < LEAST_CONFIDENCE:
                print(f"not sure enough: {command.transcript} ({command.confidence:.0%})", flush=True)
                continue
            turn = "on" if "on" in command.transcript.lower().split() else "off"
            await asyncio.to_thread(switch, lamp, turn)


with suppress(KeyboardInterrupt):
    asyncio.run(main(sys.argv[1]))
