"""The connections that are open: how many there are in all and of each address, and which of them are idle."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum, auto

# So many more are taken where all are in use, for whoever asks how the server is.
_FOR_HEALTH = 16
_TOLD_SECONDS = 10.0


class Entrance(Enum):
    """What a new connection may do."""

    OPEN = auto()
    HEALTH_ONLY = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class _Member:
    source: str
    close: Callable[[], None]


class Roster:
    """Keeps the connections within their numbers: the oldest idle one makes room for a new one.

    Idle is whose request is not there yet, however much of it is. Those of a proxy (`is_proxy`, by
    its address), or without an address, only have the number of all.
    """

    def __init__(self, *, most: int, of_source: int, is_proxy: Callable[[str], bool] = lambda _: False) -> None:
        self._most = most
        self._of_source = of_source
        self._is_proxy = is_proxy
        self._members: dict[Hashable, _Member] = {}
        self._counts: Counter[str] = Counter()
        self._idle: OrderedDict[Hashable, _Member] = OrderedDict()
        self._told_again_at = 0.0

    def __len__(self) -> int:
        return len(self._members)

    def enter(self, key: Hashable, *, host: str, source: str, close: Callable[[], None]) -> Entrance:
        """Add a connection, which is idle; one that has to make room for it is closed by its `close`."""
        source = "" if not host or self._is_proxy(host) else source
        entrance = self._entrance(source)
        if entrance is not Entrance.CLOSED:
            self._members[key] = self._idle[key] = _Member(source, close)
            self._counts[source] += 1
        return entrance

    def is_told(self, now: float) -> bool:
        """Whether it is time to say that there is no room, which is said every few seconds at most."""
        is_time = now >= self._told_again_at
        if is_time:
            self._told_again_at = now + _TOLD_SECONDS
        return is_time

    def _entrance(self, source: str) -> Entrance:
        of_source = self._of_source if source else self._most
        if self._counts[source] >= of_source:
            has_room = self._close_idle(source)
        elif len(self._members) >= self._most:
            has_room = self._close_idle(None)
        else:
            has_room = True
        if has_room:
            return Entrance.OPEN
        is_crowded = self._counts[source] >= of_source + _FOR_HEALTH or len(self) >= self._most + _FOR_HEALTH
        return Entrance.CLOSED if is_crowded else Entrance.HEALTH_ONLY

    def _close_idle(self, source: str | None) -> bool:
        """Close the connection that has been idle longest, of this address or of any; False if there is none."""
        for key, member in self._idle.items():
            if source is None or member.source == source:
                self.leave(key)
                member.close()
                return True
        return False

    def begin(self, key: Hashable) -> None:
        """A request of the connection is there."""
        self._idle.pop(key, None)

    def end(self, key: Hashable) -> None:
        """Its answer is complete."""
        if key in self._members:
            self._idle[key] = self._members[key]

    def leave(self, key: Hashable) -> None:
        """The connection is closed, or about to be."""
        self._idle.pop(key, None)
        member = self._members.pop(key, None)
        if member is not None:
            self._counts[member.source] -= 1
            if not self._counts[member.source]:
                del self._counts[member.source]
