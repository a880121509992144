import hashlib
from urllib.parse import parse_qsl

import pytest

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.deepgram.commands import Finalizing
from stream.protocols.deepgram.errors import ErrorMessage
from stream.protocols.deepgram.messages import Message, Metadata, Results, SpeechStarted, UtteranceEnd
from stream.protocols.deepgram.parameters import listen_request
from stream.protocols.deepgram.writer import MessageWriter
from stream.session import events
from stream.session.events import Alternative, EndCause, Finished, Hypothesis, Reason, Totals, Word

SECOND = 16_000
CONFIG = SessionConfig()
STEREO = SessionConfig(extended=True, channels=2)


def writer(query: str = "") -> MessageWriter:
    return MessageWriter(listen_request(parse_qsl(query)), "id", 1.5, 10.0)


def started(number: int, channel: int = 0, onset: int = SECOND) -> events.SpeechStarted:
    return events.SpeechStarted(number, onset, channel)


def settled(number: int, reason: Reason = Reason.ENDPOINT, channel: int = 0) -> events.Settled:
    words = (Word("Yes.", SECOND, 2 * SECOND, 0.9),)
    hypothesis = Hypothesis((Alternative(words, 0.9),), is_final=True)
    return events.Settled(number, hypothesis, reason, 3 * SECOND, 0.0, False, SECOND, channel=channel)


def unsettled(number: int, text: str, *, is_next: bool = True) -> events.Unsettled:
    hypothesis = Hypothesis((Alternative(tuple(map(Word, text.split()))),))
    return events.Unsettled(number, hypothesis, 3 * SECOND, 0.0, is_next=is_next)


def written(
    made: MessageWriter, *happened: events.ClientEvent | Finalizing, config: SessionConfig = CONFIG
) -> list[Message]:
    messages: list[Message] = []
    for event in happened:
        messages += made.reply(event) if isinstance(event, Finalizing) else made.write(event, config)
    return messages


def answers(messages: list[Message]) -> list[tuple[int, str, bool]]:
    """The channel, the text and whether it answers a command to finalize, of each final result."""
    return [
        (one.channel_index[0], one.channel.alternatives[0].transcript, one.from_finalize)
        for one in messages
        if isinstance(one, Results) and one.is_final
    ]


@pytest.mark.parametrize("reason", Reason)
def test_speech_ends_with_its_utterance_unless_that_was_cut(reason: Reason) -> None:
    (made,) = written(writer(), settled(1, reason))
    assert isinstance(made, Results)
    assert made.speech_final is (reason not in (Reason.MAX_UTTERANCE, Reason.GAP, Reason.ERROR))
    (made,) = written(writer("endpointing=false"), settled(1, reason))
    assert isinstance(made, Results)
    assert (made.is_final, made.speech_final) == (True, False)


def test_interim_words_have_times_from_the_onset_on() -> None:
    _, made = written(writer("vad_events=true"), started(1), unsettled(1, "a b"))
    assert isinstance(made, Results)
    assert (made.start, made.duration, made.is_final, made.speech_final) == (1.0, 2.0, False, False)
    assert [(word.start, word.end) for word in made.channel.alternatives[0].words] == [(1.0, 2.0), (2.0, 3.0)]


def test_interim_text_behind_an_open_utterance_waits() -> None:
    assert written(writer(), started(1), started(2), unsettled(2, "b", is_next=False)) == []


def test_without_a_detector_interim_text_begins_where_the_last_result_ends() -> None:
    _, made = written(writer(), settled(1), unsettled(2, "a"))
    assert isinstance(made, Results)
    assert (made.start, made.duration) == (3.0, 0.0)


def test_events_are_sent_where_they_were_asked_for() -> None:
    assert written(writer(), started(1)) == []
    assert written(writer("vad_events=true"), started(1)) == [SpeechStarted([0, 1], 1.0)]
    assert written(writer(), events.WordsPaused(2 * SECOND, 1), config=STEREO) == [UtteranceEnd([1, 2], 2.0)]
    assert written(writer(), events.Warned("quiet", "x"), events.SpeechEnded(1, SECOND)) == []


def test_every_command_to_finalize_has_its_answer() -> None:
    made = writer()
    messages = written(made, started(1), Finalizing(), settled(1, Reason.FINALIZE), events.Finalized())
    assert answers(messages) == [(0, "yes", True)]
    for _ in range(2):
        assert answers(written(made, Finalizing(), events.Finalized())) == [(0, "", True)]


def test_a_result_that_was_due_anyway_answers_as_well() -> None:
    messages = written(writer(), started(1), started(2), Finalizing(), settled(1), settled(2), events.Finalized())
    assert answers(messages) == [(0, "yes", False), (0, "yes", True)]


def test_an_utterance_that_begins_later_is_no_answer() -> None:
    messages = written(writer(), Finalizing(), started(1), events.Finalized(), settled(1))
    assert answers(messages) == [(0, "", True), (0, "yes", False)]


@pytest.mark.parametrize(
    ("command", "expected"), [(None, [(0, "yes", True), (1, "", True)]), (1, [(0, "yes", False), (1, "", True)])]
)
def test_each_channel_of_a_command_is_answered(command: int | None, expected: list[tuple[int, str, bool]]) -> None:
    messages = written(writer(), started(1), Finalizing(command), settled(1), events.Finalized(command), config=STEREO)
    assert answers(messages) == expected


def test_a_configuration_is_answered_but_not_the_first_one() -> None:
    ready = events.Ready(SessionConfig(phrases=("a",)), "en")
    made = writer()
    assert written(made, ready) == []
    (answer,) = written(made, ready)
    assert answer.__class__.__name__ == "ConfigureSuccess"


def test_the_end_has_metadata_or_an_error() -> None:
    made = writer("model=nova-3")
    made.add_audio(b"ab")
    made.add_audio(b"c")
    end = Finished((), Totals(), SECOND, 0.0, EndCause.CLOSE)
    (metadata,) = written(made, end)
    assert isinstance(metadata, Metadata)
    assert metadata.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert (metadata.duration, metadata.created) == (1.0, "1970-01-01T00:00:01.500Z")
    (silent,) = written(made, Finished((), Totals(), SECOND, 0.0, EndCause.IDLE))
    (broken,) = written(
        made, Finished((), Totals(), 0, 0.0, EndCause.ERROR, ClientError(Problem.INVALID_AUDIO, "no sound"))
    )
    assert isinstance(silent, ErrorMessage)
    assert isinstance(broken, ErrorMessage)
    assert (silent.variant, broken.variant, broken.description) == ("NET-0001", "DATA-0000", "no sound")
