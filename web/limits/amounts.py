"""Owns how much is allowed where a token says nothing."""

from dataclasses import dataclass

from web.settings.access import AccessSettings


@dataclass(frozen=True, slots=True)
class Amounts:
    """What the settings allow; None for as much as anybody likes."""

    streams: int = 1000
    streams_per_owner: int | None = 100
    handshakes_per_second: int = 50
    minutes_per_day: float | None = None

    @classmethod
    def of(cls, settings: AccessSettings) -> "Amounts":
        """What the settings allow; a server without a key has one owner only, whom `streams` limits."""
        per_owner = settings.streams_per_owner if settings.is_keyed else None
        return cls(settings.streams, per_owner, settings.handshakes_per_second, settings.minutes_per_day)
