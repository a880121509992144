"""Owns the last word on a connection: that it is read before the connection is gone."""

import asyncio


def end_writing(transport: asyncio.Transport) -> bool:
    """Say that nothing more comes, so that what was sent can be read; False where there is no such way.

    To close with something unread would reset the connection, and might take the last word along.
    """
    if not transport.can_write_eof():
        return False
    try:
        transport.write_eof()
    except OSError:  # the peer is gone already
        return False
    return True
