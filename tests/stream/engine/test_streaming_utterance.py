"""A streaming model's utterance, with a model that hears each spoken half second as one more word."""

import numpy as np
import pytest

from stream.engine.model.features import Samples
from stream.engine.model.hypotheses import DecodedWord, Decoding, Hypothesis
from stream.engine.scheduling.load_control import DecodeIntervals
from stream.engine.scheduling.work import DecodeRequest, Work
from stream.engine.streaming_utterance import StreamingUtterance
from stream.engine.utterance import Partial, UtteranceState
from tests.support.sounds import SPEECH_FRAME
from vad import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE

PACE = DecodeIntervals(step_samples=8_000, pause_samples=4_000, word_pause_samples=2_400)
STEP_SAMPLES = 1_280
LOOKAHEAD_SAMPLES = 1_600


class CountingStream:
    """Hears a word in each half second of sound; counts the samples that it is fed."""

    is_ended = False
    lookahead_samples = LOOKAHEAD_SAMPLES

    def __init__(self) -> None:
        self.fed_samples = self.sounding_samples = 0

    @property
    def due_samples(self) -> int:
        return self.fed_samples // STEP_SAMPLES * STEP_SAMPLES + STEP_SAMPLES

    def feed(self, samples: Samples) -> Hypothesis:
        self.fed_samples += len(samples)
        self.sounding_samples += int(np.count_nonzero(samples))
        texts = [f"word{number}" for number in range(self.sounding_samples * 2 // SAMPLE_RATE)]
        return Hypothesis(tuple(DecodedWord(text=text, tokens=(1,)) for text in texts))

    def finish(self, samples: Samples) -> Hypothesis:
        return self.feed(samples[:0])


class Speaker:
    """An utterance that grows, and what was decoded of it."""

    def __init__(
        self, *, first_pass_samples: int | None = None, hangover_samples: int | None = None, settles_words: bool = True
    ) -> None:
        self.stream = CountingStream()
        self.utterance = StreamingUtterance(
            0,
            self.stream,
            first_pass_samples=first_pass_samples,
            hangover_samples=hangover_samples,
            settles_words=settles_words,
        )

    def add(self, seconds: float, *, is_speech: bool, sounds: bool | None = None) -> list[Partial]:
        """Add audio, and decode whenever a step is due; return the partials."""
        frame = SPEECH_FRAME if (is_speech if sounds is None else sounds) else bytes(FRAME_BYTES)
        partials = []
        for _ in range(round(seconds * 100)):
            self.utterance.append(frame, bytes([is_speech]))
            if (work := self.utterance.wants(PACE)) is not None:
                partials.append(self.decode(self.utterance.begin(work)))
        return partials

    def decode(self, request: DecodeRequest) -> Partial:
        assert request.stream is self.stream
        hypothesis = self.stream.feed(request.samples)
        return self.utterance.update(request, Decoding((hypothesis,), 0.0, "en"))


def test_a_step_is_wanted_as_soon_as_the_model_can_take_one() -> None:
    utterance = Speaker().utterance
    for _ in range(7):
        utterance.append(SPEECH_FRAME, b"\1")
    assert utterance.wants(PACE) is None
    utterance.append(SPEECH_FRAME, b"\1")
    assert utterance.wants(PACE) is Work.PARTIAL
    assert len(utterance.begin(Work.PARTIAL).samples) == STEP_SAMPLES


def test_audio_is_fed_once_and_the_rest_with_the_final() -> None:
    speaker = Speaker()
    speaker.add(1.99, is_speech=True)
    speaker.utterance.complete()
    request = speaker.utterance.begin(Work.FINAL)
    assert request.fed_samples == speaker.stream.fed_samples
    assert len(request.samples) == speaker.utterance.n_samples == round(1.99 * SAMPLE_RATE)


def test_all_words_but_the_last_are_stable() -> None:
    speaker = Speaker()
    partials = speaker.add(2.1, is_speech=True)
    assert [(partial.stable, partial.tail) for partial in partials[-1:]] == [("word0 word1 word2", " word3")]
    before = ""
    for partial in partials:
        assert partial.stable.startswith(before)
        before = partial.stable


def test_no_word_is_stable_if_another_model_settles_them() -> None:
    speaker = Speaker(settles_words=False)
    partials = speaker.add(2.1, is_speech=True)
    assert [(partial.stable, partial.tail) for partial in partials[-1:]] == [("", "word0 word1 word2 word3")]
    assert speaker.utterance.begin(Work.FINAL).sent_tokens == ()
    speaker.utterance.note_sent()
    assert len(speaker.utterance.begin(Work.FINAL).sent_tokens) == 4


def test_a_text_that_was_sent_is_not_new_for_a_second() -> None:
    speaker = Speaker()
    (*_, last) = speaker.add(0.56, is_speech=True)
    assert last.is_new
    speaker.utterance.note_sent()
    assert not any(partial.is_new for partial in speaker.add(0.9, is_speech=False))
    assert any(partial.is_new for partial in speaker.add(0.2, is_speech=False))


def test_nothing_is_wanted_once_the_utterance_is_complete() -> None:
    speaker = Speaker()
    speaker.add(0.5, is_speech=True)
    speaker.utterance.append(bytes(FRAME_BYTES * 20), bytes(20))
    assert speaker.utterance.wants(PACE) is Work.PARTIAL
    speaker.utterance.complete()
    assert speaker.utterance.wants(PACE) is None


def test_a_first_pass_comes_once_in_a_pause_that_the_model_has_seen() -> None:
    speaker = Speaker(first_pass_samples=SAMPLE_RATE // 10)
    speaker.add(0.6, is_speech=True)
    assert not speaker.utterance.wants_first_pass
    waited = 0
    while not speaker.utterance.wants_first_pass:
        speaker.add(0.01, is_speech=False)
        waited += FRAME_SAMPLES
    assert LOOKAHEAD_SAMPLES <= waited <= LOOKAHEAD_SAMPLES + STEP_SAMPLES
    speaker.utterance.note_first_pass()
    speaker.add(1, is_speech=False)
    assert not speaker.utterance.wants_first_pass
    speaker.add(0.6, is_speech=True)
    speaker.add(0.5, is_speech=False)
    assert speaker.utterance.wants_first_pass


def test_the_model_ends_an_utterance_that_the_detector_does_not() -> None:
    speaker = Speaker(hangover_samples=SAMPLE_RATE * 8 // 10)
    speaker.add(1.1, is_speech=True)
    # A hum that the detector takes for speech, and in which the model finds no words.
    speaker.add(1.0, is_speech=True, sounds=False)
    assert not speaker.utterance.has_ended
    speaker.add(0.4, is_speech=True, sounds=False)
    assert speaker.utterance.has_ended


def test_sound_before_the_first_word_is_no_end() -> None:
    speaker = Speaker(hangover_samples=SAMPLE_RATE // 2)
    speaker.add(3, is_speech=True, sounds=False)
    assert not speaker.utterance.has_ended


def test_a_mark_of_the_model_ends_the_utterance_at_once() -> None:
    speaker = Speaker(hangover_samples=SAMPLE_RATE // 2)
    speaker.add(0.6, is_speech=True)
    assert not speaker.utterance.has_ended
    speaker.stream.is_ended = True
    assert speaker.utterance.has_ended


def test_a_client_that_finds_the_endpoints_ends_it_alone() -> None:
    speaker = Speaker()
    speaker.add(0.6, is_speech=True)
    speaker.stream.is_ended = True
    speaker.add(3, is_speech=True, sounds=False)
    assert not speaker.utterance.has_ended


@pytest.mark.parametrize(("words", "n_hypotheses"), [((), 0), ((DecodedWord(text="yes", tokens=(1,)),), 1)])
def test_without_words_there_is_no_hypothesis(words: tuple[DecodedWord, ...], n_hypotheses: int) -> None:
    utterance = Speaker().utterance
    utterance.complete()
    assert len(utterance.settle(Decoding((Hypothesis(words),), 0.0, "en"))) == n_hypotheses
    assert utterance.state is UtteranceState.SETTLED
