"""Settings of metrics and traces."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from stream.extras import OTEL
from web.section import Section


class ObservabilitySettings(Section):
    """Where metrics are served and spans are sent."""

    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Serve metrics on a loopback port of their own, to anybody there; without one /metrics wants a token."""
    tracing_endpoint: str | None = None
    """Where spans are sent by OTLP over gRPC, such as http://127.0.0.1:4317; without it nothing is traced."""

    @field_validator("tracing_endpoint")
    @classmethod
    def _tracing_endpoint_is_http(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
            raise ValueError("must be http://host:port or https://host:port")
        if url is not None and OTEL.missing:
            raise ValueError(OTEL.missing)
        return url
