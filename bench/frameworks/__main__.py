"""Run every service of every framework on clips, and print what each received."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.frameworks import livekit_services, pipecat_services
from bench.frameworks.clip import Outcome, Server

_MOST_SECONDS = 60.0


async def main(server: Server, clips: list[Path], only: str) -> None:
    """Print a line for each framework, service and clip."""
    for framework, module in (("pipecat", pipecat_services), ("livekit", livekit_services)):
        for name, make in module.SERVICES.items():
            if only not in f"{framework} {name}":
                continue
            for clip in clips:
                outcome = await _tried(module.transcribe, make, server, clip)
                texts, what = " | ".join(outcome.finals), f"{framework:8} {name:32} {clip.name:12}"
                print(f"{what} {outcome.interims:3} interim, final: {texts} ({outcome.end})")


async def _tried(
    transcribe: Callable[[Any, Path], Awaitable[Outcome]], make: Callable[[Server], Any], server: Server, clip: Path
) -> Outcome:
    try:
        async with asyncio.timeout(_MOST_SECONDS), livekit_services.session():
            return await transcribe(make(server), clip)
    except Exception as error:  # the others are tried all the same
        return Outcome(interims=0, finals=(), end=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--server", default="127.0.0.1:8000", help="host:port of the gateway")
    parser.add_argument("--grpc", default="127.0.0.1:50051", help="host:port of its gRPC service")
    parser.add_argument("--only", default="", help="a part of the framework and service to try")
    options = parser.parse_args()
    asyncio.run(main(Server(http=options.server, grpc=options.grpc), options.clips, options.only))
