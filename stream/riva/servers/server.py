"""One Riva server: its state, what it serves, and its open streams and sessions."""

import asyncio
import contextlib

import grpc
import structlog

from stream.recognition import places
from stream.recognition.places import WorkClass
from stream.recognition.recognizer import Capacity, RecognizerError
from stream.recognition.tracing import TRACEPARENT
from stream.riva.errors import RivaError
from stream.riva.options import RivaOptions
from stream.riva.requests import opening_request
from stream.riva.responses.reader import ResponseReader
from stream.riva.servers.breaker import Breaker, State
from stream.riva.servers.channels import ChannelPool, OpenChannel, PooledChannel, open_channel
from stream.riva.servers.discovery import Served, discover
from stream.riva.servers.lease import StreamLease
from stream.riva.servers.places import CountedHold, CountedPlaces, Hold, capacity_of_engine, hold_at_engine
from stream.riva.stream import RivaStream
from stream.session.events import RecognitionOptions
from stream.waiting import Changes

# How often the server is queried while it is up, and while it is down.
_REFRESH_SECONDS = 60.0
_RETRY_SECONDS = 0.25
# Longer than connecting may take.
_OPEN_SECONDS = 6.0
_ACCEPT_SECONDS = 1.0
# How long an overloaded server is left alone if it gave no hint.
_BUSY_SECONDS = 0.5
# Failures that are the server's fault, whatever the request was.
_FAULTS = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.OK,
    }
)
_BROKEN_CONNECTION = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
_log = structlog.get_logger()


class RivaServer:
    """The client of one server; `served` is the result of the last discovery, None before the first."""

    def __init__(
        self,
        uri: str,
        options: RivaOptions,
        open_channel: OpenChannel = open_channel,
        changes: Changes | None = None,
    ) -> None:
        """`changes` is signalled when the server can be used, or no longer."""
        self._changes = changes or Changes()
        self.uri = uri
        self.served: Served | None = None
        self.is_up = False
        self._options = options
        self._pool = ChannelPool(uri, options, open_channel)
        self._breaker = Breaker()
        self._needs_refresh = asyncio.Event()
        self._hides_refusals = False
        self._counted = CountedPlaces(options.sessions)
        self._holds = 0

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._pool.streams - self._holds

    @property
    def sessions(self) -> int:
        """How many live sessions of this process have their places there."""
        return self._holds + self._counted.taken

    @property
    def admits_sessions(self) -> bool:
        """Whether the server admits live sessions itself."""
        return self.served is not None and self.served.admits_sessions

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of its live models, as far as known."""
        return self.served.languages if self.served is not None else ()

    @property
    def is_open(self) -> bool:
        """Whether it is up, by discovery and by its supervisor."""
        return self.is_up and self._options.is_answering()

    @property
    def is_usable(self) -> bool:
        """Whether it is up and not paused because of failures."""
        return self.is_open and not self._breaker.is_broken(_now())

    @property
    def is_suspect(self) -> bool:
        """Whether it has just failed."""
        return self._breaker.is_suspect(_now())

    @property
    def wait_seconds(self) -> float:
        """For how long no stream may be opened there."""
        return self._breaker.wait_seconds(_now())

    async def refresh(self) -> None:
        """Discover whether the server is up and what it serves; raises RecognizerError if it cannot be used."""
        try:
            self._found(await self._discover())
        except RecognizerError as error:
            self._lost(error)
            raise
        finally:
            await self._pool.tidy()

    async def _discover(self) -> Served:
        try:
            return await discover(self._pool.first, self._options.metadata)
        except RivaError as error:
            if not self.is_up or error.code not in _BROKEN_CONNECTION:
                raise
        # The server may still be up although its connection is lost.
        self._pool.renew()
        return await discover(self._pool.first, self._options.metadata)

    async def watch(self) -> None:
        """Refresh until cancelled: at once after a failure, often while the server is down, else once a minute."""
        while True:
            self._needs_refresh.clear()
            with contextlib.suppress(RecognizerError):
                await self.refresh()
            await asyncio.sleep(_RETRY_SECONDS)
            if self.is_up:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_REFRESH_SECONDS):
                        await self._needs_refresh.wait()

    async def hold(self, options: RecognitionOptions, owner: str, *, was_admitted: bool) -> Hold:
        """Take a place for a live session; `was_admitted` if it had one before.

        Raises RecognizerError, and RecognizerFullError if no place is free.
        """
        if self.admits_sessions:
            try:
                return await self._hold_at_engine(options, owner, was_admitted=was_admitted)
            except RivaError as error:
                # A proxy may pass on Riva's service only.
                if error.code is not grpc.StatusCode.UNIMPLEMENTED:
                    raise
        self._counted.take(_now(), was_admitted=was_admitted)
        return CountedHold(self._counted)

    async def capacity(self) -> Capacity:
        """Return how many live sessions there is room for; raises RecognizerError."""
        if self.admits_sessions:
            try:
                return await capacity_of_engine(self._pool.first, self._options.metadata)
            except RivaError as error:
                if error.code is not grpc.StatusCode.UNIMPLEMENTED:
                    raise
        return self._counted.capacity(_now())

    async def _hold_at_engine(self, options: RecognitionOptions, owner: str, *, was_admitted: bool) -> Hold:
        channel = self._pool.lease()
        self._holds += 1

        def release() -> None:
            self._holds -= 1
            channel.release()
            self.released(channel)

        metadata = _metadata(options, was_admitted=was_admitted)
        work = WorkClass.of(options.phrases, closed_vocabulary=options.closed_vocabulary)
        named = {places.OWNER: owner, places.WORK: work.value}
        metadata += tuple((name, value) for name, value in named.items() if value)
        return await hold_at_engine(channel, (*self._options.metadata, *metadata), release)

    async def open(self, options: RecognitionOptions, *, was_admitted: bool = False) -> RivaStream:
        """Open a stream; `was_admitted` if its session has a place. Raises RecognizerError."""
        lease = StreamLease(self, self._pool.lease(), is_awaited=self._hides_refusals)
        self._breaker.began(lease.began)
        metadata = (*self._options.metadata, *_metadata(options, was_admitted=was_admitted))
        call = lease.channel.asr.StreamingRecognize(metadata=metadata)
        served = self.served
        promises_stable_words = served is not None and served.promises_stable_words
        reader = ResponseReader(options, promises_stable_words=promises_stable_words)
        request = opening_request(
            options,
            self._options,
            knows_closed_vocabularies=served is not None and served.knows_closed_vocabularies,
            promises_stable_words=promises_stable_words,
        )
        stream = RivaStream(call, reader, lease, signals_progress=self.admits_sessions)
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                await stream.write(request)
                if lease.is_awaited:
                    await stream.accepted(_ACCEPT_SECONDS)
        except TimeoutError:
            await stream.abandon(is_stalled=True)
            raise RecognizerError(f"{self.uri} took no stream within {_OPEN_SECONDS:g} s", retryable=True) from None
        except BaseException:  # even when cancelled the place must be freed
            await stream.abandon()
            raise
        return stream

    async def close(self) -> None:
        """Close the connections and with them every stream."""
        await self._pool.close()

    def answered(self) -> None:
        """Record the first answer to a stream."""
        self._breaker.answered()
        self._hides_refusals = False
        self._changes.signal()

    def failed(self, lease: StreamLease, error: RivaError) -> None:
        """Record that a stream failed, whether answered before or not."""
        if error.is_unclear and not lease.is_answered:
            self._hides_refusals = True
            if not lease.is_awaited:
                # It may have been refused because the server is full; we wait for the next stream to be accepted.
                self._needs_refresh.set()
                return
        if error.is_full:
            self._counted.refused(_now(), error.retry_after_seconds)
            # A hint applies to the refused stream, whose session waits: other streams may be accepted.
            if error.retry_after_seconds is None:
                self._breaker.is_busy(_BUSY_SECONDS, _now())
            return
        if error.code in _FAULTS:
            self._record_failure(lease, str(error))
        # The models may have changed.
        self._needs_refresh.set()

    def stalled(self, lease: StreamLease) -> None:
        """Record that a stream was abandoned because the server did not answer."""
        self._record_failure(lease, "a stream got no answer")
        # It may be the connection: gRPC notices a broken one only after minutes.
        self._pool.retire(lease.channel)
        self._needs_refresh.set()

    def released(self, channel: PooledChannel) -> None:
        """Record that a place is free; after the last one of a retired connection the next refresh closes it."""
        if self._pool.is_over(channel):
            self._needs_refresh.set()

    def _record_failure(self, lease: StreamLease, reason: str) -> None:
        was_open = self._breaker.state is State.OPEN
        self._breaker.failed(lease.began, _now())
        self._changes.signal()
        if self._breaker.state is State.OPEN and not was_open:
            _log.warning("riva_paused", uri=self.uri, seconds=self.wait_seconds, reason=reason)

    def _found(self, served: Served) -> None:
        was_known, self.served = self.served is not None, served
        if not served.languages:
            offline = ", ".join(served.offline_languages)
            only = f"; its offline models know {offline}" if offline else ""
            raise RecognizerError(f"{self.uri} serves no streaming model{only}", retryable=True)
        if not self.is_up:
            self._breaker.came_back(_now())
            if was_known:
                _log.info("riva_found", uri=self.uri)
        self.is_up = True
        self._changes.signal()

    def _lost(self, error: RecognizerError) -> None:
        if self.is_up:
            _log.warning("riva_lost", uri=self.uri, reason=str(error))
            self._changes.signal()
        self.is_up = False
        if isinstance(error, RivaError) and error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
            # The connection may be broken, which nothing else would notice for minutes.
            self._pool.renew()


def _metadata(options: RecognitionOptions, *, was_admitted: bool) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a session for the embedded engine, and the trace; other servers ignore them."""
    named = {
        places.SESSION: options.session_id,
        places.KIND: places.FILE if options.is_file else "",
        places.ADMITTED: places.YES if was_admitted else "",
        "traceparent": TRACEPARENT.get(),
    }
    return tuple((name, value) for name, value in named.items() if value)


def _now() -> float:
    return asyncio.get_running_loop().time()
