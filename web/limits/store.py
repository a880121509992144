"""Owns what limits are counted in: windows of time that forget, and slots that are held."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol


class Full(Enum):
    """Why there is no slot: the owner has all of theirs, or the server has none."""

    OWNER = auto()
    SERVER = auto()


class StoreUnavailableError(Exception):
    """Nothing can be counted there now."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted since a window of time began, and the seconds until it is forgotten."""

    amount: int
    resets_in: float


@dataclass(frozen=True, slots=True)
class Room:
    """How many slots there are: for one owner, None for no limit of their own, and for all together."""

    of_owner: int | None
    overall: int


class Store(Protocol):
    """Counts; every method may raise StoreUnavailableError."""

    async def add(self, key: str, amount: int, seconds: int) -> Window:
        """Count in a window of so many seconds, which begins with the first count."""
        ...

    async def window(self, key: str) -> Window:
        """What is counted so far."""
        ...

    async def full(self, owner: str, room: Room) -> Full | None:
        """Why there would be no slot now, None if there is one."""
        ...

    async def take(self, slot: str, owner: str, room: Room) -> Full | None:
        """Take a slot, unless there is none."""
        ...

    async def give_back(self, slot: str, owner: str) -> None:
        """Free a slot; one that is free already stays so."""
        ...
