"""Write captions to a WebVTT file that grows while somebody speaks:

arecord -q -f S16_LE -r 16000 -t raw | python examples/captions.py talk.vtt
"""

import asyncio
import os
import sys
from contextlib import aclosing

from stream.client import connect, transcribe

SERVER = os.environ.get("NIYOSHA_SERVER", "http://127.0.0.1:8000")
MOST_WORDS = 12  # about two lines


async def chunks():
    """Yield what comes through standard input: 16 kHz, mono, 16 bits."""
    while pcm := await asyncio.to_thread(os.read, sys.stdin.fileno(), 3200):
        yield pcm


def clock(seconds):
    hours, rest = divmod(round(seconds * 1000), 3_600_000)
    minutes, milliseconds = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"


def cues(words):
    """Yield captions of at most so many words, each as long as it is spoken."""
    for start in range(0, len(words), MOST_WORDS):
        part = words[start : start + MOST_WORDS]
        text = " ".join(word.word for word in part).replace("&", "&amp;").replace("<", "&lt;")
        yield f"\n{clock(part[0].start_time)} --> {clock(part[-1].end_time)}\n{text}\n"


async def main(path):
    with open(path, "w", encoding="utf-8") as file:
        file.write("WEBVTT\n")
        async with connect(SERVER, config={"extended": True}) as live:
            async with aclosing(transcribe(live, chunks())) as messages:
                async for message in messages:
                    if message.type == "final" and message.results:
                        file.writelines(cues(message.results[0].words))
                        file.flush()


asyncio.run(main(sys.argv[1]))
