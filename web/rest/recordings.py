"""What the routes of recordings share: admission, configuration, and the recognition of a whole recording."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.recognition.recognizer import Recognizer
from stream.recordings.recognize_file import OnSettled, ignore_settled, is_complete, recognize_whole
from stream.runtime.fairness import FairShare
from stream.session.deadlines import RunnerLimits
from stream.session.events import Finished
from web.auth.caller import Caller
from web.clock import Clock
from web.limits.limits import Limits
from web.live.registry import Sessions
from web.memory.budget import BodyBudgets
from web.observability.metrics import Metrics
from web.rest.request.audio import Audio
from web.rest.request.body import HELD_PROBLEMS
from web.routes.operations import Tag
from web.store.languagemodels import LanguageModels
from web.store.retried_writes import RetriedWrites
from web.store.tables import Kind, Status
from web.store.transcriptions import Summary, Transcriptions, new_id

RECORDINGS = Tag("recordings", "short ones answered at once, long ones in the background")
# Refusals of a configuration, of audio, and of a whole request.
CONFIG_PROBLEMS = (Problem.INVALID_MESSAGE, Problem.INVALID_CONFIG, Problem.NOT_FOUND)
AUDIO_PROBLEMS = (Problem.INVALID_AUDIO, Problem.TOO_LARGE, Problem.UNSUPPORTED_MEDIA)
REQUEST_PROBLEMS = (*CONFIG_PROBLEMS, *AUDIO_PROBLEMS, *HELD_PROBLEMS, Problem.SHUTTING_DOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingAdmission:
    """Decides whether a recording is taken now, and with which configuration; `config` holds where it sets nothing."""

    sessions: Sessions
    recognizer: Recognizer
    models: LanguageModels
    config: SessionConfig

    def check_ready(self) -> None:
        """Raise ClientError when nothing can be recognized now."""
        self.sessions.check_admission()
        if not self.recognizer.is_ready:
            raise not_ready()

    async def configured(
        self, caller: Caller, values: dict[str, object], check: Callable[[SessionConfig], None] | None = None
    ) -> SessionConfig:
        """Return the configuration of a recording, with the phrases of its language model; raises ClientError.

        `check` may refuse what the recording itself sets.
        """

        def with_values(config: SessionConfig) -> SessionConfig:
            changed = config.with_message(values, audio_began=False)
            if check is not None:
                check(changed)
            return changed

        return await self.adapted(caller, with_values)

    async def adapted(self, caller: Caller, adapt: Callable[[SessionConfig], SessionConfig]) -> SessionConfig:
        """Return what `adapt` makes of the caller's configuration, with the phrases of its language model."""
        return await self.models.look_up(adapt(caller.configured(self.config)), caller.owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcriber:
    """Recognizes whole recordings, for the routes that answer with their text."""

    recognizer: Recognizer
    limits: Limits
    bodies: BodyBudgets
    fair_share: FairShare
    metrics: Metrics
    runner_limits: RunnerLimits

    async def transcribe(
        self,
        caller: Caller,
        config: SessionConfig,
        audio: Audio,
        most_seconds: float,
        on_settled: OnSettled = ignore_settled,
    ) -> Finished:
        """Recognize a whole recording of a caller's; raises ClientError unless every sample of it was recognized.

        `on_settled` gets each utterance as soon as it is settled.
        """
        limits = replace(self.runner_limits, audio_seconds=most_seconds)
        meter = self.limits.recording_meter(caller.owner, self.limits.minutes_of(caller))
        # A recording in which FFmpeg has to jump is copied to disk.
        with self.bodies.disk.open(caller.owner) as copy:
            copy.require(audio.size_bytes)
            try:
                finished = await recognize_whole(
                    self.recognizer,
                    config,
                    audio.chunks,
                    limits,
                    self.fair_share,
                    meter=meter.add,
                    on_settled=on_settled,
                )
            finally:
                await meter.settle()
        self.metrics.add_audio("short", finished.totals)
        if finished.error is not None:
            raise finished.error
        if not is_complete(finished):
            raise partly_failed()
        return finished


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortTranscriptions:
    """Keeps the transcriptions of recordings that are answered at once."""

    transcriptions: Transcriptions
    retried_writes: RetriedWrites
    clock: Clock

    async def keep(self, owner: str, config: SessionConfig, finished: Finished) -> Summary:
        """Give what was recognized an id, and store it unless `store` is false."""
        summary = Summary(
            id=new_id(),
            kind=Kind.SHORT,
            status=Status.DONE,
            created_at=self.clock(),
            received_samples=finished.received,
            inference_seconds=finished.inference_seconds,
            whole_seconds=config.whole_seconds,
        )
        if config.store:
            await self.retried_writes.finish(partial(self._store, owner, summary, finished))
        return summary

    async def _store(self, owner: str, summary: Summary, finished: Finished) -> None:
        await self.transcriptions.open(summary.id, owner, summary.kind, whole_seconds=summary.whole_seconds)
        await self.transcriptions.finish(summary.id, finished.settled, finished.received, finished.inference_seconds)


def not_ready() -> ClientError:
    """Return the error for a recording that comes before the recognizer is ready."""
    return ClientError(Problem.OVERLOADED, "the recognizer is not ready; come again in a few seconds")


def partly_failed() -> ClientError:
    """Return the error for a recording of which the recognizer lost a part."""
    return ClientError(Problem.RECOGNIZER_FAILED, "the recognizer failed on a part of the audio; try again later")
