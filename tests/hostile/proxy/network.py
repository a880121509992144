"""Faults of one TCP connection at a byte position, and random plans of them."""

import random
from dataclasses import dataclass
from enum import Enum


class Direction(Enum):
    """The direction of bytes: UP from the client to the server, DOWN back."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Reset:
    """After so many bytes both sides get a RST."""

    after_bytes: int
    direction: Direction = Direction.UP


@dataclass(frozen=True, slots=True)
class Stall:
    """After so many bytes nothing is forwarded any more, either way; nothing is closed."""

    after_bytes: int
    direction: Direction = Direction.UP


@dataclass(frozen=True, slots=True)
class Close:
    """After so many bytes both sides get a FIN."""

    after_bytes: int
    direction: Direction = Direction.UP


NetworkFault = Reset | Stall | Close
# The fault of one connection, None for none.
NetworkEntry = NetworkFault | None


def breaking_plan(seed: int, count: int, up: tuple[int, int], down: tuple[int, int]) -> list[NetworkEntry]:
    """Plan connections that all break, after a random number of bytes in the ranges `up` or `down`."""
    dice = random.Random(seed)  # noqa: S311
    plan: list[NetworkEntry] = []
    for _ in range(count):
        direction = dice.choice(list(Direction))
        after_bytes = dice.randint(*(up if direction is Direction.UP else down))
        plan.append(dice.choice((Reset, Stall, Close))(after_bytes, direction))
    return plan
