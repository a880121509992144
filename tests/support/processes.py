"""Run the command as a process: start it, wait for the line that it prints, and always end it."""

import asyncio
import io
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from structlog.testing import capture_logs

NIYOSHA = (sys.executable, "-m", "web.cli.main")
# The limit of every wait for a process; no passing test comes near it.
STUCK_SECONDS = 60.0


def typed(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in this process, without the second that a start takes; its logs are dropped."""
    from web.cli.main import app  # noqa: PLC0415  most users of this module do not need it

    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors), capture_logs():
        for name, value in settings.items():
            patch.setenv(name, value)
        # The logs are those of the tests.
        patch.setattr("web.observability.logs.configure_logs", lambda *_, **__: None)
        code: object = 0
        try:
            app(list(arguments), prog_name="niyosha")
        except SystemExit as ended:
            code = ended.code or 0
    # As the interpreter handles sys.exit with a message.
    if not isinstance(code, int):
        print(code, file=errors)
        code = 1
    return subprocess.CompletedProcess(["niyosha", *arguments], code, output.getvalue(), errors.getvalue())


def niyosha(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*NIYOSHA, *arguments],
        capture_output=True,
        text=True,
        timeout=STUCK_SECONDS,
        check=False,
        env=os.environ | settings,
    )


@contextmanager
def started(*arguments: str, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server, engine or worker; yield it and the line that it prints when it is up; kill it in the end."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*NIYOSHA, *arguments], stdout=pipe, stderr=pipe, text=True, env=os.environ | settings
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


@contextmanager
def serving(**settings: str) -> Iterator[str]:
    """Run `niyosha serve` with these settings; yield its URL."""
    with started("serve", "--port", "0", "--quiet", **settings) as (_, line):
        yield url_in(line)


@asynccontextmanager
async def started_async(*arguments: str, **settings: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """As `started`, for a test that does other things meanwhile."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *NIYOSHA, *arguments, env=os.environ | settings, stdout=pipe, stderr=pipe
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(STUCK_SECONDS):
            line = (await process.stdout.readline()).decode()
        yield process, line
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def url_in(line: str) -> str:
    """Return the address in the line that a server prints when it is up."""
    found = re.search(r"http://\S+", line)
    assert found is not None, line
    return found.group()


def child_of(pid: int) -> int:
    """Return the only child of a process: the engine of a server."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)
