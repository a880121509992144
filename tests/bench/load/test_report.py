import json
from io import StringIO
from xml.etree import ElementTree as ET

from rich.console import Console

from bench.load.levels import Cost, Row
from bench.load.report import Report

NAN = float("nan")
COSTS = {"gateway": Cost(chunk_us=755.4, cores=0.75, stream_kib=40.2)}


def row(streams: int, p99_ms: float, name: str = "gateway <1>") -> Row:
    return Row(
        name=name,
        streams=streams,
        refused=1,
        lost_streams=0,
        chunks=1000,
        latencies_ms=(1.0, 2.0, p99_ms),
        final_ms=(NAN, NAN, NAN),
        lost_words=0,
        doubled_words=3,
        word_error_percent=None,
        costs=COSTS,
    )


REPORT = Report(
    rows=[row(10, 3.0), row(100, 30.0), row(10, 2.0, "Riva"), row(50, NAN, "Riva")],
    machine="2 cores",
    floors_us={"detector": 20.0, "gRPC stream": 140.0},
)


def test_the_tables_fit_into_a_terminal() -> None:
    console = Console(file=StringIO(), width=80)
    console.print(*REPORT.tables())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 80
    for figure in ("30.0", "755", "0.75", "all floors", "160"):
        assert figure in text


def test_what_was_not_measured_is_null_in_json() -> None:
    body = json.loads(REPORT.json())
    assert body["rows"][0]["final_ms"] == [None, None, None]
    assert body["rows"][0]["costs"]["gateway"]["chunk_us"] == 755.4
    assert body["floors_us"] == {"detector": 20.0, "gRPC stream": 140.0}


def test_the_plot_has_a_line_for_each_server_with_its_points() -> None:
    plot = ET.fromstring(REPORT.svg())  # noqa: S314 - our own
    space = {"s": "http://www.w3.org/2000/svg"}
    assert [len(str(line.get("points")).split()) for line in plot.findall("s:polyline", space)] == [2, 1]
    assert [one.text for one in plot.findall("s:text", space)][-2:] == ["gateway <1>", "Riva"]
    heights = [float(str(circle.get("cy"))) for circle in plot.findall("s:circle", space)]
    assert heights[1] < heights[0]


def test_a_report_without_rows_is_written_too() -> None:
    empty = Report(rows=[], machine="")
    assert ET.fromstring(empty.svg()).tag.endswith("svg")  # noqa: S314 - our own
    assert len(empty.tables()) == 2
