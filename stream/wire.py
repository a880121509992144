"""Owns the messages of the live protocol, as the client reads them; field names are the reference's."""

import msgspec

from stream.errors import ClientError, Problem
from stream.events import Alternative, ClientEvent, Finished, Hypothesis, Settled, Unsettled
from vad import SAMPLE_RATE


class WireWord(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Times are seconds from the first sample of the connection; 0.0 means that they are not set yet."""

    start_time: float
    end_time: float
    word: str
    confidence: float


class WireResult(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One hypothesis; `transcript` is its words joined by one space."""

    transcript: str
    confidence: float
    words: list[WireWord]

    @property
    def is_settled(self) -> bool:
        """Whether the words have times, which only settled hypotheses do."""
        return bool(self.words) and self.words[-1].end_time > 0


class Partial(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The state of one utterance: unsettled, or settled once its words have times.

    `duration` is the seconds of audio up to which the message speaks, `inference_time` the seconds
    spent waiting on the recognizer so far; `partial` counts these messages from 1.
    """

    transcription_id: str
    duration: int | float
    inference_time: int | float
    status: str
    partial: int
    results: list[WireResult]


class Done(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The end: one result per utterance, or all hypotheses of the only one."""

    transcription_id: str
    duration: int | float
    inference_time: int | float
    status: str
    results: list[WireResult]


class Failure(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The error message before a close, and the body of a refused request."""

    status: str
    detail: str
    title: str
    type: str
    code: int
    message: str


def failure(problem: Problem, detail: str) -> Failure:
    """Build the message for a problem of the table in `stream.errors`."""
    http = problem.value.http
    return Failure(
        status=str(http.value),
        detail=detail,
        title=http.phrase,
        type=problem.value.type,
        code=http.value,
        message=f"{http.phrase}. {detail}",
    )


def decode(text: str | bytes) -> Partial | Done | Failure:
    """Read a message of the server; raises msgspec.ValidationError for anything else."""
    fields = msgspec.json.decode(text)
    match fields:
        case {"status": "partial"}:
            return msgspec.convert(fields, Partial)
        case {"status": "done"}:
            return msgspec.convert(fields, Done)
        case _:
            return msgspec.convert(fields, Failure)


# --- events of the session -> messages ---

# Clients commonly take at most 1 MiB a message; the rest is left to field names and escapes.
MOST_DONE_BYTES = 900_000
_encoder = msgspec.json.Encoder()


class PlainWriter:
    """Writes a session's events as the messages of the reference, with exactly its fields.

    `partial` is counted as a message is written, so that what was overtaken before leaves no gap.
    """

    def __init__(self, transcription_id: str) -> None:
        self.transcription_id = transcription_id
        self._partials = 0
        self._whole_seconds = False

    def write(self, event: ClientEvent, *, whole_seconds: bool) -> str | None:
        """Return the message as JSON, or None where the client needs none."""
        self._whole_seconds = whole_seconds
        match event:
            case Unsettled(_, hypothesis, heard, inference_seconds):
                return self._partial(hypothesis, heard, inference_seconds)
            case Settled(_, hypothesis, _, heard, inference_seconds, was_shown):
                if not hypothesis.best.words and not was_shown:
                    return None
                return self._partial(hypothesis, heard, inference_seconds)
            case Finished(error=ClientError() as error):
                return encoded_failure(error.problem, error.detail)
            case Finished():
                return self._done(event)

    def _partial(self, hypothesis: Hypothesis, heard: int, inference_seconds: float) -> str:
        self._partials += 1
        return _json(
            Partial(
                self.transcription_id,
                self._seconds(heard / SAMPLE_RATE),
                self._seconds(inference_seconds),
                "partial",
                self._partials,
                _results(hypothesis.alternatives),
            )
        )

    def _done(self, event: Finished) -> str:
        match event.settled:
            case ():
                results = _results(())
            case (only,):
                results = _results(only.hypothesis.alternatives)
            case several:
                results = [_result(settled.hypothesis.best) for settled in several]
        done = Done(
            self.transcription_id,
            self._seconds(event.totals.received / SAMPLE_RATE),
            self._seconds(event.inference_seconds),
            "done",
            results,
        )
        return _json(_shortened(done))

    def _seconds(self, seconds: float) -> int | float:
        return round(seconds) if self._whole_seconds else round(seconds, 3)


def _results(alternatives: tuple[Alternative, ...]) -> list[WireResult]:
    """At least one result, because clients read the first one unseen."""
    return [_result(alternative) for alternative in alternatives or (Alternative(),)]


def _result(alternative: Alternative) -> WireResult:
    words = [
        WireWord(
            round(word.start / SAMPLE_RATE, 3), round(word.end / SAMPLE_RATE, 3), word.text, round(word.confidence, 3)
        )
        for word in alternative.words
    ]
    return WireResult(alternative.transcript, round(alternative.confidence, 3), words)


def _shortened(done: Done) -> Done:
    """Empty the word lists, oldest first, until the message fits; the text always stays."""
    excess_bytes = len(_encoder.encode(done)) - MOST_DONE_BYTES
    results = list(done.results)
    for position, result in enumerate(results):
        if excess_bytes <= 0:
            break
        excess_bytes -= len(_encoder.encode(result.words))
        results[position] = msgspec.structs.replace(result, words=[])
    return msgspec.structs.replace(done, results=results)


def encoded_failure(problem: Problem, detail: str) -> str:
    """Write the error message of a problem as JSON."""
    return _json(failure(problem, detail))


def _json(message: Partial | Done | Failure) -> str:
    return _encoder.encode(message).decode()
