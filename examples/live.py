"""Print the text of a WAV file while it is recognized: python examples/live.py talk.wav"""

import asyncio
import os
import sys
import wave

from stream.client import connect, transcribe

SERVER = os.environ.get("NIYOSHA_SERVER", "http://127.0.0.1:8000")


async def chunks(path):
    with wave.open(path) as audio:  # 16 bits, mono, 8 to 48 kHz
        while pcm := audio.readframes(audio.getframerate() // 10):
            yield pcm


async def main(path):
    with wave.open(path) as audio:
        config = {"languageCode": "en", "sampleRateHertz": audio.getframerate()}
    async with connect(SERVER, config=config) as live:
        async for message in transcribe(live, chunks(path)):
            print(message.status, message.results[0].transcript)


asyncio.run(main(sys.argv[1]))
