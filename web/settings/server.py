"""Settings of the sockets: where the gateway listens, its TLS, the proxies in front, the limits of a connection."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from web.section import Section
from web.settings.cores import usable_cores

MOST_WORKERS = 256
_AUTO = "auto"


class ServerSettings(Section):
    """Where the gateway listens and how it treats a connection."""

    host: str = "127.0.0.1"
    """Address to listen on; any but loopback requires tokens."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 for a free one, which the start prints."""
    grpc_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Port for clients of NVIDIA Riva, at the same host, with the same TLS and tokens; none unless set."""
    workers: Annotated[int, Field(ge=1, le=MOST_WORKERS)] = 1
    """Processes that share the port, limits and jobs; `auto` for as many as there are cores to use."""
    tls_cert: Path | None = None
    """PEM file of the server's certificate, with the intermediate ones."""
    tls_key: Path | None = None
    """PEM file of its key, not encrypted."""
    tls_self_signed: bool = False
    """Make a certificate for this machine's names: browsers warn once, and give pages the microphone."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks whose X-Forwarded-For and X-Forwarded-Proto are believed, as a JSON list."""
    connections_per_address: Annotated[int, Field(ge=16, le=100_000)] = 1024
    """Open connections of one address, which is not a trusted proxy's; a new one closes the oldest idle one."""
    max_message_bytes: Annotated[int, Field(ge=100_000, le=64 * 1024 * 1024)] = 1024 * 1024
    """The largest message of a live connection."""
    send_limit_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    """A client that takes no message for so long is cut off."""

    @field_validator("workers", mode="before")
    @classmethod
    def _workers_are_counted(cls, workers: object) -> object:
        if workers == _AUTO:
            return min(usable_cores(), MOST_WORKERS)
        if isinstance(workers, str) and not workers.isdecimal():
            raise ValueError(f"must be {_AUTO}, or a number of processes from 1 to {MOST_WORKERS}")
        return workers

    @model_validator(mode="after")
    def _tls_agrees(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("NIYOSHA_TLS_CERT and NIYOSHA_TLS_KEY belong together; set both or neither")
        if self.tls_self_signed and self.tls_cert is not None:
            raise ValueError(
                "NIYOSHA_TLS_SELF_SIGNED makes a certificate although NIYOSHA_TLS_CERT is set; set one of them"
            )
        return self
