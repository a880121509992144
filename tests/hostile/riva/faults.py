"""Faults of one call of a Riva server, and scripts of them that can be serialized and replayed."""

import dataclasses
import json
import math
import random
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_args

import grpc

# The codes after which the same audio may be sent again.
RETRYABLE = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
_MOST_MESSAGES = 40
_MOST_RESPONSES = 12
_MOST_LATE_SECONDS = 0.5
_SHARE_BEHAVING = 0.25


class At(Enum):
    """A point in the life of a call; MESSAGE and RESPONSE are counted from 1, the others come once."""

    OPEN = "before anything is read"
    MESSAGE = "when a message of audio was read, before it is recognized"
    RESPONSE = "instead of a response, or before it when the call goes on"
    DRAIN = "after the client's half-close, before what it still brings"
    DONE = "after the last final was sent, before OK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """The call ends with a status; `pushback_ms` goes along as `grpc-retry-pushback-ms`."""

    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    at: At = At.MESSAGE
    count: int = 1
    pushback_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Freeze:
    """The server neither reads nor answers for so long; the call stays open."""

    at: At = At.MESSAGE
    count: int = 1
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class EndEarly:
    """The call ends with OK too soon; `with_final` settles the audio so far."""

    at: At = At.MESSAGE
    count: int = 1
    with_final: bool = False


@dataclass(frozen=True, slots=True)
class Late:
    """Every response is delayed; the server goes on reading meanwhile."""

    seconds: float = 0.3


@dataclass(frozen=True, slots=True)
class LateFinals:
    """Only finals are delayed."""

    seconds: float = 0.3


@dataclass(frozen=True, slots=True)
class LatePartial:
    """After every final its text is sent again as an interim, as if so much more audio was processed."""

    after_ms: int = 300


@dataclass(frozen=True, slots=True)
class Undecodable:
    """The response of this number, counted from 1, is replaced by bytes that are no message."""

    count: int = 1


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Every response is sent twice, finals too."""


@dataclass(frozen=True, slots=True)
class Reorder:
    """After every interim the one before it is sent once more."""


@dataclass(frozen=True, slots=True)
class NeverFinal:
    """Nothing is ever marked as final; after the half-close the call ends with OK or, unless `ends`, never."""

    ends: bool = True


@dataclass(frozen=True, slots=True)
class EmptyResponses:
    """A response without results precedes every response."""


@dataclass(frozen=True, slots=True)
class FirstPass:
    """Every interim has the whole utterance again with stability 1.0, which must not be concatenated."""


@dataclass(frozen=True, slots=True)
class Split:
    """Every interim is sent as two results, to be concatenated."""


@dataclass(frozen=True, slots=True)
class NegativeConfidence:
    """Confidences are logarithms."""


@dataclass(frozen=True, slots=True)
class Spaces:
    """Transcripts begin and end with spaces."""


@dataclass(frozen=True, slots=True)
class OwnEndpoints:
    """The server settles at pauses of this length; 60 ms is one final for each word."""

    pause_ms: int = 60


Fault = (
    Abort | Freeze | EndEarly | Late | LateFinals | LatePartial | Undecodable | Duplicate | Reorder | NeverFinal
    | EmptyResponses | FirstPass | Split | NegativeConfidence | Spaces | OwnEndpoints
)  # fmt: skip
# The faults of one call, None for none.
Entry = Fault | tuple[Fault, ...] | None

KINDS: tuple[type[Fault], ...] = get_args(Fault)
BREAKING: tuple[type[Fault], ...] = (Abort, Freeze, EndEarly)
_KINDS_BY_NAME = {kind.__name__: kind for kind in KINDS}


def faults(
    seed: int,
    count: int,
    *,
    kinds: Collection[type[Fault]] = KINDS,
    codes: Collection[grpc.StatusCode] = RETRYABLE,
    behaving: float = _SHARE_BEHAVING,
    freeze_seconds: float = math.inf,
) -> list[Entry]:
    """Make a random script for so many calls; the same seed and arguments give the same script.

    The kinds follow in shuffled rounds, so that each occurs regularly; `behaving` is the share of calls without faults.
    """
    dice = random.Random(seed)  # noqa: S311
    round_of_kinds: list[type[Fault]] = []
    script: list[Entry] = []
    while len(script) < count:
        if dice.random() < behaving:
            script.append(None)
            continue
        if not round_of_kinds:
            round_of_kinds = dice.sample(sorted(kinds, key=lambda kind: kind.__name__), len(kinds))
        script.append(_random_fault(round_of_kinds.pop(), dice, codes, freeze_seconds))
    return script


def breaking_script(seed: int, count: int, *, codes: Collection[grpc.StatusCode] = RETRYABLE) -> list[Entry]:
    """Make a script in which two of three calls break off, freeze or end early, each with another kind on top."""
    breaks = faults(seed, count, kinds=BREAKING, codes=codes, behaving=1 / 3)
    oddities = faults(seed + 1, count, kinds=set(KINDS) - set(BREAKING), behaving=0.0)
    return [(*faults_of(one), *faults_of(other)) for one, other in zip(breaks, oddities, strict=True)]


def faults_of(entry: Entry) -> tuple[Fault, ...]:
    """Return the faults of one call."""
    if entry is None:
        return ()
    return entry if isinstance(entry, tuple) else (entry,)


def dumps(script: Collection[Entry]) -> str:
    """Serialize a script as JSON, for the command line of another process and the log of a failed test."""
    return json.dumps([[_plain(fault) for fault in faults_of(entry)] for entry in script])


def loads(text: str) -> list[Entry]:
    """Read what `dumps` wrote."""
    return [tuple(_fault(plain) for plain in entry) or None for entry in json.loads(text)]


def _random_fault(
    kind: type[Fault], dice: random.Random, codes: Collection[grpc.StatusCode], freeze_seconds: float
) -> Fault:
    at = dice.choice(list(At))
    count = dice.randint(1, _MOST_RESPONSES if at is At.RESPONSE else _MOST_MESSAGES)
    if kind is Abort:
        code = dice.choice(sorted(codes, key=lambda code: code.name))
        has_hint = code is grpc.StatusCode.RESOURCE_EXHAUSTED
        return Abort(code=code, at=at, count=count, pushback_ms=dice.randint(50, 500) if has_hint else None)
    if kind is EndEarly:
        return EndEarly(at, count, with_final=dice.random() < 0.5)
    if kind is NeverFinal:
        return NeverFinal(ends=dice.random() < 0.5 or freeze_seconds < math.inf)
    if kind in (Late, LateFinals):
        return kind(dice.uniform(0, _MOST_LATE_SECONDS))
    if kind is Undecodable:
        return Undecodable(dice.randint(1, _MOST_RESPONSES))
    return Freeze(at, count, freeze_seconds) if kind is Freeze else kind()


def _plain(fault: Fault) -> dict[str, Any]:
    values = {field.name: getattr(fault, field.name) for field in dataclasses.fields(fault)}
    plain = {name: value.name if isinstance(value, Enum) else value for name, value in values.items()}
    return {"kind": type(fault).__name__} | plain


def _fault(plain: dict[str, Any]) -> Fault:
    values = {name: value for name, value in plain.items() if name != "kind"}
    if "at" in values:
        values["at"] = At[values["at"]]
    if "code" in values:
        values["code"] = grpc.StatusCode[values["code"]]
    return _KINDS_BY_NAME[plain["kind"]](**values)
