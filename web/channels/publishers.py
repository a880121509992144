"""What a channel knows of the sessions that publish to it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherState:
    """How a publisher is now.

    Its audio began at `began_ms` on the channel's clock and is `lag_ms` behind it; the newest has a level of
    `level_db`, in decibels of full scale. What was recognized of it is settled up to `settled_ms`.
    """

    transcription_id: str
    speaker: str
    began_ms: int
    settled_ms: int
    lag_ms: int
    level_db: float


class ChannelPublisher(Protocol):
    """A session that publishes to a channel."""

    @property
    def state(self) -> PublisherState | None:
        """How it is now, None before its first audio."""
        ...

    def pause(self, *, is_paused: bool) -> None:
        """Publish nothing while the channel is paused."""
        ...

    def change_glossary(self, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Let the session's next utterances listen for other phrases."""
        ...
