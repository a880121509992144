"""NVIDIA's realtime protocol without a socket."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.protocols.nim.protocol import Nim
from stream.protocols.protocol import Adapter, Handshake, Opening
from stream.session.deadlines import RunnerLimits
from tests.support.protocol_client import GONE, Answers, ProtocolClient, Step
from tests.support.recognizers import CountingStream, FailingStream, ScriptedRecognizer
from tests.support.sounds import cut, numbered_pcm, wav
from tests.support.tiers import examples
from vad import FRAME_BYTES

SENTENCE = numbered_pcm([(False, 20), (True, 60), (False, 20)])
HALF = SENTENCE[: 60 * FRAME_BYTES]
SPOKEN = "w0 w1 w2"
COMMIT, DONE = {"type": "input_audio_buffer.commit"}, {"type": "input_audio_buffer.done"}
FILTER = "session.recognition_config.enable_profanity_filter"
TEXT = "conversation.item.input_audio_transcription"


def client(*script: Any) -> ProtocolClient:
    recognizer = ScriptedRecognizer(script=list(script) or [CountingStream])
    return ProtocolClient(protocol=Nim(), recognizer=recognizer)


def append(pcm: bytes, **more: object) -> dict[str, object]:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode(), **more}


def update(**session: object) -> dict[str, object]:
    return {"type": "transcription_session.update", "event_id": "mine", "session": session}


def chunks(pcm: bytes, *sizes: int) -> list[Step]:
    """Append and commit each chunk, as NVIDIA's client does."""
    return [step for piece in cut(pcm, *sizes) for step in (append(piece), COMMIT)]


def completed(answers: Answers) -> list[tuple[str, bool]]:
    return [(message["transcript"], message["is_last_result"]) for message in answers.of(f"{TEXT}.completed")]


def errors(answers: Answers) -> list[dict[str, Any]]:
    return [message["error"] for message in answers.of("error")]


def test_the_conversation_is_created_first() -> None:
    (created, *_) = client().converse(GONE).messages
    assert (created["type"], created["conversation"]["object"]) == ("conversation.created", "realtime.conversation")


def test_commits_end_no_utterance() -> None:
    answers = client().converse(*chunks(SENTENCE, 3200), GONE)
    assert [text for text, _ in completed(answers) if text] == [SPOKEN]
    assert "input_audio_buffer.committed" not in answers.types


def test_a_delta_is_the_whole_text_so_far() -> None:
    pauses: list[Step] = []
    for step in chunks(SENTENCE, 25 * FRAME_BYTES):
        pauses += [step, 0.1]
    answers = client().converse(*pauses, DONE)
    texts = [message["delta"] for message in answers.of(f"{TEXT}.delta")]
    assert texts == ["w0", "w0 w1", "w0 w1 w2"][: len(texts)]
    assert len(texts) > 1


def test_the_last_utterance_is_the_last_result() -> None:
    answers = client().converse(append(SENTENCE), append(HALF), DONE)
    assert completed(answers) == [(SPOKEN, False), ("w0", True)]
    assert answers.close_code == 1000


def test_a_client_that_is_done_after_everything_was_settled_gets_an_empty_last_result() -> None:
    answers = client().converse(append(SENTENCE), 5.0, DONE)
    assert completed(answers) == [(SPOKEN, False), ("", True)]
    assert len({message["item_id"] for message in answers.of(f"{TEXT}.completed")}) == 1


def test_a_client_without_speech_gets_an_empty_last_result() -> None:
    assert completed(client().converse(append(bytes(3200)), DONE)) == [("", True)]


def test_words_have_their_times_in_milliseconds() -> None:
    (message,) = client().converse(append(SENTENCE), DONE).of(f"{TEXT}.completed")
    words = message["words_info"]["words"]
    # The utterance begins 50 ms before its speech at 200 ms; each word lasts a quarter of a second.
    assert [(word["word"], word["start_time"], word["end_time"]) for word in words] == [
        ("w0", 150, 400),
        ("w1", 400, 650),
        ("w2", 650, 900),
    ]
    assert words[0]["confidence"] == 0.5
    assert words[0]["speaker_tag"] == 0


def test_force_eou_ends_the_utterance_behind_its_chunk() -> None:
    answers = client().converse(append(HALF, runtime_config={"force_eou": "true"}), append(SENTENCE), DONE)
    assert completed(answers) == [("w0", False), (SPOKEN, True)]


def test_an_update_takes_the_session_that_the_server_gave() -> None:
    first = client().converse(update(), DONE)
    (updated,) = first.of("transcription_session.updated")
    second = client().converse(update(**updated["session"]), append(SENTENCE), DONE)
    (again,) = second.of("transcription_session.updated")
    assert again["session"] == updated["session"]
    assert completed(second) == [(SPOKEN, True)]


def test_settings_of_an_update_are_in_force() -> None:
    answers = client().converse(
        update(
            input_audio_transcription={"language": "en-US", "model": "conformer", "prompt": "Zephyr"},
            input_audio_params={"sample_rate_hz": 16_000, "num_channels": 1},
            recognition_config={
                "max_alternatives": 9,
                "enable_automatic_punctuation": False,
                "enable_profanity_filter": False,
            },
            word_boosting={
                "enable_word_boosting": True,
                "word_boosting_list": [{"phrases": ["fox", "lazy  dog"], "boost": 30}],
            },
            endpointing_config={"stop_history": 10_000, "start_threshold": 0.5},
        ),
        append(SENTENCE),
        DONE,
    )
    (updated,) = answers.of("transcription_session.updated")
    assert updated["session"]["input_audio_transcription"]["model"] == "conformer"
    assert updated["session"]["endpointing_config"]["stop_history"] == 5000
    options = answers.streams[0].options
    assert (options.max_alternatives, options.punctuation, options.profanity_filter) == (5, False, False)
    assert (options.phrases, options.boost) == (("fox", "lazy dog", "Zephyr"), 30)


def test_a_file_is_known_by_its_header() -> None:
    file = wav(SENTENCE)
    answers = client().converse(
        update(input_audio_format="none", input_audio_params={"num_channels": 2}), *chunks(file, 1000), DONE
    )
    assert completed(answers) == [(SPOKEN, True)]
    assert not errors(answers)


def test_what_is_cleared_has_no_text() -> None:
    answers = client().converse(append(HALF), {"type": "input_audio_buffer.clear"}, append(SENTENCE), DONE)
    assert completed(answers) == [(SPOKEN, True)]
    assert "input_audio_buffer.cleared" in answers.types


def test_a_recognizer_that_fails_ends_the_session_with_an_error() -> None:
    answers = client(FailingStream).converse(append(SENTENCE * 3), DONE)
    assert (answers.types[-1], answers.close_code) == ("error", 1011)
    assert [is_last for _, is_last in completed(answers)] == [False] * 3


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("no JSON", None),
        ({"type": "input_audio_buffer.append"}, "audio"),
        ({"type": "input_audio_buffer.append", "audio": "?"}, "audio"),
        ({"type": "input_audio_buffer.append", "audio": "", "runtime_config": 1}, "runtime_config"),
        ({"type": "session.update", "session": {}}, "type"),
        ({"type": "transcription_session.update"}, "session"),
        (update(input_audio_format="mp3"), "session.input_audio_format"),
        (update(input_audio_params=1), "session.input_audio_params"),
        (update(input_audio_params={"num_channels": 2}), "session.input_audio_params.num_channels"),
        (update(input_audio_params={"sample_rate_hz": 1}), "session.input_audio_params.sample_rate_hz"),
        (update(input_audio_transcription={"language": 1}), "session.input_audio_transcription.language"),
        (update(recognition_config={"max_alternatives": "1"}), "session.recognition_config.max_alternatives"),
        (
            update(recognition_config={"enable_profanity_filter": 1}),
            "session.recognition_config.enable_profanity_filter",
        ),
        (
            update(speaker_diarization={"enable_speaker_diarization": True}),
            "session.speaker_diarization.enable_speaker_diarization",
        ),
        (
            update(word_boosting={"enable_word_boosting": True, "word_boosting_list": [1]}),
            "session.word_boosting.word_boosting_list",
        ),
    ],
)
def test_a_wrong_message_is_an_error_and_the_session_goes_on(message: Step, param: str | None) -> None:
    answers = client().converse(message, append(SENTENCE), DONE)
    (error,) = errors(answers)
    assert error["param"] == param
    assert completed(answers) == [(SPOKEN, True)]


def test_a_language_that_is_not_served_is_an_error_and_the_session_goes_on() -> None:
    answers = client().converse(update(input_audio_transcription={"language": "tlh"}), append(SENTENCE), DONE)
    (error,) = errors(answers)
    assert error["event_id"] == "mine"
    assert completed(answers) == [(SPOKEN, True)]


def test_the_token_is_found_in_the_subprotocols() -> None:
    offered = Handshake(headers={}, subprotocols=("realtime", "realtime-token.a.b.c"))
    assert (Nim().token(offered), Nim().subprotocol(offered)) == ("a.b.c", "realtime")
    assert Nim().token(Handshake(headers={})) is Nim().subprotocol(Handshake(headers={})) is None


def test_a_refusal_has_the_detail_that_the_client_shows() -> None:
    body = json.loads(Nim().refusal(ClientError(Problem.UNAUTHENTICATED, "a token is needed")))
    assert body["detail"] == "a token is needed"


@examples(15)
@given(st.lists(st.integers(333, 9000), min_size=1, max_size=6))
def test_what_is_said_does_not_depend_on_cuts(sizes: list[int]) -> None:
    pieces = client().converse(*chunks(SENTENCE * 2, *sizes), DONE)
    whole = client().converse(append(SENTENCE * 2), DONE)
    assert [text for text, _ in completed(pieces) if text] == [SPOKEN] * 2
    assert [is_last for _, is_last in completed(pieces)].count(True) == 1
    words = [
        [m["words_info"] for m in answers.of(f"{TEXT}.completed") if m["transcript"]] for answers in (pieces, whole)
    ]
    assert words[0] == words[1]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_SECTIONS = ("input_audio_format", "input_audio_params", "recognition_config", "word_boosting", "endpointing_config")
_FIELDS = (
    "sample_rate_hz",
    "num_channels",
    "max_alternatives",
    "enable_word_boosting",
    "word_boosting_list",
    "phrases",
)
_SESSIONS = st.dictionaries(
    st.sampled_from(_SECTIONS), _JSON | st.dictionaries(st.sampled_from(_FIELDS), _JSON, max_size=3), max_size=4
)
_EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["transcription_session.update", "input_audio_buffer.append", "x"])},
    optional={"session": _SESSIONS, "audio": _JSON, "event_id": _JSON, "runtime_config": _JSON},
).map(json.dumps)


def adapter() -> Adapter:
    return Nim().open(
        Opening(
            transcription_id="x",
            handshake=Handshake(headers={}),
            opened_at=0.0,
            max_message_bytes=1 << 20,
            limits=RunnerLimits(),
        )
    )


@examples(200)
@given(st.text() | st.binary() | _EVENTS | _JSON.map(json.dumps))
def test_any_message_is_understood_or_answered(message: str | bytes) -> None:
    assert adapter().read(message)


def test_a_fault_of_the_server_is_an_error() -> None:
    (message,) = adapter().write_failure(Problem.INTERNAL, "it broke", SessionConfig())
    assert json.loads(message)["error"]["message"] == "it broke"
