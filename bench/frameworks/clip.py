"""A clip as the frameworks want it, and what they made of it."""

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FRAME_MS = 20
QUIET_MS = 3000
KEY = "local"
"""A server without a key ignores this one; the frameworks insist on some key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the server listens: `host:port` of HTTP and of gRPC."""

    http: str
    grpc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a framework received for a clip: interim texts, settled texts, and how it ended."""

    interims: int
    finals: tuple[str, ...]
    end: str


def frames(path: Path) -> tuple[int, Iterator[bytes]]:
    """Return the rate of a mono 16-bit WAV file, and its frames with quiet after them, `int16[rate / 50]` each."""
    with wave.open(str(path)) as file:
        rate, pcm = file.getframerate(), file.readframes(file.getnframes())
    size_bytes = 2 * rate * FRAME_MS // 1000
    pcm += bytes(size_bytes - len(pcm) % size_bytes) + bytes(size_bytes * (QUIET_MS // FRAME_MS))
    return rate, (pcm[n : n + size_bytes] for n in range(0, len(pcm), size_bytes))
