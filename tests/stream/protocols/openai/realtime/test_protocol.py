"""A Realtime session without a socket: the events of a client, and those it gets for them."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.openai.realtime.protocol import OpenAIRealtime, RealtimeAdapter
from stream.protocols.openai.realtime.session_settings import UpdateReader
from stream.protocols.protocol import Handshake, Opening
from stream.session.commands import ClientInput, Discard, Finalize, Reply
from stream.session.deadlines import RunnerLimits
from tests.support.protocol_client import GONE, Answers, ProtocolClient, Step
from tests.support.recognizers import CountingStream, FailingStream, ScriptedRecognizer
from tests.support.sounds import cut, numbered_pcm
from tests.support.tiers import examples
from vad import FRAME_BYTES

SENTENCE = numbered_pcm([(False, 20), (True, 60), (False, 20)])
SPOKEN = "w0 w1 w2"
COMMIT, CLEAR = {"type": "input_audio_buffer.commit"}, {"type": "input_audio_buffer.clear"}
TEXT = "conversation.item.input_audio_transcription"
BETA = Handshake(headers={"openai-beta": "realtime=v1"})
# Commands are read at 16 kHz, so that the frames of a test are those of the session.
CONFIG = SessionConfig(
    preroll_ms=50, hangover_ms=100, sample_rate_hertz=16_000, explicit=frozenset({"sampleRateHertz"})
)


def client(handshake: Handshake | None = None, *script: Any, **changed: Any) -> ProtocolClient:
    recognizer = ScriptedRecognizer(script=list(script) or [CountingStream])
    return ProtocolClient(
        protocol=OpenAIRealtime(),
        handshake=handshake or Handshake(headers={}),
        config=replace(CONFIG, **changed),
        recognizer=recognizer,
    )


def append(pcm: bytes, **more: object) -> dict[str, object]:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode(), **more}


def update(audio_input: object, **session: object) -> dict[str, object]:
    return {
        "type": "session.update",
        "event_id": "mine",
        "session": {"type": "transcription", "audio": {"input": audio_input}, **session},
    }


MANUAL = update({"turn_detection": None})


def errors(answers: Answers) -> list[dict[str, Any]]:
    return [message["error"] for message in answers.of("error")]


def transcripts(answers: Answers) -> list[str]:
    return [message["transcript"] for message in answers.of(f"{TEXT}.completed")]


def deltas(answers: Answers) -> dict[str, str]:
    """The text of each item, as a client that appends deltas has it."""
    texts: dict[str, str] = {}
    for message in answers.of(f"{TEXT}.delta"):
        texts[message["item_id"]] = texts.get(message["item_id"], "") + message["delta"]
    return texts


def completed(answers: Answers) -> dict[str, str]:
    return {message["item_id"]: message["transcript"] for message in answers.of(f"{TEXT}.completed")}


# --- speech that the detector finds ---


def test_an_utterance_is_an_item_with_its_events_in_order() -> None:
    answers = client().converse(append(SENTENCE), GONE)
    assert answers.types == [
        "session.created",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        f"{TEXT}.delta",
        f"{TEXT}.completed",
    ]
    started, stopped, committed, added, done = answers.messages[1:6]
    # 0.2 s of silence, 0.6 s of speech, and the 0.1 s that end it.
    assert (started["audio_start_ms"], stopped["audio_end_ms"]) == (200, 900)
    assert committed["previous_item_id"] is None
    assert added["item"] == done["item"]
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    assert {message.get("item_id", started["item_id"]) for message in answers.messages[1:]} == {started["item_id"]}
    assert answers.messages[-1]["usage"] == {"type": "duration", "seconds": 0.75}
    assert transcripts(answers) == [SPOKEN]


def test_every_event_has_an_id_of_its_own() -> None:
    answers = client().converse(append(SENTENCE), {"type": "?"}, GONE)
    assert len({message["event_id"] for message in answers.messages}) == len(answers.messages)


def test_items_name_the_one_before() -> None:
    answers = client().converse(append(SENTENCE * 2), GONE)
    first, second = answers.of("input_audio_buffer.committed")
    assert (first["previous_item_id"], second["previous_item_id"]) == (None, first["item_id"])


def test_a_commit_ends_the_speech_and_is_answered_once() -> None:
    answers = client().converse(append(SENTENCE[: 60 * FRAME_BYTES]), COMMIT, GONE)
    assert answers.types.count("input_audio_buffer.committed") == 1
    assert transcripts(answers) == ["w0"]


def test_a_commit_without_speech_is_an_item_without_text() -> None:
    answers = client().converse(append(bytes(FRAME_BYTES) * 20), COMMIT, GONE)
    assert answers.types[1:] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        f"{TEXT}.completed",
    ]
    assert transcripts(answers) == [""]


def test_a_commit_of_nothing_is_an_error_and_the_session_goes_on() -> None:
    answers = client().converse(COMMIT | {"event_id": "e"}, append(SENTENCE), COMMIT, COMMIT, GONE)
    assert [(error["code"], error["event_id"]) for error in errors(answers)] == [
        ("input_audio_buffer_commit_empty", "e"),
        ("input_audio_buffer_commit_empty", None),
    ]
    assert transcripts(answers) == [SPOKEN, ""]


# --- turn_detection: null ---


def test_without_detection_an_item_is_what_is_committed() -> None:
    answers = client().converse(MANUAL, append(SENTENCE * 2), COMMIT, append(SENTENCE), COMMIT, GONE)
    assert "input_audio_buffer.speech_started" not in answers.types
    assert transcripts(answers) == ["w0 w1 w2 w3 w4 w5 w6 w7", "w0 w1 w2 w3"]
    assert deltas(answers) == completed(answers)


def test_audio_that_was_not_committed_is_completed_at_the_end() -> None:
    answers = client().converse(MANUAL, append(SENTENCE), GONE)
    assert transcripts(answers) == ["w0 w1 w2 w3"]


def test_what_is_longer_than_an_utterance_is_one_item() -> None:
    speech = numbered_pcm([(True, 250)])
    answers = client(max_utterance_ms=2000).converse(MANUAL, append(speech), COMMIT, GONE)
    assert len(answers.streams) == 2
    (text,) = transcripts(answers)
    # The longest utterance is cut within its last two seconds, where the sound is quietest.
    assert text == "w0 w1 w2 w3 w4 w5 w0 w1 w2"
    assert list(deltas(answers).values()) == [text]
    assert answers.of(f"{TEXT}.completed")[0]["usage"]["seconds"] == 2.5


def test_what_is_cleared_has_no_text() -> None:
    answers = client().converse(MANUAL, append(SENTENCE), CLEAR, append(SENTENCE * 2), COMMIT, GONE)
    assert answers.types.count("input_audio_buffer.cleared") == 1
    assert transcripts(answers) == ["w0 w1 w2 w3 w4 w5 w6 w7"]


def test_clearing_spares_what_was_committed() -> None:
    answers = client().converse(MANUAL, append(SENTENCE), COMMIT, append(SENTENCE), CLEAR, COMMIT, GONE)
    assert transcripts(answers) == ["w0 w1 w2 w3"]
    assert [error["code"] for error in errors(answers)] == ["input_audio_buffer_commit_empty"]


def test_detection_can_be_switched_off_and_on_after_the_first_audio() -> None:
    server_vad = update({"turn_detection": {"type": "server_vad", "silence_duration_ms": 100}})
    answers = client().converse(append(SENTENCE), MANUAL, append(SENTENCE), server_vad, append(SENTENCE), GONE)
    assert answers.types.count("input_audio_buffer.speech_started") == 2
    assert answers.types.count("input_audio_buffer.committed") == 3
    assert transcripts(answers) == [SPOKEN, "w0 w1 w2 w3", SPOKEN]
    assert not errors(answers)


def shown_detection(message: dict[str, Any]) -> object:
    return message["session"]["audio"]["input"]["turn_detection"]


def test_a_model_whose_clients_commit_has_no_detector_unless_one_is_asked_for() -> None:
    whisper = {"transcription": {"model": "gpt-realtime-whisper"}}
    other = {"transcription": {"model": "gpt-4o-transcribe"}}
    answers = client().converse(update(whisper), update(other), update(whisper), append(SENTENCE), COMMIT, GONE)
    shown = [shown_detection(message) for message in answers.of("session.updated")]
    assert [detection is None for detection in shown] == [True, False, True]
    assert transcripts(answers) == ["w0 w1 w2 w3"]
    asked = client().converse(update(whisper | {"turn_detection": {"type": "server_vad"}}), update(whisper), GONE)
    assert None not in [shown_detection(message) for message in asked.of("session.updated")]


def test_the_address_may_name_such_a_model() -> None:
    named = Handshake(headers={}, query=(("intent", "transcription"), ("model", "gpt-live-transcribe")))
    created, updated = client(named).converse(update({"transcription": {"model": "whisper-1"}}), GONE).messages
    assert shown_detection(created) is None
    assert shown_detection(updated) is not None


# --- the session ---


def test_the_server_speaks_first_and_shows_the_session() -> None:
    (created,) = client().converse(GONE).messages
    assert created["type"] == "session.created"
    assert created["session"] == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": "sess_0a1b2c3d00004000800000000000000f",
        "expires_at": 1_000_000 + 240 * 60,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 16_000},
                "transcription": {"model": "whisper-1", "language": None, "prompt": "", "keywords": []},
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 50,
                    "silence_duration_ms": 100,
                },
            }
        },
        "include": None,
    }


def test_pcm_is_24_khz_unless_told_otherwise() -> None:
    config = OpenAIRealtime().configured(SessionConfig(), Handshake(headers={}))
    assert config.sample_rate_hertz == 24_000
    assert (config.channels, config.audio_transfer) == (1, "raw")


def test_an_update_changes_only_what_it_names() -> None:
    transcription = {"model": "gpt-4o-transcribe", "language": "en-US", "prompt": "", "keywords": ["Zephyr"]}
    answers = client().converse(
        update({"transcription": transcription, "noise_reduction": {"type": "near_field"}}),
        update({"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}),
        GONE,
    )
    assert answers.types == ["session.created", "session.updated", "session.updated"]
    shown = answers.messages[-1]["session"]["audio"]["input"]
    assert shown["transcription"] == transcription
    assert shown["noise_reduction"] == {"type": "near_field"}
    assert shown["turn_detection"] == {"type": "semantic_vad", "eagerness": "low"}


@pytest.mark.parametrize(
    ("detection", "pause_ms", "endpointing"),
    [
        ({"type": "semantic_vad"}, 600, "adaptive"),
        ({"type": "semantic_vad", "eagerness": "high"}, 300, "adaptive"),
        ({"type": "server_vad", "silence_duration_ms": 500}, 500, "fixed"),
    ],
)
def test_semantic_detection_adapts_its_pauses(detection: dict[str, object], pause_ms: int, endpointing: str) -> None:
    update = UpdateReader(SessionConfig()).read({"turn_detection": detection})
    assert (update.values["hangoverMs"], update.values["endpointing"]) == (pause_ms, endpointing)


def test_logprobs_are_there_if_included() -> None:
    include = update({}, include=["item.input_audio_transcription.logprobs"])
    answers = client().converse(include, append(SENTENCE), GONE)
    (message,) = answers.of(f"{TEXT}.completed")
    assert "".join(one["token"] for one in message["logprobs"]) == SPOKEN
    assert message["logprobs"][0] == {"token": "w0", "logprob": pytest.approx(-0.693, abs=0.001), "bytes": [119, 48]}
    (without,) = client().converse(append(SENTENCE), GONE).of(f"{TEXT}.completed")
    assert without["logprobs"] is None


def test_the_beta_version_has_its_own_shapes() -> None:
    session = {"input_audio_format": "g711_ulaw", "turn_detection": {"type": "server_vad", "silence_duration_ms": 100}}
    update_beta = {"type": "transcription_session.update", "session": session}
    answers = client(BETA).converse(update_beta, append(b"\xff" * 8000), COMMIT, GONE)
    assert answers.types == [
        "transcription_session.created",
        "transcription_session.updated",
        "input_audio_buffer.committed",
        "conversation.item.created",
        f"{TEXT}.completed",
    ]
    created, updated = (message["session"] for message in answers.messages[:2])
    assert (created["input_audio_format"], updated["input_audio_format"]) == ("pcm16", "g711_ulaw")
    assert updated["turn_detection"]["silence_duration_ms"] == 100
    assert "audio" not in updated


@pytest.mark.parametrize(
    ("handshake", "first"),
    [
        (Handshake(headers={}), "session.created"),
        (BETA, "transcription_session.created"),
        (Handshake(headers={}, subprotocols=("realtime", "openai-beta.realtime-v1")), "transcription_session.created"),
    ],
)
def test_the_handshake_chooses_the_version(handshake: Handshake, first: str) -> None:
    assert client(handshake).converse(GONE).types == [first]


def test_the_name_of_an_update_chooses_the_version_too() -> None:
    assert client().converse({"type": "transcription_session.update", "session": {}}, GONE).types == [
        "session.created",
        "transcription_session.updated",
    ]


# --- what is wrong ---


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("no JSON", "invalid_message", None),
        (b"\xff\xfe" * 300, "invalid_message", None),
        ("[" * 100_000, "invalid_message", None),
        ('{"type":"x","y":[' + "1," * 80_000 + "1]}", "invalid_message", None),
        ("[]", "invalid_message", None),
        ({}, "missing_required_parameter", "type"),
        ({"type": 1}, "invalid_value", "type"),
        ({"type": "response.create"}, "invalid_value", "type"),
        ({"type": "x", "event_id": "x" * 600}, "invalid_value", "event_id"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
        ({"type": "input_audio_buffer.append", "audio": "?"}, "invalid_value", "audio"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "session.update", "session": []}, "invalid_type", "session"),
        ('{"type":"session.update","session":{"a":1,"a":2}}', "invalid_value", "session"),
    ],
)
def test_a_wrong_event_is_an_error_and_the_session_goes_on(message: Step, code: str, param: str | None) -> None:
    answers = client().converse(message, append(SENTENCE), GONE)
    (error,) = errors(answers)
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    assert error["message"].isprintable()
    assert transcripts(answers) == [SPOKEN]


def test_an_error_names_the_event_of_the_client_even_if_that_cannot_be_read() -> None:
    answers = client().converse(append(b"", event_id="one"), append(b"x") | {"audio": "?", "event_id": "two"}, GONE)
    assert [error["event_id"] for error in errors(answers)] == ["two"]


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"type": "realtime"}, "session.type"),
        ({"audio": {"input": {"format": {"type": "audio/opus"}}}}, "session.audio.input.format"),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 4000}}}}, "session.audio.input.format.rate"),
        ({"input_audio_format": "mp3"}, "session.input_audio_format"),
        ({"audio": []}, "session.audio"),
        ({"audio": {"input": {"turn_detection": {"type": "none"}}}}, "session.audio.input.turn_detection.type"),
        ({"turn_detection": {"threshold": 2}}, "session.turn_detection.threshold"),
        ({"turn_detection": {"prefix_padding_ms": "1"}}, "session.turn_detection.prefix_padding_ms"),
        ({"turn_detection": {"type": "semantic_vad", "eagerness": "x"}}, "session.turn_detection.eagerness"),
        ({"audio": {"input": {"transcription": {"keywords": "x"}}}}, "session.audio.input.transcription.keywords"),
        ({"audio": {"input": {"transcription": {"prompt": 1}}}}, "session.audio.input.transcription.prompt"),
        ({"include": ["usage"]}, "session.include"),
    ],
)
def test_a_wrong_setting_is_named_and_changes_nothing(session: dict[str, object], param: str) -> None:
    answers = client().converse({"type": "session.update", "event_id": "mine", "session": session}, GONE)
    (error,) = errors(answers)
    assert (error["param"], error["event_id"]) == (param, "mine")
    assert answers.types == ["session.created", "error"]


def test_a_language_that_is_not_served_is_an_error_and_the_session_goes_on() -> None:
    wrong, right = (update({"transcription": {"language": language}}) for language in ("tlh", "en"))
    answers = client().converse(wrong, right, append(SENTENCE), GONE)
    (error,) = errors(answers)
    assert (error["code"], error["event_id"]) == ("invalid_config", "mine")
    assert error["message"].startswith("languageCode is tlh, which no model of this server recognizes")
    (updated,) = answers.of("session.updated")
    assert updated["session"]["audio"]["input"]["transcription"]["language"] == "en"
    assert transcripts(answers) == [SPOKEN]


def test_the_format_is_frozen_by_the_first_audio() -> None:
    answers = client().converse(append(SENTENCE), update({"format": {"type": "audio/pcmu"}}), append(SENTENCE), GONE)
    assert [error["event_id"] for error in errors(answers)] == ["mine"]
    assert transcripts(answers) == [SPOKEN, SPOKEN]


def test_an_utterance_of_a_recognizer_that_failed_has_the_text_that_is_known() -> None:
    answers = client(None, FailingStream, CountingStream).converse(append(SENTENCE * 2), GONE)
    assert transcripts(answers) == ["w0 w1", SPOKEN]


def test_a_recognizer_that_fails_again_and_again_ends_the_session_with_an_error() -> None:
    answers = client(None, FailingStream).converse(append(SENTENCE * 3), GONE)
    assert errors(answers)[-1]["type"] == "server_error"
    assert (answers.close_code, answers.types[-1]) == (1011, "error")


def test_the_longest_session_ends_with_the_code_of_openai() -> None:
    opened = client()
    opened.limits = RunnerLimits(stream_seconds=60, idle_seconds=1000)
    answers = opened.converse(append(SENTENCE))
    (error,) = errors(answers)
    assert (error["code"], answers.close_code) == ("session_expired", 1000)
    assert error["message"] == "the session reached its longest duration of 1 minutes; connect again"


# --- handshakes ---


def test_another_intent_is_refused_in_the_shape_of_openai() -> None:
    protocol = OpenAIRealtime()
    with pytest.raises(ClientError) as caught:
        protocol.configured(SessionConfig(), Handshake(headers={}, query=(("intent", "conversation"),)))
    assert json.loads(protocol.refusal(caught.value))["error"] == {
        "message": 'intent is "conversation"; it must be transcription, all that this server does',
        "type": "invalid_request_error",
        "param": "intent",
        "code": "unsupported_value",
    }


@pytest.mark.parametrize("intent", ["transcription", "transcription?intent=transcription"])
def test_an_intent_that_was_added_twice_is_taken(intent: str) -> None:
    OpenAIRealtime().configured(SessionConfig(), Handshake(headers={}, query=(("intent", intent),)))


def test_the_key_is_found_in_the_subprotocols() -> None:
    protocol = OpenAIRealtime()
    offered = Handshake(headers={}, subprotocols=("realtime", "openai-insecure-api-key.a.b.c"))
    assert (protocol.token(offered), protocol.subprotocol(offered)) == ("a.b.c", "realtime")
    assert protocol.token(Handshake(headers={})) is protocol.subprotocol(Handshake(headers={})) is None


def test_a_server_without_a_detector_has_one_for_these_clients() -> None:
    assert OpenAIRealtime().configured(SessionConfig(vad="off"), Handshake(headers={})).vad == "webrtc"
    assert OpenAIRealtime().configured(SessionConfig(vad="manual"), Handshake(headers={})).is_manual


# --- any cut, any message ---


@examples(15)
@given(
    sizes=st.lists(st.integers(333, 9000), min_size=1, max_size=6),
    is_manual=st.booleans(),
)
def test_what_is_said_does_not_depend_on_cuts(sizes: list[int], is_manual: bool) -> None:
    begin: list[Step] = [MANUAL] if is_manual else []
    pieces = [append(piece) for piece in cut(SENTENCE * 2, *sizes)]
    answers = client().converse(*begin, *pieces, COMMIT, GONE)
    whole = client().converse(*begin, append(SENTENCE * 2), COMMIT, GONE)
    assert transcripts(answers) == transcripts(whole)
    assert deltas(answers) == {item: text for item, text in completed(answers).items() if text}
    positions = [m for m in answers.messages if m["type"].startswith("input_audio_buffer.speech_")]
    shown = {"event_id"}
    assert [{k: v for k, v in m.items() if k not in shown} for m in positions] == [
        {k: v for k, v in m.items() if k not in shown}
        for m in whole.messages
        if m["type"].startswith("input_audio_buffer.speech_")
    ]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "audio", "input", "format", "turn_detection", "transcription", "rate", "language"])
            | st.text(max_size=4),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
_EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["session.update", "transcription_session.update", "input_audio_buffer.append", "x"])},
    optional={"session": _JSON, "audio": _JSON, "event_id": _JSON},
).map(json.dumps)


def adapter() -> RealtimeAdapter:
    opening = Opening(
        transcription_id="x",
        handshake=Handshake(headers={}),
        opened_at=0.0,
        max_message_bytes=1 << 20,
        limits=RunnerLimits(),
    )
    return RealtimeAdapter(opening)


@examples(200)
@given(st.text() | st.binary() | _EVENTS | _JSON.map(json.dumps))
def test_any_message_is_understood_or_answered(message: str | bytes) -> None:
    inputs: tuple[ClientInput, ...] = adapter().read(message)
    assert inputs
    assert all(isinstance(one, bytes | Reply) or hasattr(one, "values") for one in inputs)


def test_commands_are_those_of_the_session() -> None:
    reader = adapter()
    assert reader.read(json.dumps(CLEAR)) == (Discard(),)
    assert reader.read(json.dumps(append(b"ab"))) == (b"ab",)
    assert reader.read(json.dumps(COMMIT))[1] == Finalize()


def test_a_fault_of_the_server_is_an_error_of_the_server() -> None:
    (message,) = adapter().write_failure(Problem.INTERNAL, "it broke", SessionConfig())
    error = json.loads(message)["error"]
    assert (error["type"], error["code"], error["message"]) == ("server_error", "internal", "it broke")
