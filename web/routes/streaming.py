"""Answers that outlast the request: what the server keeps of one is its connection, not the work that began it."""

from typing import Protocol

DETACH = "niyosha.detach"
"""The ASGI extension that is called, once the head of an answer was sent, with who goes on with it."""


class Outlet(Protocol):
    """The rest of an answer, as it goes to one client."""

    @property
    def is_full(self) -> bool:
        """Whether the client is behind; it is closed if that lasts too long."""
        ...

    def write(self, piece: bytes) -> None:
        """Send a piece; there is room for it even if the outlet is full, but there should be no second one."""
        ...

    def end(self) -> None:
        """End the answer."""
        ...


class Source(Protocol):
    """Who goes on with an answer."""

    def drained(self) -> None:
        """The client has caught up: there is room for more."""
        ...

    def closed(self) -> None:
        """The connection is gone, whoever closed it."""
        ...


class Detach(Protocol):
    """The extension itself."""

    def __call__(self, source: Source) -> Outlet:
        """Let a source go on with the answer, of which the request's task sends no more."""
        ...
