import pytest

from tests.support.sounds import SILENT_FRAME, SPEECH_FRAME, MarkedClassifier, clip_pcm
from vad import FRAME_SAMPLES, Framer, WebRtcClassifier, speech_samples


def test_speech_is_told_from_silence() -> None:
    classifier = WebRtcClassifier(3)
    speech = classifier.classify(Framer().push(clip_pcm("quick.wav")))
    silence = classifier.classify(SILENT_FRAME * 100)
    assert sum(speech) > len(speech) * 0.7
    assert not any(silence[20:])


@pytest.mark.parametrize("aggressiveness", [-1, 4])
def test_an_unknown_mode_is_refused_with_the_allowed_ones(aggressiveness: int) -> None:
    with pytest.raises(ValueError, match=f"^aggressiveness is {aggressiveness}; it must be between 0 and 3$"):
        WebRtcClassifier(aggressiveness)


def test_speech_is_measured_in_whole_frames() -> None:
    pcm = SPEECH_FRAME * 3 + SILENT_FRAME * 2 + SPEECH_FRAME[:100]
    assert speech_samples(MarkedClassifier(), pcm) == 3 * FRAME_SAMPLES
