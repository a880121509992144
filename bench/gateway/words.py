"""Compare words: the same utterances straight to the embedded engine, and through a gateway in front of it.

    python -m bench.gateway.words [--clips DIRECTORY]

Straight means one plain gRPC stream for each utterance that the gateway's segmenter finds, without unsettled text on
either side, so that both ask the engine the same.
"""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

import grpc
from rich.console import Console
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from bench.common.clips import Clip, load_clips
from bench.common.figures import error_rate
from bench.common.server import Server
from stream.client import connect
from stream.configuration.config import SessionConfig
from stream.protocols.farsava.messages import DoneMessage
from vad import SAMPLE_RATE, SegmentAudio, SegmentEnded, Segmenter, WebRtcClassifier, segment

_OWN_ENDPOINTS_MS = 30_000


def utterances(pcm: bytes) -> list[bytes]:
    """Cut a clip as the gateway does."""
    config = SessionConfig()
    segmenter, classifier = Segmenter(config.segmenter_options), WebRtcClassifier(config.vad_aggressiveness)
    found, audio = [], b""
    for event in (*segment(segmenter, classifier, pcm), *segmenter.cut()):
        match event:
            case SegmentAudio(pcm=part):
                audio += part
            case SegmentEnded():
                found.append(audio)
                audio = b""
    return found


async def straight(channel: grpc.aio.Channel, clip: Clip) -> str:
    texts = []
    for pcm in utterances(clip.pcm):
        call = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel).StreamingRecognize()
        config = pb.RecognitionConfig(
            language_code="en-US",
            sample_rate_hertz=SAMPLE_RATE,
            enable_word_time_offsets=True,
            endpointing_config=pb.EndpointingConfig(stop_history=_OWN_ENDPOINTS_MS),
        )
        await call.write(pb.StreamingRecognizeRequest(streaming_config=pb.StreamingRecognitionConfig(config=config)))
        await call.write(pb.StreamingRecognizeRequest(audio_content=pcm))
        await call.done_writing()
        while (response := await call.read()) is not grpc.aio.EOF:
            texts += [result.alternatives[0].transcript for result in response.results if result.is_final]
    return " ".join(" ".join(texts).split())


async def through(url: str, clip: Clip) -> str:
    text = ""
    async with connect(url, config={"extended": True, "interimResults": False}) as live:
        await live.send(clip.pcm)
        await live.finish()
        async for message in live:
            if isinstance(message, DoneMessage):
                text = " ".join(result.transcript for result in message.results)
    return text


async def measure(uri: str, url: str, clips: Sequence[Clip]) -> tuple[list[str], list[str]]:
    async with grpc.aio.insecure_channel(uri) as channel:
        return [await straight(channel, clip) for clip in clips], [await through(url, clip) for clip in clips]


def main() -> None:
    """Print both word error rates, and where the texts differ."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway.words", description=__doc__)
    parser.add_argument("--clips", type=Path, default=Path("tests/clips"), help="a directory with a manifest.tsv")
    clips = load_clips(parser.parse_args().clips)
    engine = Server.run("web.cli.main", "engine", "--listen", "127.0.0.1:0")
    gateway = Server.start("--riva-uri", engine.url)
    try:
        direct, gated = asyncio.run(measure(engine.url, gateway.url, clips))
    finally:
        gateway.stop()
        engine.stop()
    console = Console(width=110)
    for name, texts in (("straight", direct), ("through the gateway", gated)):
        rate = error_rate([(clip.reference, text) for clip, text in zip(clips, texts, strict=True)])
        console.print(f"word error rate {name}: {rate:.2f} %")
    differing = [(clip.name, *pair) for clip, *pair in zip(clips, direct, gated, strict=True) if pair[0] != pair[1]]
    console.print(f"{len(clips)} clips, {len(differing)} with different text", *differing, sep="\n")


if __name__ == "__main__":
    main()
