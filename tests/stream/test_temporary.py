"""Directories of killed processes go; those of the living, of others, and what only looks like one stay."""

import os
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from stream.temporary import remove_leftovers, temporary_directory
from tests.support.processes import STUCK_SECONDS

_HOLDING = """
from stream.temporary import temporary_directory
with temporary_directory() as path:
    (path / "secret").write_text("key")
    print(path, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.fault(44)
def test_what_a_killed_process_left_goes_with_the_next_start(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLDING]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        remove_leftovers()
        assert (left / "secret").exists()
        process.kill()
        process.wait(STUCK_SECONDS)
    assert (left / "secret").exists()
    with temporary_directory() as mine:
        assert list(tmp_path.iterdir()) == [mine]
        assert stat.S_IMODE(mine.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_surely_ours_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".lock").touch()
    (tmp_path / "niyosha-link").symlink_to(elsewhere)
    (tmp_path / "niyosha-file").touch()
    (tmp_path / "niyosha-unlocked").mkdir()
    (tmp_path / "niyosha-odd").mkdir()
    (tmp_path / "niyosha-odd" / ".lock").symlink_to(elsewhere / ".lock")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".lock").touch()
    before = sorted(tmp_path.rglob("*"))
    remove_leftovers()
    assert sorted(tmp_path.rglob("*")) == before


def test_many_that_start_at_once_take_nothing_from_each_other() -> None:
    kept, broken = list[Path](), list[Path]()
    all_there = threading.Barrier(8)

    def work() -> None:
        with ExitStack() as stack:
            paths = [stack.enter_context(temporary_directory()) for _ in range(5)]
            kept.extend(paths)
            all_there.wait(STUCK_SECONDS)
            broken.extend(path for path in paths if not path.is_dir())
            all_there.wait(STUCK_SECONDS)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(set(kept)), broken) == (40, [])
