import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field

import pytest
from riva.client.proto import riva_asr_pb2 as asr

from stream.engine.audio_options import audio_options
from stream.engine.model.hypotheses import DecodedWord, Decoding, Hypothesis
from stream.engine.options import CallOptions
from stream.engine.recognition import AnyUtterance, Final, Recognition
from stream.engine.scheduling.scheduler import Scheduler
from stream.engine.scheduling.work import DecodeRequest, Work
from stream.engine.utterance import Partial, Utterance
from tests.stream.engine.support.calls import silence
from tests.stream.engine.support.pools import TimedPool
from tests.support.sounds import clip_pcm
from vad import SAMPLE_RATE, SegmenterOptions

pytestmark = pytest.mark.virtual_time
WHOLE = SegmenterOptions(
    onset_frames=0, onset_window_frames=0, preroll_frames=0, hangover_frames=1000, longest_frames=900
)


@dataclass
class YesDecoder:
    """Decodes "yes", and records the requests and their seconds of audio."""

    has_partials: bool = True
    asked: list[Work] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def decode(self, request: DecodeRequest) -> Decoding:
        self.asked.append(request.work)
        self.seconds.append(len(request.samples) / SAMPLE_RATE)
        return Decoding((Hypothesis((DecodedWord(text="yes", tokens=(1,)),), -0.1),), 0.0, "en")


@dataclass
class ResultWriter:
    """Records the kinds of results, and when they were written."""

    written: list[str] = field(default_factory=list)
    written_at: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    async def write_partial(self, partial: Partial, utterance: AnyUtterance) -> None:
        self._note("first pass" if partial.is_first_pass else "partial")

    async def write_delay(self) -> None:
        self._note("delay")

    async def write_final(self, final: Final) -> None:
        self.texts += [hypothesis.text for hypothesis in final.hypotheses]
        self._note("final")

    def _note(self, what: str) -> None:
        self.written.append(what)
        self.written_at.append(asyncio.get_running_loop().time())


@asynccontextmanager
async def recognizing(
    decoder: YesDecoder,
    *,
    decode_seconds: float = 0.0,
    wants_partials: bool = True,
    is_file: bool = False,
    first_pass_samples: int | None = None,
) -> AsyncIterator[tuple[Recognition, ResultWriter]]:
    """A recognition of one whole utterance, followed as it grows."""
    writer, scheduler = ResultWriter(), Scheduler(1, TimedPool(decode_seconds))
    audio = audio_options(asr.RecognitionConfig())
    options = CallOptions(
        language_code="en",
        audio=audio,
        alternatives=1,
        word_times=True,
        segmenter=WHOLE,
        first_pass_samples=first_pass_samples,
    )
    codec_turn = asyncio.Semaphore(1)
    recognition = Recognition(decoder, scheduler, options, writer, codec_turn=codec_turn, is_file=is_file)
    following = asyncio.create_task(recognition.follow(wants_partials=wants_partials))
    try:
        yield recognition, writer
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


class ForgetfulDecoder(YesDecoder):
    """Finds three words in a part, and none in the whole unless the request has sent tokens."""

    def decode(self, request: DecodeRequest) -> Decoding:
        texts = ("one", "two", "three") if request.work is Work.PARTIAL or request.sent_tokens else ()
        words = tuple(DecodedWord(text=text, tokens=(number,)) for number, text in enumerate(texts))
        return Decoding((Hypothesis(words, -0.1),), 0.0, "en")


class SilentDecoder(YesDecoder):
    """Finds no words."""

    def decode(self, request: DecodeRequest) -> Decoding:
        super().decode(request)
        return Decoding((Hypothesis(),), 0.9, "en")


async def settle(decode_seconds: float) -> tuple[list[str], list[float]]:
    """Return what is written for a final that takes so long, and after how many seconds."""
    began = asyncio.get_running_loop().time()
    decoding = recognizing(YesDecoder(), decode_seconds=decode_seconds, wants_partials=False)
    async with decoding as (recognition, writer):
        await recognition.feed(bytes(32_000))
        await recognition.drain()
        return writer.written, [time - began for time in writer.written_at]


async def feed(recognition: Recognition, pcm: bytes) -> None:
    """Feed 100 ms at a time, as fast as somebody speaks."""
    for start in range(0, len(pcm), 3200):
        await recognition.feed(pcm[start : start + 3200])
        await asyncio.sleep(0.1)


async def test_partials_come_with_each_half_second_that_is_spoken() -> None:
    decoder = YesDecoder()
    async with recognizing(decoder) as (recognition, writer):
        await feed(recognition, clip_pcm("quick.wav")[:64_000])
        assert writer.written == ["partial"] * 3
        first, *_ = decoder.seconds
        assert 0.8 <= first < 0.9
        assert decoder.seconds == pytest.approx([first, first + 0.5, first + 1.0])
        await recognition.end_utterance()
    assert writer.written == ["partial"] * 3 + ["final"]


async def test_a_pause_settles_the_text_before_the_utterance_ends() -> None:
    decoder = YesDecoder()
    async with recognizing(decoder) as (recognition, writer):
        await feed(recognition, clip_pcm("yes.wav") + silence(0.5))
        asked = list(decoder.asked)
        await recognition.end_utterance()
    assert asked[-1] is Work.EARLY_FINAL
    assert decoder.asked == asked
    assert writer.written[-2:] == ["partial", "final"]


async def test_each_pause_has_one_first_pass_with_the_text_of_its_early_final() -> None:
    decoder = YesDecoder()
    async with recognizing(decoder, first_pass_samples=8000) as (recognition, writer):
        await feed(recognition, clip_pcm("yes.wav") + silence(1))
        assert writer.written == ["partial", "first pass"]
        # The early final of a word begins after 150 ms of silence, the first pass is sent after 500, in steps of 100.
        early, first_pass = writer.written_at
        assert first_pass - early == pytest.approx(0.4)
        await feed(recognition, clip_pcm("quick.wav") + silence(0.6))
        await recognition.end_utterance()
    assert writer.written.count("first pass") == 2
    assert writer.written[-2:] == ["first pass", "final"]
    assert decoder.asked.count(Work.EARLY_FINAL) == 2


@pytest.mark.parametrize("wants_partials", [True, False])
async def test_a_first_pass_is_for_those_who_want_partials_and_has_text(wants_partials: bool) -> None:
    decoder = YesDecoder() if not wants_partials else SilentDecoder()
    recognizing_first_pass = recognizing(decoder, wants_partials=wants_partials, first_pass_samples=4000)
    async with recognizing_first_pass as (recognition, writer):
        await feed(recognition, clip_pcm("yes.wav") + silence(0.6))
        await recognition.end_utterance()
    assert "first pass" not in writer.written
    assert Work.EARLY_FINAL in decoder.asked


async def test_speech_after_the_pause_asks_for_another_final() -> None:
    decoder = YesDecoder()
    async with recognizing(decoder, wants_partials=False) as (recognition, writer):
        await feed(recognition, clip_pcm("yes.wav") + silence(0.5) + clip_pcm("quick.wav")[:32_000])
        await recognition.end_utterance()
    assert decoder.asked == [Work.EARLY_FINAL, Work.FINAL]
    assert writer.written == ["final"]


async def test_an_end_during_the_early_final_waits_for_it() -> None:
    decoder, now = YesDecoder(), asyncio.get_running_loop().time
    async with recognizing(decoder, decode_seconds=30, wants_partials=False) as (recognition, writer):
        await feed(recognition, clip_pcm("yes.wav") + silence(0.3))
        assert decoder.asked == [Work.EARLY_FINAL]
        ended = now()
        await recognition.end_utterance()
    assert decoder.asked == [Work.EARLY_FINAL]
    # It began while the pause was fed, so that less than a whole decode was left to wait for.
    assert 29 < now() - ended < 30
    assert writer.written == ["delay"] * 29 + ["final"]


@pytest.mark.parametrize(("wants_partials", "texts"), [(True, ["one two three"]), (False, [])])
async def test_text_that_was_sent_does_not_settle_as_nothing(wants_partials: bool, texts: list[str]) -> None:
    async with recognizing(ForgetfulDecoder(), wants_partials=wants_partials) as (recognition, writer):
        await feed(recognition, clip_pcm("quick.wav")[:48_000])
        await recognition.end_utterance()
    assert writer.texts == texts


async def test_an_utterance_of_a_file_is_decoded_once_when_it_is_complete() -> None:
    decoder = YesDecoder()
    async with recognizing(decoder, is_file=True) as (recognition, writer):
        await feed(recognition, clip_pcm("yes.wav") + silence(0.5) + clip_pcm("quick.wav") + silence(0.5))
        await recognition.end_utterance()
    assert decoder.asked == [Work.FILE]
    assert writer.written == ["final"]


@pytest.mark.parametrize("is_file", [True, False])
async def test_a_file_does_not_count_for_the_pace_of_the_talkers(
    monkeypatch: pytest.MonkeyPatch, is_file: bool
) -> None:
    growing: list[Scheduler] = []

    def grow(scheduler: Scheduler) -> nullcontext[None]:
        growing.append(scheduler)
        return nullcontext()

    monkeypatch.setattr(Scheduler, "growing", grow)
    async with recognizing(YesDecoder(), is_file=is_file) as (recognition, _):
        await feed(recognition, clip_pcm("yes.wav"))
    assert bool(growing) is not is_file


async def test_an_early_final_that_breaks_a_promise_is_decoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Utterance, "keeps_settled_words", lambda _utterance, _decoding: False)
    decoder = YesDecoder()
    async with recognizing(decoder, wants_partials=False) as (recognition, _):
        await feed(recognition, clip_pcm("yes.wav") + silence(0.5))
        await recognition.end_utterance()
    assert decoder.asked == [Work.EARLY_FINAL, Work.FINAL]


async def test_a_decoder_without_partials_is_asked_for_none() -> None:
    decoder = YesDecoder(has_partials=False)
    async with recognizing(decoder) as (recognition, writer):
        await feed(recognition, clip_pcm("quick.wav"))
        await recognition.end_utterance()
    assert Work.PARTIAL not in decoder.asked
    assert writer.written == ["final"]


async def test_a_caller_hears_a_sign_of_life_each_second_while_a_final_takes_long() -> None:
    assert await settle(3.5) == (["delay", "delay", "delay", "final"], [1, 2, 3, 3.5])


@pytest.mark.parametrize("decode_seconds", [0.0, 0.999])
async def test_a_quick_final_is_written_alone(decode_seconds: float) -> None:
    assert await settle(decode_seconds) == (["final"], [pytest.approx(decode_seconds)])


async def test_a_caller_that_leaves_meanwhile_leaves_no_decoding_behind() -> None:
    waiting = asyncio.create_task(settle(60))
    await asyncio.sleep(30)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
