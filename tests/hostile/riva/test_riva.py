import asyncio
from dataclasses import replace

import grpc
import pytest
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc

from tests.hostile.client import Answer, opening, recognize
from tests.hostile.riva.audio import MARK_START, numbered_speech, read_words, silence, spoken_numbers
from tests.hostile.riva.faults import (
    KINDS,
    Abort,
    At,
    Duplicate,
    EmptyResponses,
    EndEarly,
    Entry,
    Fault,
    FirstPass,
    Freeze,
    Late,
    LateFinals,
    LatePartial,
    NegativeConfidence,
    NeverFinal,
    OwnEndpoints,
    Reorder,
    Spaces,
    Split,
    Undecodable,
    faults,
)
from tests.hostile.riva.record import CallEnd, CallRecord
from tests.hostile.riva.riva import Behaviour, HostileRiva
from tests.hostile.server import running
from tests.support.memory_grpc import plain_channel
from tests.support.processes import STUCK_SECONDS
from tests.support.tiers import tiered

pytestmark = pytest.mark.virtual_time

# Ten messages of 100 ms: an interim after the third, fifth, eighth and tenth.
SECOND = numbered_speech([4])


def now() -> float:
    return asyncio.get_running_loop().time()


async def answer_to(
    *entries: Fault, pcm: bytes = SECOND, patience_seconds: float = STUCK_SECONDS
) -> tuple[Answer, CallRecord]:
    """What a client gets from one call with these faults, at a pace at which nothing is overtaken."""
    riva = HostileRiva([entries])
    async with running(riva) as server:
        answer = await recognize(server.address, pcm, pace_seconds=0.002, patience_seconds=patience_seconds)
        await riva.until(lambda: riva.open_calls == 0)
    return answer, riva.calls[0]


async def test_a_call_that_behaves_tells_interims_and_one_final() -> None:
    answer, record = await answer_to()
    assert answer.code is grpc.StatusCode.OK
    assert answer.interims == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]
    assert [round(result.stability, 6) for result in answer.results[:-1]] == [0.1] * 4
    assert [result.audio_processed for result in answer.results] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert [result.is_final for result in answer.results] == [False] * 4 + [True]
    assert answer.numbers == [0, 1, 2, 3]
    words = answer.finals[0].alternatives[0].words
    assert [(word.word, word.start_time, word.end_time) for word in words] == [
        (f"w{n}", n * 250 + 50, n * 250 + 200) for n in range(4)
    ]
    assert all(0 < word.confidence < 1 for word in words)
    assert (record.numbers, record.settled, record.samples) == ([0, 1, 2, 3], [0, 1, 2, 3], 16_000)
    assert (record.messages, record.responses, record.is_half_closed) == (10, 5, True)
    assert record.words == read_words(SECOND)
    assert record.config is not None
    assert record.config.config.endpointing_config.stop_history == 30_000
    assert record.end is CallEnd.OK


async def test_it_settles_at_pauses_when_it_is_asked_to() -> None:
    riva = HostileRiva()
    async with running(riva) as server:
        answer = await recognize(server.address, numbered_speech([2, 3]) + silence(100), stop_ms=500)
    first, second = answer.finals
    assert [spoken_numbers(final.alternatives[0].transcript) for final in (first, second)] == [[0, 1], [2, 3, 4]]
    assert second.alternatives[0].words[0].start_time == 500 + 800 + 50
    assert first.audio_processed == pytest.approx(0.45 + 0.5, abs=0.001)
    assert riva.calls[0].settled == [0, 1, 2, 3, 4]


async def test_interims_come_only_when_they_are_asked_for_and_as_often_as_set() -> None:
    riva = HostileRiva(behaviour=Behaviour(interim_ms=500, stability=0.7))
    async with running(riva) as server:
        assert (await recognize(server.address, SECOND, interims=False)).interims == []
        answer = await recognize(server.address, SECOND)
    assert answer.interims == [[0, 1], [0, 1, 2, 3]]
    assert answer.results[0].stability == pytest.approx(0.7)


async def test_a_forced_end_of_utterance_settles_and_goes_on() -> None:
    async with running(HostileRiva()) as server, plain_channel(server.address) as channel:
        call = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel).StreamingRecognize()
        await call.write(opening(interims=False))
        for runtime in ({"force_eou": "true"}, {}):
            await call.write(pb.StreamingRecognizeRequest(audio_content=SECOND, runtime_config=runtime))
        await call.done_writing()
        finals = [result async for response in call for result in response.results]
    assert [len(final.alternatives[0].words) for final in finals] == [4, 4]
    assert finals[1].alternatives[0].words[0].start_time == 1_050


async def test_slow_audio_is_not_refused() -> None:
    async with running(HostileRiva(behaviour=Behaviour(idle_seconds=0.4))) as server:
        answer = await recognize(server.address, SECOND, pace_seconds=0.06)
    assert (answer.code, answer.numbers) == (grpc.StatusCode.OK, [0, 1, 2, 3])


async def test_audio_after_a_long_nothing_is_refused() -> None:
    riva = HostileRiva(behaviour=Behaviour(idle_seconds=0.1))
    async with running(riva) as server:
        answer = await recognize(server.address, SECOND, pace_seconds=0.3)
    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "START flag" in answer.details


async def test_it_lists_models_with_their_abilities() -> None:
    request = pb.RivaSpeechRecognitionConfigRequest()
    riva = HostileRiva(behaviour=Behaviour(languages=("en-US", "fa-IR")), abilities={"stable_words": "true"})
    async with running(riva) as server, plain_channel(server.address) as channel:
        stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
        rows = [dict(row.parameters) for row in (await stub.GetRivaSpeechRecognitionConfig(request)).model_config]
        riva.rows = [{"type": "offline"}]
        own_rows = [dict(row.parameters) for row in (await stub.GetRivaSpeechRecognitionConfig(request)).model_config]
    online = {"type": "online", "sample_rate": "16000", "stable_words": "true"}
    assert rows == [online | {"language_code": "en-US"}, online | {"language_code": "fa-IR"}]
    assert own_rows == [{"type": "offline"}]


async def test_while_it_refuses_nobody_is_served_and_the_script_waits() -> None:
    riva = HostileRiva([Abort(code=grpc.StatusCode.INTERNAL, at=At.DRAIN)])
    riva.refuses = Abort(code=grpc.StatusCode.RESOURCE_EXHAUSTED, pushback_ms=250)
    async with running(riva) as server:
        answer = await recognize(server.address, b"")
        async with plain_channel(server.address) as channel:
            stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetRivaSpeechRecognitionConfig(pb.RivaSpeechRecognitionConfigRequest())
        riva.refuses = None
        after = await recognize(server.address, b"")
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (answer.code, answer.trailer["grpc-retry-pushback-ms"]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "250")
    assert after.code is grpc.StatusCode.INTERNAL


async def test_each_call_follows_its_own_entry_and_later_ones_the_last() -> None:
    riva = HostileRiva(
        [Abort(code=grpc.StatusCode.ABORTED, at=At.DRAIN), None],
        otherwise=Abort(code=grpc.StatusCode.DATA_LOSS, at=At.DRAIN),
    )
    async with running(riva) as server:
        codes = [(await recognize(server.address, b"")).code for _ in range(4)]
    assert [code.name for code in codes if code] == ["ABORTED", "OK", "DATA_LOSS", "DATA_LOSS"]


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INVALID_ARGUMENT])
async def test_it_aborts_with_the_code_of_the_script(code: grpc.StatusCode) -> None:
    answer, record = await answer_to(Abort(code=code, at=At.DRAIN))
    assert (answer.code, answer.details, answer.numbers) == (code, "as the script says", [])
    assert record.end is CallEnd.ABORTED


@pytest.mark.parametrize(
    ("at", "count", "interims", "finals", "heard"),
    [
        (At.OPEN, 1, [], [], []),
        (At.MESSAGE, 1, [], [], []),
        (At.MESSAGE, 6, [[0], [0, 1]], [], [0, 1]),
        (At.RESPONSE, 1, [], [], [0]),
        (At.RESPONSE, 3, [[0], [0, 1]], [], [0, 1, 2]),
        (At.RESPONSE, 5, [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]], [], [0, 1, 2, 3]),
        (At.DRAIN, 1, [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]], [], [0, 1, 2, 3]),
        (At.DONE, 1, [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]], [0, 1, 2, 3], [0, 1, 2, 3]),
    ],
)
async def test_it_aborts_at_any_point(
    at: At, count: int, interims: list[list[int]], finals: list[int], heard: list[int]
) -> None:
    fault = Abort(code=grpc.StatusCode.ABORTED, at=at, count=count)
    answer, record = await answer_to(fault)
    assert answer.code is grpc.StatusCode.ABORTED
    assert (answer.interims, answer.numbers) == (interims, finals)
    assert (record.numbers, record.settled, record.fired) == (heard, finals, [fault])


@pytest.mark.parametrize("at", [At.OPEN, At.DRAIN, At.DONE])
async def test_a_point_that_comes_once_is_not_counted(at: At) -> None:
    fault = Abort(code=grpc.StatusCode.ABORTED, at=at, count=7)
    _, record = await answer_to(fault)
    assert record.fired == [fault]


async def test_a_point_that_is_never_reached_does_nothing() -> None:
    answer, record = await answer_to(Abort(at=At.MESSAGE, count=11), Freeze(At.RESPONSE, 6))
    assert (answer.code, answer.numbers) == (grpc.StatusCode.OK, [0, 1, 2, 3])
    assert record.fired == []


@pytest.mark.parametrize(
    ("at", "count", "settled"),
    [(At.OPEN, 1, []), (At.MESSAGE, 4, []), (At.RESPONSE, 5, []), (At.DRAIN, 1, []), (At.DONE, 1, [0, 1, 2, 3])],
)
async def test_it_freezes_until_the_client_gives_up(at: At, count: int, settled: list[int]) -> None:
    answer, record = await answer_to(Freeze(at, count), patience_seconds=0.3)
    assert answer.code is None
    assert answer.numbers == settled
    assert record.end is CallEnd.CANCELLED


async def test_it_goes_on_after_a_short_freeze() -> None:
    began = now()
    answer, _ = await answer_to(Freeze(At.MESSAGE, 2, 7), Freeze(At.DRAIN, seconds=8))
    assert now() - began == pytest.approx(15, abs=0.1)
    assert (answer.code, answer.numbers) == (grpc.StatusCode.OK, [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("fault", "finals"),
    [
        (EndEarly(At.OPEN), []),
        (EndEarly(At.MESSAGE, 6), []),
        (EndEarly(At.MESSAGE, 6, with_final=True), [0, 1]),
        (EndEarly(At.RESPONSE, 5), []),
        (EndEarly(At.RESPONSE, 5, with_final=True), [0, 1, 2, 3]),
        (EndEarly(At.DRAIN), []),
    ],
)
async def test_it_ends_too_early_with_and_without_a_final(fault: EndEarly, finals: list[int]) -> None:
    answer, record = await answer_to(fault)
    assert answer.numbers == record.settled == finals
    assert answer.code is grpc.StatusCode.OK
    assert record.end is CallEnd.EARLY


@pytest.mark.parametrize(("marked", "settled", "left"), [(1_300, [0, 1], []), (1_100, [0], [1])])
async def test_a_cut_through_a_word_settles_it_or_leaves_it(marked: int, settled: list[int], left: list[int]) -> None:
    pcm = numbered_speech([2])
    samples = 4_000 + MARK_START + marked
    riva = HostileRiva([EndEarly(At.MESSAGE, 2, with_final=True)])
    async with running(riva) as server:
        answer = await recognize(server.address, pcm, message_bytes=samples * 2, pace_seconds=0.05)
    unheard = pcm[round(answer.finals[-1].audio_processed * 16_000) * 2 :]
    assert answer.numbers == settled
    assert [word.number for word in read_words(unheard)] == left


async def test_late_responses_come_late_and_in_order_while_it_listens() -> None:
    began = now()
    answer, _ = await answer_to(Late(3))
    assert now() - began == pytest.approx(3, abs=0.1)
    assert answer.interims == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]
    assert answer.numbers == [0, 1, 2, 3]


async def test_late_finals_come_late_and_interims_at_once() -> None:
    began = now()
    answer, _ = await answer_to(LateFinals(4.5))
    assert now() - began == pytest.approx(4.5, abs=0.1)
    assert (answer.interims[-1], answer.numbers) == ([0, 1, 2, 3], [0, 1, 2, 3])


async def test_a_late_partial_says_again_what_its_final_said() -> None:
    answer, _ = await answer_to(LatePartial(200))
    assert [result.is_final for result in answer.results[-2:]] == [True, False]
    assert answer.interims[-2:] == [[0, 1, 2, 3]] * 2
    assert answer.results[-1].audio_processed == pytest.approx(1.2)


async def test_late_responses_are_lost_with_an_abort() -> None:
    before = asyncio.all_tasks()
    answer, record = await answer_to(Late(1_000.0), Abort(code=grpc.StatusCode.ABORTED, at=At.DRAIN))
    assert not [task for task in asyncio.all_tasks() - before if "_send_waiting" in repr(task)]
    assert (answer.code, answer.responses, record.responses) == (grpc.StatusCode.ABORTED, [], 0)


async def test_every_response_is_doubled() -> None:
    answer, record = await answer_to(Duplicate())
    assert answer.interims == [[0], [0], [0, 1], [0, 1], [0, 1, 2], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3]]
    assert answer.numbers == [0, 1, 2, 3] * 2
    assert record.settled == [0, 1, 2, 3]


async def test_older_interims_come_after_newer_ones() -> None:
    answer, _ = await answer_to(Reorder())
    assert answer.interims == [[0], [0, 1], [0], [0, 1, 2], [0, 1], [0, 1, 2, 3], [0, 1, 2]]
    assert answer.numbers == [0, 1, 2, 3]


async def test_no_interim_comes_after_its_own_final() -> None:
    answer, _ = await answer_to(Reorder(), OwnEndpoints(500), pcm=numbered_speech([1, 1]) + silence(600))
    final = answer.results.index(answer.finals[0])
    later = [result.alternatives[0].transcript for result in answer.results[final + 1 :] if result.alternatives]
    assert later
    assert "w0" not in " ".join(later)


async def test_nothing_is_ever_final_though_it_ends() -> None:
    answer, record = await answer_to(NeverFinal(), pcm=numbered_speech([1, 1], pause_ms=31_000))
    assert (answer.code, answer.finals, record.settled) == (grpc.StatusCode.OK, [], [])
    assert answer.interims[-1] == [0, 1]


async def test_nothing_is_ever_final_and_it_never_ends() -> None:
    answer, record = await answer_to(NeverFinal(ends=False), patience_seconds=0.3)
    assert (answer.code, answer.finals, record.end) == (None, [], CallEnd.CANCELLED)
    assert record.is_half_closed


async def test_empty_responses_come_in_between() -> None:
    answer, _ = await answer_to(EmptyResponses())
    assert [len(response.results) for response in answer.responses] == [0, 1] * 5


async def test_a_first_pass_repeats_the_whole_utterance() -> None:
    answer, _ = await answer_to(FirstPass())
    assert [(len(r.results), r.results[-1].stability) for r in answer.responses[:-1]] == [(2, 1.0)] * 4
    assert answer.interims[-2:] == [[0, 1, 2, 3]] * 2


async def test_an_interim_can_be_split_in_results() -> None:
    answer, _ = await answer_to(Split())
    results = answer.responses[-2].results
    assert "".join(result.alternatives[0].transcript for result in results) == "w0 w1 w2 w3"
    assert [round(result.stability, 6) for result in results] == [0.9, 0.1]


async def test_confidences_can_be_logarithms_and_transcripts_have_spaces() -> None:
    answer, _ = await answer_to(NegativeConfidence(), Spaces())
    final = answer.finals[0].alternatives[0]
    assert final.transcript == "  w0 w1 w2 w3 "
    assert final.confidence < 0
    assert all(word.confidence < 0 for word in final.words)


async def test_a_server_can_settle_at_pauses_of_its_own_liking() -> None:
    answer, record = await answer_to(OwnEndpoints())
    assert [len(final.alternatives[0].words) for final in answer.finals] == [1, 1, 1, 1]
    assert answer.numbers == record.settled == [0, 1, 2, 3]


async def test_it_knows_how_many_calls_are_open_and_who_gave_up() -> None:
    riva = HostileRiva(otherwise=Freeze(At.DRAIN))
    async with running(riva) as server:
        calls = [asyncio.create_task(recognize(server.address, SECOND, patience_seconds=0.5)) for _ in range(3)]
        await riva.until(lambda: riva.open_calls == 3)
        await asyncio.gather(*calls)
        await riva.until(lambda: riva.open_calls == 0)
    assert riva.most_open_calls == 3
    assert [record.end for record in riva.calls] == [CallEnd.CANCELLED] * 3


async def test_waiting_for_what_does_not_come_times_out() -> None:
    riva = HostileRiva()
    with pytest.raises(TimeoutError):
        await riva.until(lambda: riva.open_calls == 1, 0.05)


@pytest.mark.parametrize("seed", range(tiered(1, 20)))
async def test_calls_at_once_with_all_kinds_of_faults_keep_their_records_apart(seed: int) -> None:
    # After a response that cannot be decoded, a plain client knows nothing.
    script: list[Entry] = faults(seed, 40, kinds=set(KINDS) - {Undecodable}, freeze_seconds=0.2)
    riva = HostileRiva([replace(entry, seconds=0.1) if isinstance(entry, Late) else entry for entry in script])
    async with running(riva) as server, asyncio.TaskGroup() as tasks:
        calls = [
            tasks.create_task(recognize(server.address, numbered_speech([3, 3], 10 * n), pace_seconds=0.001))
            for n in range(40)
        ]
    answers = await asyncio.gather(*calls)
    settled = [record.settled for record in riva.calls]
    assert riva.open_calls == 0
    for n, answer in enumerate(answers):
        unique = list(dict.fromkeys(answer.numbers))
        assert unique in settled
        assert unique == list(range(10 * n, 10 * n + len(unique)))
