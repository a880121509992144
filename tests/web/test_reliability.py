"""The table of faults names what holds each row, and everything it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = 30
_ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \|$")
_NAMED = re.compile(r"`((?:tests|bench)/[^`]+)`")


def table() -> dict[int, str]:
    """What holds each row of the table."""
    lines = (ROOT / "docs/reliability.md").read_text().splitlines()
    return {int(row[1]): row[3] for line in lines if (row := _ROW.match(line))}


def test_every_fault_has_a_row_that_names_what_holds_it() -> None:
    rows = table()
    assert list(rows) == list(range(1, ROWS + 1))
    for number, holding in rows.items():
        assert _NAMED.search(holding), number


def test_everything_that_is_named_is_there() -> None:
    named = [name for holding in table().values() for name in _NAMED.findall(holding)]
    assert len(named) > ROWS
    for name in named:
        path, _, test = name.partition("::")
        assert (ROOT / path).is_file(), name
        if path.startswith("tests/"):
            assert re.search(rf"^(?:async )?def {test}\(|^{test} = ", (ROOT / path).read_text(), re.MULTILINE), name
            assert test.lower().startswith("test"), name
