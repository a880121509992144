"""Admission of live sessions: everything that is checked before a handshake is accepted."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import structlog
from starlette.requests import HTTPConnection

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.farsava.commands import parse_command
from stream.recognition.recognizer import Recognizer, RecognizerError
from stream.runtime.fairness import FairShare
from stream.runtime.outbox import Outbox
from stream.runtime.runner import SessionRunner
from stream.session.deadlines import RunnerLimits
from web.auth.authenticator import Authenticator
from web.auth.caller import Caller, Scope
from web.limits.capacity import refusal
from web.limits.limits import Limits
from web.live.registry import Sessions
from web.store.languagemodels import LanguageModels

# Parameters of the handshake that are no keys of the configuration.
_CREDENTIALS = frozenset({"jwt"})
# The audio of a connection may last this many times as long as the connection itself.
_SPED_UP = 2
_OWNER_DIGITS = 16
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Decides who gets a session, and makes its runner; `config` holds where a client sets nothing."""

    auth: Authenticator
    limits: Limits
    sessions: Sessions
    recognizer: Recognizer
    models: LanguageModels
    fair_share: FairShare
    config: SessionConfig
    runner_limits: RunnerLimits

    async def admit(
        self, connection: HTTPConnection, outbox: Outbox, held: AsyncExitStack
    ) -> tuple[SessionRunner, Caller]:
        """Check whether a session may start, and build its runner and its caller; raises ClientError.

        The place at the recognizer is taken by `place`. What must run when the session ends is pushed on `held`.
        """
        await self.limits.check_handshake(connection)
        caller = await self.auth.caller(connection, Scope.LIVE, uses=False)
        self.sessions.check_admission()
        await self.limits.check_minutes(caller)
        parameters = connection.query_params.multi_items()
        keys = (item for item in parameters if item[0] not in _CREDENTIALS)
        config = caller.configured(self.config).with_query(keys)
        if not self.recognizer.is_ready:
            raise ClientError(Problem.OVERLOADED, "the recognizer is not ready; connect again in a few seconds")

        async def look_up(config: SessionConfig) -> SessionConfig:
            return await self.models.look_up(config, caller.owner)

        # A compressed format lets few bytes unfold to hours; whoever sends in real time never meets this limit.
        limits = replace(self.runner_limits, audio_seconds=_SPED_UP * self.runner_limits.stream_seconds)
        config = await look_up(config)
        meter = self.limits.live_meter(caller)
        held.push_async_callback(meter.settle)
        runner = SessionRunner(
            self.recognizer,
            config,
            outbox,
            limits,
            look_up=look_up,
            meter=meter.add,
            fair_share=self.fair_share,
            parse=parse_command,
        )
        return runner, caller

    @asynccontextmanager
    async def place(self, runner: SessionRunner, caller: Caller) -> AsyncIterator[None]:
        """Hold the session's place at the recognizer while the context lasts; raises ClientError."""
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self.recognizer.admitted(runner.options, self._owner_id(caller)))
            except RecognizerError as error:
                _log.info("session_refused", error=str(error))
                raise refusal(error) from None
            yield

    def _owner_id(self, caller: Caller) -> str:
        """Return the owner's id for the recognizer: the same at all gateways, and nothing that names anybody."""
        if not self.auth.asks_for_token:
            return ""
        return hashlib.sha256(caller.owner.encode()).hexdigest()[:_OWNER_DIGITS]
