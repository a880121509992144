from hypothesis import given
from hypothesis import strategies as st

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.protocol import Handshake, Opening
from stream.protocols.wyoming.conversation import Answer, Begin, Conversation, Describe
from stream.protocols.wyoming.framing import Event, decode, encode
from stream.protocols.wyoming.messages import PcmFormat, Transcription, info
from stream.protocols.wyoming.protocol import Service, Wyoming
from stream.session.commands import Close, Configure, Reply
from stream.session.deadlines import RunnerLimits
from stream.session.events import (
    Alternative,
    ClientEvent,
    EndCause,
    Finished,
    Hypothesis,
    Ready,
    Reason,
    Settled,
    Totals,
    Unsettled,
    Word,
)
from tests.support.tiers import examples

SERVICE = Service(info=lambda: info(["en-US"], "1"), most_phrases=lambda: 500)
CONFIG = SessionConfig()
PLAIN: dict[str, object] = {"rate": 16_000, "width": 2, "channels": 1}
STEREO: dict[str, object] = {"rate": 44_100, "width": 2, "channels": 2}


def event(kind: str, data: dict[str, object] | None = None, payload: bytes = b"") -> bytes:
    header = encode(Event(kind, data or {}))
    return header.replace(b'"version"', b'"payload_length":%d,"version"' % len(payload), 1) + payload


def adapter(audio: PcmFormat | None = None) -> "Adapted":
    return Adapted(audio or PcmFormat())


class Adapted:
    """An adapter, with what it sends decoded."""

    def __init__(self, audio: PcmFormat) -> None:
        opening = Opening(
            transcription_id="id",
            handshake=Handshake(headers={}),
            opened_at=0.0,
            max_message_bytes=1000,
            limits=RunnerLimits(),
        )
        self.adapter = Wyoming(SERVICE, Transcription(), audio).open(opening)
        self.read = self.adapter.read

    def write(self, sent: ClientEvent | Reply) -> list[tuple[str, dict[str, object]]]:
        messages = self.adapter.write(sent, CONFIG)
        events = [decode(message) for message in messages if isinstance(message, bytes)]
        return [(one.type, one.data) for one in events]


def spoken(text: str, stable_words: int = 0) -> Hypothesis:
    return Hypothesis((Alternative(tuple(map(Word, text.split()))),), stable_words=stable_words)


def unsettled(text: str, stable_words: int) -> Unsettled:
    return Unsettled(1, spoken(text, stable_words), 160, 0.0)


def settled(text: str) -> Settled:
    return Settled(1, spoken(text), Reason.ENDPOINT, 160, 0.0, was_shown=False)


def finished(cause: EndCause = EndCause.CLOSE, error: ClientError | None = None) -> Finished:
    return Finished((), Totals(), 0, 0.0, cause, error)


def test_audio_is_its_payload_and_ends_at_its_stop() -> None:
    adapted = adapter()
    assert adapted.read(event("audio-start", PLAIN)) == ()
    assert adapted.read(event("audio-chunk", PLAIN, b"\1\2")) == (b"\1\2",)
    assert adapted.read(event("audio-stop")) == (Close(),)


def test_audio_of_another_format_has_one_header() -> None:
    adapted = adapter(PcmFormat(rate=44_100, channels=2))
    (first,), (second,) = (adapted.read(event("audio-chunk", STEREO, b"1234")) for _ in range(2))
    assert isinstance(first, bytes)
    assert (first[:4], first[-4:], second) == (b"RIFF", b"1234", b"1234")


def test_audio_that_changes_its_format_is_refused() -> None:
    try:
        adapter().read(event("audio-chunk", STEREO, b"1234"))
    except ClientError as error:
        assert error.problem is Problem.INVALID_AUDIO
        assert error.detail.startswith("the audio is 44100 Hz, 2 bytes, 2 channels after it began as 16000 Hz")
    else:
        raise AssertionError("it was taken")


def test_other_events_are_answered_between_audio() -> None:
    adapted = adapter()
    (pong,) = adapted.read(event("ping", {"text": "x"}))
    assert isinstance(pong, Reply)
    assert adapted.write(pong) == [("pong", {"text": "x"})]
    (described,) = adapted.read(event("describe"))
    assert isinstance(described, Reply)
    assert [kind for kind, _ in adapted.write(described)] == ["info"]
    (unknown,) = adapted.read(event("synthesize"))
    assert isinstance(unknown, Reply)
    ((kind, data),) = adapted.write(unknown)
    assert (kind, data["code"]) == ("error", "invalid_message")
    assert adapted.read(event("select-program", {"name": "a"})) == ()
    assert adapted.read(event("transcribe", {"language": "de"})) == (Configure({"languageCode": "de"}),)


def test_text_is_sent_as_it_becomes_stable_and_whole_at_the_end() -> None:
    adapted = adapter()
    assert adapted.write(Ready(CONFIG, "en-US")) == []
    assert adapted.write(unsettled("turn on", 0)) == []
    assert adapted.write(unsettled("turn on the", 2)) == [
        ("transcript-start", {"language": "en-US"}),
        ("transcript-chunk", {"text": "turn on"}),
    ]
    assert adapted.write(unsettled("turn on the light", 2)) == []
    assert adapted.write(settled("turn on the light.")) == [("transcript-chunk", {"text": " the light."})]
    assert adapted.write(settled("Please.")) == [("transcript-chunk", {"text": " Please."})]
    assert adapted.write(finished()) == [
        ("transcript", {"text": "turn on the light. Please.", "language": "en-US"}),
        ("transcript-stop", {}),
    ]


def test_no_speech_is_an_empty_transcript() -> None:
    adapted = adapter()
    adapted.write(Ready(CONFIG, "en-US"))
    sent = adapted.write(finished())
    assert [kind for kind, _ in sent] == ["transcript-start", "transcript", "transcript-stop"]
    assert sent[1] == ("transcript", {"text": "", "language": "en-US"})


def test_errors_are_error_events() -> None:
    fault = ClientError(Problem.RECOGNIZER_FAILED, "it failed")
    expected = [("error", {"text": "it failed", "code": "recognizer_failed"})]
    assert adapter().write(finished(EndCause.ERROR, fault)) == expected
    (message,) = adapter().adapter.write_failure(Problem.INTERNAL, "a fault", CONFIG)
    assert isinstance(message, bytes)
    assert decode(message) == Event("error", {"text": "a fault", "code": "internal"})


STEPS = st.lists(st.tuples(st.integers(1, 6), st.lists(st.integers(0, 6), max_size=4)), max_size=4)


@given(STEPS)
@examples(100)
def test_chunks_are_the_transcript_however_text_becomes_stable(utterances: list[tuple[int, list[int]]]) -> None:
    adapted, chunks = adapter(), []
    for number, (count, growth) in enumerate(utterances):
        words = [f"u{number}w{word}" for word in range(count)]
        sent = [unsettled(" ".join(words), min(stable, count)) for stable in sorted(growth)]
        events: list[ClientEvent] = [*sent, settled(" ".join(words))]
        for one in events:
            chunks += [data["text"] for kind, data in adapted.write(one) if kind == "transcript-chunk"]
    *_, (_, transcript), _ = adapted.write(finished())
    assert "".join(map(str, chunks)) == transcript["text"]


# --- between sessions ---


def test_a_transcription_begins_with_its_audio() -> None:
    conversation = Conversation(SERVICE)
    assert conversation.receive(event("transcribe", {"language": "de"})) == Answer(None)
    begun = conversation.receive(event("audio-start", PLAIN | {"rate": 8000}))
    assert isinstance(begun, Begin)
    config = begun.protocol.configured(CONFIG, Handshake(headers={}))
    assert (config.language_code, config.sample_rate_hertz, config.audio_transfer) == ("de", 8000, "raw")
    assert begun.first is None
    again = conversation.receive(event("audio-chunk", PLAIN, b"12"))
    assert isinstance(again, Begin)
    assert again.first == event("audio-chunk", PLAIN, b"12")
    assert again.protocol.configured(CONFIG, Handshake(headers={})).language_code == CONFIG.language_code


def test_what_is_wrong_is_answered_and_the_next_event_is_read() -> None:
    conversation = Conversation(SERVICE)
    for sent in (event("audio-stop"), event("audio-start", {"rate": 1}), event("detect")):
        answer = conversation.receive(sent)
        assert isinstance(answer, Answer)
        assert answer.event is not None
        assert decode(answer.event).type == "error"
    assert conversation.receive(event("describe")) == Describe()
    assert conversation.receive(event("ping", {"text": "a"})) == Answer(encode(Event("pong", {"text": "a"})))
