"""Recognize with one or several Riva servers, and choose one for each session and stream."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from stream.recognition.languages import matching_language
from stream.recognition.recognizer import (
    Capacity,
    LanguageNotServedError,
    RecognizerError,
    RecognizerFullError,
    ServerStatus,
)
from stream.riva.options import RivaOptions
from stream.riva.servers.channels import OpenChannel, open_channel
from stream.riva.servers.places import Hold
from stream.riva.servers.server import RivaServer
from stream.riva.stream import RivaStream
from stream.session.events import RecognitionOptions
from stream.waiting import Changes

# How long a stream waits for a server that is down or paused.
_WAIT_SECONDS = 8.0
# How often a session that lost its place requests another: engines start within a second or two.
_PLACE_RETRY_SECONDS = 0.5
_log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class _AdmittedSession:
    """An admitted session and its current place."""

    options: RecognitionOptions
    owner: str
    server: RivaServer
    hold: Hold


class RivaRecognizer:
    """Recognizes with one or several Riva servers; construct it inside the event loop that uses it."""

    def __init__(
        self, options: RivaOptions, open_channel: OpenChannel = open_channel, *, changes: Changes | None = None
    ) -> None:
        """`changes` is signalled by the supervisor of the servers, if there is one, and by the servers themselves."""
        self._changes = changes or Changes()
        self._servers = [RivaServer(uri, options, open_channel, self._changes) for uri in options.uris]
        self._label = options.label
        self.most_phrases = options.most_phrases
        self.tells_speakers = options.most_speakers > 0
        self._force_eou = options.force_eou
        self._admitted_sessions: dict[str, _AdmittedSession] = {}

    @property
    def servers(self) -> tuple[ServerStatus, ...]:
        """The state of each server, sorted by address."""
        return tuple(
            ServerStatus(self._label or server.uri, server.is_open, server.is_usable, server.streams)
            for server in sorted(self._servers, key=lambda server: server.uri)
        )

    @property
    def is_ready(self) -> bool:
        return any(server.is_usable for server in self._servers)

    async def ready(self) -> None:
        """Wait until a server is usable: until one changes, or the pause of one that failed is over."""
        while not self.is_ready:
            await self._changes.wait(_shortest(server.wait_seconds for server in self._servers if server.is_open))

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of servers that are up, then those of servers that are down; each once."""
        return _union([*self._up(), *self._servers])

    async def refresh(self) -> None:
        """Discover what every server serves; raises RecognizerError if none can be used."""
        outcomes = await asyncio.gather(*(server.refresh() for server in self._servers), return_exceptions=True)
        failures = [outcome for outcome in outcomes if outcome is not None]
        for failure in failures:
            if not isinstance(failure, RecognizerError) or len(failures) == len(self._servers):
                raise failure

    async def watch(self) -> None:
        """Keep the state of each server up to date until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for server in self._servers:
                tasks.create_task(server.watch())

    def match_language(self, language_code: str) -> str:
        """Match among the languages of servers that are up, else among those of servers that are down."""
        for served in (_union(self._up()), self.languages):
            match = matching_language(language_code, served)
            if match is not None:
                return match
        raise LanguageNotServedError(language_code, self.languages)

    def forces_endpoints(self, asr_model: str) -> bool:
        """Whether the model of this `asrModel` is configured to support `force_eou`; others silently ignore it."""
        return asr_model in self._force_eou

    @asynccontextmanager
    async def admitted(self, options: RecognitionOptions, owner: str = "") -> AsyncIterator[None]:
        """Hold a place for a session on the best server, on another once that is lost; raises RecognizerError."""
        server, hold = await self._hold(options, owner, was_admitted=False)
        admitted = _AdmittedSession(options=options, owner=owner, server=server, hold=hold)
        self._admitted_sessions[options.session_id] = admitted
        keeping = asyncio.create_task(self._keep_admitted(admitted))
        try:
            yield
        finally:
            del self._admitted_sessions[options.session_id]
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            admitted.hold.release()

    async def capacity(self) -> Capacity:
        """Add up the capacities of usable servers; raises RecognizerError if none answers."""
        usable = [server for server in self._servers if server.is_usable]
        outcomes = await asyncio.gather(*(server.capacity() for server in usable), return_exceptions=True)
        capacities = [outcome for outcome in outcomes if isinstance(outcome, Capacity)]
        if not capacities:
            raise self._no_server("any language")
        limits, free = [one.places for one in capacities], [one.free for one in capacities]
        return Capacity(
            places=None if None in limits else sum(filter(None, limits)),
            taken=sum(one.taken for one in capacities),
            free=None if None in free else sum(filter(None, free)),
            waiting=sum(one.waiting for one in capacities),
            is_of_all=all(one.is_of_all for one in capacities),
        )

    async def open(self, options: RecognitionOptions) -> RivaStream:
        """Open a stream on the best server, on the next best if that fails; wait a while if no server is available."""
        deadline = asyncio.get_running_loop().time() + _WAIT_SECONDS
        admitted = self._admitted_sessions.get(options.session_id)
        while True:
            failure: RecognizerError | None = None
            for server in self._candidates(options.language_code, admitted):
                try:
                    return await server.open(options, was_admitted=admitted is not None)
                except RecognizerError as error:
                    failure = error
            left_seconds = deadline - asyncio.get_running_loop().time()
            if failure is not None or left_seconds <= 0:
                raise failure or self._unavailable(options.language_code)
            pauses = (server.wait_seconds for server in self._serving(options.language_code) if server.is_open)
            await self._changes.wait(min(left_seconds, _shortest(pauses) or left_seconds))

    async def close(self) -> None:
        """Close all connections, and with them all streams."""
        for server in self._servers:
            await server.close()

    async def _hold(self, options: RecognitionOptions, owner: str, *, was_admitted: bool) -> tuple[RivaServer, Hold]:
        failure: RecognizerError | None = None
        usable = (server for server in self._serving(options.language_code) if server.is_usable)
        for server in sorted(usable, key=lambda server: (server.is_suspect, server.sessions)):
            try:
                return server, await server.hold(options, owner, was_admitted=was_admitted)
            except RecognizerError as error:
                # The error of a full server is more useful than that of one that is down.
                failure = failure if isinstance(failure, RecognizerFullError) else error
        raise failure or self._no_server(options.language_code)

    async def _keep_admitted(self, admitted: _AdmittedSession) -> None:
        """Take another place whenever this one is lost: an admitted session stays admitted."""
        while True:
            await admitted.hold.lost()
            _log.info("riva_place_lost", uri=admitted.server.uri)
            while True:
                try:
                    server, hold = await self._hold(admitted.options, admitted.owner, was_admitted=True)
                except RecognizerError:
                    await asyncio.sleep(_PLACE_RETRY_SECONDS)
                else:
                    break
            admitted.hold.release()
            admitted.server, admitted.hold = server, hold

    def _candidates(self, language_code: str, admitted: _AdmittedSession | None) -> Iterator[RivaServer]:
        """Yield the servers that may take a stream: reliable ones first, then that of the session, then by load."""
        # Equal servers take turns: the first one moves to the end.
        self._servers.append(self._servers.pop(0))
        holds = admitted.server if admitted is not None and admitted.server.admits_sessions else None
        for server in sorted(
            self._serving(language_code),
            key=lambda server: (server.is_suspect, server is not holds, server.streams),
        ):
            if server.is_open and not server.wait_seconds:
                yield server

    def _up(self) -> list[RivaServer]:
        return [server for server in self._servers if server.is_open]

    def _serving(self, language_code: str) -> list[RivaServer]:
        return [server for server in self._servers if language_code in server.languages]

    def _no_server(self, language: str) -> RecognizerError:
        return RecognizerError(f"no server for {language} is available", retryable=True)

    def _unavailable(self, language_code: str) -> RecognizerError:
        waits = [server.wait_seconds for server in self._serving(language_code) if server.is_open]
        return RecognizerError(
            f"no server for {language_code} is available",
            retryable=True,
            retry_after_seconds=min(waits, default=None),
        )


def _shortest(pauses: Iterable[float]) -> float | None:
    """Return the shortest pause that is not over yet, None if there is none."""
    return min((seconds for seconds in pauses if seconds > 0), default=None)


def _union(servers: Iterable[RivaServer]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for server in servers for tag in server.languages))
