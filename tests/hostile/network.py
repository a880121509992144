"""Owns what can go wrong with one TCP connection, by byte, and random plans of it."""

import math
import random
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import get_args

_MOST_DELAY_SECONDS = 0.1
_SHARE_SOUND = 0.25


class Way(Enum):
    """The direction of bytes: UP from the client to the server, DOWN back."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Reset:
    """After so many bytes both sides get a RST."""

    after_bytes: int
    way: Way = Way.UP


@dataclass(frozen=True, slots=True)
class Stall:
    """After so many bytes nothing is forwarded for so long, in this direction or in `both`; nothing is closed."""

    after_bytes: int
    way: Way = Way.UP
    seconds: float = math.inf
    both: bool = True


@dataclass(frozen=True, slots=True)
class Close:
    """After so many bytes both sides get a FIN."""

    after_bytes: int
    way: Way = Way.UP


@dataclass(frozen=True, slots=True)
class Slice:
    """Everything goes in pieces of at most so many bytes, with a pause after each."""

    piece_bytes: int = 1
    pause_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Everything arrives so much later, give or take the jitter; in order, without limiting the rate."""

    seconds: float
    jitter_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Each direction carries no more than this."""

    bytes_per_second: float


NetworkFault = Reset | Stall | Close | Slice | Latency | Bandwidth
# What one connection suffers; None is a sound one.
NetworkEntry = NetworkFault | tuple[NetworkFault, ...] | None

NETWORK_KINDS: tuple[type[NetworkFault], ...] = get_args(NetworkFault)


def network_faults(
    seed: int,
    count: int,
    *,
    kinds: Collection[type[NetworkFault]] = NETWORK_KINDS,
    most_bytes: int = 100_000,
    sound: float = _SHARE_SOUND,
    stall_seconds: float = math.inf,
) -> list[NetworkEntry]:
    """Plan so many connections, at random; the same seed and arguments give the same plan.

    `most_bytes` bounds after how many something is cut; `sound` is the share of connections that suffer nothing.
    """
    dice = random.Random(seed)  # noqa: S311
    round_of_kinds: list[type[NetworkFault]] = []
    plan: list[NetworkEntry] = []
    while len(plan) < count:
        if dice.random() < sound:
            plan.append(None)
            continue
        if not round_of_kinds:
            round_of_kinds = dice.sample(sorted(kinds, key=lambda kind: kind.__name__), len(kinds))
        plan.append(_random_fault(round_of_kinds.pop(), dice, most_bytes, stall_seconds))
    return plan


def breaking_plan(seed: int, count: int, up: tuple[int, int], down: tuple[int, int]) -> list[NetworkEntry]:
    """Plan connections that all break, after between so many bytes `up` or `down`."""
    dice = random.Random(seed)  # noqa: S311
    plan: list[NetworkEntry] = []
    for _ in range(count):
        way = dice.choice(list(Way))
        after_bytes = dice.randint(*(up if way is Way.UP else down))
        plan.append(dice.choice((Reset, Stall, Close))(after_bytes, way))
    return plan


def network_faults_of(entry: NetworkEntry) -> tuple[NetworkFault, ...]:
    """The faults of one connection, none for a sound one."""
    if entry is None:
        return ()
    return entry if isinstance(entry, tuple) else (entry,)


def _random_fault(kind: type[NetworkFault], dice: random.Random, most_bytes: int, stall_seconds: float) -> NetworkFault:
    after_bytes, way = dice.randint(0, most_bytes), dice.choice(list(Way))
    if kind is Stall:
        return Stall(after_bytes, way, stall_seconds, both=dice.random() < 0.5)
    if kind is Slice:
        return Slice(dice.randint(1, 500))
    if kind is Latency:
        return Latency(dice.uniform(0, _MOST_DELAY_SECONDS), dice.uniform(0, _MOST_DELAY_SECONDS))
    if kind is Bandwidth:
        return Bandwidth(dice.uniform(50_000, 500_000))
    return Close(after_bytes, way) if kind is Close else Reset(after_bytes, way)
