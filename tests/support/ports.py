"""Loopback ports for servers that a test starts later, or restarts on the same port."""

import random
import socket

# Below the range of ephemeral ports of Linux, of which a connection might take one that is free for a moment.
_PORTS = range(12_000, 32_000)
_HOSTS = ("127.0.0.1", "127.0.0.2")


def unused_port() -> int:
    """Return a port that is free now, both at 127.0.0.1 and at 127.0.0.2."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311
        if all(_is_unused(host, port) for host in _HOSTS):
            return port


def _is_unused(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
