"""The table of the engine's bench: rows with goals, and a caption about the machine."""

import math
from dataclasses import dataclass
from statistics import median

from rich.table import Table

from bench.engine.turns import HANGOVER_SECONDS

OURS, PLAIN = "engine", "plain"
# How long a partial may take, by the number of talkers.
PARTIAL_SECONDS = {1: 0.7, 4: 0.7, 8: 0.7, 12: 0.7, 20: 1.5, 40: 1.5}

Key = tuple[str, int]
Figures = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: a figure by name, how it is written, and for how many talkers it may be at most what."""

    figure: str
    name: str
    form: str
    goals: dict[int, float]
    only: tuple[int, ...] = ()


_ROWS = (
    Row(figure="final after the half-close, p50", name="final_p50_ms", form="{:.0f} ms", goals={1: 120}),
    Row(figure="final after the half-close, p95", name="final_p95_ms", form="{:.0f} ms", goals={20: 600, 40: 600}),
    Row(figure="settled after the end of speech, p50", name="settled_p50_ms", form="{:.0f} ms", goals={}, only=(1,)),
    Row(figure="finals", name="finals", form="{:.0f}", goals={}),
    Row(
        figure="finals missing 5 s after the load",
        name="finals_missing",
        form="{:.0f}",
        goals=dict.fromkeys(PARTIAL_SECONDS, 0),
    ),
    Row(figure="first partial after the first speech, p50", name="first_partial_s", form="{:.2f} s", goals={}),
    Row(figure="interval of partials, p50", name="partial_p50_s", form="{:.2f} s", goals=PARTIAL_SECONDS),
    Row(figure="interval of partials, p95", name="partial_p95_s", form="{:.2f} s", goals={}),
    Row(figure="intervals over {limit} s", name="partial_late_percent", form="{:.1f} %", goals={}),
    Row(figure="words shown and later changed", name="changed_percent", form="{:.1f} %", goals={1: 5}),
    Row(
        figure="stable words later changed",
        name="stable_changed_percent",
        form="{:.1f} %",
        goals=dict.fromkeys(PARTIAL_SECONDS, 0),
    ),
    Row(figure="word error rate", name="wer", form="{:.2f} %", goals={}),
    Row(figure="CPU for a second of a talker's time", name="cpu_per_audio", form="{:.3f} s", goals={1: 0.25}),
    Row(figure="CPU for a second of speech", name="cpu_per_speech", form="{:.3f} s", goals={}),
    Row(figure="CPU, cores", name="cores", form="{:.2f}", goals={}),
    Row(figure="memory, peak", name="memory_mb", form="{:.0f} MB", goals={20: 350}),
    Row(figure="threads", name="threads", form="{:.0f}", goals={}, only=(1, 20)),
    Row(figure="sessions admitted", name="admitted", form="{:.0f}", goals={}, only=(40,)),
    Row(
        figure="sessions refused", name="refused", form="{:.0f}", goals={1: 0, 4: 0, 8: 0, 12: 0, 20: 0}, only=(20, 40)
    ),
    Row(
        figure="utterances of admitted sessions refused",
        name="utterances_refused",
        form="{:.0f}",
        goals=dict.fromkeys(PARTIAL_SECONDS, 0),
    ),
    Row(figure="utterances failed", name="utterances_failed", form="{:.0f}", goals=dict.fromkeys(PARTIAL_SECONDS, 0)),
)
_OWN = ("bench_cores", "other_cores", "late_p95_ms")


def tabulate(figures: dict[Key, Figures], title: str) -> Table:
    """One section for each number of talkers."""
    table = Table(title=title, caption=_caption(figures), caption_justify="left")
    for column in ("figure", "measured", "goal", "plain faster-whisper", "plain / ours"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for n_talkers in sorted({n for _, n in figures}):
        table.add_section()
        table.add_row(f"[bold]{n_talkers} talker{'s' if n_talkers > 1 else ''}")
        ours, plain = figures.get((OURS, n_talkers), {}), figures.get((PLAIN, n_talkers), {})
        for row in _ROWS:
            if not row.only or n_talkers in row.only:
                table.add_row(*_cells(row, n_talkers, ours, plain))
    return table


def _cells(row: Row, n_talkers: int, ours: Figures, plain: Figures) -> list[str]:
    measured, other = ours.get(row.name, math.nan), plain.get(row.name, math.nan)
    goal = row.goals.get(n_talkers, math.inf)
    # Without finals that came, a latency says only how long the bench waited for them.
    bounds = [
        "at least " if row.name.startswith(("final_", "settled_")) and some.get("finals_missing") else ""
        for some in (ours, plain)
    ]
    texts = [bound + _written(row.form, value) for bound, value in zip(bounds, (measured, other), strict=True)]
    ratio = other / measured if measured else math.nan
    return [
        row.figure.format(limit=PARTIAL_SECONDS[n_talkers]),
        f"[red]{texts[0]}[/]" if measured > goal else texts[0],
        "" if math.isinf(goal) else f"<= {_written(row.form, goal)}",
        texts[1] if plain else "",
        _written("{:.1f}", ratio) if plain else "",
    ]


def _caption(figures: dict[Key, Figures]) -> str:
    """How far the figures can be trusted: what the load and others took of the machine."""
    bench, others, late = ([one[name] for one in figures.values()] for name in _OWN)
    return (
        f"Settled is hangover ({1000 * HANGOVER_SECONDS:.0f} ms), rest of a 100 ms chunk, and final. "
        "Red misses its goal.\n"
        f"The bench took up to {max(bench):.2f} cores and sent its chunks up to {max(late):.0f} ms late (p95); "
        f"other processes took {median(others):.2f} cores (at most {max(others):.2f})."
    )


def _written(form: str, value: float) -> str:
    return "-" if math.isnan(value) else form.format(value)
