import subprocess
import sys

import pytest

from stream.lazy_import import lazy_import


def test_nothing_is_imported_before_the_first_use() -> None:
    program = (
        "import sys; from stream.lazy_import import lazy_import; zen = lazy_import('wave'); "
        "before = 'wave' in sys.modules; zen.open; print(before, 'wave' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False True\n"


def test_attributes_are_those_of_the_module() -> None:
    assert lazy_import("json.decoder").JSONDecodeError is __import__("json").JSONDecodeError


def test_missing_attributes_and_modules_fail_as_with_an_import() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = lazy_import("json").nothing
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        _ = lazy_import("no_such_module").anything
