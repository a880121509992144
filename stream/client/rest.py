"""The client of the REST API for long recordings; requests are retried, within limits.

async with rest_client("http://127.0.0.1:8000") as rest:
    async for transcription in recognize_file(rest, Path("talk.mp3")):  # of stream.client.recordings
        print(f"{transcription.progress:.0%}")
    print(await rest.written(transcription.transcription_id, "srt"))
"""

import asyncio
import itertools
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import httpx_sse
import msgspec

from stream.backoff import Backoff
from stream.client.errors import AnswerError, RecognitionError, RefusedError, UnreachableError
from stream.client.http import Answer, Transcription, concerns_request, request
from stream.client.live import bearer, failure_in, live_url
from stream.errors import quoted
from stream.paths import LIVE_PATH, is_loopback

_LONG_PATH = "/v1/speech/asrlongrunning"
_TRANSCRIPTIONS_PATH = "/v1/speech/transcriptions"
_CHUNK_BYTES = 256 * 1024
_MOST_ERROR_BYTES = 64 * 1024

Form = Literal["json", "txt", "srt", "vtt"]
SentCallback = Callable[[int], None]
"""Called with the number of bytes that are sent so far, and with all once the server has them.

It begins again at 0 after an upload that broke off.
"""
_Body = TypeVar("_Body")


@dataclass(frozen=True, slots=True, kw_only=True)
class RestWaits:
    """How long to wait for the server, and how often to retry while it is busy or unreachable."""

    connect_seconds: float = 10.0
    idle_seconds: float = 60.0
    """Without a byte in either direction."""
    answer_seconds: float = 120.0
    """For a whole answer; an upload may take as long as it makes progress."""
    tries: int = 5
    retry_seconds: float = 1.0
    """Before the second try, doubled for each further one; a hint of the server replaces it."""
    longest_retry_seconds: float = 30.0
    poll_seconds: float = 0.3
    longest_poll_seconds: float = 2.0
    stall_seconds: float = 900.0
    """For any change of the state of a recording."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A recording that the server will recognize; it is uploaded to `upload_path`, None if the server fetches it."""

    transcription: Transcription
    upload_path: str | None = None


class RestClient:
    """The REST API of the server at `url`. Every method raises LiveError."""

    def __init__(self, url: str, http: httpx.AsyncClient, waits: RestWaits) -> None:
        self.url = url
        self.waits = waits
        self._http = http

    async def submit(self, config: Mapping[str, object], uri: str | None = None) -> Accepted:
        """Register a recording with the keys of the protocol, to be fetched from `uri`, else to be uploaded."""
        audio = {"upload": True} if uri is None else {"uri": uri}
        answer = await self.ask("POST", _LONG_PATH, json={"config": dict(config), "audio": audio})
        transcription = self.read(answer, Transcription)
        if uri is not None:
            return Accepted(transcription)
        place = answer.headers.get("Upload-Location", "")
        # Following it elsewhere would send the token and the recording to any host that it names.
        if not place.startswith("/") or place.startswith("//"):
            raise AnswerError(self.url, answer.body, f"Upload-Location is {quoted(place)}, and must be a path")
        return Accepted(transcription, place)

    async def upload(self, accepted: Accepted, path: Path, sent: SentCallback = lambda _: None) -> None:
        """Send the file, from its beginning in each try; raises OSError if it cannot be read."""
        if accepted.upload_path is None:
            raise ValueError("this recording is fetched by the server; nothing is to be uploaded")
        size_bytes = (await asyncio.to_thread(path.stat)).st_size
        headers = {"Content-Length": str(size_bytes), "Content-Type": "application/octet-stream"}
        await self.ask("PUT", accepted.upload_path, lambda: _pieces(path, size_bytes, sent), headers=headers)
        sent(size_bytes)

    async def state(self, transcription_id: str) -> Transcription:
        """Return the state of a recording; raises RecognitionError if it failed, RefusedError (404) if it is gone."""
        answer = await self.ask("GET", _path(transcription_id), params={"extended": "true"})
        return self.read(answer, Transcription)

    async def written(self, transcription_id: str, form: Form) -> str:
        """Return the text so far in a format of the server."""
        answer = await self.ask("GET", _path(transcription_id), params={"format": form})
        return answer.body.decode(errors="replace")

    async def delete(self, transcription_id: str) -> None:
        """Delete a transcription; the recognition of an unfinished one stops."""
        await self.ask("DELETE", _path(transcription_id))

    def address(self, transcription_id: str, form: Form = "json") -> str:
        """Return the address of the result, for people."""
        return f"{str(self._http.base_url).rstrip('/')}{_path(transcription_id)}?format={form}"

    @asynccontextmanager
    async def events(self, path: str, after: str | None) -> AsyncIterator[httpx_sse.EventSource]:
        """Open a stream of server-sent events, after the one with the id `after`; not retried.

        Raises RefusedError, and the errors of httpx and httpx_sse. The idle limit must be longer than the pause of 15 s
        after which a quiet server sends a comment.
        """
        headers = {} if after is None else {"Last-Event-ID": after}
        async with httpx_sse.aconnect_sse(self._http, "GET", path, headers=headers) as source:
            response = source.response
            if not response.is_success:
                # No endless body: the server's own errors are short.
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MOST_ERROR_BYTES:
                        break
                self._checked(Answer(response.status_code, response.headers, bytes(body)), "POST")
            yield source

    async def ask(
        self, method: str, path: str, content: Callable[[], AsyncIterator[bytes]] | None = None, **parts: Any
    ) -> Answer:
        """Make a request, retried while the server is busy; `parts` are those of httpx. Raises LiveError."""
        backoff = Backoff(self.waits.retry_seconds, self.waits.longest_retry_seconds)
        seconds = self.waits.answer_seconds if content is None else None
        for tries in itertools.count(1):
            is_last = tries >= self.waits.tries
            hint_seconds: float | None = None
            try:
                answer = await request(self._http, method, path, seconds, content=content and content(), **parts)
            except UnreachableError:
                # A second POST could register the recording twice; other requests may be repeated.
                if method == "POST" or is_last:
                    raise
            else:
                if is_last or not answer.is_busy:
                    return self._checked(answer, method)
                hint_seconds = answer.retry_after_seconds
            delay_seconds = hint_seconds or backoff.delay_seconds(tries - 1)
            await asyncio.sleep(min(delay_seconds, self.waits.longest_retry_seconds))
        raise AssertionError("the last try returns or raises")

    def _checked(self, answer: Answer, method: str) -> Answer:
        if answer.is_success:
            return answer
        failure = failure_in(answer.body)
        if method == "GET" and failure is not None and not concerns_request(failure):
            raise RecognitionError(failure)
        location, retry_after = answer.headers.get("Location"), answer.headers.get("Retry-After")
        raise RefusedError(self.url, answer.status, failure, location, retry_after)

    def read(self, answer: Answer, body: type[_Body]) -> _Body:
        """Decode the body of an answer; raises AnswerError."""
        try:
            return msgspec.json.decode(answer.body, type=body)
        except (msgspec.DecodeError, UnicodeDecodeError) as invalid:
            raise AnswerError(self.url, answer.body, str(invalid)) from invalid


@asynccontextmanager
async def rest_client(
    url: str, *, token: str | None = None, waits: RestWaits = RestWaits()
) -> AsyncIterator[RestClient]:
    """Make a client for the server at `url`, such as `https://host/base`, without a request; raises AddressError."""
    # The same addresses as for live recognition, with or without TLS.
    base = "http" + live_url(url).removeprefix("ws").removesuffix(LIVE_PATH)
    timeout = httpx.Timeout(waits.idle_seconds, connect=waits.connect_seconds)
    use_proxies = not is_loopback(urlsplit(base).hostname or "")
    if base.startswith("https"):
        # As in the live client: the authorities of this machine, or those in SSL_CERT_FILE.
        verify = ssl.create_default_context()
    else:
        # Reading authorities takes 20 ms and more, and only a proxy could present a certificate.
        verify = httpx.create_ssl_context() if use_proxies else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx.AsyncClient(
        base_url=base, headers=bearer(token), timeout=timeout, trust_env=use_proxies, verify=verify
    ) as http:
        yield RestClient(url, http, waits)


def _path(transcription_id: str) -> str:
    return f"{_TRANSCRIPTIONS_PATH}/{quote(transcription_id, safe='')}"


async def _pieces(path: Path, size_bytes: int, sent: SentCallback) -> AsyncIterator[bytes]:
    sent_bytes = 0
    sent(0)
    with await asyncio.to_thread(path.open, "rb") as file:
        while sent_bytes < size_bytes:
            piece = await asyncio.to_thread(file.read, min(_CHUNK_BYTES, size_bytes - sent_bytes))
            if not piece:
                raise OSError(f"it became shorter while it was sent: {os.fspath(path)}")
            yield piece
            sent_bytes += len(piece)
            if sent_bytes < size_bytes:
                sent(sent_bytes)
