"""Recognize one call: cut its audio into utterances, and decode each when the scheduler allows it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from stream.engine.audio import AudioReader
from stream.engine.model.hypotheses import Decoding, Hypothesis
from stream.engine.options import CallOptions
from stream.engine.scheduling.load import SessionUsage
from stream.engine.scheduling.scheduler import Scheduler
from stream.engine.scheduling.work import DecodeRequest, Work
from stream.engine.streaming_utterance import StreamingUtterance
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
    split_frames,
)

# How much audio is processed before the event loop serves others: a few milliseconds of work.
_PIECE_BYTES = 2 * SAMPLE_RATE
# Clients may take a server that sends nothing for longer than this for dead.
_KEEPALIVE_SECONDS = 1.0

AnyUtterance = Utterance | StreamingUtterance


@dataclass(frozen=True, slots=True)
class Final:
    """A settled utterance, positions counted from the first sample of the call; no hypotheses if there is no speech."""

    hypotheses: tuple[Hypothesis, ...]
    start_samples: int
    end_samples: int


class Decoder(Protocol):
    """Decodes audio; `decode` blocks and is called from threads."""

    @property
    def has_partials(self) -> bool:
        """Whether a part of an utterance can be decoded."""
        ...

    def decode(self, request: DecodeRequest) -> Decoding:
        """Recognize; the best hypothesis has no words if there is no speech."""
        ...


class OpenUtterance(Protocol):
    """Begins an utterance at sample `start_samples` of a call, as the model of the call decodes it."""

    def __call__(self, start_samples: int) -> AnyUtterance: ...


class ResultWriter(Protocol):
    """Receives the results of a call; an exception of its methods ends the call."""

    async def write_partial(self, partial: Partial, utterance: AnyUtterance) -> None:
        """Send an unsettled text; it is outdated once `utterance` is no longer growing."""
        ...

    async def write_delay(self) -> None:
        """Signal that a final is still being decoded; called every second until it is done."""
        ...

    async def write_final(self, final: Final) -> None:
        """Send a settled utterance; utterances come in the order of the audio."""
        ...


@dataclass(frozen=True, slots=True)
class _OpenDecode:
    """A decode of the open `utterance` that its final needs: of the whole in a pause of its speech, or a step of it."""

    utterance: AnyUtterance
    decoding: asyncio.Future[Decoding]


class Recognition:
    """The recognition of one call: `feed` takes audio, `writer` receives results, `follow` runs beside in a task.

    The utterances of a file are decoded only once, when they are complete: a file arrives as fast as it is read, so
    that a partial would be outdated at once. `usage` accounts for the decoding time of the session's finals. All calls
    share `codec_turn`, which bounds how many decode compressed audio at once. `open_utterance` begins utterances, by
    default those of a model that decodes them anew. `aclose` it in the end.
    """

    def __init__(
        self,
        decoder: Decoder,
        scheduler: Scheduler,
        options: CallOptions,
        writer: ResultWriter,
        *,
        codec_turn: asyncio.Semaphore,
        is_file: bool = False,
        usage: SessionUsage | None = None,
        open_utterance: OpenUtterance | None = None,
    ) -> None:
        self._usage = None if is_file else usage
        self._decoder = decoder
        self._scheduler = scheduler
        self._alternatives = options.decoded_alternatives
        self._open_utterance = open_utterance or partial(Utterance, first_pass_samples=options.first_pass_samples)
        self._is_file = is_file
        self._writer = writer
        self._audio = AudioReader(options.audio)
        self._codec_turn = codec_turn
        self._framer = Framer()
        self._classifier = WebRtcClassifier(STRICTEST)
        self._segmenter = Segmenter(options.segmenter)
        self._utterance: AnyUtterance | None = None
        self._early: _OpenDecode | None = None
        self._has_grown = asyncio.Event()

    async def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the call; return once the finals in them are written. Raises AudioError."""
        await self._feed_steps(self._audio.push(chunk))

    async def end_utterance(self) -> None:
        """End the open utterance here, at the client's request. Raises AudioError."""
        await self._feed_steps(self._audio.identify())
        await self._take(self._segmenter.cut())

    async def drain(self) -> None:
        """Settle the open utterance at the end of the audio. Raises AudioError."""
        await self._feed_steps(self._audio.flush())
        if rest := self._framer.flush():
            events, _ = self._segmenter.push(rest, b"\0")
            await self._take(events)
        await self._take(self._segmenter.cut())

    async def aclose(self) -> None:
        """Release what the decoding of audio holds."""
        if self._audio.is_compressed:
            # This waits for FFmpeg to end its step.
            await asyncio.to_thread(self._audio.close)
        else:
            self._audio.close()

    async def follow(self, *, wants_partials: bool) -> None:
        """Decode the open utterance as it grows, whenever a decode is due, until cancelled."""
        if self._is_file:
            return
        sends_partials = wants_partials and self._decoder.has_partials
        while True:
            await self._has_grown.wait()
            self._has_grown.clear()
            if utterance := self._utterance:
                # Steps of a streaming model need no intervals.
                counted = self._scheduler.growing if utterance.is_decoded_anew else self._scheduler.talking
                with counted():
                    await self._follow(utterance, sends_partials=sends_partials)

    async def _follow(self, utterance: AnyUtterance, *, sends_partials: bool) -> None:
        in_pause: Partial | None = None
        while utterance.state is UtteranceState.GROWING:
            if in_pause is not None and sends_partials and utterance.wants_first_pass:
                utterance.note_first_pass()
                if in_pause.has_text:
                    await self._writer.write_partial(replace(in_pause, is_first_pass=True), utterance)
                continue
            work = utterance.wants(self._scheduler.intervals)
            is_step = work is Work.PARTIAL and not utterance.is_decoded_anew
            if work is None or (work is Work.PARTIAL and not is_step and not sends_partials):
                await self._has_grown.wait()
                self._has_grown.clear()
                continue
            partial = await self._decode_open(utterance, work)
            in_pause = partial if work is Work.EARLY_FINAL or is_step else in_pause
            if partial and partial.is_new and sends_partials and utterance.state is UtteranceState.GROWING:
                utterance.note_sent()
                await self._writer.write_partial(partial, utterance)

    async def _decode_open(self, utterance: AnyUtterance, work: Work) -> Partial | None:
        """Decode the audio so far when a worker is free; None if the decode is no longer wanted by then."""
        request: DecodeRequest | None = None
        is_step = work is Work.PARTIAL and not utterance.is_decoded_anew
        early = _OpenDecode(utterance, asyncio.get_running_loop().create_future())

        def begin() -> Callable[[], Decoding] | None:
            nonlocal request
            if utterance.wants(self._scheduler.intervals) is not work:
                return None
            request = utterance.begin(work, self._alternatives)
            if work is Work.EARLY_FINAL or is_step:
                self._early = early
            return partial(self._decoder.decode, request)

        try:
            usage = self._usage if work is Work.EARLY_FINAL or is_step else None
            decoding = await self._scheduler.early(work, begin, usage, is_step=is_step)
            if decoding:
                early.decoding.set_result(decoding)
        finally:
            early.decoding.cancel()
        if decoding and request and utterance.state is UtteranceState.GROWING:
            return utterance.update(request, decoding)
        return None

    async def _feed_steps(self, steps: Iterator[bytes]) -> None:
        while (pcm := await self._next(steps)) is not None:
            if pcm:
                await self._feed_pcm(pcm)
            else:
                await asyncio.sleep(0)

    async def _next(self, steps: Iterator[bytes]) -> bytes | None:
        """Take one step of decoding, of compressed audio in a thread: FFmpeg may work on a few bytes for long."""
        if not self._audio.is_compressed:
            return next(steps, None)
        async with self._codec_turn:
            return await asyncio.to_thread(next, steps, None)

    async def _feed_pcm(self, pcm: bytes) -> None:
        for piece in range(0, len(pcm), _PIECE_BYTES):
            frames = self._framer.push(pcm[piece : piece + _PIECE_BYTES])
            speech = self._classifier.classify(frames)
            for index, frame in enumerate(split_frames(frames)):
                events, _ = self._segmenter.push(frame, speech[index : index + 1])
                await self._take(events)
                if self._utterance and self._utterance.has_ended:
                    await self._take(self._segmenter.cut())
            self._has_grown.set()
            await asyncio.sleep(0)

    async def _take(self, events: list[SegmentEvent]) -> None:
        for event in events:
            match event:
                case SegmentStarted(start=start):
                    self._utterance = self._open_utterance(start)
                case SegmentAudio(pcm=pcm, speech=speech) if self._utterance:
                    self._utterance.append(pcm, speech)
                case SegmentEnded(end=end) if self._utterance:
                    utterance, self._utterance = self._utterance, None
                    await self._settle(utterance, end)
                    await self._take(self._segmenter.resume())

    async def _settle(self, utterance: AnyUtterance, end: int) -> None:
        utterance.complete()
        self._has_grown.set()
        decoding = await self._with_progress(self._decode_final(utterance))
        if self._usage is not None:
            self._usage.settle(utterance.n_samples / SAMPLE_RATE)
        await self._writer.write_final(Final(utterance.settle(decoding), utterance.start_samples, end))

    async def _decode_final(self, utterance: AnyUtterance) -> Decoding:
        """Use the early final, done or not, if there was no speech since it began; else decode what is left."""
        if self._early and self._early.utterance is utterance and utterance.early_final_holds:
            decoding = await self._early.decoding
            if utterance.keeps_settled_words(decoding):
                return decoding
        work = Work.FILE if self._is_file else Work.FINAL
        request = utterance.begin(work, self._alternatives)
        return await self._scheduler.final(partial(self._decoder.decode, request), work, self._usage)

    async def _with_progress(self, final: Coroutine[None, None, Decoding]) -> Decoding:
        """Await the decoding of a final, and signal every second that it is still in progress."""
        decoding = asyncio.create_task(final)
        try:
            while not decoding.done():
                await asyncio.wait((decoding,), timeout=_KEEPALIVE_SECONDS)
                if not decoding.done():
                    await self._writer.write_delay()
            return decoding.result()
        finally:
            decoding.cancel()
