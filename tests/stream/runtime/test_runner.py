import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.farsava.commands import parse_command
from stream.runtime.audio_intake import Meter, unmetered
from stream.runtime.fairness import FairShare
from stream.runtime.outbox import MOST_WAITING, Outbox
from stream.runtime.runner import MessageSource, SessionRunner
from stream.session.commands import ClientInput, Configure, Discard, Refused, Reply
from stream.session.deadlines import RunnerLimits
from stream.session.events import (
    ClientEvent,
    EndCause,
    Finalized,
    Finished,
    Hypothesis,
    Ready,
    Reason,
    RecognitionOptions,
    Settled,
    Unsettled,
    Warned,
)
from tests.support.loops.virtual_time import VirtualTimeLoop
from tests.support.recognizers import CountingStream, FailingStream, MuteStream, ScriptedRecognizer, counted
from tests.support.sounds import MarkedClassifier, cut, frame_numbers, numbered_pcm
from tests.support.tiers import examples
from vad import FRAME_BYTES, FRAME_SAMPLES

pytestmark = pytest.mark.virtual_time

CONFIG = SessionConfig(preroll_ms=50, hangover_ms=100, audio_transfer="raw")
SENTENCE = [(False, 20), (True, 60), (False, 20)]
DAY_SECONDS = 86_400
KEEP_ALIVE = '{"type":"keepAlive"}'


def now() -> float:
    return asyncio.get_running_loop().time()


class Script:
    """A client that sends these messages; a number is a pause in seconds, the end is silence for ever."""

    def __init__(self, *messages: bytes | str | float | None) -> None:
        self._messages = list(messages)
        self._next_at = now()
        self.taken = 0

    async def receive(self) -> bytes | str | None:
        while self._messages:
            # A session that gives up waiting and asks again does not shorten a pause.
            await asyncio.sleep(self._next_at - now())
            message = self._messages.pop(0)
            if not isinstance(message, float):
                self.taken += 1
                return message
            self._next_at = now() + message
        await asyncio.Event().wait()
        raise AssertionError


def parsed(message: bytes | str) -> tuple[ClientInput, ...]:
    """Read a message as Farsava's clients mean it; ! begins a reply, ? what the clients of other protocols may send."""
    match message:
        case "?discard":
            return (Discard(),)
        case str() if message.startswith("?"):
            return (Configure(json.loads(message[1:]), goes_on=True, label=message),)
        case str() if message.startswith("!"):
            return (Reply(message),)
        case str():
            return (parse_command(message),)
        case _:
            return (message,)


class Harness:
    """A runner with everything around it; `told` is what the client would be told, `told_at` so many seconds later."""

    def __init__(
        self,
        *script: Callable[[RecognitionOptions], CountingStream],
        config: SessionConfig = CONFIG,
        fair_share: FairShare | None = None,
        meter: Meter = unmetered,
    ) -> None:
        self.recognizer = ScriptedRecognizer(script=list(script) or [CountingStream])
        self.outbox = Outbox()
        self.runner = SessionRunner(
            self.recognizer,
            config,
            self.outbox,
            RunnerLimits(),
            read=parsed,
            classifier_factory=MarkedClassifier,
            fair_share=fair_share,
            meter=meter,
        )
        self.told: list[ClientEvent | Reply] = []
        self.told_at: list[float] = []

    async def run(self, *messages: bytes | str | float | None) -> Finished:
        return await self.listen(Script(*messages))

    async def listen(self, source: MessageSource) -> Finished:
        began = now()
        async with asyncio.timeout(DAY_SECONDS), asyncio.TaskGroup() as tasks:
            tasks.create_task(self.runner.run(source))
            while not self.told or not isinstance(self.told[-1], Finished):
                self.told.append(await self.outbox.get())
                self.told_at.append(now() - began)
        last = self.told[-1]
        assert isinstance(last, Finished)
        assert all(stream.is_abandoned for stream in self.recognizer.streams)
        return last

    def settled(self) -> list[Settled]:
        return [event for event in self.told if isinstance(event, Settled)]

    def times_of(self, kind: type[ClientEvent]) -> list[float]:
        return [seconds for event, seconds in zip(self.told, self.told_at, strict=True) if isinstance(event, kind)]


def transcript(finished: Finished) -> str:
    return " / ".join(settled.hypothesis.best.transcript for settled in finished.settled)


def spoken(pcm: bytes) -> list[bytes | str | float | None]:
    """Sound at its own speed, in messages of an eighth of a second."""
    return [part for message in cut(pcm, 4000) for part in (message, 0.125)]


def quiet(pause_seconds: float, times: int) -> list[str | float]:
    """Say now and then that the connection is meant to stay."""
    return [pause_seconds, KEEP_ALIVE] * times


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
    assert (harness.times_of(Settled), harness.times_of(Finished)) == ([3], [30])


async def test_a_session_without_audio_is_told_so() -> None:
    harness = Harness()
    finished = await harness.run(5.0, '{"config":{"hangoverMs":300}}')
    assert finished.error is not None
    assert finished.error.problem is Problem.IDLE_TIMEOUT
    assert finished.error.detail == "no audio was received for 30 seconds"
    assert harness.times_of(Finished) == [35]


async def test_a_word_now_and_then_keeps_a_silent_session_but_no_utterance() -> None:
    harness = Harness()
    finished = await harness.run(numbered_pcm(SENTENCE)[: 70 * FRAME_BYTES], *quiet(2.0, 50), 29.0, "close")
    assert (transcript(finished), finished.cause) == ("w0 w1", EndCause.CLOSE)
    assert (harness.times_of(Settled), harness.times_of(Finished)) == ([3], [129])


async def test_a_manual_utterance_outlasts_a_silence_of_its_sender() -> None:
    harness = Harness(config=replace(CONFIG, vad="manual"))
    halves = cut(numbered_pcm([(True, 100)]), 50 * FRAME_BYTES)
    finished = await harness.run(halves[0], 20.0, halves[1], json.dumps({"type": "finalize"}), "close")
    assert (transcript(finished), harness.times_of(Settled)) == ("w0 w1 w2 w3", [20])
    assert len(harness.recognizer.streams) == 1


async def test_discarded_audio_is_not_recognized() -> None:
    harness = Harness(config=replace(CONFIG, vad="manual"))
    finished = await harness.run(numbered_pcm(SENTENCE), "?discard", numbered_pcm(SENTENCE), "close")
    assert harness.recognizer.streams[0].is_abandoned
    assert (len(finished.settled), finished.totals.skipped) == (1, 100 * FRAME_SAMPLES)


async def test_a_refused_configuration_that_goes_on_is_answered_in_order() -> None:
    harness = Harness()
    wrong = '?{"languageCode": "fa"}'
    finished = await harness.run(wrong, '?{"boost": 3}', '?{"boost": -1}', numbered_pcm(SENTENCE), "close")
    assert (finished.error, transcript(finished)) == (None, SAID)
    answers = [event for event in harness.told[1:] if isinstance(event, Reply | Ready)]
    match answers:
        case [Reply(Refused(label, language)), Ready(config), Reply(Refused(_, boost))]:
            assert (label, config.boost) == (wrong, 3)
            assert language.detail.startswith("languageCode is fa")
            assert boost.detail == "boost is -1; it must be between 0 and 100"
        case _:
            raise AssertionError(answers)


async def test_replies_come_in_order_with_what_was_said_before_them() -> None:
    harness = Harness()
    await harness.run(numbered_pcm(SENTENCE), 5.0, "!one", json.dumps({"type": "finalize"}), "!two", "close")
    kept = [event for event in harness.told if isinstance(event, Settled | Reply | Finalized | Finished)]
    assert [type(event).__name__ for event in kept] == ["Settled", "Reply", "Finalized", "Reply", "Finished"]


class Endless:
    """A client that always has a next message; the fifth comes with an order to end the session."""

    def __init__(self, order: Callable[[], None]) -> None:
        self.order = order
        self.taken = 0

    async def receive(self) -> bytes:
        self.taken += 1
        if self.taken == 5:
            self.order()
        return numbered_pcm([(True, 5)])


@pytest.mark.fault(22)
async def test_an_order_ends_a_session_whose_client_never_stops_sending() -> None:
    async def meter(_: float) -> None:
        await asyncio.sleep(1 / 16)

    harness = Harness(meter=meter)
    client = Endless(lambda: harness.runner.end(EndCause.SHUTDOWN))
    async with asyncio.timeout(60):
        finished = await harness.listen(client)
    assert finished.cause is EndCause.SHUTDOWN
    # What came within half a second of the order is heard: it may have been there before.
    assert client.taken == 4 + 8
    assert finished.totals.received == client.taken * 5 * FRAME_SAMPLES


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


async def test_a_session_ends_after_four_hours_with_what_was_said() -> None:
    harness = Harness(config=replace(CONFIG, extended=True))
    finished = await harness.run(numbered_pcm(SENTENCE), *quiet(20.0, 1000))
    assert (transcript(finished), finished.cause) == (SAID, EndCause.LIMIT)
    assert (harness.times_of(Warned), harness.times_of(Finished)) == ([14_340], [14_400])


async def test_a_session_can_be_ended_from_outside() -> None:
    harness = Harness()
    asyncio.get_running_loop().call_later(7, harness.runner.end, EndCause.SHUTDOWN)
    finished = await harness.run(numbered_pcm(SENTENCE))
    assert (transcript(finished), finished.cause) == (SAID, EndCause.SHUTDOWN)
    assert harness.times_of(Finished) == [7]


async def test_an_order_to_end_may_come_when_the_wait_has_just_run_out() -> None:
    harness = Harness()
    refused: list[Exception] = []

    def end() -> None:
        try:
            harness.runner.end(EndCause.SHUTDOWN)
        except RuntimeError as error:
            refused.append(error)

    loop = asyncio.get_running_loop()
    # In the same round of the loop as the limit of 30 s, and after it.
    loop.call_at(loop.time() + 30 + 1e-10, end)
    finished = await harness.run()
    assert (finished.cause, refused) == (EndCause.SHUTDOWN, [])


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
    assert "NIYOSHA_MODEL" in caught.value.detail


async def test_partials_are_told_while_the_utterance_goes_on() -> None:
    harness = Harness()
    await harness.run(*spoken(numbered_pcm(SENTENCE)), "close")
    shown = [event.hypothesis.best.transcript for event in harness.told if isinstance(event, Unsettled)]
    assert shown == ["w0", "w0 w1", "w0 w1 w2"]
    # The utterance begins at 0.15 s, and a word is told with the message that holds its end.
    assert harness.times_of(Unsettled) == [0.375, 0.625, 0.875]


async def test_a_failed_utterance_costs_itself_only() -> None:
    finished = await Harness(FailingStream, CountingStream).run(numbered_pcm(SENTENCE * 2), "close")
    assert [(s.reason, s.hypothesis.best.transcript) for s in finished.settled] == [
        (Reason.GAP, "w0 w1"),
        (Reason.ENDPOINT, SAID),
    ]
    assert finished.totals.lost == 75 * FRAME_SAMPLES


async def test_a_recognizer_that_never_answers_ends_the_session_with_an_error() -> None:
    harness = Harness(MuteStream)
    finished = await harness.run(numbered_pcm(SENTENCE * 3))
    assert finished.error is not None
    assert finished.error.problem is Problem.RECOGNIZER_FAILED
    assert finished.totals.lost == 3 * 75 * FRAME_SAMPLES
    assert harness.times_of(Finished) == [20]


async def test_a_session_that_gave_up_waits_for_no_further_message() -> None:
    harness = Harness(FailingStream)
    finished = await harness.run(numbered_pcm(SENTENCE * 3))
    assert finished.cause is EndCause.ERROR
    assert harness.times_of(Finished) == [0]


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
    harness = Harness(TaciturnStream, config=config)
    finished = await harness.run(bytes(FRAME_BYTES * 6500), "close")
    assert sum(len(stream.pcm) for stream in harness.recognizer.streams) == FRAME_BYTES * 6500
    assert finished.totals.recognized == 6500 * FRAME_SAMPLES


class CountedShare(FairShare):
    """Counts the fair_share that were taken, and how often somebody was seen to speak."""

    def __init__(self, work_clock: Callable[[], float] = lambda: 0.0) -> None:
        super().__init__(work_clock)
        self.taken = 0
        self.live_at: list[float] = []

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        self.taken += 1
        async with super().turn():
            yield

    def see_live(self, now: float) -> None:
        self.live_at.append(now)
        super().see_live(now)


async def test_a_file_takes_turns_and_loses_nothing() -> None:
    fair_share = CountedShare()
    finished = await Harness(fair_share=fair_share).run(*[numbered_pcm(SENTENCE)] * 10, "close")
    assert [settled.hypothesis.best.transcript for settled in finished.settled] == [SAID] * 10
    # Ten seconds came at once, and the first two of them might have been late.
    assert (fair_share.taken, fair_share.live_at) == (8, [])


async def test_who_speaks_takes_no_turns_and_is_seen_to_be_live() -> None:
    fair_share = CountedShare()
    began = now()
    await Harness(fair_share=fair_share).run(*spoken(numbered_pcm([(True, 150)])), "close")
    assert fair_share.taken == 0
    # The first second tells nothing yet.
    assert [seconds - began for seconds in sorted(set(fair_share.live_at))] == [1, 1.125, 1.25, 1.375]


@pytest.mark.fault(36)
async def test_commands_that_take_work_wait_for_turns_and_others_do_not() -> None:
    def worked(seconds: float) -> Callable[[], float]:
        ticks = count()
        return lambda: seconds * next(ticks)

    commands = ['{"config":{"maxAlternatives":3}}'] * 60
    taken = []
    for seconds in (0.0, 0.001):
        fair_share = CountedShare(worked(seconds))
        await Harness(fair_share=fair_share).run(*commands, "close")
        taken.append(fair_share.taken)
    # Sixty commands are nothing; sixty times three milliseconds are more than a client may take at once.
    assert taken[0] == 0
    assert taken[1] > 30


@pytest.mark.fault(8)
async def test_audio_waits_while_four_utterances_are_open() -> None:
    harness = Harness(MuteStream)
    source = Script(*[numbered_pcm(SENTENCE)] * 10)
    running = asyncio.create_task(harness.runner.run(source))
    await asyncio.sleep(4)
    assert (len(harness.recognizer.streams), source.taken) == (4, 5)
    await end(running)
    assert all(stream.is_abandoned for stream in harness.recognizer.streams)


@pytest.mark.fault(7)
async def test_audio_waits_unread_while_the_client_does_not_read() -> None:
    harness = Harness()
    source = Script(*[numbered_pcm(SENTENCE)] * (2 * MOST_WAITING))
    running = asyncio.create_task(harness.runner.run(source))
    await asyncio.sleep(3600)
    assert harness.outbox.is_full
    assert len(harness.recognizer.streams) <= MOST_WAITING + 4
    assert source.taken <= MOST_WAITING + 4
    await end(running)


async def end(running: asyncio.Task[None]) -> None:
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@examples(25)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 120)), max_size=8),
    st.lists(st.integers(200, 9200), min_size=1, max_size=5),
)
def test_every_sample_is_recognized_once_or_skipped(pattern: list[tuple[bool, int]], sizes: list[int]) -> None:
    pcm = numbered_pcm(pattern)
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        harness = Harness()
        totals = runner.run(harness.run(*cut(pcm, *sizes), "close")).totals
    heard = [number for stream in harness.recognizer.streams for number in frame_numbers(stream.pcm)]
    assert heard == sorted(set(heard))
    assert totals.recognized == len(heard) * FRAME_SAMPLES
    assert totals.received == len(pcm) // 2
    assert totals.skipped == totals.received - totals.recognized
    assert totals.lost == 0
