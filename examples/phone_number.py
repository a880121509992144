"""Take a phone number by voice, and ask whether it was understood:

arecord -q -f S16_LE -r 16000 -t raw | python examples/phone_number.py
"""

import asyncio
import os
import sys
from contextlib import aclosing

from stream.client import connect, transcribe

SERVER = os.environ.get("NIYOSHA_SERVER", "http://127.0.0.1:8000")
NUMBER = {"vocabulary": "closed", "phrases": ["{digits:7}"]}
ANSWER = {"vocabulary": "closed", "phrases": ["yes", "correct", "no", "wrong"]}
YES = {"yes", "correct"}
LEAST_CONFIDENCE = 0.3


async def chunks():
    """Yield what comes through standard input: 16 kHz, mono, 16 bits."""
    while pcm := await asyncio.to_thread(os.read, sys.stdin.fileno(), 3200):
        yield pcm


def say(sentence):
    print(sentence, flush=True)  # or speak it, with any synthesizer


async def taken(live, messages):
    """Return the number that was said and confirmed, None if the sound ends before."""
    number = None
    say("Your number, please: seven digits.")
    async for message in messages:
        if message.type != "final":
            continue
        heard = message.results[0]
        if not heard.transcript or heard.confidence < LEAST_CONFIDENCE:
            say("Once more, please.")
        elif number is None:
            number = heard.transcript.replace(" ", "")
            await live.configure(ANSWER)  # from the next utterance on
            say(f"{' '.join(number)}. Is that right?")
        elif heard.transcript.lower().strip(".") in YES:
            return number
        else:
            number = None
            await live.configure(NUMBER)
            say("Your number again, please.")
    return None


async def main():
    config = {"extended": True, "hangoverMs": 1200, **NUMBER}  # people pause between the digits
    async with connect(SERVER, config=config) as live, aclosing(transcribe(live, chunks())) as messages:
        number = await taken(live, messages)
    say(f"Thank you: {number}" if number else "Goodbye.")
    os._exit(0)  # standard input may still be waited for


asyncio.run(main())
