"""pipecat's speech services, each in a pipeline of its own, fed in real time."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.nvidia.stt import NvidiaSTTService
from pipecat.services.openai.stt import OpenAIRealtimeSTTService, OpenAISTTService
from pipecat.workers.runner import WorkerRunner

from bench.frameworks.clip import FRAME_MS, KEY, QUIET_MS, Outcome, Server, frames

_START_SECONDS = 20.0
_AFTER_SPEECH_MS = 600

SERVICES: dict[str, Callable[[Server], FrameProcessor]] = {
    "deepgram": lambda server: DeepgramSTTService(api_key=KEY, base_url=f"ws://{server.http}"),
    "nvidia": lambda server: NvidiaSTTService(server=server.grpc, use_ssl=False),
    "openai": lambda server: OpenAISTTService(api_key=KEY, base_url=f"http://{server.http}/v1"),
    "openai realtime": lambda server: OpenAIRealtimeSTTService(api_key=KEY, base_url=f"ws://{server.http}/v1/realtime"),
    "openai realtime, server's turns": lambda server: OpenAIRealtimeSTTService(
        api_key=KEY,
        base_url=f"ws://{server.http}/v1/realtime",
        turn_detection={"type": "server_vad"},
    ),
}


class _Collector(FrameProcessor):  # type: ignore[misc]
    """Keeps what the service before it recognized."""

    def __init__(self) -> None:
        super().__init__()
        self.interims = 0
        self.finals: list[str] = []
        self.errors: list[str] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case InterimTranscriptionFrame():
                self.interims += 1
            case TranscriptionFrame():
                self.finals.append(frame.text)
            case ErrorFrame():
                self.errors.append(str(frame.error))
        await self.push_frame(frame, direction)


async def transcribe(service: FrameProcessor, clip: Path) -> Outcome:
    """Send a clip at its own speed; its detector says that speech stops 0.6 s after the clip's end."""
    rate, parts = frames(clip)
    before, after = _Collector(), _Collector()
    worker = PipelineWorker(
        Pipeline([before, service, after]),
        cancel_on_idle_timeout=False,
        params=PipelineParams(audio_in_sample_rate=rate),
    )
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")  # type: ignore[untyped-decorator]
    async def on_started(*_: object) -> None:
        started.set()

    async def send() -> None:
        await asyncio.wait_for(started.wait(), _START_SECONDS)
        await worker.queue_frame(VADUserStartedSpeakingFrame())
        every = list(parts)
        stop_at = len(every) - (QUIET_MS - _AFTER_SPEECH_MS) // FRAME_MS
        for number, part in enumerate(every):
            if number == stop_at:
                await worker.queue_frame(VADUserStoppedSpeakingFrame())
            await worker.queue_frame(InputAudioRawFrame(audio=part, sample_rate=rate, num_channels=1))
            await asyncio.sleep(FRAME_MS / 1000)
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), send())
    errors = before.errors + after.errors
    return Outcome(interims=after.interims, finals=tuple(after.finals), end=errors[0] if errors else "ended")
