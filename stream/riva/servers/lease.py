"""The place of one stream at a server."""

import asyncio
from typing import Protocol

from stream.riva.errors import RivaError
from stream.riva.servers.channels import PooledChannel


class LeasingServer(Protocol):
    """A server that leases places; it records what happens to their streams."""

    def answered(self) -> None:
        """Record the first answer to a stream."""
        ...

    def failed(self, lease: "StreamLease", error: RivaError) -> None:
        """Record that a stream failed, whether answered before or not."""
        ...

    def stalled(self, lease: "StreamLease") -> None:
        """Record that a stream was abandoned because the server did not answer."""
        ...

    def released(self, channel: PooledChannel) -> None:
        """Record that a place on a connection is free."""
        ...


class StreamLease:
    """The place of one stream, which reports its progress to the server.

    `is_awaited` if nothing is sent before the server has accepted the stream, so that the status of a refusal is kept.
    """

    def __init__(self, server: LeasingServer, channel: PooledChannel, *, is_awaited: bool = False) -> None:
        self.is_awaited = is_awaited
        self.channel = channel
        self.began = asyncio.get_running_loop().time()
        self.is_answered = False
        self._server = server
        self._is_released = False

    def answered(self) -> None:
        # Only the first answer counts: a server that accepts no new streams may go on with old ones.
        if not self.is_answered:
            self.is_answered = True
            self._server.answered()

    def failed(self, error: RivaError) -> None:
        self._server.failed(self, error)

    def stalled(self) -> None:
        self._server.stalled(self)

    def release(self) -> None:
        if not self._is_released:
            self._is_released = True
            self.channel.release()
            self._server.released(self.channel)
