"""Owns the recognizer behind Riva's protocol: several servers, and which of them gets a stream."""

import asyncio
from collections.abc import Iterable, Iterator

from stream.events import RecognitionOptions
from stream.languages import matching_language
from stream.recognizer import LanguageNotServedError, RecognizerError
from stream.riva.channels import OpenChannel, open_channel
from stream.riva.options import RivaOptions
from stream.riva.server import RivaServer
from stream.riva.stream import RivaStream

# How long a stream waits for a server that is down or left alone, and how often it looks.
_WAIT_SECONDS = 8.0
_LOOK_SECONDS = 0.1


class RivaRecognizer:
    """Speaks to one Riva server or to several; to be made inside the event loop that uses it."""

    def __init__(self, options: RivaOptions, open_channel: OpenChannel = open_channel) -> None:
        self._servers = [RivaServer(uri, options, open_channel) for uri in options.uris]
        self.most_phrases = options.most_phrases
        self._force_eou = options.force_eou

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

    async def open(self, options: RecognitionOptions) -> RivaStream:
        """Open a stream on the best server, on the next best if that fails; wait a while where none may take one."""
        patience = asyncio.get_running_loop().time() + _WAIT_SECONDS
        while True:
            failure: RecognizerError | None = None
            for server in self._candidates(options.language_code):
                try:
                    return await server.open(options)
                except RecognizerError as error:
                    failure = error
            if failure is not None or asyncio.get_running_loop().time() >= patience:
                raise failure or self._unavailable(options.language_code)
            await asyncio.sleep(_LOOK_SECONDS)

    async def close(self) -> None:
        """Close every connection and with it every stream."""
        for server in self._servers:
            await server.close()

    def _candidates(self, language_code: str) -> Iterator[RivaServer]:
        """The servers that may take a stream, each once: those that did not just fail first, then the least loaded."""
        # Among equals it is everybody's turn: the first one goes to the end of the line.
        self._servers.append(self._servers.pop(0))
        for server in sorted(self._serving(language_code), key=lambda server: (server.is_suspect, server.streams)):
            if server.is_up and not server.wait_seconds:
                yield server

    def _up(self) -> list[RivaServer]:
        return [server for server in self._servers if server.is_up]

    def _serving(self, language_code: str) -> list[RivaServer]:
        return [server for server in self._servers if language_code in server.languages]

    def _unavailable(self, language_code: str) -> RecognizerError:
        waits = [server.wait_seconds for server in self._serving(language_code) if server.is_up]
        return RecognizerError(
            f"no server for {language_code} is available",
            retryable=True,
            retry_after_seconds=min(waits, default=None),
        )


def _union(servers: Iterable[RivaServer]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for server in servers for tag in server.languages))
