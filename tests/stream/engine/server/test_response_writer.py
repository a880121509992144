from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_common_pb2 as common

from stream.engine.model.hypotheses import DecodedWord, Reading
from stream.engine.recognition import Final
from stream.engine.server.response_writer import Caller
from stream.engine.server.responses import Speaker
from stream.engine.utterance import Partial, Utterance

YES = Final((Reading((DecodedWord("Yes.", (1,)),), -0.1),), 1600, 17_600)
NOTHING = Final((), 17_600, 33_600)


@dataclass
class Context:
    """Writes down what a caller is told: `.` for an empty response, `>` before a partial, `#` before a final."""

    told: list[str] = field(default_factory=list)
    responses: list[asr.StreamingRecognizeResponse] = field(default_factory=list)

    async def write(self, response: asr.StreamingRecognizeResponse) -> None:
        self.responses.append(response)
        marks = ["#" if result.is_final else ">" for result in response.results]
        texts = [result.alternatives[0].transcript for result in response.results]
        self.told.append("".join(marks[:1] + texts) if response.results else ".")


async def told(steps: Iterable[str | Final], *, wants_partials: bool = True) -> list[str]:
    """What comes of `steps`: `answer`, a final, or the text of a partial."""
    context: Any = Context()
    caller = Caller(context, Speaker(word_times=False), None, wants_partials=wants_partials)
    for step in steps:
        match step:
            case "answer":
                await caller.answer()
            case str(text):
                await caller.tell_partial(Partial("", text, 1600), Utterance(0))
            case final:
                await caller.tell_final(final)
    return list(context.told)


async def test_a_message_without_a_result_is_answered_with_nothing() -> None:
    assert await told(["answer", "answer"]) == [".", "."]


async def test_every_result_stands_for_one_answer() -> None:
    assert await told(["answer", "ye", "answer", "answer", YES, "answer", "answer"]) == [".", ">ye", ".", "#Yes.", "."]
    assert await told([YES, "answer", "answer", "answer"]) == [">Yes.", "#Yes.", "."]


async def test_a_final_with_text_has_a_partial_before_it() -> None:
    assert await told([YES]) == [">Yes.", "#Yes."]
    assert await told(["ye", YES]) == [">ye", "#Yes."]


async def test_a_partial_without_text_does_not_count_as_one() -> None:
    assert await told(["", YES]) == [">", ">Yes.", "#Yes."]
    assert await told(["ye", "", YES]) == [">ye", ">", "#Yes."]


async def test_each_utterance_has_a_partial_of_its_own() -> None:
    assert await told(["ye", YES, YES]) == [">ye", "#Yes.", "> Yes.", "# Yes."]


async def test_without_speech_there_is_no_partial_to_make_up() -> None:
    assert await told([NOTHING]) == ["#"]


async def test_who_wants_no_partials_gets_finals_only() -> None:
    assert await told([YES, "answer"], wants_partials=False) == ["#Yes."]


async def test_a_partial_that_comes_too_late_is_not_told() -> None:
    context: Any = Context()
    caller = Caller(context, Speaker(word_times=False), None, wants_partials=True)
    utterance = Utterance(0)
    utterance.complete()
    await caller.tell_partial(Partial("", "ye", 1600), utterance)
    await caller.tell_final(YES)
    assert context.told == [">Yes.", "#Yes."]


async def test_the_partial_that_is_made_up_is_settled_and_reaches_to_the_end() -> None:
    context: Any = Context()
    await Caller(context, Speaker(word_times=True), None, wants_partials=True).tell_final(YES)
    (partial,) = context.responses[0].results
    assert (round(partial.stability, 3), round(partial.audio_processed, 3)) == (0.9, 1.1)


async def test_answers_carry_the_newest_id() -> None:
    context: Any = Context()
    caller = Caller(context, Speaker(word_times=False), None, wants_partials=True)
    await caller.answer()
    caller.request_id = common.RequestId(value="7")
    await caller.answer()
    assert [response.HasField("id") for response in context.responses] == [False, True]
    assert context.responses[1].id.value == "7"
