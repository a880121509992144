"""The floors of a gateway: what its WebSocket server, its detector and its gRPC cost, each without the rest."""

import asyncio
import time
from collections.abc import Sequence

import grpc
import webrtcvad

from bench.load.sound import Clip
from bench.load.streams import RivaStream
from vad import FRAME_BYTES, SAMPLE_RATE

_GRPC_STREAMS = 20
_DETECTOR_CHUNKS = 2000


def detector_chunk_us(clips: Sequence[Clip]) -> float:
    """Return the processor time of the detector for a chunk, in microseconds."""
    detector = webrtcvad.Vad(3)
    chunks = [chunk for clip in clips for chunk in clip.chunks]
    before = time.process_time()
    for number in range(_DETECTOR_CHUNKS):
        chunk = chunks[number % len(chunks)]
        for start in range(0, len(chunk), FRAME_BYTES):
            detector.is_speech(chunk[start : start + FRAME_BYTES], SAMPLE_RATE)
    return 1e6 * (time.process_time() - before) / _DETECTOR_CHUNKS


async def grpc_chunk_us(uri: str, clips: Sequence[Clip], chunks_each: int = 50) -> float:
    """Return the processor time of a write and a read in this process, in microseconds, on streams that take turns."""
    async with grpc.aio.insecure_channel(uri) as channel:
        streams = [RivaStream(channel) for _ in range(_GRPC_STREAMS)]
        for stream in streams:
            await stream.open()
        before = time.process_time()
        for number in range(chunks_each):
            for stream in streams:
                stream.send(clips[0].chunks[number % len(clips[0].chunks)], time.perf_counter())
            # Long enough for the answers: a burst would save what single messages cost.
            await asyncio.sleep(0.05)
        spent = time.process_time() - before
        for stream in streams:
            stream.abort()
    return 1e6 * spent / (chunks_each * _GRPC_STREAMS)
