import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.protocols.farsava.messages import (
    AudioProgress,
    FinalLatency,
    FinalMessage,
    FullResult,
    PartialLatency,
    PartialMessage,
    ReadyMessage,
    SessionLimits,
    SpeechMessage,
    WarningMessage,
    WireResult,
)
from tests.support.tiers import examples
from web.cli.mic.captions import Captions, level_bar, level_db

AUDIO = AudioProgress(0.0, 0.0)
SECOND = 16_000
LOUD = (np.sin(np.arange(SECOND)) * 8_000).astype("<i2").tobytes()


def captions() -> Captions:
    return Captions("Mic", 16_000)


def partial(text: str, number: int = 0) -> PartialMessage:
    return PartialMessage(
        type="partial",
        sequence=1,
        transcription_id="id",
        duration=1.0,
        inference_time=0.1,
        status="partial",
        partial=1,
        results=[WireResult(text, 0.0, [])],
        utterance_id=number,
        revision=1,
        is_final=False,
        stability=0.1,
        stable_words=0,
        audio=AUDIO,
        latency=PartialLatency(0.0, 0.0),
    )


def final(text: str, number: int = 0) -> FinalMessage:
    return FinalMessage(
        type="final",
        sequence=1,
        transcription_id="id",
        duration=1.0,
        inference_time=0.1,
        status="partial",
        partial=1,
        results=[FullResult(text, 0.9, [], [])],
        utterance_id=number,
        is_final=True,
        reason="endpoint",
        audio=AUDIO,
        latency=FinalLatency(0.0, 0.0, 0.0),
    )


def warning(detail: str) -> WarningMessage:
    return WarningMessage(type="warning", sequence=1, transcription_id="id", code="slow", detail=detail)


def test_unsettled_text_grows_until_its_line_settles() -> None:
    shown = captions()
    assert shown.receive(partial("good")) is None
    assert shown.receive(partial("good morning")) is None
    assert shown.unsettled == "good morning"
    assert shown.receive(final("Good morning.")) == "Good morning."
    assert shown.unsettled == ""


def test_utterances_that_are_open_together_are_in_their_order() -> None:
    shown = captions()
    shown.receive(partial("second", 2))
    shown.receive(partial("first", 1))
    assert shown.unsettled == "first second"
    assert shown.receive(final("First.", 1)) == "First."
    assert shown.unsettled == "second"


def test_an_utterance_that_settles_empty_is_no_line() -> None:
    shown = captions()
    shown.receive(partial("uh"))
    assert shown.receive(final("")) is None
    assert shown.unsettled == ""


def test_text_does_not_command_the_terminal() -> None:
    shown = captions()
    shown.receive(partial("\x1b[2J"))
    assert shown.unsettled == " [2J"
    assert shown.receive(final("\x1b[2J")) == " [2J"


def test_the_language_is_that_which_the_server_chose() -> None:
    shown = captions()
    limits = SessionLimits(1, 1.0, 1.0, 1.0)
    config: dict[str, object] = {"languageCode": "fa"}
    shown.receive(
        ReadyMessage(type="ready", sequence=1, transcription_id="id", config=config, limits=limits, audio=AUDIO)
    )
    assert shown.status == "fa ░░░░░░░░░░░░ listening to Mic; Ctrl-C ends"


def test_the_level_is_shown_where_nothing_is_recognized() -> None:
    shown = captions()
    shown.hear(LOUD)
    assert shown.status == "█████████░░░ listening to Mic; Ctrl-C ends"


def test_five_seconds_without_sound_are_named_until_there_is_some() -> None:
    shown = captions()
    remark = "no sound from Mic: is it muted? `niyosha mic --devices` lists others"
    for _ in range(4):
        shown.hear(bytes(2 * SECOND))
    assert remark not in shown.status
    shown.hear(bytes(2 * SECOND))
    assert shown.status.endswith(remark)
    shown.hear(LOUD)
    assert remark not in shown.status


def test_warnings_stand_until_there_is_text_again() -> None:
    shown = captions()
    shown.receive(warning("the recognizer is behind"))
    shown.receive(SpeechMessage(type="speechStart", sequence=1, transcription_id="id", utterance_id=0, time=1.0))
    assert shown.status.endswith("the recognizer is behind")
    shown.receive(partial("good"))
    assert "behind" not in shown.status
    shown.lose(1.25)
    assert shown.status.endswith("1.2 s of sound were lost: the server is too slow")


@pytest.mark.parametrize(
    ("chunk", "decibels"),
    [
        (b"", -60.0),
        (bytes(100), -60.0),
        (np.full(100, -32_768, "<i2").tobytes(), 0.0),
        (np.full(100, 3_277, "<i2").tobytes(), -20.0),
    ],
)
def test_the_level_is_in_decibels_of_full_scale(chunk: bytes, decibels: float) -> None:
    assert level_db(chunk) == pytest.approx(decibels, abs=0.01)


@given(st.lists(st.integers(-32_768, 32_767), max_size=50))
@examples(100)
def test_the_bar_always_has_the_same_width(samples: list[int]) -> None:
    assert len(level_bar(level_db(np.array(samples, "<i2").tobytes()))) == 12
