import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.config import SessionConfig
from stream.deadlines import RunnerLimits
from stream.errors import ClientError, Problem
from stream.events import ClientEvent, EndCause, Finished, Hypothesis, Reason, RecognitionOptions, Settled, Unsettled
from stream.outbox import MOST_WAITING, Outbox
from stream.runner import MessageSource, SessionRunner
from stream.turns import Turns
from tests.recognizers import CountingStream, FailingStream, MuteStream, ScriptedRecognizer, counted
from tests.sounds import MarkedClassifier, frame_numbers, numbered_pcm
from vad import FRAME_BYTES, FRAME_SAMPLES

CONFIG = SessionConfig(preroll_ms=50, hangover_ms=100, audio_transfer="raw")
SENTENCE = [(False, 20), (True, 60), (False, 20)]
QUICK = RunnerLimits(pause=0.2, idle=0.8, final=1.0)


class Script:
    """A client that sends these messages; a number is a pause in seconds, the end is silence for ever."""

    def __init__(self, *messages: bytes | str | float | None) -> None:
        self._messages = list(messages)
        self.taken = 0

    async def receive(self) -> bytes | str | None:
        while self._messages:
            message = self._messages.pop(0)
            self.taken += 1
            if not isinstance(message, float):
                return message
            await asyncio.sleep(message)
        await asyncio.Event().wait()
        raise AssertionError


class Harness:
    """A runner with everything around it; `told` is what the client would be told."""

    def __init__(
        self,
        *script: Callable[[RecognitionOptions], CountingStream],
        limits: RunnerLimits = QUICK,
        config: SessionConfig = CONFIG,
        turns: Turns | None = None,
    ) -> None:
        self.recognizer = ScriptedRecognizer(list(script) or [CountingStream])
        self.outbox = Outbox()
        self.runner = SessionRunner(self.recognizer, config, self.outbox, limits, MarkedClassifier, turns=turns)
        self.told: list[ClientEvent] = []

    async def run(self, *messages: bytes | str | float | None) -> Finished:
        return await self.listen(Script(*messages))

    async def listen(self, source: MessageSource) -> Finished:
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(self.runner.run(source))
            while not self.told or not isinstance(self.told[-1], Finished):
                self.told.append(await self.outbox.get())
        last = self.told[-1]
        assert isinstance(last, Finished)
        assert all(stream.is_abandoned for stream in self.recognizer.streams)
        return last

    def settled(self) -> list[Settled]:
        return [event for event in self.told if isinstance(event, Settled)]


def transcript(finished: Finished) -> str:
    return " / ".join(settled.hypothesis.best.transcript for settled in finished.settled)


# 5 frames of pre-roll, 60 of speech, 10 of hangover: 750 ms are three words.
SAID = "w0 w1 w2"


async def test_close_finishes_what_was_said() -> None:
    harness = Harness()
    finished = await harness.run(numbered_pcm(SENTENCE)[: 70 * FRAME_BYTES], "close")
    assert (transcript(finished), finished.cause) == ("w0 w1", EndCause.CLOSE)
    assert harness.settled()[0].reason is Reason.CLOSE


async def test_a_client_that_vanishes_is_finished_all_the_same() -> None:
    finished = await Harness().run(numbered_pcm(SENTENCE), None)
    assert (transcript(finished), finished.cause) == (SAID, EndCause.DISCONNECT)


async def test_a_sender_that_falls_silent_ends_its_utterance_and_then_its_session() -> None:
    harness = Harness()
    finished = await harness.run(numbered_pcm(SENTENCE)[: 70 * FRAME_BYTES])
    assert harness.settled()[0].reason is Reason.IDLE
    assert (transcript(finished), finished.cause, finished.error) == ("w0 w1", EndCause.IDLE, None)


async def test_a_session_without_audio_is_told_so() -> None:
    finished = await Harness().run('{"config":{"hangoverMs":300}}')
    assert finished.error is not None
    assert finished.error.problem is Problem.IDLE_TIMEOUT
    assert finished.error.detail == "no audio was received for 0.8 seconds"


class Endless:
    """A client that always has a next message; after some of them the session is told to end."""

    def __init__(self, order: Callable[[], None]) -> None:
        self.order = order
        self.taken = 0

    async def receive(self) -> bytes:
        self.taken += 1
        if self.taken == 5:
            self.order()
        return numbered_pcm([(True, 5)])


@pytest.mark.fault(22)
async def test_an_order_ends_a_session_whose_client_never_stops_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.runner._LAST_READ_SECONDS", 0.05)
    harness = Harness()
    client = Endless(lambda: harness.runner.end(EndCause.SHUTDOWN))
    finished = await harness.listen(client)
    assert finished.cause is EndCause.SHUTDOWN
    # What was there before the end was read is heard, and so is what came with the order.
    assert finished.totals.received == client.taken * 5 * FRAME_SAMPLES
    assert client.taken > 5


async def test_the_first_order_to_end_counts() -> None:
    harness = Harness()
    expired = ClientError(Problem.UNAUTHENTICATED, "the token has expired")
    harness.runner.end(EndCause.ERROR, expired)
    harness.runner.end(EndCause.SHUTDOWN)
    finished = await harness.run()
    assert (finished.cause, finished.error) == (EndCause.ERROR, expired)


async def test_an_empty_session_ends_empty() -> None:
    finished = await Harness().run(b"", "close")
    assert (finished.settled, finished.totals.received, finished.error) == ((), 0, None)


async def test_a_session_ends_at_its_limit_with_what_was_said() -> None:
    harness = Harness(limits=RunnerLimits(stream=0.1))
    finished = await harness.run(numbered_pcm(SENTENCE))
    assert (transcript(finished), finished.cause) == (SAID, EndCause.LIMIT)


async def test_a_session_can_be_ended_from_outside() -> None:
    harness = Harness(limits=RunnerLimits())
    asyncio.get_running_loop().call_later(0.05, harness.runner.end, EndCause.SHUTDOWN)
    finished = await harness.run(numbered_pcm(SENTENCE))
    assert (transcript(finished), finished.cause) == (SAID, EndCause.SHUTDOWN)


async def test_garbage_text_is_told_after_the_open_utterance_was_finished() -> None:
    harness = Harness()
    finished = await harness.run(numbered_pcm(SENTENCE)[: 70 * FRAME_BYTES], "hello?")
    assert [settled.hypothesis.best.transcript for settled in harness.settled()] == ["w0 w1"]
    assert finished.error is not None
    assert finished.error.problem is Problem.INVALID_MESSAGE


async def test_bad_audio_is_told_after_what_came_before_it() -> None:
    finished = await Harness(config=SessionConfig(audio_transfer="base64")).run(b"AAAAAAAA*")
    assert finished.error is not None
    assert finished.error.problem is Problem.INVALID_AUDIO
    assert finished.totals.received == 3


async def test_bad_audio_that_shows_only_at_the_end_is_told() -> None:
    finished = await Harness(config=SessionConfig()).run(b"AAAAAAAA=", "close")
    assert finished.error is not None
    assert finished.error.problem is Problem.INVALID_AUDIO
    assert finished.totals.received == 3


async def test_a_config_message_takes_effect() -> None:
    harness = Harness()
    await harness.run('{"config":{"maxAlternatives":3,"interimResults":false}}', numbered_pcm(SENTENCE), "close")
    options = harness.recognizer.streams[0].options
    assert replace(options, session_id="") == RecognitionOptions("en-US", 3, interim_results=False)


async def test_all_streams_of_a_session_have_its_id_and_no_other_session_has_it() -> None:
    ids = []
    for _ in range(2):
        harness = Harness()
        await harness.run(numbered_pcm(SENTENCE + SENTENCE), "close")
        ids.append({stream.options.session_id for stream in harness.recognizer.streams})
        assert len(harness.recognizer.streams) == 2
    assert [len(each) for each in ids] == [1, 1]
    assert "" not in ids[0] | ids[1]
    assert ids[0] != ids[1]


async def test_the_first_audio_freezes_the_format() -> None:
    finished = await Harness().run(numbered_pcm(SENTENCE), '{"config":{"sampleRateHertz":8000}}')
    assert finished.error is not None
    assert finished.error.problem is Problem.INVALID_CONFIG
    assert transcript(finished) == SAID


def test_a_language_that_is_not_served_is_refused_with_what_to_do() -> None:
    with pytest.raises(ClientError) as caught:
        Harness(config=SessionConfig(language_code="fa"))
    assert caught.value.problem is Problem.INVALID_CONFIG
    assert caught.value.detail.startswith("languageCode is fa, which no model of this server recognizes; served: en-US")
    assert "SHENAVA_MODEL" in caught.value.detail


async def test_partials_are_told_while_the_utterance_goes_on() -> None:
    harness = Harness(limits=RunnerLimits())
    pcm = numbered_pcm(SENTENCE)
    pieces: list[bytes | str | float | None] = []
    for start in range(0, len(pcm), 10 * FRAME_BYTES):
        pieces += [pcm[start : start + 10 * FRAME_BYTES], 0.01]
    await harness.run(*pieces, "close")
    shown = [event.hypothesis.best.transcript for event in harness.told if isinstance(event, Unsettled)]
    assert shown[:2] == ["w0", "w0 w1"]


async def test_a_failed_utterance_costs_itself_only() -> None:
    finished = await Harness(FailingStream, CountingStream).run(numbered_pcm(SENTENCE * 2), "close")
    assert [(s.reason, s.hypothesis.best.transcript) for s in finished.settled] == [
        (Reason.GAP, "w0 w1"),
        (Reason.ENDPOINT, SAID),
    ]
    assert finished.totals.lost == 75 * FRAME_SAMPLES


async def test_a_recognizer_that_never_answers_ends_the_session_with_an_error() -> None:
    limits = RunnerLimits(pause=0.05, idle=5.0, final=0.1)
    finished = await Harness(MuteStream, limits=limits).run(numbered_pcm(SENTENCE * 3))
    assert finished.error is not None
    assert finished.error.problem is Problem.RECOGNIZER_FAILED
    assert finished.totals.lost == 3 * 75 * FRAME_SAMPLES


async def test_a_session_that_gave_up_waits_for_no_further_message() -> None:
    limits = RunnerLimits(pause=60.0, idle=60.0)
    finished = await Harness(FailingStream, limits=limits).run(numbered_pcm(SENTENCE * 3))
    assert finished.cause is EndCause.ERROR


class TaciturnStream(CountingStream):
    """Takes its time with the audio and says nothing before the end."""

    async def send(self, pcm: bytes) -> None:
        await asyncio.sleep(0.001)
        self.pcm += pcm

    async def hypotheses(self) -> AsyncIterator[Hypothesis]:
        while not self._is_finished:
            await self._changed.wait()
            self._changed.clear()
        yield counted(len(self.pcm) // 2, is_final=True)


async def test_a_stream_of_which_nothing_is_heard_for_long_is_sent_all_the_same() -> None:
    config = SessionConfig(vad="off", audio_transfer="raw")
    harness = Harness(TaciturnStream, limits=RunnerLimits(), config=config)
    finished = await harness.run(bytes(FRAME_BYTES * 12_000), "close")
    assert sum(len(stream.pcm) for stream in harness.recognizer.streams) == FRAME_BYTES * 12_000
    assert finished.totals.recognized == 12_000 * FRAME_SAMPLES


class CountedTurns(Turns):
    """Counts the turns that were taken, and how often somebody was seen to speak."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = self.live = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        self.taken += 1
        async with super().turn():
            yield

    def see_live(self, now: float) -> None:
        self.live += 1
        super().see_live(now)


async def test_a_file_takes_turns_and_loses_nothing() -> None:
    turns = CountedTurns()
    finished = await Harness(limits=RunnerLimits(), turns=turns).run(*[numbered_pcm(SENTENCE)] * 10, "close")
    assert [settled.hypothesis.best.transcript for settled in finished.settled] == [SAID] * 10
    # Ten seconds came at once, and the first two of them might have been late.
    assert (turns.taken, turns.live) == (8, 0)


async def test_who_speaks_takes_no_turns_and_is_seen_to_be_live() -> None:
    turns = CountedTurns()
    said: list[bytes | str | float | None] = []
    for frame in range(0, 140, 10):
        said += [numbered_pcm([(True, 140)])[frame * FRAME_BYTES : (frame + 10) * FRAME_BYTES], 0.1]
    await Harness(limits=RunnerLimits(), turns=turns).run(*said, "close")
    assert turns.taken == 0
    assert turns.live > 0


@pytest.mark.fault(8)
async def test_audio_waits_while_four_utterances_are_open() -> None:
    harness = Harness(MuteStream, limits=RunnerLimits())
    source = Script(*[numbered_pcm(SENTENCE)] * 10)
    running = asyncio.create_task(harness.runner.run(source))
    while len(harness.recognizer.streams) < 4:
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    assert (len(harness.recognizer.streams), source.taken) == (4, 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert all(stream.is_abandoned for stream in harness.recognizer.streams)


@pytest.mark.fault(7)
async def test_audio_waits_unread_while_the_client_does_not_read() -> None:
    harness = Harness(limits=RunnerLimits())
    running = asyncio.create_task(harness.runner.run(Script(*[numbered_pcm(SENTENCE)] * (2 * MOST_WAITING))))
    while not harness.outbox.is_full:
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    assert len(harness.recognizer.streams) <= MOST_WAITING + 4
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 120)), max_size=12),
    st.lists(st.integers(1, 9000), min_size=1, max_size=5),
)
def test_every_sample_is_recognized_once_or_skipped(pattern: list[tuple[bool, int]], sizes: list[int]) -> None:
    pcm = numbered_pcm(pattern)
    messages: list[bytes] = []
    start = 0
    while start < len(pcm):
        for size in sizes:
            messages.append(pcm[start : start + size + 200])
            start += size + 200
    harness: list[Harness] = []

    async def run() -> Finished:
        harness.append(Harness(limits=RunnerLimits()))
        return await harness[0].run(*messages, "close")

    totals = asyncio.run(run()).totals
    heard = [number for stream in harness[0].recognizer.streams for number in frame_numbers(stream.pcm)]
    assert heard == sorted(set(heard))
    assert totals.recognized == len(heard) * FRAME_SAMPLES
    assert totals.received == len(pcm) // 2
    assert totals.skipped == totals.received - totals.recognized
    assert totals.lost == 0
