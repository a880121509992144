from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_common_pb2 as common

from stream.engine.model.hypotheses import DecodedWord, Hypothesis
from stream.engine.recognition import Final
from stream.engine.server.response_writer import ResponseWriter
from stream.engine.server.responses import ResponseBuilder
from stream.engine.utterance import Partial, Utterance

YES = Final((Hypothesis((DecodedWord(text="Yes.", tokens=(1,)),), -0.1),), 1600, 17_600)
NOTHING = Final((), 17_600, 33_600)


@dataclass
class Context:
    """Records the responses: `.` for an empty response, `>` before a partial, `#` before a final."""

    written: list[str] = field(default_factory=list)
    responses: list[asr.StreamingRecognizeResponse] = field(default_factory=list)

    async def write(self, response: asr.StreamingRecognizeResponse) -> None:
        self.responses.append(response)
        marks = ["#" if result.is_final else ">" for result in response.results]
        texts = [result.alternatives[0].transcript for result in response.results]
        self.written.append("".join(marks[:1] + texts) if response.results else ".")


async def written(steps: Iterable[str | Final], *, wants_partials: bool = True) -> list[str]:
    """What comes of `steps`: `answer`, a final, or the text of a partial."""
    context: Any = Context()
    writer = ResponseWriter(context, ResponseBuilder(word_times=False), None, wants_partials=wants_partials)
    for step in steps:
        match step:
            case "answer":
                await writer.acknowledge()
            case str(text):
                await writer.write_partial(Partial("", text, 1600), Utterance(0))
            case final:
                await writer.write_final(final)
    return list(context.written)


async def test_a_message_without_a_result_is_answered_with_nothing() -> None:
    assert await written(["answer", "answer"]) == [".", "."]


async def test_every_result_stands_for_one_answer() -> None:
    assert await written(["answer", "ye", "answer", "answer", YES, "answer", "answer"]) == [
        ".",
        ">ye",
        ".",
        "#Yes.",
        ".",
    ]
    assert await written([YES, "answer", "answer", "answer"]) == [">Yes.", "#Yes.", "."]


async def test_a_final_with_text_has_a_partial_before_it() -> None:
    assert await written([YES]) == [">Yes.", "#Yes."]
    assert await written(["ye", YES]) == [">ye", "#Yes."]


async def test_a_partial_without_text_does_not_count_as_one() -> None:
    assert await written(["", YES]) == [">", ">Yes.", "#Yes."]
    assert await written(["ye", "", YES]) == [">ye", ">", "#Yes."]


async def test_each_utterance_has_a_partial_of_its_own() -> None:
    assert await written(["ye", YES, YES]) == [">ye", "#Yes.", "> Yes.", "# Yes."]


async def test_without_speech_there_is_no_partial_to_make_up() -> None:
    assert await written([NOTHING]) == ["#"]


async def test_who_wants_no_partials_gets_finals_only() -> None:
    assert await written([YES, "answer"], wants_partials=False) == ["#Yes."]


async def test_a_partial_that_comes_too_late_is_not_sent() -> None:
    context: Any = Context()
    writer = ResponseWriter(context, ResponseBuilder(word_times=False), None, wants_partials=True)
    utterance = Utterance(0)
    utterance.complete()
    await writer.write_partial(Partial("", "ye", 1600), utterance)
    await writer.write_final(YES)
    assert context.written == [">Yes.", "#Yes."]


async def test_the_partial_that_is_made_up_is_settled_and_reaches_to_the_end() -> None:
    context: Any = Context()
    await ResponseWriter(context, ResponseBuilder(word_times=True), None, wants_partials=True).write_final(YES)
    (partial,) = context.responses[0].results
    assert (round(partial.stability, 3), round(partial.audio_processed, 3)) == (0.9, 1.1)


async def test_answers_carry_the_newest_id() -> None:
    context: Any = Context()
    writer = ResponseWriter(context, ResponseBuilder(word_times=False), None, wants_partials=True)
    await writer.acknowledge()
    writer.request_id = common.RequestId(value="7")
    await writer.acknowledge()
    assert [response.HasField("id") for response in context.responses] == [False, True]
    assert context.responses[1].id.value == "7"
