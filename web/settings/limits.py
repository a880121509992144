"""Settings of the limits: streams at once, handshakes in a second, minutes of audio in a day."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from stream.extras import REDIS
from web.section import Section


class LimitSettings(Section):
    """How much callers may have, and where that is counted."""

    secret_fields = frozenset({"limits_url"})

    limits_url: str = "memory://"
    """Where limits are counted: memory:// or, for several servers together, redis://host:port."""
    streams: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Live connections at once."""
    streams_per_owner: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Live connections of one `sub` at once, where its token does not say `streams`."""
    handshakes_per_second: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Live handshakes of one address in a second."""
    minutes_per_day: Annotated[float, Field(gt=0)] | None = None
    """Minutes of audio of one `sub` in a day, live and recorded, where its token does not say `minutes`."""

    @field_validator("limits_url")
    @classmethod
    def _limits_url_is_known(cls, url: str) -> str:
        if urlsplit(url).scheme not in ("memory", "redis", "rediss"):
            raise ValueError("must be memory://, redis://host:port or rediss://host:port")
        if urlsplit(url).scheme != "memory" and REDIS.missing:
            raise ValueError(REDIS.missing)
        return url
