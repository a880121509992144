from urllib.parse import parse_qsl

import msgspec

from stream.protocols.deepgram.parameters import listen_request
from stream.protocols.deepgram.recording import DeepgramTranscription, Recognized, transcription
from stream.session.events import Alternative, EndCause, Finished, Hypothesis, Reason, Settled, Totals, Word

SECOND = 16_000


def settled(number: int, text: str, start: int, channel: int = 0, confidence: float = 0.5) -> Settled:
    """An utterance from second `start` on, whose words last a second each."""
    words = tuple(
        Word(word, (start + n) * SECOND, (start + n + 1) * SECOND, confidence, 2) for n, word in enumerate(text.split())
    )
    hypothesis = Hypothesis((Alternative(words, confidence),), is_final=True)
    return Settled(number, hypothesis, Reason.ENDPOINT, 0, 0.0, False, start * SECOND, channel=channel)


def made(query: str, *utterances: Settled, channels: int = 1) -> DeepgramTranscription:
    return transcription(
        Recognized(
            request=listen_request(parse_qsl(query)),
            request_id="id",
            sha256="digest",
            done_at=1.5,
            channels=channels,
            finished=Finished(utterances, Totals(), 10 * SECOND, 0.0, EndCause.CLOSE),
        )
    )


def test_the_text_of_all_utterances_is_one_alternative() -> None:
    answer = made("", settled(1, "Hello, there.", 0, confidence=0.4), settled(2, "", 3), settled(3, "Bye.", 4))
    (channel,) = answer.results.channels
    (text,) = channel.alternatives
    assert text.transcript == "hello there bye"
    assert text.confidence == 0.4333
    assert [(word.word, word.start, word.end) for word in text.words] == [
        ("hello", 0.0, 1.0),
        ("there", 1.0, 2.0),
        ("bye", 4.0, 5.0),
    ]
    assert (text.paragraphs, answer.results.utterances) == (msgspec.UNSET, msgspec.UNSET)


def test_the_metadata_describe_the_request() -> None:
    metadata = made("model=nova-3&tag=a&tag=b").metadata
    assert (metadata.request_id, metadata.sha256, metadata.created) == ("id", "digest", "1970-01-01T00:00:01.500Z")
    assert (metadata.duration, metadata.channels, metadata.tags) == (10.0, 1, ["a", "b"])
    assert [metadata.model_info[model].name for model in metadata.models] == ["nova-3"]
    assert b"tags" not in msgspec.json.encode(made("").metadata)


def test_a_recording_without_words_has_an_empty_text() -> None:
    (channel,) = made("utterances=true&paragraphs=true").results.channels
    assert (channel.alternatives[0].transcript, channel.alternatives[0].confidence) == ("", 0.0)


def test_channels_have_texts_of_their_own() -> None:
    answer = made("utterances=true", settled(1, "left", 0, 0), settled(2, "right", 1, 1), channels=2)
    assert [channel.alternatives[0].transcript for channel in answer.results.channels] == ["left", "right"]
    assert isinstance(answer.results.utterances, list)
    assert [(one.channel, one.transcript) for one in answer.results.utterances] == [(0, "left"), (1, "right")]


def test_utterances_have_their_times_and_ids_of_their_own() -> None:
    answer = made("utterances=true&punctuate=true", settled(1, "Hi there.", 2), settled(2, "Bye.", 5))
    assert isinstance(answer.results.utterances, list)
    assert [(one.start, one.end, one.transcript) for one in answer.results.utterances] == [
        (2.0, 4.0, "Hi there."),
        (5.0, 6.0, "Bye."),
    ]
    assert len({one.id for one in answer.results.utterances}) == 2


def test_speakers_are_numbered_from_zero_where_they_were_asked_for() -> None:
    (channel,) = made("diarize=true", settled(1, "a", 0)).results.channels
    assert channel.alternatives[0].words[0].speaker == 1
    (channel,) = made("", settled(1, "a", 0)).results.channels
    assert channel.alternatives[0].words[0].speaker is msgspec.UNSET


def test_paragraphs_end_with_pauses_and_sentences_with_their_marks() -> None:
    answer = made("paragraphs=true", settled(1, "One. Two more", 0), settled(2, "Three?", 3), settled(3, "Four", 9))
    paragraphs = answer.results.channels[0].alternatives[0].paragraphs
    assert paragraphs is not msgspec.UNSET
    assert paragraphs.transcript == "\nOne. Two more Three?\n\nFour\n"
    first, second = paragraphs.paragraphs
    assert [(one.text, one.start, one.end) for one in first.sentences] == [
        ("One.", 0.0, 1.0),
        ("Two more", 1.0, 3.0),
        ("Three?", 3.0, 4.0),
    ]
    assert (first.num_words, first.start, first.end) == (4, 0.0, 4.0)
    assert (second.num_words, second.start, second.end) == (1, 9.0, 10.0)


def test_a_paragraph_has_at_most_five_sentences() -> None:
    answer = made("smart_format=true", settled(1, "A. B! C? D. “E.” F.", 0))
    paragraphs = answer.results.channels[0].alternatives[0].paragraphs
    assert paragraphs is not msgspec.UNSET
    assert [len(one.sentences) for one in paragraphs.paragraphs] == [5, 1]
