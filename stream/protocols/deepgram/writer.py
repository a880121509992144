"""Writes the events of a session as Deepgram's messages."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable

from stream.configuration.config import SessionConfig
from stream.errors import ClientError
from stream.protocols.deepgram.commands import Finalizing
from stream.protocols.deepgram.errors import ErrorMessage, description, fault, silence
from stream.protocols.deepgram.messages import (
    MODEL_ID,
    ChannelResult,
    ConfigureFailure,
    ConfigureSuccess,
    Message,
    Metadata,
    Results,
    ResultsMetadata,
    SpeechStarted,
    UtteranceEnd,
    model_info,
)
from stream.protocols.deepgram.parameters import ListenRequest
from stream.protocols.deepgram.results import alternatives, placed, timestamp
from stream.protocols.units import seconds
from stream.session import events
from stream.session.commands import Refused
from stream.session.events import EndCause, Reason

# Utterances that end for another reason than that speech does.
_UNENDED = (Reason.MAX_UTTERANCE, Reason.GAP, Reason.ERROR)


class MessageWriter:
    """Writes the messages of one connection; `opened_at` is in seconds since 1970."""

    def __init__(self, request: ListenRequest, request_id: str, opened_at: float, idle_seconds: float) -> None:
        self._request = request
        self._request_id = request_id
        self._opened_at = opened_at
        self._idle_seconds = idle_seconds
        self._info = model_info(request.model)
        self._metadata = ResultsMetadata(request_id, self._info, MODEL_ID)
        self._audio = hashlib.sha256(usedforsecurity=False)
        self._is_ready = False
        # Where the last result of a channel ends.
        self._ends: defaultdict[int, int] = defaultdict(int)
        # The channels of open utterances, and the first sample of their speech.
        self._open: dict[int, tuple[int, int]] = {}
        # The utterance that answers a command to finalize by channel, and the channels in which one has done so.
        self._finalizing: dict[int, int] = {}
        self._finalized: set[int] = set()

    def add_audio(self, data: bytes) -> None:
        """Take the next bytes of audio, of which the last message has the digest."""
        self._audio.update(data)

    def reply(self, content: object) -> list[Message]:
        """Return the messages for a reply."""
        match content:
            case Refused(error=error):
                code = "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"
                return [ConfigureFailure(self._request_id, code, description(error))]
            case ErrorMessage() | ConfigureSuccess() | ConfigureFailure():
                return [content]
            case Finalizing(number):
                # A command to finalize is about the latest open utterance of its channels.
                self._finalizing |= {
                    channel: utterance_id
                    for utterance_id, (channel, _) in self._open.items()
                    if number in (None, channel)
                }
        return []

    def write(self, event: events.ClientEvent, config: SessionConfig) -> list[Message]:  # noqa: PLR0911 - as messages
        """Return the messages for an event."""
        channels = config.channels
        match event:
            case events.Ready(ready_config):
                return self._configured(ready_config)
            case events.SpeechStarted(utterance_id, onset, channel):
                self._open[utterance_id] = channel, onset
                started = SpeechStarted([channel, channels], seconds(onset))
                return [started] if self._request.vad_events else []
            case events.Unsettled(is_next=True):
                return [self._interim(event, channels)]
            case events.Settled():
                return [self._final(event, channels)]
            case events.Finalized(None):
                return self._answers(range(channels), channels)
            case events.Finalized(int(channel)):
                return self._answers([channel], channels)
            case events.WordsPaused(last_word_end, channel):
                return [UtteranceEnd([channel, channels], seconds(last_word_end))]
            case events.Finished():
                return [self._end(event, channels)]
            case _:
                return []

    def _configured(self, config: SessionConfig) -> list[Message]:
        """Answer each configuration but the one with which the connection begins."""
        is_first, self._is_ready = not self._is_ready, True
        return [] if is_first else [ConfigureSuccess(self._request_id, list(config.phrases))]

    def _interim(self, event: events.Unsettled, channels: int) -> Results:
        _, start = self._open.get(event.utterance_id, (event.channel, self._ends[event.channel]))
        texts = placed(event.hypothesis.alternatives, start, event.processed)
        return self._results(event.channel, channels, start, event.processed, texts, is_final=False)

    def _final(self, event: events.Settled, channels: int) -> Results:
        self._open.pop(event.utterance_id, None)
        self._ends[event.channel] = event.processed
        from_finalize = event.reason is Reason.FINALIZE or self._finalizing.get(event.channel) == event.utterance_id
        if from_finalize:
            self._finalizing.pop(event.channel, None)
            self._finalized.add(event.channel)
        return self._results(
            event.channel,
            channels,
            event.start,
            event.processed,
            event.hypothesis.alternatives,
            speech_final=self._request.finds_endpoints and event.reason not in _UNENDED,
            from_finalize=from_finalize,
        )

    def _answers(self, finalized: Iterable[int], channels: int) -> list[Message]:
        """Answer a command to finalize for each of its channels in which nothing was open."""
        missing = [channel for channel in finalized if channel not in self._finalized]
        self._finalized -= set(finalized)
        return [self._empty(channel, channels) for channel in missing]

    def _empty(self, channel: int, channels: int) -> Results:
        end = self._ends[channel]
        return self._results(
            channel, channels, end, end, (), speech_final=self._request.finds_endpoints, from_finalize=True
        )

    def _results(
        self,
        channel: int,
        channels: int,
        start: int,
        end: int,
        texts: tuple[events.Alternative, ...] | list[events.Alternative],
        *,
        is_final: bool = True,
        speech_final: bool = False,
        from_finalize: bool = False,
    ) -> Results:
        made = alternatives(texts, is_formatted=self._request.is_formatted, has_speakers=self._request.wants_speakers)
        return Results(
            channel_index=[channel, channels],
            start=seconds(start),
            duration=seconds(max(0, end - start)),
            is_final=is_final,
            speech_final=speech_final,
            from_finalize=from_finalize,
            channel=ChannelResult(made),
            metadata=self._metadata,
        )

    def _end(self, event: events.Finished, channels: int) -> Message:
        match event:
            case events.Finished(error=ClientError() as error):
                return fault(error.problem, error.detail)
            case events.Finished(cause=EndCause.IDLE):
                return silence(self._idle_seconds)
            case _:
                return Metadata(
                    request_id=self._request_id,
                    sha256=self._audio.hexdigest(),
                    created=timestamp(self._opened_at),
                    duration=seconds(event.received),
                    channels=channels,
                    models=[MODEL_ID],
                    model_info={MODEL_ID: self._info},
                )
