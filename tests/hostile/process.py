"""Run a hostile Riva server as a process, which can be killed and restarted."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.hostile.server import ReservedPort
from tests.support.places import ROOT
from tests.support.processes import STUCK_SECONDS


class RivaProcess:
    """`python -m tests.hostile.server` on a port that stays the same; `reports` has a dict for every ended call."""

    def __init__(self, port: int, arguments: tuple[str, ...]) -> None:
        self.port = port
        self.reports: list[dict[str, Any]] = []
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Raises AssertionError while no process runs."""
        assert self._process
        return self._process.pid

    async def start(self) -> None:
        command = [sys.executable, "-m", "tests.hostile.server", "--port", str(self.port), "--report"]
        self._process = await asyncio.create_subprocess_exec(
            *command, *self._arguments, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout
        async with asyncio.timeout(STUCK_SECONDS):
            line = await self._process.stdout.readline()
        assert line.decode().strip() == self.address, "the server did not start"
        self._reading = asyncio.create_task(self._read(self._process.stdout))

    async def kill(self) -> None:
        """End it with SIGKILL, without closing anything."""
        if self._process and self._process.returncode is None:
            self._process.kill()
        await self._ended()

    async def stop(self) -> None:
        """Close its stdin and wait until it has exited."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(STUCK_SECONDS):
                await self._ended()
        await self.kill()

    async def restart(self) -> None:
        """Start again on the same port, after a kill if it runs; the script begins anew."""
        await self.kill()
        await self.start()

    async def _ended(self) -> None:
        if self._reading:
            await asyncio.wait([self._reading])
        if self._process:
            await self._process.wait()
        self._process = self._reading = None

    async def _read(self, lines: asyncio.StreamReader) -> None:
        async for line in lines:
            with suppress(json.JSONDecodeError):  # a kill may cut a line
                self.reports.append(json.loads(line))


@asynccontextmanager
async def running_process(*arguments: str, port: int = 0) -> AsyncIterator[RivaProcess]:
    """Run `python -m tests.hostile.server` with these arguments until the block ends."""
    reserved = ReservedPort(port)
    process = RivaProcess(reserved.number, arguments)
    try:
        await process.start()
        yield process
    finally:
        await process.stop()
        reserved.close()
