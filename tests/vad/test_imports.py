"""What has to do with speech alone is tested without the rooms that are built on it."""

import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"vad", "stream", "web"}))
"""


def test_the_tests_of_vad_import_vad_alone() -> None:
    modules = ["tests.conftest", *(f"tests.vad.{path.stem}" for path in _HERE.glob("test_*.py"))]
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, *modules], capture_output=True, text=True, check=True, cwd=_HERE.parents[1]
    )
    assert done.stdout == "vad\n", done.stdout
