"""The open connections: bounded in all and for each address; the longest idle one makes room for a new one."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum, auto

# Further connections where all are in use, for health checks only.
_FOR_HEALTH = 16
# How often a lack of room is logged at most.
_LOG_INTERVAL_SECONDS = 10.0


class Entrance(Enum):
    """What a new connection may do."""

    OPEN = auto()
    HEALTH_ONLY = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class _Connection:
    source: str
    close: Callable[[], None]


def _ignore(_: int) -> None:
    """Do nothing with the number of connections."""


class ConnectionTable:
    """The connections, `most` in all and `of_source` of one address; `on_change` gets their number when it changes.

    A connection is idle while the head of its request is not complete. The connections of a proxy (`is_proxy`, by its
    address), and those without an address, are bounded by the number of all only.
    """

    def __init__(
        self,
        *,
        most: int,
        of_source: int,
        is_proxy: Callable[[str], bool] = lambda _: False,
        on_change: Callable[[int], None] = _ignore,
    ) -> None:
        self._on_change = on_change
        self._most = most
        self._of_source = of_source
        self._is_proxy = is_proxy
        self._by_key: dict[Hashable, _Connection] = {}
        self._counts: Counter[str] = Counter()
        self._idle: OrderedDict[Hashable, _Connection] = OrderedDict()
        self._log_at = 0.0

    def __len__(self) -> int:
        return len(self._by_key)

    def enter(self, key: Hashable, *, host: str, source: str, close: Callable[[], None]) -> Entrance:
        """Add a connection from `host`, idle at first; a connection that has to make room is closed by its `close`.

        `source` is what the connections of one client are counted by.
        """
        source = "" if not host or self._is_proxy(host) else source
        entrance = self._entrance(source)
        if entrance is not Entrance.CLOSED:
            self._by_key[key] = self._idle[key] = _Connection(source, close)
            self._counts[source] += 1
            self._on_change(len(self))
        return entrance

    def should_log(self, now: float) -> bool:
        """Return whether to log a lack of room now, ten seconds after the last time at the earliest."""
        is_time = now >= self._log_at
        if is_time:
            self._log_at = now + _LOG_INTERVAL_SECONDS
        return is_time

    def _entrance(self, source: str) -> Entrance:
        of_source = self._of_source if source else self._most
        if self._counts[source] >= of_source:
            has_room = self._close_idle(source)
        elif len(self._by_key) >= self._most:
            has_room = self._close_idle(None)
        else:
            has_room = True
        if has_room:
            return Entrance.OPEN
        is_crowded = self._counts[source] >= of_source + _FOR_HEALTH or len(self) >= self._most + _FOR_HEALTH
        return Entrance.CLOSED if is_crowded else Entrance.HEALTH_ONLY

    def _close_idle(self, source: str | None) -> bool:
        """Close the longest idle connection, of this address or (None) of any; return False if there is none."""
        for key, connection in self._idle.items():
            if source is None or connection.source == source:
                self.leave(key)
                connection.close()
                return True
        return False

    def begin(self, key: Hashable) -> None:
        """Note that the head of a request is complete."""
        self._idle.pop(key, None)

    def end(self, key: Hashable) -> None:
        """Note that the answer is complete, so that the connection is idle again."""
        if key in self._by_key:
            self._idle[key] = self._by_key[key]

    def leave(self, key: Hashable) -> None:
        """Remove a connection that is closed, or is being closed."""
        self._idle.pop(key, None)
        connection = self._by_key.pop(key, None)
        if connection is not None:
            self._counts[connection.source] -= 1
            if not self._counts[connection.source]:
                del self._counts[connection.source]
            self._on_change(len(self))
