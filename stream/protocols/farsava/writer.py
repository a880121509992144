"""Writes the events of a session as messages: the reference's own in plain mode, more in extended mode."""

from typing import TypedDict

import msgspec

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.farsava.messages import (
    AudioProgress,
    Done,
    DoneMessage,
    EndOfTurnMessage,
    ErrorMessage,
    Failure,
    FinalLatency,
    FinalMessage,
    Message,
    Partial,
    PartialLatency,
    PartialMessage,
    ReadyMessage,
    SessionLimits,
    SpeechMessage,
    WarningMessage,
    encode,
    failure,
)
from stream.protocols.farsava.results import full_result, plain_results, results, shortened
from stream.protocols.units import seconds
from stream.session.events import (
    ClientEvent,
    Discarded,
    Finalized,
    Finished,
    Progress,
    Ready,
    Settled,
    SpeechEnded,
    SpeechStarted,
    TurnEnded,
    TurnResumed,
    Unsettled,
    Warned,
    WordsPaused,
)
from vad import SAMPLE_RATE

_SAMPLES_PER_MS = SAMPLE_RATE / 1000


class _Head(TypedDict):
    type: str
    sequence: int
    transcription_id: str
    channel: int | msgspec.UnsetType


class _Text(TypedDict):
    duration: int | float
    inference_time: int | float
    status: str
    partial: int
    utterance_id: int
    audio: AudioProgress


class MessageWriter:
    """Writes events as messages, and counts `partial` and `sequence` as each message leaves.

    An event that was replaced while it waited therefore leaves no gap in the counts.
    """

    def __init__(self, transcription_id: str, limits: SessionLimits, *, resume_token: str = "") -> None:
        """Without a `resume_token` there is none in the messages."""
        self.transcription_id = transcription_id
        self._limits = limits
        self._resume_token = resume_token
        self._partials = 0
        self._sequence = 0
        self._config = SessionConfig()

    def write(self, event: ClientEvent, config: SessionConfig) -> str | None:
        """Return the message as JSON, or None where the client needs none."""
        self._config = config
        message = self._extended(event) if config.extended else self._plain(event)
        return None if message is None else encode(message)

    def write_failure(self, problem: Problem, detail: str, config: SessionConfig) -> str:
        """Return the error message for a fault that ended the session itself."""
        self._config = config
        failed = failure(problem, detail)
        return encode(self._error(failed) if config.extended else failed)

    # --- plain mode: exactly the fields of the reference ---

    def _plain(self, event: ClientEvent) -> Message | None:
        match event:
            case Unsettled(is_next=True):
                return self._plain_partial(event)
            case Settled() if event.hypothesis.best.words or event.was_shown:
                return self._plain_partial(event)
            case Finished(error=ClientError() as error):
                return failure(error.problem, error.detail)
            case Finished():
                return self._plain_done(event)
            case _:
                return None

    def _plain_partial(self, event: Unsettled | Settled) -> Partial:
        self._partials += 1
        return Partial(
            self.transcription_id,
            self._duration(event.processed),
            self._inference(event.inference_seconds),
            "partial",
            self._partials,
            results(event.hypothesis.alternatives),
        )

    def _plain_done(self, event: Finished) -> Done:
        utterances = plain_results([results(settled.hypothesis.alternatives) for settled in event.settled])
        duration, inference = self._duration(event.received), self._inference(event.inference_seconds)
        return shortened(Done(self.transcription_id, duration, inference, "done", utterances))

    # --- extended mode ---

    def _extended(self, event: ClientEvent) -> Message | None:  # noqa: PLR0911 - one kind of message a line
        match event:
            case Ready(config, language_code, progress):
                return ReadyMessage(
                    **self._head("ready"),
                    config=config.on_wire() | {"languageCode": language_code},
                    limits=self._limits,
                    audio=_progress(progress),
                    resume=self._resume_token if self._resume_token and config.store else msgspec.UNSET,
                )
            case SpeechStarted() | SpeechEnded() | TurnResumed():
                return self._speech(event)
            case TurnEnded():
                return self._end_of_turn(event)
            case Unsettled(is_repeated=True) | Finalized() | Discarded() | WordsPaused():
                return None
            case Unsettled():
                return self._partial(event)
            case Settled():
                return self._final(event)
            case Warned():
                return self._warning(event)
            case Finished(error=ClientError() as error):
                return self._error(failure(error.problem, error.detail))
            case Finished():
                return self._done(event)

    def _speech(self, event: SpeechStarted | SpeechEnded | TurnResumed) -> SpeechMessage:
        match event:
            case SpeechEnded(utterance_id, position, channel):
                head = self._head("speechEnd", channel)
            case SpeechStarted(utterance_id, position, channel) | TurnResumed(utterance_id, position, channel):
                head = self._head("speechStart", channel)
        return SpeechMessage(**head, utterance_id=utterance_id, time=seconds(position))

    def _end_of_turn(self, event: TurnEnded) -> EndOfTurnMessage:
        return EndOfTurnMessage(
            **self._head("endOfTurn", event.channel),
            utterance_id=event.utterance_id,
            time=seconds(event.end),
            confidence=round(event.confidence, 3),
            eager=event.is_eager,
        )

    def _partial(self, event: Unsettled) -> PartialMessage:
        return PartialMessage(
            **self._head("partial", event.channel),
            **self._text(event),
            results=results(event.hypothesis.alternatives),
            revision=event.revision,
            is_final=False,
            stability=round(event.hypothesis.stability, 3),
            stable_words=event.hypothesis.stable_words,
            latency=PartialLatency(_ms(event.latency.queue_seconds), _ms(event.latency.recognizer_seconds)),
        )

    def _final(self, event: Settled) -> FinalMessage:
        return FinalMessage(
            **self._head("final", event.channel),
            **self._text(event),
            results=[full_result(event.hypothesis.alternatives)],
            is_final=True,
            reason=event.reason.value,
            latency=FinalLatency(
                _ms(event.latency.queue_seconds),
                _ms(event.latency.recognizer_seconds),
                event.endpoint / _SAMPLES_PER_MS,
            ),
        )

    def _warning(self, event: Warned) -> WarningMessage:
        head = self._head("warning", None if event.start is None else event.channel)
        if event.start is None or event.end is None:
            return WarningMessage(**head, code=event.code, detail=event.detail)
        start, end = seconds(event.start), seconds(event.end)
        return WarningMessage(**head, code=event.code, detail=event.detail, start_time=start, end_time=end)

    def _done(self, event: Finished) -> DoneMessage:
        utterances = [full_result(settled.hypothesis.alternatives) for settled in event.settled]
        totals = event.totals
        return shortened(
            DoneMessage(
                **self._head("done"),
                duration=self._duration(event.received),
                inference_time=self._inference(event.inference_seconds),
                status="done",
                results=utterances or [full_result(())],
                received_ms=totals.received / _SAMPLES_PER_MS,
                recognized_ms=totals.recognized / _SAMPLES_PER_MS,
                skipped_ms=totals.skipped / _SAMPLES_PER_MS,
                lost_ms=totals.lost / _SAMPLES_PER_MS,
            )
        )

    def _error(self, failed: Failure) -> ErrorMessage:
        return ErrorMessage(
            **self._head("error"),
            error=failed.type,
            status=failed.status,
            detail=failed.detail,
            title=failed.title,
            code=failed.code,
            message=failed.message,
        )

    def _head(self, kind: str, channel: int | None = None) -> _Head:
        self._sequence += 1
        number = channel if channel is not None and self._config.channels > 1 else msgspec.UNSET
        return _Head(type=kind, sequence=self._sequence, transcription_id=self.transcription_id, channel=number)

    def _text(self, event: Unsettled | Settled) -> _Text:
        """Return the fields that unsettled and settled text have in common."""
        self._partials += 1
        return _Text(
            duration=self._duration(event.processed),
            inference_time=self._inference(event.inference_seconds),
            status="partial",
            partial=self._partials,
            utterance_id=event.utterance_id,
            audio=_progress(event.progress),
        )

    def _duration(self, samples: int) -> int | float:
        return round(samples / SAMPLE_RATE) if self._config.whole_seconds else seconds(samples)

    def _inference(self, spent_seconds: float) -> int | float:
        return round(spent_seconds) if self._config.whole_seconds else round(spent_seconds, 3)


def _progress(progress: Progress) -> AudioProgress:
    return AudioProgress(progress.received / _SAMPLES_PER_MS, progress.settled / _SAMPLES_PER_MS)


def _ms(spent_seconds: float) -> float:
    return round(1000 * spent_seconds, 1)
