"""Owns what the client of Riva is told: where the servers are, and how to speak to them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

STOP_HISTORY_MS = 30_000


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """PEM bytes; without `ca` the authorities that come with gRPC are trusted.

    `certificate` and `key` are the client's own, both or neither. `server_name` is the name that the server's
    certificate has to be for, where that is not the name in the address.
    """

    ca: bytes | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    server_name: str | None = None


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class RivaOptions:
    """Servers as `host:port`, `unix:/path`, `dns:///name:port` for all machines of a name, or other gRPC targets.

    Without `tls` nothing is encrypted. `metadata` goes with every call, keys in lower case; it may hold secrets.
    `keepalive_seconds` 0 sends none, because unknown servers close connections that ping them often. `models` names
    the server's own model for an `asrModel`, without one the server chooses; `custom_configuration` goes to it as is.
    `stop_history_ms` is the pause after which a server settles where our segmenter finds the utterances: longer than
    any, so that only one of the two does it; 0 leaves it to the server, which some insist on. `most_speakers` are told
    apart, 0 asks for none. `force_eou` names each `asrModel` whose model settles when it is told `force_eou`.
    `sessions` is how many live sessions a server that does not admit them itself is given at once, None for as many as
    it does not refuse. `is_answering` is what a supervisor of the servers knows: while it is false no stream is opened.
    """

    uris: tuple[str, ...]
    tls: TlsOptions | None = None
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    keepalive_seconds: float = 0.0
    most_phrases: int = 500
    models: Mapping[str, str] = field(default_factory=dict)
    custom_configuration: Mapping[str, str] = field(default_factory=dict)
    stop_history_ms: int = STOP_HISTORY_MS
    most_speakers: int = 0
    force_eou: tuple[str, ...] = ()
    sessions: int | None = None
    is_answering: Callable[[], bool] = field(default=_always, repr=False, compare=False)
