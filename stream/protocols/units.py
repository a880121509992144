"""Positions in samples as the times that protocols send."""

from vad import SAMPLE_RATE


def seconds(samples: int) -> float:
    """Return a position on the connection's clock in seconds, to the millisecond."""
    return round(samples / SAMPLE_RATE, 3)
