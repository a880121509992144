"""The registry of open sessions: how many there are, and their end when the server stops."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stream.errors import ClientError, Problem
from stream.runtime.runner import SessionRunner
from stream.session.events import EndCause


class Sessions:
    """The sessions that are open now; once draining, no further one is admitted."""

    def __init__(self, on_drain: Callable[[], None] | None = None) -> None:
        """`on_drain` is called when the server begins to stop."""
        self._on_drain = on_drain
        self._open: set[SessionRunner] = set()
        self.is_draining = False

    def __len__(self) -> int:
        return len(self._open)

    def check_admission(self) -> None:
        """Raise ClientError when the server is stopping."""
        if self.is_draining:
            raise stopping()

    @contextmanager
    def holding(self, runner: SessionRunner) -> Iterator[None]:
        """Register a session while it lasts."""
        self._open.add(runner)
        if self.is_draining:
            runner.end(EndCause.SHUTDOWN)
        try:
            yield
        finally:
            self._open.discard(runner)

    def drain(self) -> None:
        """Admit no further session; let every open one deliver its finals, and end."""
        self.is_draining = True
        if self._on_drain is not None:
            self._on_drain()
        for runner in self._open:
            runner.end(EndCause.SHUTDOWN)


def stopping() -> ClientError:
    """Return the error for whoever comes while the server stops."""
    return ClientError(Problem.SHUTTING_DOWN, "the server is stopping; connect again in a few seconds")
