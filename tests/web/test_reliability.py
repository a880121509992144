"""The table of faults in docs/reliability.md and the marks of the tests name the same faults."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAULTS = set(range(1, 31))
_ROW = re.compile(r"^\| (\d+) \| .+ \| (.*) \|$", re.MULTILINE)
_MARK = re.compile(r"^(?:\w+ = )?@?pytest\.mark\.fault\((\d+)\)", re.MULTILINE)
_BENCH = re.compile(r"`(bench/[^`]+)`")


def rows() -> dict[int, str]:
    """What measures each fault of the table, beside the tests."""
    return {int(number): bench for number, bench in _ROW.findall((ROOT / "docs/reliability.md").read_text())}


def test_every_fault_has_one_row() -> None:
    assert sorted(rows()) == sorted(FAULTS)


def test_every_fault_has_a_test_and_every_mark_a_fault() -> None:
    marks = {int(mark) for path in (ROOT / "tests").rglob("test_*.py") for mark in _MARK.findall(path.read_text())}
    assert marks == FAULTS


def test_benches_of_the_table_exist() -> None:
    benches = [bench for held in rows().values() for bench in _BENCH.findall(held)]
    assert benches
    assert [bench for bench in benches if not (ROOT / bench).is_file()] == []
