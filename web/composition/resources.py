"""Build the resources of the gateway: the objects whose methods answer its routes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from stream.protocols.registry import PROTOCOLS
from stream.recognition.recognizer import Recognizer
from stream.runtime.fairness import FairShare
from vad import SAMPLE_RATE
from web.auth.authenticator import Authenticator
from web.auth.resume_tokens import ResumeTokens
from web.channels.hub import ChannelHub
from web.clock import Clock
from web.composition.access import token_issuer
from web.composition.recordings import fetch_options
from web.jobs.queue import Queue
from web.jobs.steps import Steps
from web.jobs.training import Trainer
from web.limits.limits import Limits
from web.live.admission import Admission
from web.live.endpoint import Live
from web.live.ownership import Ownership
from web.live.registry import Sessions
from web.live.resuming import Resumer
from web.memory.budget import BodyBudgets
from web.observability.metrics import Metrics
from web.reference.documents import DocumentRoutes
from web.rest.channels.access import OwnChannels, ReadableChannels
from web.rest.channels.hls import ChannelHlsRoutes
from web.rest.channels.management import ChannelRoutes
from web.rest.channels.operation import OperatorRoutes
from web.rest.channels.readers import ChannelReaderRoutes
from web.rest.channels.room_code import RoomCodeRoutes
from web.rest.channels.webhooks import WebhookRoutes
from web.rest.configuration import ConfigurationRoutes
from web.rest.deepgram.listen import DeepgramRoutes
from web.rest.health import HealthRoutes
from web.rest.languagemodels import LanguageModelRoutes
from web.rest.languages import LanguageRoutes
from web.rest.longrunning import LongRunningRoutes
from web.rest.metrics import MetricsRoutes
from web.rest.nim import NimRoutes
from web.rest.openai.models import OpenAIModelRoutes
from web.rest.openai.realtime import OpenAIRealtimeRoutes
from web.rest.openai.transcriptions import OpenAITranscriptionRoutes
from web.rest.ovh import OvhRoutes
from web.rest.pages import PageRoutes
from web.rest.recognize import RecognizeRoutes
from web.rest.recordings import RecordingAdmission, ShortTranscriptions, Transcriber
from web.rest.tokens import SessionTokens, TokenRoutes
from web.rest.transcriptions import TranscriptionRoutes
from web.settings.settings import Settings
from web.store.channels import Channels
from web.store.database.database import Database
from web.store.languagemodels import LanguageModels
from web.store.recordings import Recordings
from web.store.resumption import Resumptions
from web.store.retried_writes import RetriedWrites
from web.store.transcriptions import Transcriptions
from web.store.webhooks import Webhooks
from web.workers.seat import Seat

# The token of a connection that lasted as long as any may is good for so much longer.
_RESUME_SECONDS = 900.0

_Resource = TypeVar("_Resource")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What several resources share; each of them gets only what it uses."""

    settings: Settings
    database: Database
    recognizer: Recognizer
    auth: Authenticator
    limits: Limits
    sessions: Sessions
    channels: ChannelHub
    channel_store: Channels
    transcriptions: Transcriptions
    retried_writes: RetriedWrites
    resumptions: Resumptions
    webhooks: Webhooks
    ownership: Ownership
    resume_key: bytes
    recordings: Recordings
    models: LanguageModels
    trainer: Trainer
    steps: Steps
    queue: Queue
    bodies: BodyBudgets
    metrics: Metrics
    fair_share: FairShare
    clock: Clock
    seat: Seat | None


def _admission(parts: Parts) -> RecordingAdmission:
    return RecordingAdmission(
        sessions=parts.sessions,
        recognizer=parts.recognizer,
        models=parts.models,
        config=parts.settings.session.config,
    )


def _transcriber(parts: Parts) -> Transcriber:
    return Transcriber(
        recognizer=parts.recognizer,
        limits=parts.limits,
        bodies=parts.bodies,
        fair_share=parts.fair_share,
        metrics=parts.metrics,
        runner_limits=parts.settings.session.runner_limits,
    )


def _kept(parts: Parts) -> ShortTranscriptions:
    return ShortTranscriptions(
        transcriptions=parts.transcriptions, retried_writes=parts.retried_writes, clock=parts.clock
    )


def _recognize(parts: Parts) -> RecognizeRoutes:
    return RecognizeRoutes(
        auth=parts.auth,
        limits=parts.limits,
        admission=_admission(parts),
        transcriber=_transcriber(parts),
        kept=_kept(parts),
        bodies=parts.bodies,
        fair_share=parts.fair_share,
    )


def _openai_transcriptions(parts: Parts) -> OpenAITranscriptionRoutes:
    store = parts.settings.store
    return OpenAITranscriptionRoutes(
        auth=parts.auth,
        limits=parts.limits,
        admission=_admission(parts),
        transcriber=_transcriber(parts),
        kept=_kept(parts),
        bodies=parts.bodies,
        fair_share=parts.fair_share,
        most_bytes=store.recording_limit_bytes,
        most_seconds=store.recording_limit_minutes * 60,
    )


def _deepgram(parts: Parts) -> DeepgramRoutes:
    return DeepgramRoutes(
        auth=parts.auth,
        limits=parts.limits,
        admission=_admission(parts),
        transcriber=_transcriber(parts),
        kept=_kept(parts),
        bodies=parts.bodies,
        fair_share=parts.fair_share,
        fetch=fetch_options(parts.settings),
        most_seconds=parts.settings.store.recording_limit_minutes * 60,
    )


def _longrunning(parts: Parts) -> LongRunningRoutes:
    return LongRunningRoutes(
        auth=parts.auth,
        limits=parts.limits,
        admission=_admission(parts),
        recordings=parts.recordings,
        transcriptions=parts.transcriptions,
        queue=parts.queue,
        steps=parts.steps,
        fetch=fetch_options(parts.settings),
        bodies=parts.bodies,
        fair_share=parts.fair_share,
        jobs_per_owner=parts.settings.store.jobs_per_owner,
    )


def _live(parts: Parts) -> Live:
    session, server = parts.settings.session, parts.settings.server
    return Live(
        protocols=PROTOCOLS,
        admission=Admission(
            auth=parts.auth,
            limits=parts.limits,
            sessions=parts.sessions,
            recognizer=parts.recognizer,
            models=parts.models,
            transcriptions=parts.transcriptions,
            channels=parts.channels,
            retried_writes=parts.retried_writes,
            resumer=Resumer(
                tokens=ResumeTokens(
                    key=parts.resume_key,
                    seconds=session.runner_limits.stream_seconds + _RESUME_SECONDS,
                    clock=parts.clock,
                ),
                resumptions=parts.resumptions,
                ownership=parts.ownership,
                most_samples=round(session.runner_limits.stream_seconds * SAMPLE_RATE),
            ),
            ownership=parts.ownership,
            fair_share=parts.fair_share,
            clock=parts.clock,
            config=session.config,
            runner_limits=session.runner_limits,
            max_message_bytes=server.max_message_bytes,
        ),
        metrics=parts.metrics,
        send_limit_seconds=server.send_limit_seconds,
    )


def _transcriptions(parts: Parts) -> TranscriptionRoutes:
    return TranscriptionRoutes(auth=parts.auth, transcriptions=parts.transcriptions, fair_share=parts.fair_share)


def _languagemodels(parts: Parts) -> LanguageModelRoutes:
    return LanguageModelRoutes(
        auth=parts.auth,
        models=parts.models,
        trainer=parts.trainer,
        bodies=parts.bodies,
        fair_share=parts.fair_share,
        models_per_owner=parts.settings.store.models_per_owner,
    )


def _own_channels(parts: Parts) -> OwnChannels:
    return OwnChannels(auth=parts.auth, channels=parts.channel_store)


def _readable_channels(parts: Parts) -> ReadableChannels:
    return ReadableChannels(auth=parts.auth, hub=parts.channels)


def _channels(parts: Parts) -> ChannelRoutes:
    return ChannelRoutes(
        own=_own_channels(parts),
        hub=parts.channels,
        channels=parts.channel_store,
        fair_share=parts.fair_share,
        clock=parts.clock,
        channels_per_owner=parts.settings.store.channels_per_owner,
    )


def _channel_readers(parts: Parts) -> ChannelReaderRoutes:
    return ChannelReaderRoutes(readable=_readable_channels(parts), fair_share=parts.fair_share)


def _channel_operator(parts: Parts) -> OperatorRoutes:
    return OperatorRoutes(
        own=_own_channels(parts),
        hub=parts.channels,
        transcriptions=parts.transcriptions,
        fair_share=parts.fair_share,
        clock=parts.clock,
    )


def _webhooks(parts: Parts) -> WebhookRoutes:
    return WebhookRoutes(
        auth=parts.auth,
        webhooks=parts.webhooks,
        fetch=fetch_options(parts.settings),
        fair_share=parts.fair_share,
        clock=parts.clock,
    )


def _ovh(parts: Parts) -> OvhRoutes:
    return OvhRoutes(
        auth=parts.auth,
        limits=parts.limits,
        admission=_admission(parts),
        transcriber=_transcriber(parts),
        bodies=parts.bodies,
    )


def _tokens(parts: Parts) -> TokenRoutes:
    mint = token_issuer(parts.settings.access)
    return TokenRoutes(auth=parts.auth, issuer=mint, fair_share=parts.fair_share, clock=parts.clock)


def _session_tokens(parts: Parts) -> SessionTokens:
    return SessionTokens(auth=parts.auth, issuer=token_issuer(parts.settings.access), clock=parts.clock)


def _openai_realtime(parts: Parts) -> OpenAIRealtimeRoutes:
    session = parts.settings.session
    return OpenAIRealtimeRoutes(
        tokens=_session_tokens(parts),
        fair_share=parts.fair_share,
        config=session.config,
        stream_seconds=session.runner_limits.stream_seconds,
    )


def _health(parts: Parts) -> HealthRoutes:
    seat = parts.seat
    return HealthRoutes(
        sessions=parts.sessions,
        recognizer=parts.recognizer,
        limits=parts.limits,
        database=parts.database,
        has_started=None if seat is None else lambda: seat.link.state.has_started,
    )


def _metrics(parts: Parts) -> MetricsRoutes:
    return MetricsRoutes(
        auth=parts.auth,
        health=_health(parts),
        recognizer=parts.recognizer,
        recordings=parts.recordings,
        steps=parts.steps,
        numbers=parts.metrics,
        collect=None if parts.seat is None else parts.seat.link.collect,
    )


# What builds each resource, in the order in which the document has them.
_BUILDERS: dict[type, Callable[[Parts], object]] = {
    RecognizeRoutes: _recognize,
    LongRunningRoutes: _longrunning,
    TranscriptionRoutes: _transcriptions,
    LanguageModelRoutes: _languagemodels,
    ChannelReaderRoutes: _channel_readers,
    ChannelHlsRoutes: lambda parts: ChannelHlsRoutes(readable=_readable_channels(parts), fair_share=parts.fair_share),
    ChannelRoutes: _channels,
    OperatorRoutes: _channel_operator,
    RoomCodeRoutes: lambda _: RoomCodeRoutes(),
    WebhookRoutes: _webhooks,
    Live: _live,
    OvhRoutes: _ovh,
    OpenAITranscriptionRoutes: _openai_transcriptions,
    OpenAIModelRoutes: lambda parts: OpenAIModelRoutes(auth=parts.auth, created=int(parts.clock())),
    OpenAIRealtimeRoutes: _openai_realtime,
    NimRoutes: lambda parts: NimRoutes(
        tokens=_session_tokens(parts), fair_share=parts.fair_share, config=parts.settings.session.config
    ),
    DeepgramRoutes: _deepgram,
    TokenRoutes: _tokens,
    LanguageRoutes: lambda parts: LanguageRoutes(auth=parts.auth, recognizer=parts.recognizer),
    ConfigurationRoutes: lambda parts: ConfigurationRoutes(config=parts.settings.session.config),
    HealthRoutes: _health,
    MetricsRoutes: _metrics,
    DocumentRoutes: lambda parts: DocumentRoutes(RESOURCES, asks_for_token=parts.settings.access.is_keyed),
    PageRoutes: lambda _: PageRoutes(),
}
RESOURCES: tuple[type, ...] = tuple(_BUILDERS)


def built(parts: Parts) -> tuple[object, ...]:
    """Build every resource."""
    return tuple(build(parts) for build in _BUILDERS.values())


def one_of(kind: type[_Resource], resources: Iterable[object]) -> _Resource:
    """Return the resource of a kind."""
    return next(one for one in resources if isinstance(one, kind))
