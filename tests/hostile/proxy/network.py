"""Owns what can go wrong with one TCP connection, by byte, and random plans of it."""

import random
from dataclasses import dataclass
from enum import Enum


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
    """After so many bytes nothing is forwarded any more, either way; nothing is closed."""

    after_bytes: int
    way: Way = Way.UP


@dataclass(frozen=True, slots=True)
class Close:
    """After so many bytes both sides get a FIN."""

    after_bytes: int
    way: Way = Way.UP


NetworkFault = Reset | Stall | Close
# What one connection suffers; None is a sound one.
NetworkEntry = NetworkFault | None


def breaking_plan(seed: int, count: int, up: tuple[int, int], down: tuple[int, int]) -> list[NetworkEntry]:
    """Plan connections that all break, after between so many bytes `up` or `down`."""
    dice = random.Random(seed)  # noqa: S311
    plan: list[NetworkEntry] = []
    for _ in range(count):
        way = dice.choice(list(Way))
        after_bytes = dice.randint(*(up if way is Way.UP else down))
        plan.append(dice.choice((Reset, Stall, Close))(after_bytes, way))
    return plan
