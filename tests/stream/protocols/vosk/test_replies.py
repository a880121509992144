import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream.protocols.vosk.replies import MOST_WAITING_REPLIES, Replies
from stream.session.events import Alternative, Finalized, Hypothesis, Reason, Settled, SpeechEnded, Unsettled, Word
from tests.support.tiers import examples


def spoken(text: str) -> Hypothesis:
    return Hypothesis((Alternative(tuple(Word(word, 160, 320, 0.5) for word in text.split())),))


def unsettled(utterance_id: int, text: str) -> Unsettled:
    return Unsettled(utterance_id, spoken(text), 160, 0.0)


def settled(utterance_id: int, text: str) -> Settled:
    return Settled(utterance_id, spoken(text), Reason.ENDPOINT, 160, 0.0, was_shown=False)


def texts(messages: list[str]) -> list[Any]:
    """Return partial text as it is, and that of a result in a list."""
    return [one.get("partial", [one.get("text")]) for one in map(json.loads, messages)]


def test_audio_is_answered_by_the_text_so_far() -> None:
    replies = Replies()
    assert texts(replies.reply(is_reset=False)) == [""]
    replies.add_text(unsettled(1, "good day"))
    assert texts(replies.reply(is_reset=False)) == ["good day"]


def test_audio_that_ends_an_utterance_is_answered_by_its_result() -> None:
    replies = Replies()
    replies.add_text(unsettled(1, "good"))
    replies.end_speech(SpeechEnded(1, 160))
    assert replies.reply(is_reset=False) == replies.reply(is_reset=False) == []
    assert texts(replies.settle(settled(1, "good day"))) == [["good day"], ""]
    assert texts(replies.reply(is_reset=False)) == [""]


def test_several_utterances_of_one_message_are_reported_one_after_the_other() -> None:
    replies = Replies()
    for utterance_id in (1, 2, 3):
        replies.end_speech(SpeechEnded(utterance_id, 160))
    assert replies.reply(is_reset=False) == []
    assert replies.settle(settled(1, "one")) == replies.settle(settled(2, "two")) == []
    assert texts(replies.settle(settled(3, "three"))) == [["one"]]
    assert texts(replies.reply(is_reset=False)) == [["two"]]
    assert texts(replies.finish(is_owed=True)) == [["three"]]


def test_the_last_result_joins_what_was_not_reported() -> None:
    replies = Replies()
    replies.settle(settled(1, "one"))
    replies.settle(settled(2, "two"))
    assert texts(replies.finish(is_owed=True)) == [["one two"]]
    assert texts(Replies().finish(is_owed=True)) == [[""]]
    assert Replies().finish(is_owed=False) == []


def test_a_reset_is_answered_by_a_result_once_its_utterance_is_settled() -> None:
    replies = Replies()
    replies.add_text(unsettled(1, "one"))
    assert replies.reply(is_reset=True) == []
    assert replies.settle(settled(1, "one")) == []
    assert texts(replies.finalize(Finalized())) == [["one"]]


def test_a_reset_with_nothing_open_is_answered_at_once() -> None:
    replies = Replies()
    assert replies.finalize(Finalized()) == []
    assert texts(replies.reply(is_reset=True)) == [[""]]


def test_two_resets_that_are_finalized_together_are_both_answered() -> None:
    replies = Replies()
    assert replies.reply(is_reset=True) == replies.reply(is_reset=True) == []
    assert replies.settle(settled(1, "one")) == []
    assert texts(replies.finalize(Finalized())) == [["one"], [""]]


def test_a_client_that_never_pauses_is_answered_before_the_result() -> None:
    replies = Replies()
    replies.end_speech(SpeechEnded(1, 160))
    sent = [replies.reply(is_reset=False) for _ in range(MOST_WAITING_REPLIES + 2)]
    assert [len(each) for each in sent] == [0] * MOST_WAITING_REPLIES + [1, 1]
    assert texts(replies.settle(settled(1, "late"))) == [["late"]] + [""] * (MOST_WAITING_REPLIES - 1)


@given(st.lists(st.sampled_from(["audio", "reset", "end", "settle", "text", "finalized"]), max_size=40))
@examples(200)
def test_each_message_has_one_reply_and_each_utterance_one_result(steps: list[str]) -> None:
    replies, sent, expected = Replies(), list[str](), 0
    ended = reported = 0
    for step in steps:
        match step:
            case "audio" | "reset":
                expected += 1
                sent += replies.reply(is_reset=step == "reset")
            case "end":
                ended += 1
                replies.end_speech(SpeechEnded(ended, 160))
            case "text":
                replies.add_text(unsettled(ended + 1, "more"))
            case "settle" if reported < ended:
                reported += 1
                sent += replies.settle(settled(reported, f"u{reported}"))
            case "finalized":
                sent += replies.finalize(Finalized())
    sent += replies.finish(is_owed=True)
    assert len(sent) == expected + 1
    results = [text for message in texts(sent) if isinstance(message, list) for text in message]
    assert " ".join(results).split() == [f"u{number + 1}" for number in range(reported)]
