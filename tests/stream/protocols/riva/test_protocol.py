import pytest
from hypothesis import given
from hypothesis import strategies as st
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_common_pb2

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.protocol import Adapter, Handshake, Opening
from stream.protocols.riva.errors import ENDS, STATUS_OF_PROBLEM, Status
from stream.protocols.riva.protocol import END, RivaRecognize, RivaStreaming
from stream.session.commands import Close, Finalize, KeepAlive
from stream.session.deadlines import RunnerLimits
from stream.session.events import (
    Alternative,
    EndCause,
    Finished,
    Hypothesis,
    Reason,
    Settled,
    Totals,
    Unsettled,
    Word,
)
from tests.support.tiers import examples

CONFIG = SessionConfig()
WORDS = (Word("one", 8000, 16000, 0.5), Word("two.", 16000, 24016, 0.75, speaker=2))
FINAL = Settled(1, Hypothesis((Alternative(WORDS, 0.5),), is_final=True), Reason.ENDPOINT, 32000, 0.1, was_shown=True)


def opening(message: object) -> Opening:
    first = message if isinstance(message, bytes) else message.SerializeToString()  # type: ignore[attr-defined]
    return Opening(
        transcription_id="id",
        handshake=Handshake(headers={}, first_message=first),
        opened_at=0.0,
        max_message_bytes=1,
        limits=RunnerLimits(),
    )


def streaming(**fields: object) -> Adapter:
    config = pb.StreamingRecognitionConfig(config=pb.RecognitionConfig(**fields))
    return RivaStreaming().open(opening(pb.StreamingRecognizeRequest(streaming_config=config)))


def request(**fields: object) -> bytes:
    return bytes(pb.StreamingRecognizeRequest(**fields).SerializeToString())


def responses(adapter: Adapter, *events: Unsettled | Settled) -> list[pb.StreamingRecognizeResponse]:
    messages = [message for event in events for message in adapter.write(event, CONFIG)]
    return [pb.StreamingRecognizeResponse.FromString(message) for message in messages]


def test_audio_and_the_end_of_an_utterance_are_read() -> None:
    adapter = streaming()
    assert adapter.read(request(audio_content=b"ab")) == (b"ab",)
    assert adapter.read(request(audio_content=b"ab", runtime_config={"force_eou": "true"})) == (b"ab", Finalize())
    assert adapter.read(request()) == (KeepAlive(),)
    assert adapter.read(END) == (Close(),)


def test_a_second_configuration_is_refused() -> None:
    with pytest.raises(ClientError, match="only be the first"):
        streaming().read(request(streaming_config=pb.StreamingRecognitionConfig()))


@examples(50)
@given(st.binary(max_size=80))
def test_any_message_is_read_or_refused(message: bytes) -> None:
    try:
        streaming().read(message)
    except ClientError as error:
        assert error.problem is Problem.INVALID_MESSAGE


def test_unsettled_text_is_one_interim_result_of_the_next_utterance_only() -> None:
    hypothesis = Hypothesis((Alternative(WORDS),), stability=0.5)
    shown = Unsettled(1, hypothesis, 16000, 0.0, is_next=True)
    later = Unsettled(2, hypothesis, 16000, 0.0, is_next=False)
    (response,) = responses(streaming(enable_word_time_offsets=True), shown, later)
    (result,) = response.results
    assert (result.is_final, result.stability, result.audio_processed) == (False, 0.5, 1.0)
    assert ([one.transcript for one in result.alternatives], list(result.alternatives[0].words)) == (["one two."], [])


def test_settled_text_has_word_times_and_speakers_where_they_are_asked_for() -> None:
    (bare,) = responses(streaming(), FINAL)
    assert list(bare.results[0].alternatives[0].words) == []
    asked = streaming(
        enable_word_time_offsets=True, diarization_config=pb.SpeakerDiarizationConfig(enable_speaker_diarization=True)
    )
    (full,) = responses(asked, FINAL)
    words = full.results[0].alternatives[0].words
    assert [(word.word, word.start_time, word.end_time, word.speaker_tag) for word in words] == [
        ("one", 500, 1000, 0),
        ("two.", 1000, 1501, 2),
    ]


def test_responses_carry_the_id_that_the_client_sent_last() -> None:
    adapter = streaming()
    adapter.read(request(audio_content=b"ab", id=riva_common_pb2.RequestId(value="mine")))
    adapter.read(request(audio_content=b"ab"))
    (response,) = responses(adapter, FINAL)
    assert response.id.value == "mine"


def test_an_utterance_without_words_is_sent_only_if_it_was_shown() -> None:
    empty = Settled(1, Hypothesis(is_final=True), Reason.ENDPOINT, 1, 0.0, was_shown=False)
    shown = Settled(1, Hypothesis(is_final=True), Reason.ENDPOINT, 1, 0.0, was_shown=True)
    (response,) = responses(streaming(), empty, shown)
    assert [one.transcript for one in response.results[0].alternatives] == [""]


def test_a_recording_gets_one_response_with_a_result_for_each_utterance() -> None:
    adapter = RivaRecognize().open(opening(pb.RecognizeRequest(audio=b"ab", config=pb.RecognitionConfig())))
    assert adapter.write(FINAL, CONFIG) == ()
    (message,) = adapter.write(Finished((FINAL, FINAL), Totals(), 1, 0.0, EndCause.CLOSE), CONFIG)
    results = pb.RecognizeResponse.FromString(message).results
    assert [result.alternatives[0].transcript for result in results] == ["one two."] * 2


def test_every_way_to_end_has_a_status() -> None:
    assert set(STATUS_OF_PROBLEM) == set(Problem)
    assert set(ENDS) == set(EndCause)
    error = ClientError(Problem.INVALID_AUDIO, "no sound")
    finished = Finished((), Totals(), 1, 0.0, EndCause.ERROR, error)
    assert streaming().closing(finished) == (Status.INVALID_ARGUMENT, "no sound")
    assert streaming().closing(Finished((), Totals(), 1, 0.0, EndCause.CLOSE)) == (Status.OK, "")
    assert streaming().closing(Problem.INTERNAL)[0] == Status.INTERNAL


def test_a_stream_that_begins_with_audio_is_refused() -> None:
    handshake = Handshake(headers={}, first_message=request(audio_content=b"ab"))
    with pytest.raises(ClientError, match="must be streaming_config"):
        RivaStreaming().configured(CONFIG, handshake)
