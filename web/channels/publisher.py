"""A session that publishes to a channel."""

from stream.channels.source import Source
from stream.configuration.config import SessionConfig
from stream.session.events import ClientEvent, Settled
from web.channels.live_channel import LiveChannel


class Publisher:
    """A session that publishes to a channel, from its first audio on."""

    def __init__(self, live: LiveChannel, *, transcription_id: str, label: str) -> None:
        self._live = live
        self._transcription_id = transcription_id
        self._label = label
        self._source: Source | None = None

    @property
    def glossary(self) -> tuple[str, ...]:
        """Phrases for every stream of the channel."""
        return self._live.channel.glossary

    def begin(self, config: SessionConfig) -> None:
        """Begin to publish: the first audio is here."""
        self._source = Source(
            lines=self._live.lines,
            transcription_id=self._transcription_id,
            label=self._label,
            offset_ms=self._live.join(self),
            has_channels=config.channels > 1,
        )

    def receive(self, event: ClientEvent) -> None:
        """Publish an event of the session."""
        if self._source is not None and not self._live.is_ended:
            self._live.changed(self._source.receive(event))

    async def settle(self, event: Settled) -> None:
        """Publish a settled utterance once it is stored, or soon if that takes too long."""
        if self._source is not None and not self._live.is_ended:
            lines = self._source.settled(event)
            await self._live.stored(lines)
            self._live.announce(self._source.shown(lines))

    def close(self) -> None:
        """Publish no more; text that is not settled by now never will be."""
        if self._source is not None:
            self._live.changed(self._source.close())
        self._live.leave(self)
