"""The recognizer behind Riva's protocol: several servers, and which of them gets a session or a stream."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from stream.recognition.languages import matching_language
from stream.recognition.recognizer import Capacity, LanguageNotServedError, RecognizerError, RecognizerFullError
from stream.riva.options import RivaOptions
from stream.riva.servers.channels import OpenChannel, open_channel
from stream.riva.servers.places import Hold
from stream.riva.servers.server import RivaServer
from stream.riva.stream import RivaStream
from stream.session.events import RecognitionOptions

# How long a stream waits for a server that is down or left alone, and how often it looks.
_WAIT_SECONDS = 8.0
_LOOK_SECONDS = 0.1
# How often a session that lost its place with its server asks for another: engines start within a second or two.
_AGAIN_SECONDS = 0.5
_log = structlog.get_logger()


@dataclass(slots=True)
class _Seat:
    """A session that was let in: what it wants, and the place that it has now."""

    options: RecognitionOptions
    owner: str
    server: RivaServer
    hold: Hold


class RivaRecognizer:
    """Speaks to one Riva server or to several; to be made inside the event loop that uses it."""

    def __init__(self, options: RivaOptions, open_channel: OpenChannel = open_channel) -> None:
        self._servers = [RivaServer(uri, options, open_channel) for uri in options.uris]
        self.most_phrases = options.most_phrases
        self._force_eou = options.force_eou
        self._seats: dict[str, _Seat] = {}

    @property
    def servers(self) -> tuple[RivaServer, ...]:
        """The servers, by their addresses: how each of them is."""
        return tuple(sorted(self._servers, key=lambda server: server.uri))

    @property
    def is_ready(self) -> bool:
        return any(server.is_usable for server in self._servers)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that are served now, then those of servers that are down; each once."""
        return _union([*self._up(), *self._servers])

    async def refresh(self) -> None:
        """Ask every server what it serves; raises RecognizerError while none can be used."""
        outcomes = await asyncio.gather(*(server.refresh() for server in self._servers), return_exceptions=True)
        failures = [outcome for outcome in outcomes if outcome is not None]
        for failure in failures:
            if not isinstance(failure, RecognizerError) or len(failures) == len(self._servers):
                raise failure

    async def watch(self) -> None:
        """Keep what is known of each server true to life until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for server in self._servers:
                tasks.create_task(server.watch())

    def match_language(self, language_code: str) -> str:
        """Choose among the languages that are served now, else among those of servers that are down."""
        for served in (_union(self._up()), self.languages):
            match = matching_language(language_code, served)
            if match is not None:
                return match
        raise LanguageNotServedError(language_code, self.languages)

    def forces_endpoints(self, asr_model: str) -> bool:
        """Whether the model of this `asrModel` was said to know `force_eou`; others ignore it without a word."""
        return asr_model in self._force_eou

    @asynccontextmanager
    async def admitted(self, options: RecognitionOptions, owner: str = "") -> AsyncIterator[None]:
        """Hold a place for a session on the best server, on another when that is lost; raises RecognizerError."""
        server, hold = await self._hold(options, owner, was_admitted=False)
        seat = self._seats[options.session_id] = _Seat(options, owner, server, hold)
        keeping = asyncio.create_task(self._keep(seat))
        try:
            yield
        finally:
            del self._seats[options.session_id]
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            seat.hold.release()

    async def capacity(self) -> Capacity:
        """Add up what the servers say that can be used; raises RecognizerError while none answers."""
        usable = [server for server in self._servers if server.is_usable]
        outcomes = await asyncio.gather(*(server.capacity() for server in usable), return_exceptions=True)
        told = [outcome for outcome in outcomes if isinstance(outcome, Capacity)]
        if not told:
            raise self._no_server("any language")
        limits, free = [one.places for one in told], [one.free for one in told]
        return Capacity(
            None if None in limits else sum(filter(None, limits)),
            sum(one.taken for one in told),
            None if None in free else sum(filter(None, free)),
            sum(one.waiting for one in told),
        )

    async def open(self, options: RecognitionOptions) -> RivaStream:
        """Open a stream on the best server, on the next best if that fails; wait a while where none may take one."""
        patience = asyncio.get_running_loop().time() + _WAIT_SECONDS
        seat = self._seats.get(options.session_id)
        while True:
            failure: RecognizerError | None = None
            for server in self._candidates(options.language_code, seat):
                try:
                    return await server.open(options, was_admitted=seat is not None)
                except RecognizerError as error:
                    failure = error
            if failure is not None or asyncio.get_running_loop().time() >= patience:
                raise failure or self._unavailable(options.language_code)
            await asyncio.sleep(_LOOK_SECONDS)

    async def close(self) -> None:
        """Close every connection and with it every stream."""
        for server in self._servers:
            await server.close()

    async def _hold(self, options: RecognitionOptions, owner: str, *, was_admitted: bool) -> tuple[RivaServer, Hold]:
        failure: RecognizerError | None = None
        usable = (server for server in self._serving(options.language_code) if server.is_usable)
        for server in sorted(usable, key=lambda server: (server.is_suspect, server.sessions)):
            try:
                return server, await server.hold(options, owner, was_admitted=was_admitted)
            except RecognizerError as error:
                # That one is full says more than that another is down.
                failure = failure if isinstance(failure, RecognizerFullError) else error
        raise failure or self._no_server(options.language_code)

    async def _keep(self, seat: _Seat) -> None:
        """Take another place whenever the server of this one is lost: whoever was let in stays in."""
        while True:
            await seat.hold.lost()
            _log.info("place_lost", uri=seat.server.uri)
            while True:
                try:
                    server, hold = await self._hold(seat.options, seat.owner, was_admitted=True)
                except RecognizerError:
                    await asyncio.sleep(_AGAIN_SECONDS)
                else:
                    break
            seat.hold.release()
            seat.server, seat.hold = server, hold

    def _candidates(self, language_code: str, seat: _Seat | None) -> Iterator[RivaServer]:
        """The servers that may take a stream, each once.

        The one that holds the session's place first, if it did not just fail, then the others that did not, then the
        least loaded.
        """
        # Among equals it is everybody's turn: the first one goes to the end of the line.
        self._servers.append(self._servers.pop(0))
        holds = seat.server if seat is not None and seat.server.admits_sessions else None
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


def _union(servers: Iterable[RivaServer]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for server in servers for tag in server.languages))
