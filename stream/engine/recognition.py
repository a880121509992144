"""The recognition of one call: its sound is cut into utterances, and each is decoded when its turn comes."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from stream.engine.model.hypotheses import Decoding, Reading
from stream.engine.scheduling.load import Flow
from stream.engine.scheduling.scheduler import Scheduler
from stream.engine.scheduling.work import Hearing, Work
from stream.engine.server.options import CallOptions
from stream.engine.server.sound import SoundReader
from stream.engine.utterance import Partial, Utterance, UtteranceState
from vad import (
    SAMPLE_RATE,
    STRICTEST,
    Framer,
    SegmentAudio,
    SegmentEnded,
    Segmenter,
    SegmentEvent,
    SegmentStarted,
    WebRtcClassifier,
)

# The event loop is held for this long a piece of sound at a time, a few milliseconds of work.
_PIECE_BYTES = 2 * SAMPLE_RATE
# A caller that hears nothing for longer may think that nobody is there any more.
_SIGN_OF_LIFE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Final:
    """A settled utterance, from sample `start` to `end` of the call; no readings when nobody spoke."""

    readings: tuple[Reading, ...]
    start: int
    end: int


class Decoder(Protocol):
    """What hears; `decode` blocks and is called from threads."""

    @property
    def has_partials(self) -> bool:
        """Whether a part of an utterance can be heard."""
        ...

    def decode(self, hearing: Hearing) -> Decoding:
        """Recognize; the best reading has no words when nobody spoke."""
        ...


class Listener(Protocol):
    """Who is told what was heard; what it raises ends the call."""

    async def tell_partial(self, partial: Partial, utterance: Utterance) -> None:
        """Tell an unsettled text; it is worth nothing any more once `utterance` is not growing."""
        ...

    async def tell_delay(self) -> None:
        """Tell that a final is still being made; told each second until it is there."""
        ...

    async def tell_final(self, final: Final) -> None:
        """Tell a settled utterance; they come in the order of the sound."""
        ...


@dataclass(frozen=True, slots=True)
class _EarlyFinal:
    """A decode of all of `utterance` that began in a pause of its speech."""

    utterance: Utterance
    decoding: asyncio.Future[Decoding]


class Recognition:
    """One call: feed it sound, and `listener` is told the finals; `follow` runs beside that in a task.

    The utterances of a file are decoded once each, when they are complete: it comes as fast as it is taken, so that
    what is decoded in between is out of date at once. `flow` is that of the session, which pays for its finals.
    """

    def __init__(  # noqa: PLR0913
        self,
        decoder: Decoder,
        scheduler: Scheduler,
        options: CallOptions,
        listener: Listener,
        *,
        is_file: bool = False,
        flow: Flow | None = None,
    ) -> None:
        self._flow = None if is_file else flow
        self._decoder = decoder
        self._scheduler = scheduler
        self._alternatives = options.alternatives
        self._is_file = is_file
        self._listener = listener
        self._sound = SoundReader(options.rate_hertz)
        self._framer = Framer()
        self._classifier = WebRtcClassifier(STRICTEST)
        self._segmenter = Segmenter(options.segmenter)
        self._utterance: Utterance | None = None
        self._early: _EarlyFinal | None = None
        self._has_grown = asyncio.Event()

    async def feed(self, chunk: bytes) -> None:
        """Take the next bytes as the caller sent them, return once the finals in them are told. Raises SoundError."""
        await self._feed_pcm(self._sound.push(chunk))

    async def end_utterance(self) -> None:
        """The caller says that the utterance ends here."""
        await self._take(self._segmenter.cut(), is_speech=False)

    async def drain(self) -> None:
        """No more sound comes: settle what is open. Raises SoundError."""
        await self._feed_pcm(self._sound.flush())
        if rest := self._framer.flush():
            await self._take(self._segmenter.push(rest, is_speech=False), is_speech=False)
        await self.end_utterance()

    async def follow(self, *, wants_partials: bool) -> None:
        """Decode the open utterance whenever that is due as it grows, until cancelled."""
        if self._is_file:
            return
        tells = wants_partials and self._decoder.has_partials
        while True:
            await self._has_grown.wait()
            self._has_grown.clear()
            if utterance := self._utterance:
                with self._scheduler.growing():
                    await self._follow(utterance, tells=tells)

    async def _follow(self, utterance: Utterance, *, tells: bool) -> None:
        while utterance.state is UtteranceState.GROWING:
            work = utterance.wants(self._scheduler.pace)
            if work is None or (work is Work.PARTIAL and not tells):
                await self._has_grown.wait()
                self._has_grown.clear()
                continue
            partial = await self._hear(utterance, work)
            if partial and tells and utterance.state is UtteranceState.GROWING:
                utterance.note_told()
                await self._listener.tell_partial(partial, utterance)

    async def _hear(self, utterance: Utterance, work: Work) -> Partial | None:
        """Decode what there is when the turn comes; None when it is not wanted any more by then."""
        hearing: Hearing | None = None
        early = _EarlyFinal(utterance, asyncio.get_running_loop().create_future())

        def begin() -> Callable[[], Decoding] | None:
            nonlocal hearing
            if utterance.wants(self._scheduler.pace) is not work:
                return None
            hearing = utterance.begin(work, self._alternatives)
            if work is Work.EARLY_FINAL:
                self._early = early
            return partial(self._decoder.decode, hearing)

        try:
            decoding = await self._scheduler.early(work, begin, self._flow if work is Work.EARLY_FINAL else None)
            if decoding:
                early.decoding.set_result(decoding)
        finally:
            early.decoding.cancel()
        if decoding and hearing and utterance.state is UtteranceState.GROWING:
            return utterance.heard(hearing, decoding)
        return None

    async def _feed_pcm(self, pcm: bytes) -> None:
        for piece in range(0, len(pcm), _PIECE_BYTES):
            for frame in self._framer.push(pcm[piece : piece + _PIECE_BYTES]):
                is_speech = self._classifier.is_speech(frame)
                await self._take(self._segmenter.push(frame, is_speech), is_speech=is_speech)
            self._has_grown.set()
            await asyncio.sleep(0)

    async def _take(self, events: list[SegmentEvent], *, is_speech: bool) -> None:
        for event in events:
            match event:
                case SegmentStarted(start=start):
                    self._utterance = Utterance(start)
                case SegmentAudio(pcm=pcm) if self._utterance:
                    self._utterance.append(pcm, is_speech=is_speech)
                case SegmentEnded(end=end) if self._utterance:
                    utterance, self._utterance = self._utterance, None
                    await self._settle(utterance, end)

    async def _settle(self, utterance: Utterance, end: int) -> None:
        utterance.complete()
        self._has_grown.set()
        decoding = await self._patiently(self._decode_final(utterance))
        if self._flow is not None:
            self._flow.settle(utterance.n_samples / SAMPLE_RATE)
        await self._listener.tell_final(Final(utterance.settle(decoding), utterance.start, end))

    async def _decode_final(self, utterance: Utterance) -> Decoding:
        """Take the early final, done or not, if nothing was said since; else decode the whole."""
        if self._early and self._early.utterance is utterance and utterance.early_final_holds:
            decoding = await self._early.decoding
            if utterance.is_kept_by(decoding):
                return decoding
        work = Work.FILE if self._is_file else Work.FINAL
        hearing = utterance.begin(work, self._alternatives)
        return await self._scheduler.final(partial(self._decoder.decode, hearing), work, self._flow)

    async def _patiently(self, final: Coroutine[None, None, Decoding]) -> Decoding:
        """Await a final's decoding, with a word to the caller while it takes long: a large model may."""
        decoding = asyncio.create_task(final)
        try:
            while not decoding.done():
                await asyncio.wait((decoding,), timeout=_SIGN_OF_LIFE_SECONDS)
                if not decoding.done():
                    await self._listener.tell_delay()
            return decoding.result()
        finally:
            decoding.cancel()
