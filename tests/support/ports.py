"""Loopback ports for servers that a test starts later, or starts again where they were."""

import random
import socket

# Below the range from which Linux takes the ports of connections, which would take one that is free for a moment.
_PORTS = range(12_000, 32_000)
_HOSTS = ("127.0.0.1", "127.0.0.2")


def unused_port() -> int:
    """Return a port on which nobody listens now, neither at 127.0.0.1 nor at 127.0.0.2."""
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
