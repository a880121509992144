"""Owns the recognition of one call: its sound is cut into utterances, and each is decoded when its turn comes."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Protocol

from stream.engine.features import Samples
from stream.engine.options import CallOptions
from stream.engine.readings import Decoding, Reading
from stream.engine.scheduler import Scheduler
from stream.engine.sound import SoundReader
from stream.engine.utterance import Decoder, Partial, Utterance, UtteranceState
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


class Recognition:
    """One call: feed it sound, and `listener` is told the finals; `hear_partials` runs beside that in a task."""

    def __init__(
        self, decoder: Decoder, scheduler: Scheduler, options: CallOptions, language: str, listener: Listener
    ) -> None:
        self._decoder = decoder
        self._scheduler = scheduler
        self._options = options
        self._language = language
        self._listener = listener
        self._sound = SoundReader(options.rate_hertz)
        self._framer = Framer()
        self._classifier = WebRtcClassifier(STRICTEST)
        self._segmenter = Segmenter(options.segmenter)
        self._utterance: Utterance | None = None
        self._has_grown = asyncio.Event()

    async def feed(self, chunk: bytes) -> None:
        """Take the next bytes as the caller sent them, return once the finals in them are told. Raises SoundError."""
        await self._feed_pcm(self._sound.push(chunk))

    async def end_utterance(self) -> None:
        """The caller says that the utterance ends here."""
        await self._take(self._segmenter.cut())

    async def drain(self) -> None:
        """No more sound comes: settle what is open. Raises SoundError."""
        await self._feed_pcm(self._sound.flush())
        if rest := self._framer.flush():
            await self._take(self._segmenter.push(rest, is_speech=False))
        await self.end_utterance()

    async def hear_partials(self) -> None:
        """Decode the open utterance again and again as it grows, until cancelled."""
        while True:
            await self._has_grown.wait()
            self._has_grown.clear()
            # Sound that came during a decode may be enough for the next one.
            while (utterance := self._utterance) and utterance.wants_partial:
                await self._hear(utterance)

    async def _hear(self, utterance: Utterance) -> None:
        samples: Samples | None = None

        def begin() -> Callable[[], Decoding] | None:
            nonlocal samples
            if utterance.state is not UtteranceState.GROWING:
                return None
            heard = samples = utterance.begin_partial()
            return lambda: utterance.decode_partial(self._decoder, heard)

        decoding = await self._scheduler.partial(begin)
        if decoding and samples is not None and utterance.state is UtteranceState.GROWING:
            await self._listener.tell_partial(utterance.heard_partial(decoding, len(samples)), utterance)

    async def _feed_pcm(self, pcm: bytes) -> None:
        for piece in range(0, len(pcm), _PIECE_BYTES):
            for frame in self._framer.push(pcm[piece : piece + _PIECE_BYTES]):
                await self._take(self._segmenter.push(frame, self._classifier.is_speech(frame)))
            self._has_grown.set()
            await asyncio.sleep(0)

    async def _take(self, events: list[SegmentEvent]) -> None:
        for event in events:
            match event:
                case SegmentStarted(start=start):
                    self._utterance = Utterance(start, self._language)
                case SegmentAudio(pcm=pcm) if self._utterance:
                    self._utterance.append(pcm)
                case SegmentEnded(end=end) if self._utterance:
                    utterance, self._utterance = self._utterance, None
                    await self._settle(utterance, end)

    async def _settle(self, utterance: Utterance, end: int) -> None:
        utterance.complete()
        options = self._options
        decoding = await self._patiently(
            self._scheduler.final(
                lambda: utterance.decode_final(self._decoder, options.alternatives, options.word_times)
            )
        )
        await self._listener.tell_final(Final(utterance.heard_final(decoding), utterance.start, end))

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
