"""Settings of the database, and of the recordings that are worked on in it."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Self

import platformdirs
from pydantic import Field, field_validator, model_validator

from web.section import Section
from web.store.database.engines import check_url


def _default_database_url() -> str:
    return f"sqlite:///{platformdirs.user_data_path('niyosha') / 'niyosha.db'}"


class StoreSettings(Section):
    """What is kept where and for how long; how recordings are fetched and worked on."""

    secret_fields = frozenset({"database_url"})

    database_url: str = Field(default_factory=_default_database_url)
    """Where transcriptions, long recordings and language models are kept: sqlite:///path or postgresql://..."""
    retention_days: Annotated[float, Field(gt=0, le=3650)] = 7.0
    """What is older is deleted."""
    models_per_owner: Annotated[int, Field(ge=0, le=100_000)] = 100
    """Language models that are kept for one owner."""
    channels_per_owner: Annotated[int, Field(ge=0, le=100_000)] = 100
    """Caption channels that are kept for one owner."""
    job_streams: Annotated[int, Field(ge=0, le=256)] = 2
    """Segments of long recordings that this process recognizes at once; 0 leaves them to `niyosha worker`."""
    jobs_per_owner: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Long recordings of one owner that may wait or be worked on at once."""
    recording_limit_minutes: Annotated[float, Field(gt=0, le=1440)] = 240.0
    """The longest recording."""
    recording_limit_bytes: Annotated[int, Field(ge=1 << 20)] = 4 << 30
    """The largest file of a long recording."""
    fetch_limit_seconds: Annotated[float, Field(gt=0, le=86_400)] = 3600.0
    """A download that takes longer is given up."""
    fetch_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that an `audio.uri` may lead to although they are not public, as a JSON list."""

    @field_validator("database_url")
    @classmethod
    def _database_is_known(cls, url: str) -> str:
        check_url(url)
        return url

    @model_validator(mode="after")
    def _recordings_are_worked_on(self) -> Self:
        if not self.job_streams and self.database_url.startswith("sqlite"):
            raise ValueError(
                "NIYOSHA_JOB_STREAMS is 0, which leaves long recordings to `niyosha worker`, but workers share a "
                "PostgreSQL database only; set NIYOSHA_DATABASE_URL to one, or NIYOSHA_JOB_STREAMS to at least 1"
            )
        return self

    @property
    def retention_seconds(self) -> float:
        """How long transcriptions and recordings are kept."""
        return self.retention_days * 86_400
