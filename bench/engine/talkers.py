"""The talkers of a load: each speaks clips in an endless loop, one gRPC stream for each utterance."""

import asyncio
import itertools
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from bench.common.server import Server
from bench.common.usage import Usage
from bench.engine.turns import Turn, Utterance
from stream.riva.requests import RequestOptions, opening_request
from stream.session.events import RecognitionOptions

if TYPE_CHECKING:
    Call = grpc.aio.StreamStreamCall[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse]

OPTIONS = RecognitionOptions("en-US")
_STAGGER_SECONDS = 0.1
_ACCEPT_SECONDS = 1.0
# Finals that are not there so long after the last talker fell silent are missing.
_DRAIN_SECONDS = 5.0
_BROKEN = (grpc.aio.AioRpcError, asyncio.InvalidStateError)
_now = time.perf_counter


@dataclass(eq=False, slots=True, kw_only=True)
class Exchange:
    """One utterance sent up and the responses with results; times of `perf_counter`.

    `began` is when the first sample of its clip was spoken, `closed` when the stream was half-closed.
    """

    utterance: Utterance
    began: float
    opened: float = 0.0
    closed: float | None = None
    responses: list[tuple[float, pb.StreamingRecognizeResponse]] = field(default_factory=list)
    is_accepted: bool = False
    code: grpc.StatusCode | None = None


@dataclass(eq=False, slots=True)
class SpokenClip:
    """One clip that a talker spoke; `is_whole` once its last utterance was sent."""

    turn: Turn
    exchanges: list[Exchange] = field(default_factory=list)
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """So many talkers for so long; the seed decides who begins when and with which clip."""

    talkers: int
    seconds: float
    seed: int


@dataclass(slots=True, kw_only=True)
class Outcome:
    """The outcome of a load; only what happened after `counted_from`, when all talked, counts."""

    talkers: "list[Talker]"
    counted_from: float
    until: float
    drained: float
    usage: Usage


class Talker:
    """One session."""

    def __init__(self, channel: grpc.aio.Channel, session: str, turns: Iterator[Turn]) -> None:
        self.spoken: list[SpokenClip] = []
        self.is_refused = False
        self.lateness: list[float] = []
        self.readers: dict[asyncio.Task[None], Exchange] = {}
        self._stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
        self._metadata = (("session-id", session),)
        self._turns = turns

    @property
    def exchanges(self) -> list[Exchange]:
        return [exchange for spoken in self.spoken for exchange in spoken.exchanges]

    async def talk(self, began: float) -> None:
        """Talk until cancelled, or until the server refuses the session."""
        for turn in self._turns:
            spoken = SpokenClip(turn)
            self.spoken.append(spoken)
            for utterance in turn.utterances:
                exchange = Exchange(utterance=utterance, began=began)
                await self._sleep_until(began + utterance.chunks[0].at)
                spoken.exchanges.append(exchange)
                await self._say(exchange)
                if self._is_turned_away(exchange):
                    self.is_refused = True
                    return
            spoken.is_whole = True
            began += turn.seconds

    def _is_turned_away(self, exchange: Exchange) -> bool:
        refused = exchange.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        return refused and not any(earlier.is_accepted for earlier in self.exchanges)

    async def _say(self, exchange: Exchange) -> None:
        exchange.opened = _now()
        call: Call = self._stub.StreamingRecognize(metadata=self._metadata)
        reader = asyncio.create_task(_read(call, exchange))
        self.readers[reader] = exchange
        try:
            await call.write(opening_request(OPTIONS, RequestOptions(), promises_stable_words=True))
            # A refusal that meets a write is turned into INTERNAL by the library.
            await asyncio.wait({asyncio.ensure_future(call.initial_metadata())}, timeout=_ACCEPT_SECONDS)
            exchange.is_accepted = not call.done()
            for chunk in exchange.utterance.chunks:
                await self._sleep_until(exchange.began + chunk.at)
                await call.write(pb.StreamingRecognizeRequest(audio_content=chunk.pcm))
            exchange.closed = _now()
            await call.done_writing()
        except _BROKEN:
            exchange.closed = None
            await reader
            exchange.is_accepted &= exchange.code is not grpc.StatusCode.RESOURCE_EXHAUSTED

    async def _sleep_until(self, due: float) -> None:
        if (wait := due - _now()) > 0:
            await asyncio.sleep(wait)
            self.lateness.append(_now() - due)


async def run(server: Server, turns: Sequence[Turn], load: Load) -> Outcome:
    """Let all talk at once and return the outcome."""
    chance = random.Random(load.seed)  # noqa: S311
    first = chance.randrange(len(turns))
    async with grpc.aio.insecure_channel(server.url, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        await channel.channel_ready()
        talkers = [
            Talker(channel, f"talker-{load.seed}-{number}", itertools.cycle((*turns[start:], *turns[:start])))
            for number in range(load.talkers)
            for start in [(first + number) % len(turns)]
        ]
        stagger = _STAGGER_SECONDS * (load.talkers - 1)
        counted_from = _now() + stagger
        until = _now() + load.seconds
        talking = [asyncio.create_task(one.talk(_now() + chance.uniform(0, stagger))) for one in talkers]
        try:
            await asyncio.sleep(counted_from - _now())
            before = Usage.take(server)
            await asyncio.sleep(until - _now())
            usage = Usage.take(server).since(before)
        finally:
            await _end(talking)
        for task in talking:
            if not task.cancelled():
                task.result()
        await _drain(talkers)
        return Outcome(talkers=talkers, counted_from=counted_from, until=until, drained=_now(), usage=usage)


async def _read(call: "Call", exchange: Exchange) -> None:
    try:
        while isinstance(response := await call.read(), pb.StreamingRecognizeResponse):
            if response.results:
                exchange.responses.append((_now(), response))
        exchange.code = await call.code()
    except grpc.aio.AioRpcError as error:
        exchange.code = error.code()
    finally:
        call.cancel()


async def _drain(talkers: Sequence[Talker]) -> None:
    readers = {reader: exchange for talker in talkers for reader, exchange in talker.readers.items()}
    if closed := [reader for reader, exchange in readers.items() if exchange.closed is not None]:
        await asyncio.wait(closed, timeout=_DRAIN_SECONDS)
    await _end(list(readers))


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
