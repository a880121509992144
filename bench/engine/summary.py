"""Compute the figures of one load from the exchanges of its talkers."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import grpc

from bench.common.figures import Flicker, error_rate, percentile
from bench.common.server import Server
from bench.engine.talkers import OPTIONS, Exchange, Outcome, Talker
from stream.riva.responses.reader import ResponseReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`numbers` by name; the rest is what a median over several loads would say too little of, so it is joined."""

    numbers: dict[str, float]
    pairs: list[tuple[str, str]]
    shown: Flicker
    stable: Flicker


class ExchangeTexts:
    """The texts of one exchange: when each was shown, and its final."""

    def __init__(self, exchange: Exchange) -> None:
        reader = ResponseReader(OPTIONS, promises_stable_words=True)
        responses = [(at, hypothesis) for at, response in exchange.responses for hypothesis in reader.read(response)]
        self.exchange = exchange
        self.partials = [(at, some) for at, some in responses if not some.is_final and some.best.words]
        self.finals = [(at, some) for at, some in responses if some.is_final]
        self.text = " ".join(some.best.transcript for _, some in self.finals)

    @property
    def has_text(self) -> bool:
        return bool(self.partials or self.text.strip())

    @property
    def settled_at(self) -> float | None:
        """When the final arrived; None if it never did."""
        return self.finals[-1][0] if self.finals and self.exchange.code is grpc.StatusCode.OK else None

    def waits(self, until: float, limit: float) -> list[tuple[float, float]]:
        """When each wait for a partial was over, and how long it was.

        The last one is open: no partial has to follow when speech ends. It counts if it is over the limit already.
        """
        shown = [self.exchange.opened, *(at for at, _ in self.partials)]
        waits = [(after, after - before) for before, after in pairwise(shown)]
        silent_at = min(self.exchange.began + self.exchange.utterance.speech_end, until)
        if silent_at - shown[-1] > limit:
            waits.append((silent_at, silent_at - shown[-1]))
        return waits

    def count(self, number: int, shown: Flicker, stable: Flicker) -> None:
        for _, hypothesis in (*self.partials, *self.finals):
            words = [word.text for word in hypothesis.best.words]
            shown.show(number, words)
            stable.show(number, words if hypothesis.is_final else words[: hypothesis.stable_words])


def summarize(server: Server, outcome: Outcome, limit: float) -> Summary:
    """Compute the figures of a load; `limit` is how many seconds a partial may take."""
    admitted = [talker for talker in outcome.talkers if not talker.is_refused]
    texts_by_exchange = {exchange: ExchangeTexts(exchange) for talker in admitted for exchange in talker.exchanges}
    shown, stable = Flicker(), Flicker()
    for number, texts in enumerate(texts_by_exchange.values(), start=1):
        texts.count(number, shown, stable)
    numbers = (
        _latencies(list(texts_by_exchange.values()), outcome)
        | _partials(list(texts_by_exchange.values()), outcome, limit)
        | {"first_partial_s": percentile(list(_first_partials(admitted, texts_by_exchange)), 50)}
        | _counts(outcome, admitted)
        | _costs(server, outcome, admitted)
    )
    return Summary(numbers=numbers, pairs=list(_pairs(admitted, texts_by_exchange)), shown=shown, stable=stable)


def _latencies(all_texts: list[ExchangeTexts], outcome: Outcome) -> dict[str, float]:
    finals, settled, missing = [], [], 0
    for texts in all_texts:
        exchange = texts.exchange
        if exchange.closed is None or exchange.closed < outcome.counted_from:
            continue
        if texts.settled_at is None:
            missing += 1
        # A final that never came took at least so long.
        at = texts.settled_at or outcome.drained
        finals.append(1000 * (at - exchange.closed))
        settled.append(1000 * (at - exchange.began - exchange.utterance.speech_end))
    return {
        "final_p50_ms": percentile(finals, 50),
        "final_p95_ms": percentile(finals, 95),
        "settled_p50_ms": percentile(settled, 50),
        "finals": len(finals),
        "finals_missing": missing,
    }


def _partials(all_texts: list[ExchangeTexts], outcome: Outcome, limit: float) -> dict[str, float]:
    waits = [
        seconds
        for texts in all_texts
        # In noise there is nothing to show; but where no final came, nobody knows that it was noise.
        if texts.has_text or texts.settled_at is None
        for at, seconds in texts.waits(outcome.until, limit)
        if at >= outcome.counted_from
    ]
    late = fmean(seconds > limit for seconds in waits) if waits else float("nan")
    return {
        "partial_p50_s": percentile(waits, 50),
        "partial_p95_s": percentile(waits, 95),
        "partial_late_percent": 100 * late,
        "partials": len(waits),
    }


def _first_partials(talkers: list[Talker], texts_by_exchange: dict[Exchange, ExchangeTexts]) -> Iterator[float]:
    for spoken in (spoken for talker in talkers for spoken in talker.spoken if spoken.exchanges):
        first = texts_by_exchange[spoken.exchanges[0]]
        if first.partials:
            yield first.partials[0][0] - first.exchange.began - spoken.turn.clip.speech_span()[0]


def _pairs(talkers: list[Talker], texts_by_exchange: dict[Exchange, ExchangeTexts]) -> Iterator[tuple[str, str]]:
    for spoken in (spoken for talker in talkers for spoken in talker.spoken if spoken.is_whole):
        parts = [texts_by_exchange[exchange] for exchange in spoken.exchanges]
        if all(texts.settled_at is not None for texts in parts):
            yield spoken.turn.clip.reference, " ".join(texts.text for texts in parts)


def _counts(outcome: Outcome, admitted: list[Talker]) -> dict[str, float]:
    codes = [exchange.code for talker in admitted for exchange in talker.exchanges]
    refusals = codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED)
    expected = (None, grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED)
    return {
        "admitted": len(admitted),
        "refused": len(outcome.talkers) - len(admitted),
        "utterances_refused": refusals,
        "utterances_failed": sum(code not in expected for code in codes),
    }


def _costs(server: Server, outcome: Outcome, admitted: list[Talker]) -> dict[str, float]:
    usage = outcome.usage
    spoken = sum(
        max(0.0, min(outcome.until, exchange.began + spoken.speech_end) - max(outcome.counted_from, begin))
        for talker in admitted
        for exchange in talker.exchanges
        for spoken in [exchange.utterance]
        for begin in [exchange.began + spoken.speech_begin]
    )
    late = [1000 * seconds for talker in outcome.talkers for seconds in talker.lateness]
    status = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return {
        "cpu_per_audio": usage.server / (usage.at * len(admitted)) if admitted else float("nan"),
        "cpu_per_speech": usage.server / spoken if spoken else float("nan"),
        "cores": usage.server / usage.at,
        "bench_cores": usage.bench / usage.at,
        "other_cores": usage.others / usage.at,
        "late_p95_ms": percentile(late, 95),
        "memory_mb": server.memory_mb()[0],
        "threads": next(int(line.split()[1]) for line in status if line.startswith("Threads:")),
    }


def word_error_rate(summaries: list[Summary]) -> float:
    """Return the word error rate of all complete clips in percent; NaN without any."""
    pairs = [pair for summary in summaries for pair in summary.pairs]
    return error_rate(pairs) if pairs else float("nan")


def changed_percent(flickers: list[Flicker]) -> float:
    """Return the share of shown words that were replaced, in percent."""
    words = sum(flicker.words for flicker in flickers)
    return 100 * sum(flicker.changed for flicker in flickers) / words if words else float("nan")
