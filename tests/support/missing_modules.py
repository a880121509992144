"""Run Python where some modules cannot be imported, as in an installation without them."""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

_SITE = """\
import sys


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Missing())
"""
_LIMIT_SECONDS = 60


def run_without(
    modules: Iterable[str], directory: Path, command: Sequence[str], environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python with a command where top-level `modules` are not installed, in its children neither.

    `directory` is an empty one, for the code that hides them.
    """
    names = frozenset(name.partition(".")[0] for name in modules)
    (directory / "sitecustomize.py").write_text(_SITE.format(names=set(names)))
    paths = [str(directory), str(Path.cwd())]
    return subprocess.run(
        [sys.executable, *command],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | (environment or {}),
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
