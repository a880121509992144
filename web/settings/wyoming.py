"""Settings of the port for Home Assistant and other clients of the Wyoming protocol."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from web.section import Section, named


class WyomingSettings(Section):
    """Where clients of the Wyoming protocol connect, and whose their transcriptions are."""

    model_config = named("wyoming_")

    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Serve Home Assistant's protocol on this TCP port, 10300 by custom. It has no keys and no encryption."""
    host: str = "127.0.0.1"
    """Where that port is: an address of this machine by which all who reach it may transcribe."""
    owner: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Whose transcriptions and limits those of its clients are; without it the owner is `local`."""

    @model_validator(mode="after")
    def _port_is_there(self) -> Self:
        if self.port is None and (self.owner is not None or self.host != "127.0.0.1"):
            raise ValueError(
                "NIYOSHA_WYOMING_HOST and NIYOSHA_WYOMING_OWNER have no effect without NIYOSHA_WYOMING_PORT: set it too"
            )
        return self
