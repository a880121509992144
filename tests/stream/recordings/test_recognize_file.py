import pytest

from stream.configuration.config import SessionConfig
from stream.errors import ClientError, Problem
from stream.recordings.recognize_file import is_complete, recognize_whole
from stream.session.deadlines import RunnerLimits
from tests.support.recognizers import FailingStream, ScriptedRecognizer
from tests.support.sounds import clip_pcm, wav

SPEECH = clip_pcm("quick.wav") + bytes(32_000) + clip_pcm("train.wav")


async def test_every_utterance_of_a_recording_is_in_the_result() -> None:
    finished = await recognize_whole(ScriptedRecognizer(), SessionConfig(), [wav(SPEECH)], RunnerLimits())
    assert [one.utterance_id for one in finished.settled] == [1, 2]
    assert finished.received == len(SPEECH) // 2
    assert is_complete(finished)


async def test_a_recording_is_a_file_whose_hypotheses_nobody_sees() -> None:
    recognizer = ScriptedRecognizer()
    await recognize_whole(recognizer, SessionConfig(), [wav(SPEECH)], RunnerLimits())
    assert not any(stream.options.interim_results for stream in recognizer.streams)
    assert all(stream.options.is_file for stream in recognizer.streams)


async def test_a_recording_that_is_too_long_is_an_error() -> None:
    finished = await recognize_whole(
        ScriptedRecognizer(), SessionConfig(), [wav(SPEECH)], RunnerLimits(audio_seconds=2)
    )
    assert finished.error is not None
    assert finished.error.problem is Problem.TOO_LARGE
    assert finished.error.detail == "the audio is longer than 2 seconds"
    assert not is_complete(finished)


async def test_samples_that_look_like_base64_are_samples() -> None:
    explicit = SessionConfig().with_message({"audioEncoding": "LINEAR16"}, audio_began=False)
    finished = await recognize_whole(ScriptedRecognizer(), explicit, [b"AAAA" * 4000], RunnerLimits())
    assert finished.received == 8000


async def test_a_part_that_nobody_recognized_makes_it_incomplete() -> None:
    recognizer = ScriptedRecognizer(script=[FailingStream])
    finished = await recognize_whole(recognizer, SessionConfig(), [wav(SPEECH)], RunnerLimits())
    assert finished.totals.lost
    assert not is_complete(finished)


async def test_a_language_that_is_not_served_is_refused_before_anything_is_heard() -> None:
    config = SessionConfig().with_message({"languageCode": "fa"}, audio_began=False)
    with pytest.raises(ClientError, match="languageCode is fa"):
        await recognize_whole(ScriptedRecognizer(), config, [wav(SPEECH)], RunnerLimits())
