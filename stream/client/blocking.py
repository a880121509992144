"""The client for programs without asyncio: the same calls, which block.

with connect("http://127.0.0.1:8000", config={"languageCode": "en"}) as live:
    for message in transcribe(live, chunks):
        print(message.results[0].transcript)
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from stream.client import channels as channel_calls
from stream.client import live as live_calls
from stream.client import recordings
from stream.client import rest as rest_calls
from stream.client.channels import Channel, ChannelEvent
from stream.client.http import Transcription
from stream.client.live import Message, Waits
from stream.client.rest import Accepted, Form, RestWaits, SentCallback

_Item = TypeVar("_Item")
_NO_CONFIG: Mapping[str, object] = MappingProxyType({})
_WAITS, _REST_WAITS = Waits(), RestWaits()


class Live:
    """An open live connection; one thread may send while another iterates over the messages."""

    def __init__(self, live: live_calls.Live, portal: BlockingPortal) -> None:
        self._live = live
        self._portal = portal

    def send(self, pcm: bytes) -> None:
        """Send audio, `int16[n_samples]` little-endian unless the config says otherwise; raises LostError."""
        self._portal.call(self._live.send, pcm)

    def finish(self) -> None:
        """End the audio; the rest is recognized, and `Done` is the last message."""
        self._portal.call(self._live.finish)

    def configure(self, config: Mapping[str, object]) -> None:
        """Change the configuration; the keys that describe the audio are frozen by the first audio."""
        self._portal.call(self._live.configure, config)

    def receive(self) -> Message:
        """Wait for the next message. Raises RecognitionError, LostError or UnreadableError."""
        return self._portal.call(self._live.receive)

    def transcribe(self, chunks: Iterable[bytes]) -> Generator[Message, None, None]:
        """Send all `chunks`, then `finish`, and yield the messages as they arrive; see `transcribe`."""
        return _iterated(self._portal, live_calls.transcribe(self._live, _threaded(chunks)))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        try:
            return self._portal.call(self._live.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None


class RestClient:
    """The REST API of one server: long recordings and caption channels. Every method raises LiveError."""

    def __init__(self, rest: rest_calls.RestClient, portal: BlockingPortal) -> None:
        self._rest = rest
        self._portal = portal

    def recognize_file(
        self, path: Path, config: Mapping[str, object] = _NO_CONFIG, sent: SentCallback = lambda _: None
    ) -> Generator[Transcription, None, None]:
        """Upload a recording, and yield its states during and after the upload; the last one is done."""
        return _iterated(self._portal, recordings.recognize_file(self._rest, path, config, sent))

    def recognize_uri(
        self, uri: str, config: Mapping[str, object] = _NO_CONFIG
    ) -> Generator[Transcription, None, None]:
        """Let the server fetch a recording, and yield its states; the last one is done."""
        return _iterated(self._portal, recordings.recognize_uri(self._rest, uri, config))

    def submit(self, config: Mapping[str, object], uri: str | None = None) -> Accepted:
        """Register a recording, to be fetched from `uri`, else to be uploaded."""
        return self._portal.call(self._rest.submit, config, uri)

    def state(self, transcription_id: str) -> Transcription:
        """Return the state of a recording."""
        return self._portal.call(self._rest.state, transcription_id)

    def written(self, transcription_id: str, form: Form) -> str:
        """Return the text so far in a format of the server."""
        return self._portal.call(self._rest.written, transcription_id, form)

    def delete(self, transcription_id: str) -> None:
        """Delete a transcription; the recognition of an unfinished one stops."""
        self._portal.call(self._rest.delete, transcription_id)

    def create_channel(
        self,
        name: str,
        *,
        title: str = "",
        languages: Sequence[str] = (),
        is_public: bool = False,
        retention_hours: float = 24.0,
        glossary: Sequence[str] = (),
    ) -> Channel:
        """Make a channel."""

        async def create() -> Channel:
            return await channel_calls.create_channel(
                self._rest,
                name,
                title=title,
                languages=languages,
                is_public=is_public,
                retention_hours=retention_hours,
                glossary=glossary,
            )

        return self._portal.call(create)

    def list_channels(self) -> list[Channel]:
        """Return the caller's channels, newest first."""
        return self._portal.call(channel_calls.list_channels, self._rest)

    def delete_channel(self, name: str) -> None:
        """Delete a channel with its text; its readers end."""
        self._portal.call(channel_calls.delete_channel, self._rest, name)

    def correct_line(self, name: str, number: int, *, text: str | None = None, is_hidden: bool | None = None) -> None:
        """Change the text of a settled line, or whether it is hidden, for all readers."""

        async def correct() -> None:
            await channel_calls.correct_line(self._rest, name, number, text=text, is_hidden=is_hidden)

        self._portal.call(correct)

    def read_channel(self, name: str, *, after: str | None = None) -> Generator[ChannelEvent, None, None]:
        """Yield what the readers of a channel get; a lost connection is opened again."""
        return _iterated(self._portal, channel_calls.read_channel(self._rest, name, after=after))


@contextmanager
def connect(
    url: str,
    *,
    token: str | None = None,
    config: Mapping[str, object] = _NO_CONFIG,
    waits: Waits = _WAITS,
) -> Iterator[Live]:
    """Open a live connection to the server at `url`; the arguments and errors are those of the asynchronous one."""
    with start_blocking_portal() as portal:
        opening: AbstractContextManager[live_calls.Live] = portal.wrap_async_context_manager(
            live_calls.connect(url, token=token, config=config, waits=waits)
        )
        with opening as live:
            yield Live(live, portal)


def transcribe(live: Live, chunks: Iterable[bytes]) -> Generator[Message, None, None]:
    """Send all `chunks`, then `finish`, and yield the messages as they arrive; `Done` is the last.

    `chunks` are taken in a thread, so that they may wait for a microphone; their exceptions are raised here. Leave
    early only inside `contextlib.closing`.
    """
    return live.transcribe(chunks)


@contextmanager
def rest_client(url: str, *, token: str | None = None, waits: RestWaits = _REST_WAITS) -> Iterator[RestClient]:
    """Make a client for the server at `url`, such as `https://host/base`, without a request; raises AddressError."""
    with start_blocking_portal() as portal:
        making: AbstractContextManager[rest_calls.RestClient] = portal.wrap_async_context_manager(
            rest_calls.rest_client(url, token=token, waits=waits)
        )
        with making as rest:
            yield RestClient(rest, portal)


def _iterated(portal: BlockingPortal, items: AsyncGenerator[_Item, None]) -> Generator[_Item, None, None]:
    try:
        while True:
            try:
                yield portal.call(items.__anext__)
            except StopAsyncIteration:
                return
    finally:
        portal.call(items.aclose)


async def _threaded(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    remaining = iter(chunks)
    while (chunk := await asyncio.to_thread(next, remaining, None)) is not None:
        yield chunk
