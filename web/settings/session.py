"""Settings of a session: its configuration where the client sets none, and how long it waits for what."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field, field_validator

from stream.configuration.config import SessionConfig
from stream.errors import ClientError
from stream.session.deadlines import RunnerLimits
from web.section import Section

_USUAL = RunnerLimits()


class SessionSettings(Section):
    """The defaults and the time limits of live connections and recordings."""

    stream_defaults: dict[str, object] = Field(default_factory=dict)
    """Keys of the configuration (protocol names) that hold where a client sets none, as a JSON object."""
    idle_ms: Annotated[int, Field(ge=100, le=60_000)] = round(1000 * _USUAL.pause_seconds)
    """Nothing received for so long inside an utterance ends the utterance."""
    idle_limit_seconds: Annotated[float, Field(gt=0, le=3600)] = _USUAL.idle_seconds
    """Nothing received for so long ends the connection."""
    stream_limit_minutes: Annotated[float, Field(gt=0, le=1440)] = _USUAL.stream_seconds / 60
    """The longest live connection."""
    final_limit_seconds: Annotated[float, Field(gt=0, le=600)] = _USUAL.final_seconds
    """The recognizer owes an utterance's final within this time of its last audio."""
    stall_limit_seconds: Annotated[float, Field(gt=0, le=600)] = _USUAL.stall_seconds
    """A recognizer that owes an answer to speech for so long, or less where its pace is known, is asked anew."""

    @field_validator("stream_defaults")
    @classmethod
    def _stream_defaults_are_valid(cls, values: dict[str, object]) -> dict[str, object]:
        try:
            SessionConfig().with_message(values, audio_began=False)
        except ClientError as error:
            raise ValueError(error.detail) from None
        return values

    @property
    def config(self) -> SessionConfig:
        """The configuration of a stream that sets nothing; what only the server set, a WAV header may override."""
        config = SessionConfig().with_message(self.stream_defaults, audio_began=False)
        return replace(config, explicit=config.explicit - {"sampleRateHertz", "audioEncoding"})

    @property
    def runner_limits(self) -> RunnerLimits:
        """The time limits of a session."""
        return RunnerLimits(
            pause_seconds=self.idle_ms / 1000,
            idle_seconds=self.idle_limit_seconds,
            stream_seconds=self.stream_limit_minutes * 60,
            final_seconds=self.final_limit_seconds,
            stall_seconds=self.stall_limit_seconds,
        )
