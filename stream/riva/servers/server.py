"""Owns one server: whether it is up, what it serves, and the streams that are open there."""

import asyncio
import contextlib

import grpc
import structlog
from riva.client.proto import riva_asr_pb2 as pb

from stream.recognition import places
from stream.recognition.places import WorkClass
from stream.recognition.recognizer import Capacity, RecognizerError
from stream.recognition.tracing import TRACEPARENT
from stream.riva.errors import RivaError
from stream.riva.options import RivaOptions
from stream.riva.responses.mapping import ResponseReader, opening_request
from stream.riva.servers.breaker import Breaker, State
from stream.riva.servers.channels import ChannelPool, OpenChannel, PooledChannel, open_channel
from stream.riva.servers.discovery import Served, discover
from stream.riva.servers.places import CountedHold, CountedPlaces, Hold, capacity_of_engine, hold_at_engine
from stream.riva.stream import RivaStream
from stream.session.events import RecognitionOptions

# How soon the server is asked again: while it serves, and while it does not.
_REFRESH_SECONDS = 60.0
_RETRY_SECONDS = 0.25
# Longer than connecting may take.
_OPEN_SECONDS = 6.0
_ACCEPT_SECONDS = 1.0
# What a server that is out of resources is given where it does not say itself.
_BUSY_SECONDS = 0.5
# Failures that say something about the server, whatever was asked of it.
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
    """Speaks to one server; `served` is what it said last, None before it said anything."""

    def __init__(self, uri: str, options: RivaOptions, open_channel: OpenChannel = open_channel) -> None:
        self.uri = uri
        self.served: Served | None = None
        self.is_up = False
        self._options = options
        self._pool = ChannelPool(uri, options, open_channel)
        self._breaker = Breaker()
        self._in_doubt = asyncio.Event()
        self._hides_refusals = False
        self._counted = CountedPlaces(options.sessions)
        self._holds = 0

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._pool.streams - self._holds

    @property
    def sessions(self) -> int:
        """How many live sessions of this process have their place there."""
        return self._holds + self._counted.taken

    @property
    def admits_sessions(self) -> bool:
        """Whether the server itself says which live sessions it takes."""
        return self.served is not None and self.served.admits_sessions

    @property
    def languages(self) -> tuple[str, ...]:
        """What its live models recognize, as far as is known."""
        return self.served.languages if self.served is not None else ()

    @property
    def is_open(self) -> bool:
        """Whether it is up, and who supervises it knows nothing else."""
        return self.is_up and self._options.is_answering()

    @property
    def is_usable(self) -> bool:
        """Whether it is up and not left alone because it fails."""
        return self.is_open and not self._breaker.is_broken(_now())

    @property
    def is_suspect(self) -> bool:
        """Whether it failed a moment ago."""
        return self._breaker.is_suspect(_now())

    @property
    def wait_seconds(self) -> float:
        """How long no stream may be opened there."""
        return self._breaker.wait_seconds(_now())

    async def refresh(self) -> None:
        """Find out whether the server is up and what it serves; raises RecognizerError while it cannot be used."""
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
        # A server that was up a moment ago is not lost with one connection.
        self._pool.renew()
        return await discover(self._pool.first, self._options.metadata)

    async def watch(self) -> None:
        """Refresh for ever: at once after a failure, often while the server is down, else once a minute."""
        while True:
            self._in_doubt.clear()
            with contextlib.suppress(RecognizerError):
                await self.refresh()
            await asyncio.sleep(_RETRY_SECONDS)
            if self.is_up:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_REFRESH_SECONDS):
                        await self._in_doubt.wait()

    async def hold(self, options: RecognitionOptions, owner: str, *, was_admitted: bool) -> Hold:
        """Take a place for a live session, which `was_admitted` before or is new.

        Raises RecognizerError, RecognizerFullError where no place is free.
        """
        if self.admits_sessions:
            try:
                return await self._hold_at_engine(options, owner, was_admitted=was_admitted)
            except RivaError as error:
                # A proxy that passes on Riva's service only.
                if error.code is not grpc.StatusCode.UNIMPLEMENTED:
                    raise
        self._counted.take(_now(), was_admitted=was_admitted)
        return CountedHold(self._counted)

    async def capacity(self) -> Capacity:
        """How many live sessions there is room for; raises RecognizerError."""
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
        """Open a stream, for a session that `was_admitted` or for nobody in particular; raises RecognizerError."""
        lease = StreamLease(self, self._pool.lease(), is_awaited=self._hides_refusals)
        self._breaker.began(lease.began)
        metadata = (*self._options.metadata, *_metadata(options, was_admitted=was_admitted))
        call = lease.channel.asr.StreamingRecognize(metadata=metadata)
        reader = ResponseReader(
            options, promises_stable_words=self.served is not None and self.served.promises_stable_words
        )
        stream = RivaStream(call, reader, lease, tells_delays=self.admits_sessions)
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                await stream.write(self._opening_request(options))
                if lease.is_awaited:
                    await stream.accepted(_ACCEPT_SECONDS)
        except TimeoutError:
            await stream.abandon(is_stalled=True)
            raise RecognizerError(f"{self.uri} took no stream within {_OPEN_SECONDS:g} s", retryable=True) from None
        except BaseException:  # cancelled too: the place must not be lost
            await stream.abandon()
            raise
        return stream

    async def close(self) -> None:
        """Close the connections and with them every stream."""
        await self._pool.close()

    def heard(self) -> None:
        """A stream got its first answer."""
        self._breaker.answered()
        self._hides_refusals = False

    def failed(self, lease: "StreamLease", error: RivaError) -> None:
        """A stream failed, answered before or not."""
        if error.is_unclear and not lease.is_heard:
            self._hides_refusals = True
            if not lease.is_awaited:
                # It may be a refusal for being full, which is no fault; the next stream is waited for and tells.
                self._in_doubt.set()
                return
        if error.is_full:
            self._counted.refused(_now(), error.retry_after_seconds)
            # A hint is for the caller that was refused, and its session waits: others may be welcome.
            if error.retry_after_seconds is None:
                self._breaker.is_busy(_BUSY_SECONDS, _now())
            return
        if error.code in _FAULTS:
            self._blame(lease, str(error))
        # Its models may have changed.
        self._in_doubt.set()

    def stalled(self, lease: "StreamLease") -> None:
        """A stream was given up because nothing came."""
        self._blame(lease, "a stream got no answer")
        # It may be the connection: one that leads nowhere any more looks like this, for minutes.
        self._pool.retire(lease.channel)
        self._in_doubt.set()

    def released(self, channel: PooledChannel) -> None:
        """A place was given back; the last one of a connection that was given up lets the next look close it."""
        if self._pool.is_over(channel):
            self._in_doubt.set()

    def _opening_request(self, options: RecognitionOptions) -> pb.StreamingRecognizeRequest:
        return opening_request(
            options,
            model=self._options.models.get(options.asr_model, ""),
            knows_closed_vocabularies=self.served is not None and self.served.knows_closed_vocabularies,
            custom_configuration=self._options.custom_configuration,
            stop_history_ms=self._options.stop_history_ms,
            most_speakers=self._options.most_speakers,
        )

    def _blame(self, lease: "StreamLease", reason: str) -> None:
        was_open = self._breaker.state is State.OPEN
        self._breaker.failed(lease.began, _now())
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

    def _lost(self, error: RecognizerError) -> None:
        if self.is_up:
            _log.warning("riva_lost", uri=self.uri, reason=str(error))
        self.is_up = False
        if isinstance(error, RivaError) and error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
            # No answer at all: the connection may lead nowhere any more, and nothing else would notice for minutes.
            self._pool.renew()


class StreamLease:
    """The place of one stream, and what its server learns from it.

    `is_awaited` when nothing is sent before the server has accepted it: only then a refusal is told as it is.
    """

    def __init__(self, server: RivaServer, channel: PooledChannel, *, is_awaited: bool = False) -> None:
        self.is_awaited = is_awaited
        self.channel = channel
        self.began = _now()
        self.is_heard = False
        self._server = server
        self._is_released = False

    def heard(self) -> None:
        # Later answers prove nothing: a server that takes no new streams may go on with the old ones.
        if not self.is_heard:
            self.is_heard = True
            self._server.heard()

    def failed(self, error: RivaError) -> None:
        self._server.failed(self, error)

    def stalled(self) -> None:
        self._server.stalled(self)

    def release(self) -> None:
        if not self._is_released:
            self._is_released = True
            self.channel.release()
            self._server.released(self.channel)


def _metadata(options: RecognitionOptions, *, was_admitted: bool) -> tuple[tuple[str, str], ...]:
    """What the embedded engine wants to know of the session, and the trace; what others do not know, they ignore."""
    named = {
        places.SESSION: options.session_id,
        places.KIND: places.FILE if options.is_file else "",
        places.ADMITTED: places.YES if was_admitted else "",
        "traceparent": TRACEPARENT.get(),
    }
    return tuple((name, value) for name, value in named.items() if value)


def _now() -> float:
    return asyncio.get_running_loop().time()
