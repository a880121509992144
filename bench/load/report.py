"""Write the rows of a load for people (a table), for programs (JSON) and as a plot (SVG)."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle
from xml.sax.saxutils import escape

from rich.table import Table

from bench.load.levels import Row

_COLOURS = ("#0b7285", "#c92a2a", "#5f3dc4", "#2b8a3e", "#e67700")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 720, 420, 70, 40, 190, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All rows of a run, and the floors in microseconds a chunk."""

    rows: Sequence[Row]
    machine: str
    floors_us: Mapping[str, float] = field(default_factory=dict)

    def json(self) -> str:
        """Return the report as a JSON object; what could not be measured is null."""
        return json.dumps(_without_nan(asdict(self)), indent=2) + "\n"

    def tables(self) -> tuple[Table, ...]:
        """Return the report as tables that fit into 80 columns: times, text, costs."""
        times = _table(self.machine, "p50 ms", "p95 ms", "p99 ms", "final p50", "final p99")
        texts = _table("text", "refused", "cut off", "lost words", "doubled", "WER %")
        costs = _table("cost", "us a chunk", "cores", "KiB a stream")
        for row in self.rows:
            head = row.name, str(row.streams)
            times.add_row(*head, *map(_shown, (*row.latencies_ms, row.final_ms[0], row.final_ms[2])))
            error = "" if row.word_error_percent is None else f"{row.word_error_percent:.1f}"
            counts = row.refused, row.lost_streams, row.lost_words, row.doubled_words
            texts.add_row(*head, *map(str, counts), error)
            for name, cost in row.costs.items():
                figures = f"{cost.chunk_us:.0f}", f"{cost.cores:.2f}", f"{cost.stream_kib:.0f}"
                costs.add_row(name, str(row.streams), *figures)
        for name, chunk_us in self.floors_us.items():
            costs.add_row(f"floor: {name}", "", f"{chunk_us:.0f}")
        if self.floors_us:
            costs.add_row("all floors", "", f"{sum(self.floors_us.values()):.0f}")
        return (times, texts, costs) if costs.rows else (times, texts)

    def svg(self) -> str:
        """Return p99 by streams, a line for each server, with both axes from zero."""
        lines: dict[str, list[tuple[float, float]]] = {}
        for row in self.rows:
            if not math.isnan(row.latencies_ms[2]):
                lines.setdefault(row.name, []).append((row.streams, row.latencies_ms[2]))
        most_streams = max((streams for points in lines.values() for streams, _ in points), default=1)
        most_ms = max((ms for points in lines.values() for _, ms in points), default=1.0)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="{_LEFT}" y="24" font-size="15">{escape(self.machine)}</text>',
        ]
        for part in range(5):
            streams, ms = most_streams * part / 4, most_ms * part / 4
            x, y = _place(streams, ms, most_streams, most_ms)
            bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
            parts += [
                f'<path d="M{_LEFT} {y:.1f}H{right}M{x:.1f} {_TOP}V{bottom}" stroke="#dee2e6" fill="none"/>',
                f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" font-size="12" text-anchor="end">{ms:.3g}</text>',
                f'<text x="{x:.1f}" y="{bottom + 18}" font-size="12" text-anchor="middle">{streams:.3g}</text>',
            ]
        parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 10}" font-size="12">streams; p99 in milliseconds</text>')
        for number, ((name, points), colour) in enumerate(zip(lines.items(), cycle(_COLOURS), strict=False)):
            places = [_place(streams, ms, most_streams, most_ms) for streams, ms in sorted(points)]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
            label_y = _TOP + 18 * number + 10
            parts.append(
                f'<text x="{_WIDTH - _RIGHT + 12}" y="{label_y}" font-size="12" fill="{colour}">{escape(name)}</text>'
            )
        return "\n".join([*parts, "</svg>", ""])


def _place(streams: float, ms: float, most_streams: float, most_ms: float) -> tuple[float, float]:
    x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * streams / most_streams
    y = _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * ms / most_ms
    return x, y


def _table(title: str, *columns: str) -> Table:
    table = Table("server", title=title)
    for column in ("streams", *columns):
        table.add_column(column, justify="right")
    return table


def _shown(figure: float) -> str:
    return "" if math.isnan(figure) else f"{figure:.1f}"


def _without_nan(value: object) -> object:
    match value:
        case float() if math.isnan(value):
            return None
        case dict():
            return {key: _without_nan(item) for key, item in value.items()}
        case list() | tuple():
            return [_without_nan(item) for item in value]
        case _:
            return value
