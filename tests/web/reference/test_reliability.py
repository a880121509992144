"""The table of faults in docs/reliability.md and the marks of the tests name the same faults."""

import re

from tests.support.places import ROOT

TABLE = ROOT / "docs/reliability.md"
_ROW = re.compile(r"^\| (\d+) \| .+ \| (.*) \|$", re.MULTILINE)
_MARK = re.compile(r"^(?:\w+ = )?@?pytest\.mark\.fault\((\d+)\)", re.MULTILINE)
_BENCH = re.compile(r"`(bench/[^`]+)`")


def rows() -> dict[int, str]:
    """What measures each fault of the table, beside the tests."""
    return {int(number): bench for number, bench in _ROW.findall(TABLE.read_text())}


def test_faults_are_numbered_without_a_gap() -> None:
    numbers = [int(number) for number, _ in _ROW.findall(TABLE.read_text())]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 30


def test_every_fault_has_a_test_and_every_mark_a_fault() -> None:
    marks = {int(mark) for path in (ROOT / "tests").rglob("test_*.py") for mark in _MARK.findall(path.read_text())}
    assert marks == set(rows())


def test_benches_of_the_table_exist() -> None:
    benches = [bench for held in rows().values() for bench in _BENCH.findall(held)]
    assert benches
    assert [bench for bench in benches if not (ROOT / bench).is_file()] == []
