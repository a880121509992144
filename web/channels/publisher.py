"""A session that publishes to a channel."""

import math

import numpy as np
import structlog

from stream.channels.source import SAMPLES_PER_MS, Source
from stream.configuration.config import SessionConfig
from stream.errors import ClientError
from stream.runtime.audio_intake import Frames
from stream.runtime.runner import SessionRunner
from stream.session.events import ClientEvent, Settled
from web.channels.live_channel import LiveChannel
from web.channels.publishers import PublisherState

_FULL_SCALE = 32768.0
_SILENCE_DB = -100.0
_log = structlog.get_logger()


class Publisher:
    """A session that publishes to a channel, from its first audio on."""

    def __init__(self, live: LiveChannel, *, transcription_id: str, label: str) -> None:
        self._live = live
        self._transcription_id = transcription_id
        self._label = label
        self._resumed: tuple[int, int] | None = None
        self._source: Source | None = None
        self._runner: SessionRunner | None = None

    @property
    def glossary(self) -> tuple[str, ...]:
        """Phrases for every stream of the channel."""
        return self._live.channel.glossary

    @property
    def state(self) -> PublisherState | None:
        """How the publisher is now, None before its first audio."""
        if self._source is None or self._runner is None:
            return None
        offset_ms, progress = self._source.offset_ms, self._runner.progress
        return PublisherState(
            transcription_id=self._transcription_id,
            speaker=self._label,
            began_ms=offset_ms,
            settled_ms=offset_ms + progress.settled // SAMPLES_PER_MS,
            lag_ms=max(0, self._live.clock_ms() - offset_ms - progress.received // SAMPLES_PER_MS),
            level_db=_level_db(self._runner.newest_frames),
        )

    def follow(self, runner: SessionRunner) -> None:
        """Take the session's runner, of which the publisher is the channel's view."""
        self._runner = runner
        self._live.hold(self)

    def resume(self, offset_ms: int, from_ms: int) -> None:
        """Go on with a transcription whose first sample is at `offset_ms`, and what is unsettled at `from_ms`.

        Both are times on the channel's clock.
        """
        self._resumed = offset_ms, from_ms

    def begin(self, config: SessionConfig) -> tuple[str, int]:
        """Begin to publish: the first audio is here. Return the channel and where the first sample is on its clock."""
        offset_ms = self._live.join(self)
        if self._resumed is not None:
            offset_ms = self._resumed[0]
        self._source = Source(
            lines=self._live.lines,
            transcription_id=self._transcription_id,
            label=self._label,
            offset_ms=offset_ms,
            has_channels=config.channels > 1,
        )
        if self._resumed is not None:
            self._source.go_on(self._resumed[1])
        self.pause(is_paused=self._live.channel.is_paused)
        return self._live.channel.name, offset_ms

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

    def pause(self, *, is_paused: bool) -> None:
        """Publish nothing while the channel is paused; unsettled text is taken back."""
        if self._source is None or self._source.is_paused == is_paused:
            return
        if is_paused:
            self._live.changed(self._source.pause())
        else:
            self._source.is_paused = False

    def change_glossary(self, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Let the session's next utterances listen for other phrases."""
        if self._runner is None:
            return
        try:
            self._runner.replace_phrases(old, new)
        except ClientError as error:
            _log.warning("glossary_not_used", reason=error.detail)

    def close(self) -> None:
        """Publish no more; text that is not settled by now never will be."""
        if self._source is not None:
            self._live.changed(self._source.close())
            self._source = None
        self._live.leave(self)


def _level_db(frames: Frames) -> float:
    """Return the level of the loudest channel."""
    samples = (np.frombuffer(pcm, "<i2").astype(np.float64) for pcm in frames if pcm)
    loudest = max((float(np.square(one).mean()) for one in samples), default=0.0)
    if loudest <= 0:
        return _SILENCE_DB
    return max(_SILENCE_DB, 10 * math.log10(loudest / _FULL_SCALE**2))
