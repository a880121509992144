"""Recognize a bundled English sentence, to see whether recognition works and how fast it is."""

import asyncio
import wave
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from stream.recognition.recognizer import RecognitionStream, Recognizer
from stream.session.events import Hypothesis, RecognitionOptions
from vad import SAMPLE_BYTES, SAMPLE_RATE

# flite -voice slt -t "Good morning, everything works." -o web/cli/clips/doctor.wav
CLIP = Path(__file__).parent / "clips" / "doctor.wav"
CLIP_TEXT = "Good morning, everything works."
CLIP_LANGUAGE = "en"
_CHUNK_BYTES = SAMPLE_RATE // 10 * SAMPLE_BYTES


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The text of the clip, and the seconds from its first sound to the first text, from its last to the final text."""

    text: str
    first_seconds: float | None
    final_seconds: float


async def recognize_clip(recognizer: Recognizer, language_code: str) -> ProbeResult:
    """Send the clip at the speed of speech; raises RecognizerError."""
    stream = await recognizer.open(RecognitionOptions(language_code))
    try:
        return await _converse(stream)
    finally:
        await stream.abandon()


async def _converse(stream: RecognitionStream) -> ProbeResult:
    clock = asyncio.get_running_loop().time
    began = clock()
    sending = asyncio.create_task(_send(stream))
    settled, unsettled, first = [], "", None
    try:
        async for answer in stream.hypotheses():
            if not isinstance(answer, Hypothesis):
                continue
            text = answer.best.transcript
            if text and first is None:
                first = clock() - began
            if answer.is_final:
                settled.append(text)
            unsettled = "" if answer.is_final else text
    finally:
        sending.cancel()
        ended = (await asyncio.gather(sending, return_exceptions=True))[0]
    spoken = ended if isinstance(ended, float) else clock()
    return ProbeResult(" ".join(text for text in (*settled, unsettled) if text), first, clock() - spoken)


async def _send(stream: RecognitionStream) -> float:
    """Send all of it, and return when that was done."""
    async with aclosing(_chunks()) as chunks:
        async for chunk in chunks:
            await stream.send(chunk)
    await stream.finish()
    return asyncio.get_running_loop().time()


async def _chunks() -> AsyncGenerator[bytes, None]:
    with wave.open(str(CLIP), "rb") as clip:
        pcm = clip.readframes(clip.getnframes())
    for start in range(0, len(pcm), _CHUNK_BYTES):
        chunk = pcm[start : start + _CHUNK_BYTES]
        await asyncio.sleep(len(chunk) / SAMPLE_BYTES / SAMPLE_RATE)
        yield chunk
