"""Transcribe all recordings of a folder, two at once: python examples/folder.py recordings/

The text of `talk.mp3` is written to `talk.mp3.txt` beside it. A recording that has its text already is left out, so
that the program can be started again after whatever happened.
"""

import asyncio
import os
import sys
from contextlib import aclosing
from pathlib import Path

from stream.client import LiveError, recognize_file, rest_client

SERVER = os.environ.get("NIYOSHA_SERVER", "http://127.0.0.1:8000")
AT_ONCE = 2
ENDINGS = {".wav", ".mp3", ".m4a", ".mp4", ".flac", ".ogg", ".opus", ".webm", ".mkv", ".mov"}


async def transcribe(rest, recording, places):
    async with places:
        try:
            async with aclosing(recognize_file(rest, recording, {"languageCode": "en"})) as states:
                async for state in states:
                    print(f"{recording.name}: {state.progress:.0%}")
        except LiveError as failed:
            print(f"{recording.name}: {failed}", file=sys.stderr)
            return False
        text = await rest.written(state.transcription_id, "txt")
        recording.with_name(f"{recording.name}.txt").write_text(text, encoding="utf-8")
        return True


async def main(folder):
    recordings = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in ENDINGS and not path.with_name(f"{path.name}.txt").exists()
    ]
    places = asyncio.Semaphore(AT_ONCE)
    async with rest_client(SERVER, token=os.environ.get("NIYOSHA_TOKEN")) as rest:
        done = await asyncio.gather(*(transcribe(rest, recording, places) for recording in recordings))
    print(f"{sum(done)} of {len(done)} recordings were transcribed")
    return 0 if all(done) else 1


sys.exit(asyncio.run(main(Path(sys.argv[1]))))
