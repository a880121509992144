"""Row 31: whatever lies in the directory where the server is started, nothing of it runs."""

import asyncio
import os
import signal
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.places import ROOT
from tests.support.processes import STUCK_SECONDS, child_of, url_in
from tests.support.sounds import clip_pcm, clip_texts, words_of
from tests.web.support.sockets import converse

# As it is installed: a script, which puts its own directory on the path and not the one it is called in.
NIYOSHA = Path(sys.executable).with_name("niyosha")


def lay_traps(directory: Path) -> Path:
    """Lay a file for every module that a program here could import; return the one in which they write their names."""
    mark = directory / "mark.txt"
    program = f"open({str(mark)!r}, 'a').write(__name__ + ' ')\nraise SystemExit(9)\n"
    own = {"web", "stream", "vad", "sitecustomize", "usercustomize"}
    for name in own | sys.stdlib_module_names | set(packages_distributions()):
        if name.isidentifier():
            (directory / f"{name}.py").write_text(program)
    return mark


@pytest.mark.fault(31)
async def test_nothing_from_the_working_directory_runs(tmp_path: Path) -> None:
    mark = lay_traps(tmp_path)
    settings = {"PYTHONPATH": str(ROOT), "NIYOSHA_DATABASE_URL": f"sqlite:///{tmp_path / 'niyosha.db'}"}
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(
        NIYOSHA, "serve", "--port", "0", "--quiet", cwd=tmp_path, env=os.environ | settings, stdout=pipe
    )
    try:
        assert server.stdout is not None
        async with asyncio.timeout(STUCK_SECONDS):
            url = url_in((await server.stdout.readline()).decode())
        # Its engine works, so both processes have loaded all that they need.
        assert child_of(server.pid)
        heard = (await converse(url, clip_pcm("quick.wav"), "close")).transcript
        assert words_of(heard) == words_of(clip_texts()["quick.wav"])
        server.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STUCK_SECONDS):
            assert await server.wait() == 0
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()
    assert not mark.exists(), mark.read_text()
