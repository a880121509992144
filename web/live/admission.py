"""Admission of live sessions: everything that is checked before a connection is accepted."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import structlog
from starlette.requests import HTTPConnection

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.protocol import Adapter, ClientProtocol, Handshake, Opening
from stream.recognition.recognizer import Recognizer, RecognizerError
from stream.runtime.fairness import FairShare
from stream.runtime.outbox import Outbox
from stream.runtime.runner import SessionRunner
from stream.session.deadlines import RunnerLimits
from stream.session.events import START, EndCause
from vad import SAMPLE_RATE
from web.auth.authenticator import Authenticator
from web.auth.caller import Caller, Scope
from web.channels.hub import ChannelHub
from web.channels.publisher import Publisher
from web.clock import Clock
from web.limits.capacity import refusal
from web.limits.limits import Limits
from web.live.ownership import Ownership, superseded
from web.live.publishing import Publishing, publishing
from web.live.recorder import LiveRecord
from web.live.registry import Sessions
from web.live.resuming import Resumer, resuming
from web.store.languagemodels import LanguageModels
from web.store.resumption import Resumption
from web.store.retried_writes import RetriedWrites
from web.store.transcriptions import FIRST_HOLD, Transcriptions, new_id

# The audio of a connection may last this many times as long as the connection itself.
_SPED_UP = 2
_OWNER_DIGITS = 16
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A session that may start, with everything that serves it."""

    transcription_id: str
    protocol: ClientProtocol
    caller: Caller
    adapter: Adapter
    outbox: Outbox
    runner: SessionRunner
    record: LiveRecord
    publisher: Publisher | None = None
    generation: int = 0

    @property
    def is_resumable(self) -> bool:
        """Whether the client has a token to go on over another connection."""
        config = self.runner.config
        return self.protocol.is_resumable and config.extended and config.store

    def supersede(self) -> None:
        """End the session, whose transcription goes on over another connection."""
        self.record.supersede()
        if self.publisher is not None:
            self.publisher.close()
        self.runner.end(EndCause.ERROR, superseded())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """What is known of a session when its caller is."""

    transcription_id: str
    protocol: ClientProtocol
    handshake: Handshake
    caller: Caller
    publisher: Publisher | None
    resumption: Resumption | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Decides who gets a session, and makes its runner; `config` holds where a client sets nothing."""

    auth: Authenticator
    limits: Limits
    sessions: Sessions
    recognizer: Recognizer
    models: LanguageModels
    transcriptions: Transcriptions
    channels: ChannelHub
    retried_writes: RetriedWrites
    resumer: Resumer
    ownership: Ownership
    fair_share: FairShare
    clock: Clock
    config: SessionConfig
    runner_limits: RunnerLimits
    max_message_bytes: int

    async def admit(
        self,
        protocol: ClientProtocol,
        connection: HTTPConnection,
        held: AsyncExitStack,
        *,
        first_message: bytes = b"",
        scope: Scope = Scope.LIVE,
        takes: bool = True,
    ) -> Admitted:
        """Check whether a session may start, and build what serves it; raises ClientError.

        The places that it needs are taken by `take_places`. What must run when the session ends is pushed on `held`.
        A session that publishes to a channel needs the scope for that instead of `scope`. A transcription that goes on
        is taken from the connection that served it, unless it `takes` nothing, because it will not start.
        """
        await self.limits.check_handshake(connection)
        wanted, handshake = publishing(handshake_of(connection, first_message))
        scope = scope if wanted is None else Scope.PUBLISH
        caller = await self.auth.caller(connection, scope, uses=False, token=protocol.token(handshake))
        return await self.admit_caller(protocol, caller, handshake, held, wanted, takes=takes)

    async def admit_caller(
        self,
        protocol: ClientProtocol,
        caller: Caller,
        handshake: Handshake,
        held: AsyncExitStack,
        wanted: Publishing | None = None,
        *,
        takes: bool = True,
    ) -> Admitted:
        """Do the same for a caller who is known, and whose handshake was counted."""
        self.sessions.check_admission()
        await self.limits.check_minutes(caller)
        resumed, handshake = resuming(handshake) if protocol.is_resumable else (None, handshake)
        config = protocol.configured(caller.configured(self.config), handshake)
        if not self.recognizer.is_ready:
            raise ClientError(Problem.OVERLOADED, "the recognizer is not ready; connect again in a few seconds")
        transcription_id, resumption = new_id(), None
        if resumed is not None:
            transcription_id, resumption = await self.resumer.resume(resumed, caller.owner, config, takes=takes)
        publisher = None
        if wanted is not None:
            opened = self.channels.publishing(
                wanted.channel, caller.owner, transcription_id=transcription_id, label=wanted.speaker
            )
            publisher = await held.enter_async_context(opened)
            if resumption is not None and resumption.channel == wanted.channel:
                offset_ms = resumption.channel_offset_ms or 0
                publisher.resume(offset_ms, offset_ms + resumption.origin.samples * 1000 // SAMPLE_RATE)
        session = _Session(
            transcription_id=transcription_id,
            protocol=protocol,
            handshake=handshake,
            caller=caller,
            publisher=publisher,
            resumption=resumption,
        )
        return await self._built(session, config, held)

    async def _built(self, session: _Session, config: SessionConfig, held: AsyncExitStack) -> Admitted:
        caller, protocol, publisher = session.caller, session.protocol, session.publisher

        async def look_up(config: SessionConfig) -> SessionConfig:
            config = await self.models.look_up(config, caller.owner)
            if publisher is None:
                return config
            return replace(config, trained_phrases=(*config.trained_phrases, *publisher.glossary))

        config = await look_up(config)
        limits = protocol.limited(self.runner_limits)
        opening = Opening(
            transcription_id=session.transcription_id,
            handshake=session.handshake,
            opened_at=self.clock(),
            max_message_bytes=self.max_message_bytes,
            limits=limits,
            resume_token=self.resumer.tokens.issued(session.transcription_id, caller.owner),
            config=config,
        )
        adapter, outbox = protocol.open(opening), Outbox()
        resumption = session.resumption

        def supersede() -> None:
            admitted.supersede()

        record = LiveRecord(
            self.transcriptions,
            self.retried_writes,
            opening.transcription_id,
            caller.owner,
            hold=FIRST_HOLD if resumption is None else resumption.hold,
            on_superseded=supersede,
        )

        def begin(config: SessionConfig) -> None:
            record.begin(config, None if publisher is None else publisher.begin(config))

        meter = self.limits.live_meter(caller)
        runner = SessionRunner(
            self.recognizer,
            config,
            outbox,
            # A compressed format lets few bytes unfold to hours; whoever sends in real time never meets this limit.
            replace(limits, audio_seconds=_SPED_UP * limits.stream_seconds),
            read=adapter.read,
            look_up=look_up,
            meter=meter.add,
            fair_share=self.fair_share,
            on_audio=begin,
            origin=START if resumption is None else resumption.origin,
        )
        held.push_async_callback(meter.settle)
        if publisher is not None:
            publisher.follow(runner)
        admitted = Admitted(
            transcription_id=opening.transcription_id,
            protocol=protocol,
            caller=caller,
            adapter=adapter,
            outbox=outbox,
            runner=runner,
            record=record,
            publisher=publisher,
            generation=0 if resumption is None else resumption.hold.generation,
        )
        return admitted

    async def take_places(self, admitted: Admitted, held: AsyncExitStack) -> None:
        """Take the session's places until `held` is closed, and use its token up; raises ClientError."""
        # Left last, when the places are free again.
        held.enter_context(self.ownership.holding(admitted.transcription_id, admitted.generation, admitted.supersede))
        await held.enter_async_context(self.limits.stream(admitted.caller))
        await held.enter_async_context(self.place(admitted))
        await self.auth.use(admitted.caller)

    @asynccontextmanager
    async def place(self, admitted: Admitted) -> AsyncIterator[None]:
        """Hold the session's place at the recognizer while the context lasts; raises ClientError."""
        async with AsyncExitStack() as stack:
            owner_id = self._owner_id(admitted.caller)
            try:
                await stack.enter_async_context(self.recognizer.admitted(admitted.runner.options, owner_id))
            except RecognizerError as error:
                _log.info("session_refused", error=str(error))
                raise refusal(error) from None
            yield

    def _owner_id(self, caller: Caller) -> str:
        """Return the owner's id for the recognizer: the same at all gateways, and nothing that names anybody."""
        if not self.auth.asks_for_token:
            return ""
        return hashlib.sha256(caller.owner.encode()).hexdigest()[:_OWNER_DIGITS]


def handshake_of(connection: HTTPConnection, first_message: bytes = b"") -> Handshake:
    """Return what a protocol sees of a handshake."""
    return Handshake(
        query=tuple(connection.query_params.multi_items()),
        headers=connection.headers,
        subprotocols=tuple(connection.scope.get("subprotocols", ())),
        first_message=first_message,
    )
