"""The options of the Riva client: addresses, TLS, metadata and limits."""

from collections.abc import Callable
from dataclasses import dataclass, field

from stream.riva.requests import RequestOptions
from stream.vocabulary.vocabularies import MOST_PHRASES


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """PEM bytes; without `ca` the certificate authorities that come with gRPC are trusted.

    `certificate` and `key` are those of the client, both or neither. `server_name` is the name in the server's
    certificate if it differs from the address.
    """

    ca: bytes | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    server_name: str | None = None


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class RivaOptions(RequestOptions):
    """The options of the client, those of its requests included.

    - `uris`: `host:port`, `unix:/path`, `dns:///name:port` or other gRPC targets.
    - `tls`: None for no encryption.
    - `metadata`: sent with every call, keys in lower case; may contain secrets.
    - `keepalive_seconds`: 0 for no pings, because servers may close connections that ping often.
    - `most_phrases`: how many phrases of a stream a server accepts.
    - `force_eou`: each `asrModel` whose model supports `force_eou`.
    - `sessions`: the most live sessions at a server that does not admit them itself, None for no limit of our own.
    - `label`: the name of a single server in metrics, None for its address.
    - `is_answering`: from a supervisor of the servers; no stream is opened while it returns False.
    """

    uris: tuple[str, ...]
    tls: TlsOptions | None = None
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    keepalive_seconds: float = 0.0
    most_phrases: int = MOST_PHRASES
    force_eou: tuple[str, ...] = ()
    sessions: int | None = None
    label: str | None = None
    is_answering: Callable[[], bool] = field(default=_always, repr=False, compare=False)
