"""Accept connections on a socket that the workers of a server share, so that each of them gets as many as the others.

The kernel hands a connection to whichever worker wakes first, and one that has little to do wakes first again and
again. So a worker with more connections than another waits for a moment before it takes a further one. The numbers are
in a file that all workers map into their memory.
"""

import asyncio
import mmap
import socket
from collections.abc import Callable, Coroutine, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any

import structlog

_ITEM_BYTES = 8
_CLOSED = -1
# Far more than an idle worker needs to wake up, and nothing that a client would notice.
_WAIT_SECONDS = 0.005
# After a failure, such as for a lack of descriptors, it is tried again after this time, as asyncio itself does.
_FAILURE_SECONDS = 1.0
_log = structlog.get_logger()


class Turn(Enum):
    """What a worker does when a connection waits."""

    NOW = auto()
    AFTER_OTHERS = auto()
    """Take it if no other worker has within a moment."""
    NOT_MINE = auto()


def turn(own: int, others: Sequence[int]) -> Turn:
    """Decide by the connections of each worker, negative for one that takes no more.

    While all of them are closed, each still takes connections, to refuse what they ask.
    """
    open_ones = [other for other in others if other >= 0]
    if own < 0:
        return Turn.NOT_MINE if open_ones else Turn.NOW
    return Turn.NOW if own <= min(open_ones, default=own) else Turn.AFTER_OTHERS


class ConnectionCounts:
    """How many connections each worker has: one number each, in a file that they all map into their memory."""

    def __init__(self, path: Path, own: int = 0) -> None:
        """Map a file that was made; `own` is the number of this worker, from 1, and 0 in a process that is none."""
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._counts = memoryview(self._memory).cast("q")
        self._own = own - 1
        self._connections = self._beginning = 0

    @classmethod
    def make(cls, path: Path, workers: int) -> "ConnectionCounts":
        """Make the file for so many workers, all closed."""
        path.write_bytes(bytes(workers * _ITEM_BYTES))
        counts = cls(path)
        for worker in range(1, workers + 1):
            counts.close(worker)
        return counts

    def publish(self, connections: int) -> None:
        """Set the number of this worker's connections."""
        self._connections = connections
        self._write()

    def add_beginning(self, connections: int) -> None:
        """Add to the number of those that were accepted, and are no connections yet."""
        self._beginning += connections
        self._write()

    def _write(self) -> None:
        if self._counts[self._own] != _CLOSED:
            self._counts[self._own] = self._connections + self._beginning

    def open(self) -> None:
        """Begin to take connections."""
        self._counts[self._own] = 0

    def close(self, worker: int | None = None) -> None:
        """Note that a worker takes no more connections: this one, or the one with a number from 1."""
        self._counts[self._own if worker is None else worker - 1] = _CLOSED

    def turn(self) -> Turn:
        """Decide whether this worker takes the connection that waits."""
        counts = self._counts.tolist()
        return turn(counts.pop(self._own), counts)


class SharedAcceptor:
    """Takes the connections on a shared socket in turn with the other workers."""

    def __init__(
        self,
        listener: socket.socket,
        counts: ConnectionCounts,
        serve: Callable[[socket.socket], Coroutine[Any, Any, object]],
    ) -> None:
        """`serve` makes a connection of an accepted socket."""
        self._listener = listener
        self._counts = counts
        self._serve = serve
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._beginning: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        counts.open()
        self._watch()

    def drain(self) -> None:
        """Leave connections to other workers, if there are any that take them."""
        self._counts.close()

    def close(self) -> None:
        """Take no more connections."""
        self._counts.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            self._listener.close()

    async def wait_closed(self) -> None:
        """End the handshakes of TLS that have not ended."""
        for beginning in self._beginning:
            beginning.cancel()
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def _watch(self) -> None:
        self._timer = None
        self._loop.add_reader(self._listener, self._on_waiting)

    def _pause(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._listener)
        self._timer = self._loop.call_later(seconds, then)

    def _on_waiting(self) -> None:
        match self._counts.turn():
            case Turn.NOW:
                self._accept()
            case Turn.AFTER_OTHERS:
                self._pause(_WAIT_SECONDS, self._accept_late)
            case Turn.NOT_MINE:
                self._pause(_WAIT_SECONDS, self._watch)

    def _accept_late(self) -> None:
        self._watch()
        if self._counts.turn() is not Turn.NOT_MINE:
            self._accept()

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was faster, or the client has left
        except OSError as error:
            _log.error("connection_not_accepted", error=error.strerror)
            self._pause(_FAILURE_SECONDS, self._watch)
            return
        accepted.setblocking(False)
        if accepted.family != socket.AF_UNIX:
            # As asyncio does for connections that it accepts itself.
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._counts.add_beginning(1)
        beginning = self._loop.create_task(self._begin(accepted))
        self._beginning.add(beginning)
        beginning.add_done_callback(self._beginning.discard)

    async def _begin(self, accepted: socket.socket) -> None:
        try:
            await self._serve(accepted)
        except OSError:  # the handshake of TLS failed, or the client has left
            accepted.close()
        finally:
            self._counts.add_beginning(-1)
