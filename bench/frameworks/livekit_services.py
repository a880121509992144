"""LiveKit agents' speech plugins, fed in real time."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from livekit import rtc
from livekit.agents import stt, utils
from livekit.plugins import deepgram, nvidia, openai

from bench.frameworks.clip import FRAME_MS, KEY, Outcome, Server, frames

SERVICES: dict[str, Callable[[Server], stt.STT]] = {
    "deepgram": lambda server: deepgram.STT(api_key=KEY, base_url=f"http://{server.http}/v1/listen"),
    "nvidia": lambda server: nvidia.STT(server=server.grpc, use_ssl=False),
    "openai realtime": lambda server: openai.STT(
        api_key=KEY, base_url=f"http://{server.http}/v1", use_realtime=True, model="gpt-4o-mini-transcribe"
    ),
    "openai": lambda server: openai.STT(api_key=KEY, base_url=f"http://{server.http}/v1", model="whisper-1"),
}


async def transcribe(service: stt.STT, clip: Path) -> Outcome:
    """Send a clip at its own speed, or at once where the plugin takes whole recordings only."""
    rate, parts = frames(clip)
    if not service.capabilities.streaming:
        whole = [_frame(part, rate) for part in parts]
        event = await service.recognize(whole)
        return Outcome(interims=0, finals=(event.alternatives[0].text,), end="ended")
    interims, finals = 0, []
    stream = service.stream()

    async def send() -> None:
        for part in parts:
            stream.push_frame(_frame(part, rate))
            await asyncio.sleep(FRAME_MS / 1000)
        stream.end_input()

    sending = asyncio.create_task(send())
    try:
        async for event in stream:
            match event.type:
                case stt.SpeechEventType.INTERIM_TRANSCRIPT:
                    interims += 1
                case stt.SpeechEventType.FINAL_TRANSCRIPT:
                    finals.append(event.alternatives[0].text)
    finally:
        sending.cancel()
        await stream.aclose()
    return Outcome(interims=interims, finals=tuple(finals), end="ended")


def session() -> AbstractAsyncContextManager[object]:
    """Return the context in which plugins may open HTTP connections."""
    opened: AbstractAsyncContextManager[object] = utils.http_context.open()
    return opened


def _frame(part: bytes, rate: int) -> rtc.AudioFrame:
    return rtc.AudioFrame(part, rate, 1, len(part) // 2)
