"""The file descriptors of the process: as many as it may have, and how many of them are for connections."""

import resource

# For the database, the recognizer, downloads, temporary files and the log; and for whoever asks how the server is.
_RESERVED = 128
# An idle connection takes 10 kB.
_MOST_CONNECTIONS = 16_384


def raise_limit() -> int:
    """Let the process have as many descriptors as it may, and return their number; the usual 1024 are few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # some systems have a hard limit that cannot be reached
            return soft
    return hard


def connections_within(descriptors: int) -> int:
    """Return how many connections so many descriptors are enough for."""
    if descriptors == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return min(max(descriptors // 2, descriptors - _RESERVED), _MOST_CONNECTIONS)
